"""HL7 v2 messages: a lazy parser, message groups, selectors and functions for the mapping language."""

from fhir_bridge.adapters.ehr.hl7v2.adapter import Hl7v2Adapter, read_message
from fhir_bridge.adapters.ehr.hl7v2.delimiters import STANDARD, Delimiters, escape, unescape
from fhir_bridge.adapters.ehr.hl7v2.record import Message

__all__ = [
    "STANDARD",
    "Delimiters",
    "Hl7v2Adapter",
    "Message",
    "escape",
    "read_message",
    "unescape",
]
