"""HL7 v2 messages: a lazy parser, message groups, selectors and functions for the mapping language.

The names are loaded when asked for: an acknowledgment needs no adapter.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

_HOME = {
    "Delimiters": "delimiters",
    "Hl7v2Adapter": "adapter",
    "Message": "record",
    "STANDARD": "delimiters",
    "escape": "delimiters",
    "read_message": "adapter",
    "unescape": "delimiters",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
