"""Readers of the official download forms of terminologies, and the import into the store."""

from fhir_bridge.terminology.imports.options import Options
from fhir_bridge.terminology.imports.run import FORMATS, ImportResult, Progress, detect, import_file

__all__ = ["FORMATS", "ImportResult", "Options", "Progress", "detect", "import_file"]
