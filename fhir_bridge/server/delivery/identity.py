"""By what a resource is recognized at a target, where it has another id."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from fhir_bridge.fhir.canonical import DELIVERED, PREDICTION_IDS
from fhir_bridge.fhir.definitions import type_definition
from fhir_bridge.storage import Store

__all__ = ["Identity", "has_mark", "identified", "is_relayed", "mark_of", "origin_of_store", "tags"]

_REAL: Final = frozenset(
    "Device HealthcareService Location Organization Patient Person Practitioner PractitionerRole RelatedPerson".split()
)
"""Types of things that are there without us: the target may have them by an identifier of their own. Other types have
identifiers that several share (an order's number), by which one would be taken for another."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What to search a target by.

    Attributes:
        type: of the resource.
        parameter: `identifier`, or `_tag` for types that have none.
        system, value: of the token.
        ours: whether only what we sent has it; else what is found may be the target's own.
    """

    type: str
    parameter: str
    system: str
    value: str
    ours: bool

    @property
    def token(self) -> str:
        """The value of the search parameter (R4 search.html#escaping)."""
        return "|".join(_escaped(part) for part in (self.system, self.value))

    def is_of(self, resource: Any) -> bool:
        """Whether a resource has it: a target that ignores a parameter gives everything."""
        if not isinstance(resource, dict) or resource.get("resourceType") != self.type:
            return False
        if self.parameter == "_tag":
            return _has(tags(resource), "code", self.system, self.value)
        return _has(_listed(resource.get("identifier")), "value", self.system, self.value)


async def origin_of_store(store: Store) -> str:
    """A name of this database, for ever the same, which gives nothing of its secret away."""
    return hashlib.blake2b(await store.secret(), digest_size=8, person=b"fb delivered").hexdigest()


def mark_of(origin: str, kind: str, identity: str) -> str:
    """The value that marks a resource of ours elsewhere."""
    return f"{origin}-{kind}-{identity}"


def has_mark(resource: Any) -> bool:
    """Whether a resource was sent by a bridge."""
    return isinstance(resource, dict) and any(tag.get("system") == DELIVERED for tag in tags(resource))


def is_relayed(resource: dict[str, Any], origin: str) -> bool:
    """Whether another bridge sent it here, and it has nothing else to be recognized by where that one has it."""
    if resource["resourceType"] in _REAL and _listed(resource.get("identifier")):
        return False
    marks = [str(tag.get("code")) for tag in tags(resource) if tag.get("system") == DELIVERED]
    return bool(marks) and not any(mark.startswith(f"{origin}-") for mark in marks)


def identified(
    resource: dict[str, Any], origin: str, preferred: str | None = None
) -> tuple[dict[str, Any], Identity]:
    """The resource with what it is recognized by, and that.

    Args:
        resource: with its id here.
        preferred: system of the identifier to take where it has several.
    """
    kind = resource["resourceType"]
    mark = mark_of(origin, kind, resource["id"])
    meta = dict(resource.get("meta") or {})
    meta["tag"] = [*tags(resource), {"system": DELIVERED, "code": mark}]
    resource = {**resource, "meta": meta}
    own = [
        (identifier["system"], identifier["value"])
        for identifier in _listed(resource.get("identifier"))
        if identifier.get("system") and identifier.get("value") and identifier.get("use") != "old"
    ]
    for system, value in own:
        if system == PREDICTION_IDS:
            return resource, Identity(kind, "identifier", system, value, ours=True)
    if kind in _REAL and own:
        system, value = next((pair for pair in own if pair[0] == preferred), own[0])
        return resource, Identity(kind, "identifier", system, value, ours=False)
    elements = {element.path: element for element in type_definition(kind).elements}
    element = elements.get(f"{kind}.identifier")
    if element is None or not element.is_list:
        return resource, Identity(kind, "_tag", DELIVERED, mark, ours=True)
    identifiers = [*_listed(resource.get("identifier")), {"system": DELIVERED, "value": mark}]
    return {**resource, "identifier": identifiers}, Identity(kind, "identifier", DELIVERED, mark, ours=True)


def tags(resource: dict[str, Any]) -> list[dict[str, Any]]:
    """The tags of a resource, whatever form it has."""
    meta = resource.get("meta")
    return _listed(meta.get("tag")) if isinstance(meta, dict) else []


def _listed(value: Any) -> list[dict[str, Any]]:
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, dict)]


def _has(items: list[dict[str, Any]], name: str, system: str, value: str) -> bool:
    return any(item.get("system") == system and item.get(name) == value for item in items)


def _escaped(text: str) -> str:
    for character in "\\,$|":
        text = text.replace(character, f"\\{character}")
    return text
