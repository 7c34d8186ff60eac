"""Definitions by canonical, in the version that is named: what is not at hand in it is not judged by another."""

from __future__ import annotations

from fhir_bridge.fhir.definitions import Definitions, TypeDefinition, ValueSet

__all__ = ["structure_at_hand", "value_set_at_hand"]


def structure_at_hand(canonical: str, known: Definitions) -> TypeDefinition | None:
    """The type, profile or extension."""
    _, _, version = canonical.partition("|")
    found = known.structure(canonical) if canonical else None
    return found if found is not None and version in ("", found.version) else None


def value_set_at_hand(canonical: str, known: Definitions) -> ValueSet | None:
    """The value set."""
    url, _, version = canonical.partition("|")
    found = known.value_set(url)
    return found if found is not None and version in ("", found.version) else None
