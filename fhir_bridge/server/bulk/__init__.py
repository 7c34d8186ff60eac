"""Exports, imports and runs of models, as the background worker does them."""

from fhir_bridge.server.bulk.export_job import export_handler
from fhir_bridge.server.bulk.import_job import import_handler
from fhir_bridge.server.bulk.predict_job import predict_handler

__all__ = ["export_handler", "import_handler", "predict_handler"]
