"""HL7 v2 messages: a lazy parser, message groups, selectors and functions for the mapping language.

The names are loaded when asked for: an acknowledgment needs no adapter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_bridge.deferred import deferred

if TYPE_CHECKING:
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

__getattr__ = deferred(
    __name__,
    {
        "Delimiters": "delimiters",
        "Hl7v2Adapter": "adapter",
        "Message": "record",
        "STANDARD": "delimiters",
        "escape": "delimiters",
        "read_message": "adapter",
        "unescape": "delimiters",
    },
)
