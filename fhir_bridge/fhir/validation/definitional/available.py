"""Definitions by canonical, in the version named; what is not available in it is not checked against another."""

from __future__ import annotations

from fhir_bridge.fhir.definitions import Definitions, TypeDefinition, ValueSet

__all__ = ["available_structure", "available_value_set"]


def available_structure(canonical: str, known: Definitions) -> TypeDefinition | None:
    """The type, profile or extension."""
    _, _, version = canonical.partition("|")
    structure = known.structure(canonical) if canonical else None
    return structure if structure is not None and version in ("", structure.version) else None


def available_value_set(canonical: str, known: Definitions) -> ValueSet | None:
    """The value set."""
    url, _, version = canonical.partition("|")
    value_set = known.value_set(url)
    return value_set if value_set is not None and version in ("", value_set.version) else None
