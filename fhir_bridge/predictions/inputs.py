"""A model's numeric inputs as it declares them, and how they are read from a record: by code or value set, in the
model's unit, not too old, and within what can be true.

The newest statement decides, or the greatest or the mean of those within the window. Where one that decides can't be
read, or can't be true, the input is refused; another value never takes its place in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal

from fhir_bridge.fhir.molar_masses import charge, counts_equivalents, molar_mass
from fhir_bridge.fhir.ucum import Incommensurable, UcumError, convert
from fhir_bridge.predictions.contract import RefusalReason
from fhir_bridge.predictions.record import (
    AHEAD,
    SETTLED,
    Evidence,
    Modality,
    PatientRecord,
    codings,
    effective_of,
    modality_of,
    moment_of,
)
from fhir_bridge.predictions.times import CLOCKS
from fhir_bridge.predictions.value_sets import UNDECIDED, codes_of

__all__ = [
    "CHOLESTEROL_MOLAR_MASS",
    "CLOCKS",
    "LOINC",
    "SNOMED",
    "UNSETTLED",
    "ImplausibleInput",
    "MissingInput",
    "Pick",
    "QuantityInput",
    "Reading",
    "UnusableInput",
    "age_on",
    "check_date",
    "is_not_measured",
    "last_moment",
    "loinc",
    "sex_at_birth",
    "shown_value",
]

LOINC = "http://loinc.org"
UCUM: Final = "http://unitsofmeasure.org"
SNOMED = "http://snomed.info/sct"
CHOLESTEROL_MOLAR_MASS = Decimal("386.65")
"""g/mol; converts mg/dL of cholesterol (total, HDL, LDL) to mmol/L."""

_OLDEST: Final = 120
"""Years. The oldest person whose age is beyond doubt reached 122."""

Pick = Literal["newest", "maximum", "mean"]
"""Which of the values within the window a model wants."""

_SAME: Final = Decimal("0.02")
"""Share by which two values of one time may differ and be one: rounded, and in mg/dL and mmol/L."""

_SMALL: Final = Decimal("0.1")

UNSETTLED: Final = frozenset({"preliminary", "unknown"})
"""Statuses of an Observation whose value may not stay; one that is only registered has none."""

_NOT_MEASURED: Final = frozenset(
    "unknown asked-unknown temp-unknown not-asked asked-declined not-applicable not-performed".split()
)
"""Codes of dataAbsentReason that say that there was no measurement; others (`error`, `as-text`) hide one."""


class UnusableInput(Exception):
    """An input is in the record, and the model must not use it. The text holds no value; the evidence does.

    Attributes:
        reason: why, for the `Refusal`.
        evidence: the resource that it is in.
    """

    reason: RefusalReason = "missing-input"

    def __init__(self, text: str, evidence: Evidence | None = None) -> None:
        super().__init__(text if evidence is None else f"{text}: {evidence.reference}")
        self.evidence = evidence


class MissingInput(UnusableInput):
    """A required input is not in the record, or too old."""


class ImplausibleInput(UnusableInput):
    """A value, or its date, can't be true."""

    reason: RefusalReason = "out-of-range"


def loinc(*codes: str) -> frozenset[tuple[str, str]]:
    """These codes of LOINC."""
    return frozenset((LOINC, code) for code in codes)


@dataclass(frozen=True, slots=True)
class Reading:
    """A value in the model's unit.

    Attributes:
        comparator: `<`, `<=`, `>`, `>=`, or empty (R4 valueset-quantity-comparator).
        stated_in: the unit that the source has it in.
    """

    value: Decimal
    comparator: str
    evidence: Evidence
    stated_in: str = ""


def _any(_: dict[str, Any]) -> bool:
    return True


def _well_stated(_: dict[str, Any], __: str) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class QuantityInput:
    """A numeric input of a model, as the model declares it.

    Attributes:
        codes: (system, code) pairs under which it may be.
        unit: UCUM unit in which the model wants it.
        max_age: the window: how old it may be at the time of the run.
        plausible: lowest and highest value that can be true, in `unit` (docs/predictors.md has the sources).
        molar_mass: g/mol, where mass and molar concentrations may be converted to each other.
        by_analyte: the same by the LOINC code of each measurement, where its analyte is known (`fhir.molar_masses`).
        sites: SNOMED CT body sites, one of which the Observation must name; empty where the code says it all.
        fits: whether an Observation under the code is this input at all.
        value_set: url of a value set whose codes count as well as `codes`.
        pick: the newest value, or the maximum or the mean of all within the window.
        modality: the only kind of source that it may come from; None takes it from any.
        misstated: what is wrong with a unit under the code of a measurement, in words; empty where nothing is.
        convert: an own conversion instead of UCUM's, which knows nothing of calibration (HbA1c in percent): from a
            value and another unit to the value in `unit`, or None.
    """

    name: str
    codes: frozenset[tuple[str, str]]
    unit: str
    max_age: timedelta
    plausible: tuple[Decimal, Decimal]
    molar_mass: Decimal | None = None
    sites: frozenset[str] = frozenset()
    fits: Callable[[dict[str, Any]], bool] = _any
    value_set: str = ""
    pick: Pick = "newest"
    modality: Modality | None = None
    convert: Callable[[Decimal, str], Decimal | None] | None = None
    by_analyte: bool = False
    misstated: Callable[[dict[str, Any], str], str] = _well_stated

    @property
    def all_codes(self) -> frozenset[tuple[str, str]]:
        """The codes, those of the value set included."""
        return self.codes | codes_of(self.value_set) if self.value_set else self.codes

    def find(self, record: PatientRecord) -> tuple[Decimal, Evidence]:
        """The value in `unit`, and the resource that holds it (of a mean, the newest one).

        Raises:
            MissingInput: there is none, or it is too old.
            UnusableInput: it can't be read as a number in the unit.
            ImplausibleInput: it, or its date, can't be true.
        """
        value, evidence = self.find_all(record)
        return value, evidence[0]

    def find_all(self, record: PatientRecord) -> tuple[Decimal, tuple[Evidence, ...]]:
        """As `find`, with every resource that the value rests on: for a maximum or a mean all within the window.

        Raises:
            UnusableInput: as in `find`. One that can't be read within the window of a maximum or a mean might change
                it, and is refused wherever it stands.
        """
        try:
            readings = self.newest(record) if self.pick == "newest" else list(self.within(record))
        except MissingInput:
            self.refuse_unsettled(record, None)
            raise
        for reading in readings:
            if reading.comparator:
                raise UnusableInput(f"{self.name} is not a plain number", reading.evidence)
        first, *others = readings
        self.refuse_unsettled(record, None if self.pick == "mean" else max(readings, key=_value))
        if self.pick == "newest":
            for other in others:
                if abs(other.value - first.value) > abs(first.value) * _SAME:
                    raise UnusableInput(f"{self.name} has two values at one time", other.evidence)
            return first.value, (first.evidence,)
        if self.pick == "maximum":
            readings.sort(key=lambda reading: reading.value, reverse=True)
            return readings[0].value, tuple(reading.evidence for reading in readings)
        mean = sum((reading.value for reading in readings), Decimal(0)) / len(readings)
        return mean.quantize(Decimal("0.0001")), tuple(reading.evidence for reading in readings)

    def within(self, record: PatientRecord) -> Iterator[Reading]:
        """All values within the window, the newest first.

        Raises:
            UnusableInput: as in `newest`, for any of them.
        """
        readings = 0
        undated: UnusableInput | None = None
        old = False
        for observation, node in self._statements(record):
            shown = record.evidence(observation, self.name, shown_value(node))
            moment = moment_of(shown.time)
            if moment is None:
                undated = undated or UnusableInput(f"{self.name} has no time", shown)
                continue
            check_date(self.name, observation, shown, record.as_of)
            if record.as_of - moment > self.max_age:
                old = True
                break
            readings += 1
            yield self._checked(observation, node, shown)
        if undated is not None:
            raise undated
        if not readings:
            raise MissingInput(
                f"the newest {self.name} is older than {self.max_age.days} days" if old else f"no {self.name}"
            )

    def newest(self, record: PatientRecord) -> list[Reading]:
        """As `find`, with the comparator of a value such as `<15`, and all that are as new as the newest."""
        undated: UnusableInput | None = None
        newest: datetime | None = None
        readings: list[Reading] = []
        for observation, node in self._statements(record):
            time = effective_of(observation)
            moment = moment_of(time)
            if (
                newest is not None
                and moment != newest
                and (moment is None or last_moment(time, moment) <= newest)
            ):
                continue
            shown = record.evidence(observation, self.name, shown_value(node))
            if moment is None:
                undated = undated or UnusableInput(f"{self.name} has no time", shown)
                continue
            if newest is not None and moment != newest:
                self._check_vague(observation, node, shown, readings[0])
                continue
            newest = moment
            check_date(self.name, observation, shown, record.as_of)
            if record.as_of - moment > self.max_age:
                raise undated or MissingInput(
                    f"the newest {self.name} is older than {self.max_age.days} days"
                )
            readings.append(self._checked(observation, node, shown))
        if not readings:
            raise undated or MissingInput(f"no {self.name}")
        return readings

    def _check_vague(
        self, observation: dict[str, Any], node: dict[str, Any], shown: Evidence, newest: Reading
    ) -> None:
        """Refuse another value whose date is a day, month or year, so that it may be the newest."""
        other = self._checked(observation, node, shown)
        same = abs(other.value - newest.value) <= abs(newest.value) * _SAME
        if not same or other.comparator != newest.comparator:
            text = f"{self.name} has another value, whose date ({shown.time}) may be newer"
            raise UnusableInput(text, shown)

    def refuse_unsettled(self, record: PatientRecord, settled: Reading | None) -> None:
        """Refuse where a value that is not final is newer than all that are, and says something else than `settled`.

        Raises:
            UnusableInput: there is one; an older value does not take its place.
        """
        for reading in self.unsettled(record):
            if settled is not None and self._is_no_news(reading, settled):
                continue
            raise UnusableInput(f"the newest {self.name} is not final", reading.evidence)

    def _is_no_news(self, reading: Reading, settled: Reading) -> bool:
        if self.pick == "maximum" and reading.comparator in ("", "<", "<="):
            return reading.value <= settled.value
        same = abs(reading.value - settled.value) <= abs(settled.value) * _SAME
        return same and reading.comparator == settled.comparator

    def unsettled(self, record: PatientRecord) -> Iterator[Reading]:
        """Values that are not final (preliminary, or of unknown status) and newer than all that are.

        Raises:
            UnusableInput: as in `find`.
        """
        settled = [moment_of(effective_of(observation)) for observation, _ in self._statements(record)]
        newest = max((moment for moment in settled if moment is not None), default=None)
        for observation, node in self._statements(record, UNSETTLED):
            shown = record.evidence(observation, f"{self.name}, not final", shown_value(node))
            moment = moment_of(shown.time)
            if moment is None or (
                record.as_of - moment <= self.max_age and (newest is None or moment > newest)
            ):
                yield self._read(node, shown)

    def undated(self, record: PatientRecord) -> Evidence | None:
        """A statement without a readable time: it might be the newest."""
        for observation, node in self._statements(record):
            if moment_of(effective_of(observation)) is None:
                return record.evidence(observation, self.name, shown_value(node))
        return None

    def _statements(
        self, record: PatientRecord, statuses: frozenset[str] = SETTLED
    ) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """The measurements, newest first, those without time last."""
        for observation, node in record.observations(self.all_codes, statuses):
            sites = {code for _, code in codings(observation.get("bodySite"))} if self.sites else self.sites
            fits = (not self.sites or self.sites & sites) and self.fits(observation)
            if self.modality is not None and modality_of(observation) != self.modality:
                continue
            if fits and not is_not_measured(node):
                yield observation, node

    def _checked(self, observation: dict[str, Any], node: dict[str, Any], shown: Evidence) -> Reading:
        if "modifierExtension" in observation or "modifierExtension" in node:
            raise UnusableInput(f"{self.name} has a modifier that is not known", shown)
        return self._read(node, shown)

    def _read(self, node: dict[str, Any], shown: Evidence) -> Reading:
        quantity = node.get("valueQuantity")
        quantity = quantity if isinstance(quantity, dict) else {}
        number, unit = _decimal(quantity.get("value")), str(quantity.get("code") or "")
        if quantity.get("system", UCUM) != UCUM:
            unit = ""
        if number is None:
            raise UnusableInput(f"{self.name} is not a plain number", shown)
        misstated = self.misstated(node, unit)
        if misstated:
            raise UnusableInput(f"{self.name} is {misstated}", shown)
        value = self.in_unit(number, unit, self._mass_of(node), self._charge_of(node))
        if value is None:
            stated = f"in {unit}" if unit else "without a UCUM unit"
            why = ""
            if counts_equivalents(unit) != counts_equivalents(self.unit):
                why = " without the charge of the ion, which is not known for its code"
            raise UnusableInput(f"{self.name} is {stated}, which does not convert to {self.unit}{why}", shown)
        low, high = self.plausible
        if not low <= value <= high:
            limits = f"{low:f} to {high:f} {self.unit}"
            raise ImplausibleInput(f"{self.name} is outside {limits}, what is plausible", shown)
        comparator = str(quantity.get("comparator") or "")
        if not comparator:
            shown = replace(shown, value=self._used(number, unit, value))
        return Reading(value, comparator, shown, unit)

    def _used(self, number: Decimal, unit: str, value: Decimal) -> str:
        """The value as the model used it: with the source's own digits where nothing was converted."""
        shown = number if unit == self.unit else _rounded(value, 2).normalize()
        return f"{shown:f}" if self.unit == "1" else f"{shown:f} {self.unit}"

    def _mass_of(self, node: dict[str, Any]) -> Decimal | None:
        if self.molar_mass is not None or not self.by_analyte:
            return self.molar_mass
        masses = {molar_mass(code) for system, code in codings(node.get("code")) if system == LOINC}
        return masses.pop() if len(masses) == 1 else None

    @staticmethod
    def _charge_of(node: dict[str, Any]) -> int | None:
        charges = {charge(code) for system, code in codings(node.get("code")) if system == LOINC}
        return charges.pop() if len(charges) == 1 else None

    def in_unit(
        self, value: Decimal, unit: str, mass: Decimal | None = None, charge_of_ion: int | None = None
    ) -> Decimal | None:
        """`value` in the model's unit; None where the units do not convert. mass: molar, in place of `molar_mass`."""
        mass = mass or self.molar_mass
        if counts_equivalents(unit) != counts_equivalents(self.unit):
            if charge_of_ion is None:
                return None
            value = value / charge_of_ion if counts_equivalents(unit) else value * charge_of_ion
        try:
            if unit == self.unit:
                converted: Decimal | None = value
            elif self.convert is not None:
                converted = self.convert(value, unit)
            else:
                converted = _convert(value, unit, self.unit)
            if converted is None and mass is not None:
                weight, amount = _convert(value, unit, "g/L"), _convert(value, unit, "mol/L")
                if weight is not None:
                    converted = _convert(weight / mass, "mol/L", self.unit)
                elif amount is not None:
                    converted = _convert(amount * mass, "g/L", self.unit)
            return None if converted is None else _rounded(converted, 4)
        except (InvalidOperation, OverflowError):  # more digits than any measurement has
            return None


def _value(reading: Reading) -> Decimal:
    return reading.value


def _rounded(value: Decimal, places: int) -> Decimal:
    """To so many places; what is below 0.1 in its unit (mol/L of a hormone) to so many digits and two more."""
    if value == 0 or abs(value) >= _SMALL:
        return value.quantize(Decimal(1).scaleb(-places))
    return value.quantize(Decimal(1).scaleb(value.adjusted() - places - 1))


def last_moment(text: str, moment: datetime) -> datetime:
    """When the day, month or year of a date is over; of a time the moment itself."""
    if len(text) == len("2026"):
        return moment.replace(year=moment.year + 1)
    if len(text) == len("2026-01"):
        return moment.replace(year=moment.year + moment.month // 12, month=moment.month % 12 + 1)
    return moment + timedelta(days=1) if len(text) == len("2026-01-01") else moment


def check_date(name: str, resource: dict[str, Any], shown: Evidence, as_of: datetime) -> None:
    """Refuse what is dated after the run, or after it arrived here.

    Raises:
        ImplausibleInput: it is.
    """
    end = str(resource.get("effectivePeriod", {}).get("end", ""))
    moment = max((m for m in (moment_of(shown.time), moment_of(end)) if m is not None), default=None)
    if moment is None:
        return
    ahead = CLOCKS if len(shown.time) > len("2026-01-01") else AHEAD
    if moment > as_of + ahead:
        raise ImplausibleInput(f"{name} is dated after this run", shown)
    arrival = moment_of(str(resource.get("meta", {}).get("lastUpdated", "")))
    if arrival is not None and moment > arrival + ahead:
        raise ImplausibleInput(f"{name} is dated after it arrived", shown)


def age_on(record: PatientRecord, day: date) -> int:
    """Completed years on `day`.

    Raises:
        MissingInput: the birth date is not known to the day.
        ImplausibleInput: nobody has this age.
    """
    age = record.age_on(day)
    if age is None:
        raise MissingInput("the birth date is not known to the day")
    if not 0 <= age <= _OLDEST:
        born = record.evidence(record.patient, "birth date", str(record.patient.get("birthDate", "")))
        raise ImplausibleInput(f"the age is outside 0 to {_OLDEST} years, what is plausible", born)
    return age


_BORN: Final = {"F": "female", "M": "male", "248152002": "female", "248153007": "male"}


def sex_at_birth(record: PatientRecord) -> tuple[str, ...]:
    """What a result says beside its value where US Core has another sex of the patient than `gender`, by which models
    go.
    """
    gender = record.patient.get("gender")
    for extension in record.patient.get("extension", ()):
        name = str(extension.get("url", "")).rpartition("/")[2]
        stated = _BORN.get(str(extension.get("valueCode", "")))
        if name in ("us-core-birthsex", "us-core-sex") and stated is not None and stated != gender:
            return (
                f"{UNDECIDED}the record states {stated} as sex ({name}) and {gender or 'no'} gender; what depends on "
                "the sex was computed by the gender.",
            )
    return ()


def _convert(value: Decimal, source: str, target: str) -> Decimal | None:
    try:
        return convert(value, source, target)
    except (UcumError, Incommensurable):
        return None


def _decimal(value: Any) -> Decimal | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def is_not_measured(node: dict[str, Any]) -> bool:
    """Whether the statement is that nothing was measured."""
    has_value = any(name.startswith("value") for name in node)
    return not has_value and any(code in _NOT_MEASURED for _, code in codings(node.get("dataAbsentReason")))


def shown_value(node: dict[str, Any]) -> str:
    """The value as its source has it, for people."""
    quantity = node.get("valueQuantity")
    if isinstance(quantity, dict) and "value" in quantity:
        unit = quantity.get("code") or quantity.get("unit") or "(no unit)"
        return f"{quantity.get('comparator') or ''}{quantity['value']} {unit}"
    for name, value in node.items():
        if name.startswith("value") and isinstance(value, str | int | Decimal):
            return str(value)
    concept = node.get("valueCodeableConcept") or node.get("dataAbsentReason") or {}
    first: dict[str, Any] = next(iter(concept.get("coding", ())), {})
    return str(concept.get("text") or first.get("display") or first.get("code") or "")
