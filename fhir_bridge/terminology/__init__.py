"""Code systems, value sets and concept maps: look codes up, ask for membership, translate, and check the maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fhir_bridge.terminology.files import TerminologyFileError
from fhir_bridge.terminology.issues import CODES
from fhir_bridge.terminology.service import CodeValidity, Terminology, get_terminology

if TYPE_CHECKING:
    from fhir_bridge.terminology.lint import lint_folders, lint_store

__all__ = [
    "CODES",
    "CodeValidity",
    "Terminology",
    "TerminologyFileError",
    "get_terminology",
    "lint_folders",
    "lint_store",
]

PUBLIC_MODULES = (
    "check_digits",
    "concept_maps",
    "content",
    "curation",
    "curation.concept_map",
    "dicom_concepts",
    "did_you_mean",
    "grammars",
    "imports",
    "layers",
    "library",
    "memory",
    "naming",
    "operations.filters",
    "operations.options",
    "operations.outcomes",
    "operations.parameters",
    "operations.r4",
    "operations.service",
    "pydicom_tables",
    "service",
    "shapes",
    "store",
    "suggest",
    "versions",
)
"""What else other packages and plug-ins may import; checked by scripts/check_interfaces.py."""


def __getattr__(name: str) -> Any:
    """The lint, when it is asked for: it loads the importers, which nothing that converts needs."""
    if name not in ("lint_folders", "lint_store"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from fhir_bridge.terminology import lint

    return getattr(lint, name)
