"""Readers of the official download forms of terminologies, and the import into the store."""

from fhir_bridge.terminology.imports.options import Options
from fhir_bridge.terminology.imports.run import ImportResult, Progress, detect, import_file

__all__ = ["ImportResult", "Options", "Progress", "detect", "import_file"]
