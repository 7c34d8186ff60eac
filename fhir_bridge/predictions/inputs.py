"""Finding a model's inputs in a record: by code, in the model's unit, not too old."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from fhir_bridge.fhir.ucum import Incommensurable, UcumError, convert
from fhir_bridge.predictions.record import (
    Evidence,
    PatientRecord,
    codings,
    decimal_of,
    effective_of,
    parse_time,
)

__all__ = [
    "CHOLESTEROL_MOLAR_MASS",
    "LOINC",
    "SNOMED",
    "MissingInput",
    "QuantityInput",
    "Smoking",
    "find_smoking",
]

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
CHOLESTEROL_MOLAR_MASS = Decimal("386.65")
"""g/mol; converts mg/dL of cholesterol (total, HDL, LDL) to mmol/L."""


class MissingInput(Exception):
    """A required input is not in the record, or only in a form the model can't use."""


def loinc(*codes: str) -> frozenset[tuple[str, str]]:
    """These codes of LOINC."""
    return frozenset((LOINC, code) for code in codes)


@dataclass(frozen=True, slots=True)
class QuantityInput:
    """A numeric input of a model.

    Attributes:
        codes: (system, code) pairs under which it may stand.
        sites: SNOMED CT body sites, one of which the Observation must name; empty where the code says it all.
        unit: UCUM unit in which the model wants it.
        molar_mass: g/mol, where mass concentrations may be converted to molar ones.
        max_age: how old it may be at the time of the run.
    """

    name: str
    codes: frozenset[tuple[str, str]]
    unit: str
    max_age: timedelta
    molar_mass: Decimal | None = None
    sites: frozenset[str] = frozenset()

    def find(self, record: PatientRecord, now: datetime) -> tuple[Decimal, Evidence]:
        """The newest usable value in `unit`, and the resource it stands in.

        Raises:
            MissingInput: none is there, all are too old, or the units can't be converted.
        """
        problem = f"no {self.name}"
        for observation, node in record.observations(self.codes):
            if self.sites and not self.sites.intersection(
                code for _, code in codings(observation.get("bodySite"))
            ):
                continue
            time = effective_of(observation)
            if not time:
                problem = f"{self.name} has no time"
                continue
            if now - parse_time(time) > self.max_age:
                raise MissingInput(
                    f"the newest usable {self.name} is older than {self.max_age.days} days"
                    if problem.startswith("no ")
                    else problem
                )
            found = decimal_of(node)
            if found is None:
                problem = f"{self.name} is not a plain number"
                continue
            value = self.in_unit(*found)
            if value is None:
                problem = f"{self.name} is in {found[1] or 'no unit'}, which does not convert to {self.unit}"
                continue
            return value, record.evidence(observation, self.name, self._shown(found, value))
        raise MissingInput(problem)

    def _shown(self, found: tuple[Decimal, str], value: Decimal) -> str:
        """The value as the model used it: with the source's own digits where nothing was converted."""
        number = found[0] if found[1] == self.unit else value.quantize(Decimal("0.01")).normalize()
        return f"{number:f} {self.unit}"

    def in_unit(self, value: Decimal, unit: str) -> Decimal | None:
        """`value` in the model's unit; None where the units do not convert."""
        converted = _convert(value, unit, self.unit)
        if converted is None and self.molar_mass is not None:
            mass = _convert(value, unit, "g/L")
            if mass is not None:
                converted = _convert(mass / self.molar_mass, "mol/L", self.unit)
        return None if converted is None else converted.quantize(Decimal("0.0001"))


def _convert(value: Decimal, source: str, target: str) -> Decimal | None:
    try:
        return convert(value, source, target)
    except (UcumError, Incommensurable):
        return None


@dataclass(frozen=True, slots=True)
class Smoking:
    """Whether the person smokes now."""

    current: bool
    evidence: Evidence


_SMOKING_CODES = frozenset({(LOINC, "72166-2"), (LOINC, "39240-7"), (SNOMED, "229819007")})
_SMOKES = frozenset(
    {"449868002", "428041000124106", "77176002", "428071000124103", "428061000124105", "65568007"}
)
_DOES_NOT = frozenset({"8517006", "266919005", "8392000", "405746006"})


def find_smoking(record: PatientRecord) -> Smoking:
    """The newest statement on smoking (SNOMED CT value under LOINC 72166-2).

    Raises:
        MissingInput: nothing is stated, or only "unknown".
    """
    for observation, node in record.observations(_SMOKING_CODES):
        values = {code for system, code in codings(node.get("valueCodeableConcept")) if system == SNOMED}
        if values & _SMOKES:
            return Smoking(True, record.evidence(observation, "smoking status", "current smoker"))
        if values & _DOES_NOT:
            return Smoking(False, record.evidence(observation, "smoking status", "not smoking now"))
    raise MissingInput("no smoking status")
