"""Genomics: the adapter `vcf` and its source model.

The names are loaded when asked for: naming the adapter needs neither its reader nor the mapping language.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_bridge.deferred import deferred

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

__getattr__ = deferred(
    __name__,
    {
        "Options": "options",
        "VcfAdapter": "adapter",
        "VcfModel": "model",
        "VcfRecord": "reader",
        "read_vcf": "reader",
    },
)
