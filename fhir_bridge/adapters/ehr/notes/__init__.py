"""Clinical notes: text of plain, PDF and RTF files, and the facts that it states."""

from fhir_bridge.adapters.ehr.notes.adapter import NotesAdapter
from fhir_bridge.adapters.ehr.notes.facts import Fact
from fhir_bridge.adapters.ehr.notes.rules import RuleExtractor

__all__ = ["Fact", "NotesAdapter", "RuleExtractor"]
