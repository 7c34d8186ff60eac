"""The code system that a `code` implies, which its JSON does not name."""

from __future__ import annotations

from functools import cache

from fhir_bridge.fhir import definitions

__all__ = ["implied_system"]


@cache
def implied_system(value_set: str | None) -> str | None:
    """The one code system of a required binding: what `system|code` means for an element of type code."""
    known = definitions.value_set(value_set) if value_set else None
    if known is None or known.open or len(known.codes) != 1:
        return None
    return next(iter(known.codes))
