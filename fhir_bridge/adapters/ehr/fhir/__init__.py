"""Vendors' FHIR: R4 Bundles and NDJSON, normalised, with ids of ours, through the same pipeline as other sources."""

from fhir_bridge.adapters.ehr.fhir.adapter import FhirAdapter

__all__ = ["FhirAdapter"]
