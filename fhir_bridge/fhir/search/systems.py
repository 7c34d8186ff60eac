"""The code system that a `code` implies, which its JSON does not name."""

from __future__ import annotations

from fhir_bridge.fhir.definitions import Definitions, find_type
from fhir_bridge.fhir.fhirpath.fhir_types import FhirType

__all__ = ["implied_system"]


def implied_system(element: tuple[FhirType, str] | None, known: Definitions) -> str | None:
    """The one code system of a required binding: what `system|code` means for an element of type code.

    Args:
        element: the type that it is an element of, and its JSON name.
    """
    return known.derived(_implied, element)


def _implied(known: Definitions, element: tuple[FhirType, str] | None) -> str | None:
    location = element[0].defined_at if element is not None else None
    definition = find_type(location[0]) if location is not None else None
    if element is None or location is None or definition is None:
        return None
    child = definition.child(location[1], element[1])
    binding = child[0].binding if child is not None else None
    if binding is None or binding.strength != "required":
        return None
    listed = known.value_set(binding.value_set) if binding.value_set else None
    # With several systems, or one that can't be listed, a code alone does not say which one it is of.
    if listed is None or listed.open or len(listed.codes) != 1:
        return None
    return next(iter(listed.codes))
