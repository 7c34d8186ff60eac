"""fhir_bridge: EHR, imaging and genomics records to FHIR R4, served over SMART, with predictions attached."""

__version__ = "0.1.0"
__released__ = "2026-11-25"
