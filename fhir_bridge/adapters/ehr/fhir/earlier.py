"""Resources as DSTU2, STU3 and R5 have them, in the elements of R4 where these say the same; else as they are.

Most of it is the table `versions.txt`; here is what depends on more than one element.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from fhir_bridge.adapters.ehr.fhir.versions import apply_rows, rows_of, table

__all__ = ["as_r4", "orders_of"]


def orders_of(resource: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The orders that a DiagnosticOrder (DSTU2) is, one an item: the first has its id; any other resource alone."""
    items = resource.get("item")
    if resource.get("resourceType") != "DiagnosticOrder" or not isinstance(items, list):
        return [resource]
    orders: list[Mapping[str, Any]] = []
    for number, item in enumerate(items, start=1):
        order = {name: value for name, value in resource.items() if name != "item"}
        if number > 1 and resource.get("id"):
            order["id"] = f"{resource['id']}-{number}"
        for name, value in item.items() if isinstance(item, Mapping) else ():
            order[
                "bodySite" if name == "bodySite" else name if name in ("code", "specimen") else f"item.{name}"
            ] = [value] if name == "bodySite" else value
        orders.append(order)
    return orders or [resource]


def as_r4(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    """The resource with R4's names and types; the very same where it has none of the other ones."""
    named = str(resource["resourceType"])
    kind = table().types.get(named, named)
    names = {(row.base or row.source).partition(".")[0] for row in rows_of(kind)}
    if kind == named and kind not in _CHANGES and names.isdisjoint(resource):
        return resource
    built: dict[str, Any] = _copied(resource)
    built["resourceType"] = kind
    apply_rows(kind, built, earlier=kind != named)
    if change := _CHANGES.get(kind):
        change(built)
    return resource if built == resource else built


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _copied(item) for name, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


def _statement(built: dict[str, Any]) -> None:
    """What was not taken is never a medication that was: R4 has it as a status."""
    _adherence(built)
    taken, refused = built.pop("taken", None), built.pop("wasNotTaken", None)
    if taken == "n" or refused is True:
        built["status"] = "not-taken"
    elif taken not in (None, "y", "unk", "na"):
        built["taken"] = taken
    elif taken in ("unk", "na"):
        built["note"] = [*(built.get("note") or ()), {"text": f"taken: {taken}"}]


_ADHERENCE: Final = {
    "taking": "active",
    "not-taking": "not-taken",
    "on-hold": "on-hold",
    "stopped": "stopped",
}


def _adherence(built: dict[str, Any]) -> None:
    """R5 states apart whether a statement is recorded, and whether the medication is taken."""
    if built.get("status") not in ("recorded", "draft"):
        return
    adherence = built.get("adherence")
    concept = adherence.get("code") if isinstance(adherence, Mapping) else None
    codings = concept.get("coding") if isinstance(concept, Mapping) else None
    codes = {str(one.get("code")) for one in codings or () if isinstance(one, Mapping)}
    stated = {
        status for code in codes for name, status in _ADHERENCE.items() if code in (name, *_manners(name))
    }
    built["status"] = stated.pop() if len(stated) == 1 else "unknown"
    if built["status"] != "unknown":
        del built["adherence"]


def _manners(name: str) -> tuple[str, str]:
    return f"{name}-as-directed", f"{name}-not-as-directed"


def _undone(built: dict[str, Any], elements: tuple[str, ...], reason: str) -> None:
    """Of what was not done, which R4 has as a status: never as something that was.

    Args:
        elements: those that say so. reason: the one that says why.
    """
    if _is_stated(built, *elements):
        built["status"] = "not-done"
        if reason in built and "statusReason" not in built:
            built["statusReason"] = built.pop(reason)


def _is_stated(built: dict[str, Any], *elements: str) -> bool:
    """Whether one of the elements is true; those that are booleans are taken out."""
    stated = [built.pop(name) for name in elements if isinstance(built.get(name), bool)]
    return any(stated)


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


def _dispense(built: dict[str, Any]) -> None:
    if _is_stated(built, "notDone"):
        built["status"] = "declined"


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
    if _is_stated(built, "notDone"):
        built["status"] = "health-unknown"
        if "dataAbsentReason" not in built and isinstance(built.get("notDoneReason"), Mapping):
            built["dataAbsentReason"] = built.pop("notDoneReason")


_CHANGES: Final[Mapping[str, Callable[[dict[str, Any]], None]]] = {
    "Communication": _communication,
    "FamilyMemberHistory": _family,
    "Immunization": _immunization,
    "MedicationAdministration": _administration,
    "MedicationDispense": _dispense,
    "MedicationStatement": _statement,
    "Procedure": _procedure,
}
