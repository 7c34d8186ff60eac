"""Genomics operations: what is known of a person's variants, stored and in kept files (docs/genomics-operations.md)."""

from fhir_bridge.server.genomics.reclassifying import Reclassified, reclassify
from fhir_bridge.server.genomics.registration import genomics_operations

__all__ = ["Reclassified", "genomics_operations", "reclassify"]
