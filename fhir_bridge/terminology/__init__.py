"""Code systems, value sets and concept maps: look codes up, ask for membership, translate, and judge the maps."""

from fhir_bridge.terminology.files import TerminologyFileError
from fhir_bridge.terminology.issues import CODES
from fhir_bridge.terminology.lint import lint_folders, lint_store
from fhir_bridge.terminology.service import CodeValidity, Terminology, get_terminology

__all__ = [
    "CODES",
    "CodeValidity",
    "Terminology",
    "TerminologyFileError",
    "get_terminology",
    "lint_folders",
    "lint_store",
]
