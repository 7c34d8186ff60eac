"""Exports and imports, as the background worker does them."""

from fhir_bridge.server.bulk.export_job import export_handler

__all__ = ["export_handler"]
