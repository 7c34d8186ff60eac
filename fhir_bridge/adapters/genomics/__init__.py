"""Genomics: the adapter `vcf` and its source model."""

from fhir_bridge.adapters.genomics.adapter import VcfAdapter
from fhir_bridge.adapters.genomics.model import VcfModel
from fhir_bridge.adapters.genomics.options import Options
from fhir_bridge.adapters.genomics.reader import VcfRecord, read_vcf

__all__ = ["Options", "VcfAdapter", "VcfModel", "VcfRecord", "read_vcf"]
