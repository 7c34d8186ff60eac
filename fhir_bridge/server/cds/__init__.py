"""CDS Hooks 2.0: predictions as cards in the clinician's own system, where something changed."""

from fhir_bridge.server.cds.routes import router

__all__ = ["router"]
