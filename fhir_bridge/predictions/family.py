"""Sudden cardiac death in the family as HCM Risk-SCD counts it: of a first-degree relative below 40, or of one with
hypertrophic cardiomyopathy at any age (O'Mahony 2014)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple

from fhir_bridge.fhir.ucum import UcumError, convert
from fhir_bridge.predictions.findings import Disease
from fhir_bridge.predictions.inputs import SNOMED
from fhir_bridge.predictions.record import Evidence, PatientRecord, codings, moment_of

__all__ = ["SuddenDeath", "sudden_deaths"]

_ROLES: Final = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
_FIRST_DEGREE: Final = frozenset(
    {
        *((_ROLES, code) for code in ("PRN", "FTH", "MTH", "NPRN", "NFTH", "NMTH")),
        *((_ROLES, code) for code in ("CHILD", "DAU", "DAUC", "SON", "SONC", "NCHILD")),
        *((_ROLES, code) for code in ("SIB", "BRO", "SIS", "NSIB", "NBRO", "NSIS")),
        *((_ROLES, code) for code in ("TWIN", "TWINBRO", "TWINSIS", "FTWIN", "FTWINBRO", "FTWINSIS")),
        *((_ROLES, code) for code in ("ITWIN", "ITWINBRO", "ITWINSIS")),
        # Father, mother, brother, sister, sibling, son, daughter; natural father, mother, brother.
        *((SNOMED, code) for code in ("66839005", "72705000", "70924004", "27733009", "375005")),
        *((SNOMED, code) for code in ("65616008", "66089001", "9947008", "65656005", "60614009")),
    }
)
_FARTHER: Final = frozenset((SNOMED, code) for code in ("25211005", "38048003", "34871008", "55538000"))
"""Aunt, uncle, grandfather, cousin."""

_UNKNOWN: Final = frozenset({(_ROLES, "FAMMEMB"), (_ROLES, "ONESELF")})
"""Codes that leave the degree open."""

_BELOW: Final = 40
Verdict = Literal["counts", "does-not", "open"]


class SuddenDeath(NamedTuple):
    """A sudden cardiac death of a relative. missing: what would decide, where it is open."""

    verdict: Verdict
    evidence: Evidence
    missing: str = ""


def sudden_deaths(record: PatientRecord, sudden_death: Disease, hcm: Disease) -> list[SuddenDeath]:
    """Each that FamilyMemberHistory states, and whether it counts."""
    stated = []
    for history in record.all("FamilyMemberHistory"):
        if history.get("status") not in ("partial", "completed"):
            continue
        conditions = history.get("condition", ())
        has_hcm = any(hcm.states(condition.get("code")) for condition in conditions)
        for condition in conditions:
            if sudden_death.states(condition.get("code")):
                verdict, missing = _verdict(_degree(history), _below(history, condition), has_hcm)
                evidence = record.evidence(history, f"family history of {sudden_death.name}")
                stated.append(SuddenDeath(verdict, evidence, missing))
    return stated


def _verdict(first_degree: bool | None, below: bool | None, has_hcm: bool) -> tuple[Verdict, str]:
    if first_degree is False or (below is False and not has_hcm):
        return "does-not", ""
    if first_degree and (below or has_hcm):
        return "counts", ""
    missing = [] if first_degree else ["who it was"]
    missing += [] if below is not None or has_hcm else ["at what age"]
    return "open", " and ".join(missing)


def _degree(history: Mapping[str, Any]) -> bool | None:
    """Whether the relative is of first degree; None where that is not known (no code of a known code system)."""
    coded = {
        (system, code)
        for system, code in codings(history.get("relationship"))
        if system in (_ROLES, SNOMED) and code
    }
    if coded & _FIRST_DEGREE:
        return True
    # Of SNOMED CT there are more terms for a parent, child or sibling than are listed here: any other leaves it open.
    known = {system for system, _ in coded - _UNKNOWN}
    return False if _ROLES in known or coded & _FARTHER else None


def _below(history: Mapping[str, Any], condition: Mapping[str, Any]) -> bool | None:
    """Whether it was below 40 years; None where nothing says that. Who dies suddenly has the disease at that age."""
    for low, high in (
        _of_age(condition.get("onsetAge")),
        _of_range(condition.get("onsetRange")),
        _of_age(history.get("deceasedAge")),
        _of_range(history.get("deceasedRange")),
        _of_dates(history, condition),
    ):
        if high is not None and high < _BELOW:
            return True
        if low is not None and low >= _BELOW:
            return False
    return None


Bounds = tuple[Decimal | None, Decimal | None]
_NOTHING: Final[Bounds] = (None, None)


def _of_age(age: Any) -> Bounds:
    """Years that an Age means at least and at most."""
    if not isinstance(age, Mapping) or age.get("value") is None:
        return _NOTHING
    unit = str(age.get("code") or age.get("unit") or "a")
    try:
        years = convert(Decimal(str(age["value"])), unit if unit not in ("years", "year", "yr") else "a", "a")
    except (UcumError, ArithmeticError):
        return _NOTHING
    comparator = age.get("comparator", "")
    if comparator == "<":
        return None, years - Decimal("0.01")
    if comparator == "<=":
        return None, years
    return (years, None) if comparator else (years, years)


def _of_range(ages: Any) -> Bounds:
    if not isinstance(ages, Mapping):
        return _NOTHING
    return _of_age(ages.get("low"))[0], _of_age(ages.get("high"))[1]


def _of_dates(history: Mapping[str, Any], condition: Mapping[str, Any]) -> Bounds:
    """By the day of birth and that of death; a year alone leaves one open."""
    born = str(history.get("bornDate") or "")
    died = str(history.get("deceasedDate") or (condition.get("onsetPeriod") or {}).get("start") or "")
    first, last = moment_of(born), moment_of(died)
    if first is None or last is None:
        return _NOTHING
    years = Decimal(last.year - first.year)
    return years - 1, years + (0 if len(born) == len(died) == len("2000-01-01") else 1)
