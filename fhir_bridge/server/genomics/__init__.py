"""Genomics operations: what is known of a person's variants, stored and in kept files (docs/genomics-operations.md)."""

from fhir_bridge.server.genomics.registration import genomics_operations

__all__ = ["genomics_operations"]
