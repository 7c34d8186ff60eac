"""EHR sources: documents (`ccda`), tables (`csv`) HL7 v2 messages (`hl7v2`) and notes (`notes`)."""

from fhir_bridge.adapters.ehr.ccda import CcdaAdapter
from fhir_bridge.adapters.ehr.csv import CsvAdapter
from fhir_bridge.adapters.ehr.hl7v2 import Hl7v2Adapter
from fhir_bridge.adapters.ehr.notes import Fact, NotesAdapter, RuleExtractor

__all__ = ["CcdaAdapter", "CsvAdapter", "Fact", "Hl7v2Adapter", "NotesAdapter", "RuleExtractor"]

PUBLIC_MODULES = (
    "csv.dialect",
    "hl7v2.acknowledgment",
    "hl7v2.definitions",
    "hl7v2.delimiters",
    "hl7v2.mllp",
)
"""What else other packages and plug-ins may import; checked by scripts/check_interfaces.py."""
