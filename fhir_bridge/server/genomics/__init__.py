"""Genomics operations: what is known of a person's variants, stored and in kept files (docs/genomics-operations.md)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fhir_bridge.server.genomics.registration import genomics_operations

if TYPE_CHECKING:
    from fhir_bridge.server.genomics.reclassifying import Reclassified, reclassify

__all__ = ["Reclassified", "genomics_operations", "reclassify"]


def __getattr__(name: str) -> Any:
    """What the command alone needs, when it is asked for."""
    if name not in ("Reclassified", "reclassify"):
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(f"{__name__}.reclassifying"), name)
