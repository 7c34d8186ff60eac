"""The pages: the cohort, and one patient with all three modalities. Made on the server; no script is needed."""

from fhir_bridge.server.pages.routes import router

__all__ = ["router"]
