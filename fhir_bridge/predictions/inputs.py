"""Finding a model's inputs in a record: by code, in the model's unit, not too old, and within what can be true.

The newest statement decides. Where it can't be read, or can't be true, the input is refused; an older value never
takes its place in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from fhir_bridge.fhir.ucum import Incommensurable, UcumError, convert
from fhir_bridge.predictions.contract import RefusalReason
from fhir_bridge.predictions.record import SETTLED, Evidence, PatientRecord, codings, effective_of, moment_of

__all__ = [
    "CHOLESTEROL_MOLAR_MASS",
    "LOINC",
    "SNOMED",
    "MissingInput",
    "QuantityInput",
    "Reading",
    "Smoking",
    "UnusableInput",
    "age_on",
    "check_date",
    "find_smoking",
    "loinc",
]

LOINC = "http://loinc.org"
UCUM: Final = "http://unitsofmeasure.org"
SNOMED = "http://snomed.info/sct"
CHOLESTEROL_MOLAR_MASS = Decimal("386.65")
"""g/mol; converts mg/dL of cholesterol (total, HDL, LDL) to mmol/L."""

_OLDEST: Final = 120
"""Years. The oldest person whose age is beyond doubt reached 122."""

_CLOCKS: Final = timedelta(hours=1)
_ZONES: Final = timedelta(hours=14)
"""How far ahead a time may be: clocks differ, and a date is up to 14 hours ahead of UTC where it was written."""

_SAME: Final = Decimal("0.02")
"""Share by which two values of one time may differ and be one: rounded, and in mg/dL and mmol/L."""

_UNSETTLED: Final = frozenset({"preliminary", "unknown"})

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
    """A value in the model's unit. comparator: `<`, `<=`, `>`, `>=`, or empty (R4 valueset-quantity-comparator)."""

    value: Decimal
    comparator: str
    evidence: Evidence


def _any(_: dict[str, Any]) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class QuantityInput:
    """A numeric input of a model.

    Attributes:
        codes: (system, code) pairs under which it may be.
        unit: UCUM unit in which the model wants it.
        max_age: how old it may be at the time of the run.
        plausible: lowest and highest value that can be true, in `unit` (docs/predictors.md has the sources).
        molar_mass: g/mol, where mass concentrations may be converted to molar ones.
        sites: SNOMED CT body sites, one of which the Observation must name; empty where the code says it all.
        fits: whether an Observation under the code is this input at all.
    """

    name: str
    codes: frozenset[tuple[str, str]]
    unit: str
    max_age: timedelta
    plausible: tuple[Decimal, Decimal]
    molar_mass: Decimal | None = None
    sites: frozenset[str] = frozenset()
    fits: Callable[[dict[str, Any]], bool] = _any

    def find(self, record: PatientRecord) -> tuple[Decimal, Evidence]:
        """The newest value in `unit`, and the resource that holds it.

        Raises:
            MissingInput: there is none, or it is too old.
            UnusableInput: it can't be read as a number in the unit.
            ImplausibleInput: it, or its date, can't be true.
        """
        first, *others = self.newest(record)
        if first.comparator:
            raise UnusableInput(f"{self.name} is not a plain number", first.evidence)
        for other in others:
            if other.comparator or abs(other.value - first.value) > first.value * _SAME:
                raise UnusableInput(f"{self.name} has two values at one time", other.evidence)
        return first.value, first.evidence

    def newest(self, record: PatientRecord) -> list[Reading]:
        """As `find`, with the comparator of a value such as `<15`, and all that are as new as the newest."""
        undated: UnusableInput | None = None
        newest: datetime | None = None
        readings: list[Reading] = []
        for observation, node in self._statements(record):
            shown = record.evidence(observation, self.name, _shown(node))
            moment = moment_of(shown.time)
            if moment is None:
                undated = undated or UnusableInput(f"{self.name} has no time", shown)
                continue
            if newest is not None and moment != newest:
                break
            newest = moment
            check_date(self.name, observation, shown, record.as_of)
            if record.as_of - moment > self.max_age:
                raise undated or MissingInput(
                    f"the newest {self.name} is older than {self.max_age.days} days"
                )
            if "modifierExtension" in observation or "modifierExtension" in node:
                raise UnusableInput(f"{self.name} has a modifier that is not known", shown)
            readings.append(self._read(node, shown))
        if not readings:
            raise undated or MissingInput(f"no {self.name}")
        return readings

    def unsettled(self, record: PatientRecord) -> Iterator[Reading]:
        """Values that are not final (preliminary, or of unknown status) and newer than all that are.

        Raises:
            UnusableInput: as in `find`.
        """
        settled = [moment_of(effective_of(observation)) for observation, _ in self._statements(record)]
        newest = max((moment for moment in settled if moment is not None), default=None)
        for observation, node in self._statements(record, _UNSETTLED):
            shown = record.evidence(observation, f"{self.name}, not final", _shown(node))
            moment = moment_of(shown.time)
            if moment is None or (
                record.as_of - moment <= self.max_age and (newest is None or moment > newest)
            ):
                yield self._read(node, shown)

    def undated(self, record: PatientRecord) -> Evidence | None:
        """A statement without a readable time: it might be the newest."""
        for observation, node in self._statements(record):
            if moment_of(effective_of(observation)) is None:
                return record.evidence(observation, self.name, _shown(node))
        return None

    def _statements(
        self, record: PatientRecord, statuses: frozenset[str] = SETTLED
    ) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """The measurements, newest first, those without time last."""
        for observation, node in record.observations(self.codes, statuses):
            sites = {code for _, code in codings(observation.get("bodySite"))}
            fits = (not self.sites or self.sites & sites) and self.fits(observation)
            if fits and not _is_not_measured(node):
                yield observation, node

    def _read(self, node: dict[str, Any], shown: Evidence) -> Reading:
        quantity = node.get("valueQuantity")
        quantity = quantity if isinstance(quantity, dict) else {}
        number, unit = _decimal(quantity.get("value")), str(quantity.get("code") or "")
        if quantity.get("system", UCUM) != UCUM:
            unit = ""
        if number is None:
            raise UnusableInput(f"{self.name} is not a plain number", shown)
        value = self.in_unit(number, unit)
        if value is None:
            stated = f"in {unit}" if unit else "without a UCUM unit"
            raise UnusableInput(f"{self.name} is {stated}, which does not convert to {self.unit}", shown)
        low, high = self.plausible
        if not low <= value <= high:
            limits = f"{low:f} to {high:f} {self.unit}"
            raise ImplausibleInput(f"{self.name} is outside {limits}, what is plausible", shown)
        comparator = str(quantity.get("comparator") or "")
        if not comparator:
            shown = replace(shown, value=self._used(number, unit, value))
        return Reading(value, comparator, shown)

    def _used(self, number: Decimal, unit: str, value: Decimal) -> str:
        """The value as the model used it: with the source's own digits where nothing was converted."""
        shown = number if unit == self.unit else value.quantize(Decimal("0.01")).normalize()
        return f"{shown:f} {self.unit}"

    def in_unit(self, value: Decimal, unit: str) -> Decimal | None:
        """`value` in the model's unit; None where the units do not convert."""
        try:
            converted = _convert(value, unit, self.unit)
            if converted is None and self.molar_mass is not None:
                mass = _convert(value, unit, "g/L")
                if mass is not None:
                    converted = _convert(mass / self.molar_mass, "mol/L", self.unit)
            return None if converted is None else converted.quantize(Decimal("0.0001"))
        except (InvalidOperation, OverflowError):  # more digits than any measurement has
            return None


def check_date(name: str, resource: dict[str, Any], shown: Evidence, as_of: datetime) -> None:
    """Refuse what is dated after the run, or after it arrived here.

    Raises:
        ImplausibleInput: it is.
    """
    end = str(resource.get("effectivePeriod", {}).get("end", ""))
    moment = max((m for m in (moment_of(shown.time), moment_of(end)) if m is not None), default=None)
    if moment is None:
        return
    ahead = _CLOCKS if len(shown.time) > len("2026-01-01") else _ZONES
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


def _is_not_measured(node: dict[str, Any]) -> bool:
    """Whether the statement is that nothing was measured."""
    has_value = any(name.startswith("value") for name in node)
    return not has_value and any(code in _NOT_MEASURED for _, code in codings(node.get("dataAbsentReason")))


def _shown(node: dict[str, Any]) -> str:
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


@dataclass(frozen=True, slots=True)
class Smoking:
    """Whether the person smokes now."""

    current: bool
    evidence: Evidence


_SMOKING_CODES = frozenset({(LOINC, "72166-2"), (LOINC, "39240-7"), (SNOMED, "229819007")})
_SMOKES = frozenset(
    {
        *((SNOMED, code) for code in ("449868002", "428041000124106", "77176002", "428071000124103")),
        *((SNOMED, code) for code in ("428061000124105", "65568007", "230059006", "160603005")),
        *((LOINC, code) for code in ("LA18976-3", "LA18977-1", "LA18979-7", "LA18981-3", "LA18982-1")),
    }
)
_DOES_NOT = frozenset(
    {
        *((SNOMED, code) for code in ("8517006", "266919005", "8392000", "405746006")),
        *((LOINC, code) for code in ("LA15920-4", "LA18978-9")),
    }
)
_UNKNOWN = frozenset({(SNOMED, "266927001"), (LOINC, "LA18980-5")})


def find_smoking(record: PatientRecord) -> Smoking:
    """The newest statement on smoking (SNOMED CT or LOINC answer under LOINC 72166-2); "unknown" states nothing.

    Raises:
        MissingInput: nothing is stated.
        UnusableInput: the newest statement can't be read.
        ImplausibleInput: it is dated in the future.
    """
    for observation, node in record.observations(_SMOKING_CODES):
        values = set(codings(node.get("valueCodeableConcept")))
        if _is_not_measured(node) or values & _UNKNOWN:
            continue
        current = bool(values & _SMOKES)
        known = current != bool(values & _DOES_NOT) and "modifierExtension" not in observation
        text = ("current smoker" if current else "not smoking now") if known else _shown(node)
        shown = record.evidence(observation, "smoking status", text)
        check_date("smoking status", observation, shown, record.as_of)
        if not known:
            raise UnusableInput("smoking status can't be read", shown)
        return Smoking(current, shown)
    raise MissingInput("no smoking status")
