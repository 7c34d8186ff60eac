"""Genomics operations: what is known of a person's variants, stored and in kept files (docs/genomics-operations.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_bridge.deferred import deferred
from fhir_bridge.server.genomics.registration import genomics_operations

if TYPE_CHECKING:
    from fhir_bridge.server.genomics.reclassifying import Reclassified, reclassify
    from fhir_bridge.server.genomics.settling import settle

__all__ = ["Reclassified", "genomics_operations", "reclassify", "settle"]

# Commands alone need these.
__getattr__ = deferred(
    __name__, {"Reclassified": "reclassifying", "reclassify": "reclassifying", "settle": "settling"}
)
