"""Resources as DSTU2 and STU3 have them, in the elements of R4 where these say the same; all else stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

__all__ = ["as_r4"]

_SYSTEMS: Final = "http://terminology.hl7.org/CodeSystem"
_RENAMED: Final[Mapping[str, Mapping[str, str]]] = {
    "AllergyIntolerance": {"substance": "code", "assertedDate": "recordedDate"},
    "Condition": {
        "patient": "subject", "context": "encounter", "assertedDate": "recordedDate", "dateRecorded": "recordedDate",
    },
    "Encounter": {"patient": "subject", "reason": "reasonCode"},
    "Immunization": {"date": "occurrenceDateTime"},
    "MedicationAdministration": {
        "patient": "subject", "effectiveTimeDateTime": "effectiveDateTime", "effectiveTimePeriod": "effectivePeriod",
    },
    "MedicationRequest": {"patient": "subject", "context": "encounter", "dateWritten": "authoredOn"},
    "MedicationStatement": {"patient": "subject"},
    "Observation": {"context": "encounter"},
    "Procedure": {"context": "encounter"},
    "ServiceRequest": {"context": "encounter"},
}  # fmt: skip
_KINDS: Final = {"MedicationOrder": "MedicationRequest", "ProcedureRequest": "ServiceRequest"}
_CODED: Final = {
    ("Condition", "clinicalStatus"): f"{_SYSTEMS}/condition-clinical",
    ("Condition", "verificationStatus"): f"{_SYSTEMS}/condition-ver-status",
    ("AllergyIntolerance", "clinicalStatus"): f"{_SYSTEMS}/allergyintolerance-clinical",
    ("AllergyIntolerance", "verificationStatus"): f"{_SYSTEMS}/allergyintolerance-verification",
}
"""Codes that R4 has with their system."""
_CLASSES: Final = {
    "inpatient": "IMP", "outpatient": "AMB", "ambulatory": "AMB", "emergency": "EMER", "home": "HH", "field": "FLD",
    "virtual": "VR",
}  # fmt: skip


def as_r4(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    """The resource with R4's names and types; the very same where it has none of the earlier ones."""
    kind = str(resource["resourceType"])
    built = dict(resource)
    if kind in _KINDS:
        kind = built["resourceType"] = _KINDS[kind]
        built.setdefault("intent", "order")
    for old, new in _RENAMED.get(kind, {}).items():
        if old in built and new not in built:
            built[new] = built.pop(old)
    for (of, name), system in _CODED.items():
        if of == kind and isinstance(built.get(name), str):
            built[name] = {"coding": [{"system": system, "code": built[name]}]}
    if change := _CHANGES.get(kind):
        change(built)
    return resource if built == resource else built


def _patient(built: dict[str, Any]) -> None:
    names = built.get("name")
    if isinstance(names, list):
        built["name"] = [_human_name(name) for name in names]


def _human_name(name: Any) -> Any:
    family = name.get("family") if isinstance(name, Mapping) else None
    if isinstance(family, list) and all(isinstance(part, str) for part in family):
        return {**name, "family": " ".join(family)}
    return name


def _observation(built: dict[str, Any]) -> None:
    for old in ("comment", "comments"):
        if isinstance(built.get(old), str):
            built["note"] = [*(built.get("note") or ()), {"text": built.pop(old)}]


def _encounter(built: dict[str, Any]) -> None:
    code = _CLASSES.get(str(built.get("class")))
    if code is not None:
        built["class"] = {"system": f"{_SYSTEMS}/v3-ActCode", "code": code}


def _statement(built: dict[str, Any]) -> None:
    """What was not taken is never a medication that was: R4 has it as a status."""
    taken, refused = built.pop("taken", None), built.pop("wasNotTaken", None)
    if taken == "n" or refused is True:
        built["status"] = "not-taken"
    elif taken not in (None, "y", "unk", "na"):
        built["taken"] = taken
    elif taken in ("unk", "na"):
        built["note"] = [*(built.get("note") or ()), {"text": f"taken: {taken}"}]


def _undone(built: dict[str, Any], elements: tuple[str, ...], reason: str) -> None:
    """Of what was not done, which R4 has as a status: never as something that was.

    Args:
        elements: those that say so. reason: the one that says why.
    """
    stated = [built.pop(name) for name in elements if isinstance(built.get(name), bool)]
    if any(stated):
        built["status"] = "not-done"
        if reason in built and "statusReason" not in built:
            built["statusReason"] = built.pop(reason)


def _explained(built: dict[str, Any], reasons: Any) -> bool:
    """Whether reasons are the one that R4 has of what was not done; where it has one already they stay."""
    if built.get("status") != "not-done" or "statusReason" in built:
        return False
    if not isinstance(reasons, list) or len(reasons) != 1:
        return False
    built["statusReason"] = reasons[0]
    return True


def _procedure(built: dict[str, Any]) -> None:
    _undone(built, ("notDone", "notPerformed"), "notDoneReason")
    if _explained(built, built.get("reasonNotPerformed")):
        del built["reasonNotPerformed"]


def _administration(built: dict[str, Any]) -> None:
    _undone(built, ("notGiven", "wasNotGiven"), "reasonNotGiven")


def _communication(built: dict[str, Any]) -> None:
    _undone(built, ("notDone",), "notDoneReason")


def _immunization(built: dict[str, Any]) -> None:
    explanation = built.get("explanation")
    given = explanation.get("reasonNotGiven") if isinstance(explanation, Mapping) else None
    _undone(built, ("notGiven", "wasNotGiven"), "")
    if _explained(built, given):
        left = {name: value for name, value in built.pop("explanation").items() if name != "reasonNotGiven"}
        built |= {"explanation": left} if left else {}


def _family(built: dict[str, Any]) -> None:
    """A history that could not be taken says nothing of the relative: `health-unknown`."""
    if built.get("notDone") is False:
        del built["notDone"]
    elif built.get("notDone") is True:
        del built["notDone"]
        built["status"] = "health-unknown"
        if "dataAbsentReason" not in built and isinstance(built.get("notDoneReason"), Mapping):
            built["dataAbsentReason"] = built.pop("notDoneReason")


_CHANGES: Final[Mapping[str, Callable[[dict[str, Any]], None]]] = {
    "Communication": _communication,
    "Encounter": _encounter,
    "FamilyMemberHistory": _family,
    "Immunization": _immunization,
    "MedicationAdministration": _administration,
    "MedicationStatement": _statement,
    "Observation": _observation,
    "Patient": _patient,
    "Procedure": _procedure,
}
