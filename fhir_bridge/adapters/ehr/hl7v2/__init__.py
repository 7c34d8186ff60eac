"""HL7 v2 messages: a lazy parser, message groups, selectors and functions for the mapping language."""

from fhir_bridge.adapters.ehr.hl7v2.acknowledgment import Code, acknowledgment
from fhir_bridge.adapters.ehr.hl7v2.adapter import Hl7v2Adapter, read_message
from fhir_bridge.adapters.ehr.hl7v2.delimiters import STANDARD, Delimiters, escape, unescape
from fhir_bridge.adapters.ehr.hl7v2.mllp import Deframer, FrameTooLarge, NoFrame, framed
from fhir_bridge.adapters.ehr.hl7v2.record import Message

__all__ = [
    "STANDARD",
    "Code",
    "Deframer",
    "Delimiters",
    "FrameTooLarge",
    "Hl7v2Adapter",
    "Message",
    "NoFrame",
    "acknowledgment",
    "escape",
    "framed",
    "read_message",
    "unescape",
]
