"""Names of elements in definitions: whether R4 has the element that a path leads to."""

from __future__ import annotations

from functools import lru_cache

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.definitions import Element, TypeDefinition

__all__ = ["is_element", "steps_from"]

ElementOwner = tuple[TypeDefinition, str]
"""A type or an element with children of its own, by the definition that has it and its id there."""

REPRESENTATIVES = {"Base": "Element", "CanonicalResource": "CodeSystem", "MetadataResource": "PlanDefinition"}
"""Names that contexts give to groups of types which R4 has no definition for, and a type of each group."""


@lru_cache(8192)
def is_element(path: str) -> bool:
    """Whether R4 has this type or element: `Patient`, `Patient.contact.name.given`, `Observation.value[x]`."""
    head, *names = path.split(".")
    definition = definitions.find_type(REPRESENTATIVES.get(head, head))
    if definition is None:
        return False
    owners: list[ElementOwner] = [(definition, definition.name)]
    for name in names:
        results = [pair for owner in owners for pair in steps_from(owner, name)]
        if not results:
            return False
        owners = [owner for _, owner in results if owner is not None]
    return True


def steps_from(owner: ElementOwner, name: str) -> list[tuple[Element, ElementOwner | None]]:
    """The element of this name with each place that it leads to; its name is that of JSON or of a path (`value[x]`).

    A place is None where the type is not known.
    """
    definition, at = owner
    for element in definition.children(at):
        names = element.json_names
        if name == element.name or name == element.name.removesuffix("[x]"):
            kinds = list(names.values())
        elif name in names:
            kinds = [names[name]]
        else:
            continue
        return [(element, _leads_to(definition, element, kind)) for kind in kinds]
    return []


def _leads_to(definition: TypeDefinition, element: Element, kind: str) -> ElementOwner | None:
    if element.content_reference:
        return definition, element.content_reference
    if definition.children(element.id):
        return definition, element.id
    result = definitions.find_type(kind)
    return (result, result.name) if result is not None else None
