"""Elements of which a source has parts in several fields: members of one, and the parts of a list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fhir_bridge.storage.incoming import Order

__all__ = [
    "GONE",
    "ITEM",
    "MAIN",
    "ONE_OF_LIST",
    "OPEN",
    "PARTED",
    "cleared_element",
    "closed",
    "opened",
    "opened_orders",
]

ITEM = "\0"
"""Between an element and an item of it, among the orders: since which message the item is in a list that adds up."""
GONE = f"{ITEM}{ITEM}"
"""Among the orders, between a list and a part of it that a message took away: that of the message."""

OPEN: Mapping[str, Mapping[str, Sequence[str]]] = {
    "Encounter": {
        "period": ("start", "end"),
        "hospitalization": (
            "preAdmissionIdentifier origin admitSource reAdmission dietPreference specialCourtesy specialArrangement "
            "destination dischargeDisposition"
        ).split(),
    },
    "MedicationRequest": {
        "dosageInstruction": (
            "text additionalInstruction patientInstruction timing asNeededBoolean asNeededCodeableConcept site route "
            "method doseAndRate maxDosePerPeriod maxDosePerAdministration maxDosePerLifetime extension"
        ).split(),
        "dispenseRequest": (
            "initialFill dispenseInterval validityPeriod numberOfRepeatsAllowed quantity expectedSupplyDuration "
            "performer extension"
        ).split(),
    },
}
"""Elements of which each member is an element of its own, since a source has them in fields of their own."""

ONE_OF_LIST = frozenset(("dosageInstruction",))
"""Of these, lists: their one item has the members. Of several items none is said again alone."""

_APART = frozenset(("SS", "DL"))
MAIN = "*"


def _identifier_part(item: dict[str, Any]) -> str:
    """A number of its own field: an account (PID-18), or one without an authority (PID-19, PID-20)."""
    codings = (item.get("type") or {}).get("coding") or ()
    codes = {str(coding.get("code")) for coding in codings}
    if "AN" in codes:
        return "AN"
    return MAIN if item.get("system") else next(iter(sorted(codes & _APART)), MAIN)


def _telecom_part(item: dict[str, Any]) -> str:
    return "work" if item.get("use") == "work" else MAIN


def _extension_part(item: dict[str, Any]) -> str:
    return str(item.get("url"))


def _link_part(item: dict[str, Any]) -> str:
    return str((item.get("other") or {}).get("reference"))


def _type_part(item: dict[str, Any]) -> str:
    """By the code of its type: who attends stands in another field than who refers."""
    stated = item.get("type") or []
    types: list[dict[str, Any]] = stated if isinstance(stated, list) else [stated]
    codings = [coding for each in types for coding in each.get("coding") or ()]
    return str(codings[0].get("code")) if codings else MAIN


def _note_part(item: dict[str, Any]) -> str:
    """By its label, as mappings write them: `Call back: …` stands in another field than a comment."""
    label, colon, _ = str(item.get("text")).partition(": ")
    return label if colon else MAIN


PARTED: Mapping[str, Mapping[str, Callable[[dict[str, Any]], str]]] = {
    "Patient": {
        "identifier": _identifier_part,
        "telecom": _telecom_part,
        "extension": _extension_part,
        "link": _link_part,
    },
    "Encounter": {"identifier": _type_part, "participant": _type_part},
    "ServiceRequest": {"note": _note_part},
    "MedicationRequest": {"note": _note_part},
}
"""Lists of which a source has parts in several fields: a delta says nothing of the parts that it does not have."""


def opened(resource: dict[str, Any]) -> dict[str, Any]:
    """A resource with each member of its `OPEN` elements as an element, `period.end`."""
    names = OPEN.get(resource["resourceType"])
    if names is None:
        return resource
    result: dict[str, Any] = {}
    for name, value in resource.items():
        whole = value[0] if name in ONE_OF_LIST and isinstance(value, list) and len(value) == 1 else value
        if name in names and isinstance(whole, dict):
            result.update((f"{name}.{member}", item) for member, item in whole.items())
        else:
            result[name] = value
    return result


def closed(content: dict[str, Any]) -> dict[str, Any]:
    """The opposite of `opened`."""
    names = OPEN.get(content["resourceType"])
    if names is None:
        return content
    result: dict[str, Any] = {}
    members: dict[str, dict[str, Any]] = {}
    for key, value in content.items():
        name, _, member = key.partition(".")
        if not member or name not in names:
            result[key] = value
        elif name in members:
            members[name][member] = value
        elif name not in content:  # several dosages have no members of their own
            members[name] = {member: value}
            result[name] = [members[name]] if name in ONE_OF_LIST else members[name]
    return result


def cleared_element(resource_type: str, name: str) -> str:
    """What a message takes away by a name: the whole of an element, or a member that is one of its own (`period.end`),
    or a part of a list (`note:Call back`, `note.text` for what has no label)."""
    element, _, label = name.partition(":")
    if not label and name == "note.text":
        element, label = "note", MAIN
    if label:
        return f"{element}{GONE}{label}" if element in PARTED.get(resource_type, ()) else element
    element, _, member = name.partition(".")
    return name if member in OPEN.get(resource_type, {}).get(element, ()) else element


def opened_orders(resource: dict[str, Any], orders: dict[str, Order]) -> dict[str, Order]:
    """The orders of an opened state; one of an element as a whole is that of its members."""
    for name in OPEN.get(resource["resourceType"], ()):
        whole = orders.pop(name, None)
        if whole is not None:
            members = (key for key in resource if key.startswith(name + "."))
            orders = {**dict.fromkeys(members, whole), **orders}
    return orders
