"""Whether the patient has died, by whatever in the record says so: then no model is asked."""

from __future__ import annotations

from typing import Any, Final

from fhir_bridge.predictions.contract import Refusal
from fhir_bridge.predictions.findings import Disease, find_disease
from fhir_bridge.predictions.inputs import UnusableInput, shown_value
from fhir_bridge.predictions.record import DEATH_CODES, Evidence, PatientRecord, codings
from fhir_bridge.predictions.value_sets import is_member

__all__ = ["find_death", "prepare", "refusal_of_death"]

DECEASED: Final = Disease("death", "deceased")
_STATED: Final = frozenset({"final", "amended", "corrected", "preliminary", "registered", "unknown"})
"""Statuses of an Observation of a death: one that is not final is no reason to compute a risk."""
_NO_DEATH: Final = frozenset({"not-applicable", "not-asked"})
"""Why there is no time of death, where that says nothing about one."""


def find_death(record: PatientRecord) -> tuple[str, Evidence | None] | None:
    """That the patient has died, and what says so where it is not the Patient; None where nothing does.

    Raises:
        UnusableInput: a statement on the death can't be read, or is dated after the run.
    """
    if record.deceased:
        return "the patient has died", None
    dead = find_disease(record, DECEASED) or _observed(record)
    return None if dead is None else (f"the patient has died: {dead.reference}", dead)


def _observed(record: PatientRecord) -> Evidence | None:
    """An Observation of the time of death."""
    for observation, node in record.observations(DEATH_CODES, _STATED):
        evidence = record.evidence(observation, "time of death", shown_value(node))
        if any(name.startswith("value") for name in node):
            return evidence
        if _NO_DEATH.isdisjoint(code for _, code in codings(node.get("dataAbsentReason"))):
            raise UnusableInput("whether the patient has died can't be read", evidence)
    return None


def refusal_of_death(predictor: Any, record: PatientRecord) -> Refusal | None:
    """The refusal that a patient who has died gets of any model; None for the living."""
    try:
        death = find_death(record)
    except UnusableInput as unusable:
        return _refusal(predictor, record, unusable.reason, str(unusable), unusable.evidence)
    return None if death is None else _refusal(predictor, record, "not-applicable", *death)


def _refusal(
    predictor: Any, record: PatientRecord, reason: Any, text: str, evidence: Evidence | None
) -> Refusal:
    code_of = getattr(predictor, "code_of", None)  # of SCORE2, which has two
    code, display = (
        getattr(predictor, "result_code", ("", predictor.title)) if code_of is None else code_of(record)
    )
    effective = evidence.time if evidence is not None and evidence.time else None
    modality = "ehr" if evidence is None else evidence.modality
    return Refusal(code, display, reason, text, modality, effective, () if evidence is None else (evidence,))


def prepare() -> None:
    """Read what every question needs, before the first one."""
    is_member(DECEASED.url, {"coding": [{"system": "http://snomed.info/sct", "code": "0"}]})
