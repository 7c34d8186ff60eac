"""C-CDA documents: a safe parser, clinical statements by their templates, functions for the mapping language."""

from fhir_bridge.adapters.ehr.ccda.adapter import CcdaAdapter, read_document
from fhir_bridge.adapters.ehr.ccda.record import Document

__all__ = ["CcdaAdapter", "Document", "read_document"]
