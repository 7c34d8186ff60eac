"""Genomics: the adapter `vcf` and its source model.

The names are loaded when asked for: naming the adapter needs neither its reader nor the mapping language.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fhir_bridge.adapters.genomics.adapter import VcfAdapter
    from fhir_bridge.adapters.genomics.model import VcfModel
    from fhir_bridge.adapters.genomics.options import Options
    from fhir_bridge.adapters.genomics.reader import VcfRecord, read_vcf

PUBLIC_MODULES = (
    "assembly",
    "clinvar",
    "clinvar_release",
    "kept_reading",
    "kept_stored",
    "kept_writing",
    "options",
    "query",
    "reference",
)
"""What else other packages may import."""

__all__ = ["Options", "VcfAdapter", "VcfModel", "VcfRecord", "read_vcf"]

_HOME = {
    "Options": "options",
    "VcfAdapter": "adapter",
    "VcfModel": "model",
    "VcfRecord": "reader",
    "read_vcf": "reader",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
