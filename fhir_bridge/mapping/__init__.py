"""The mapping language: YAML shaped like the resource, compiled to Python.

mapping = load_mapping("ehr/hl7v2", adapters=adapters())
context = Context(site, terminology, IdentityResolver(site, key), mapping.adapter)
conversion = mapping.convert(record, context)

The names are loaded when they are asked for: who reads a site file compiles no mapping.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_bridge.deferred import deferred
from fhir_bridge.mapping import issues as _issues

if TYPE_CHECKING:
    from fhir_bridge.mapping.alike import Alike, AlikeBlock, AlikeOutputs
    from fhir_bridge.mapping.checking import check_mapping
    from fhir_bridge.mapping.compiled import CompiledMapping, Form
    from fhir_bridge.mapping.composition import mapping_files
    from fhir_bridge.mapping.errors import MappingError, MappingErrors, Position, nearest
    from fhir_bridge.mapping.files import file_of, find_mapping, is_shipped, mapping_names, relocated
    from fhir_bridge.mapping.identity import CrosswalkError, IdentityResolver, PatientLink, Unlinked
    from fhir_bridge.mapping.joins import joined_files, open_tables
    from fhir_bridge.mapping.loading import load_mapping, source_block
    from fhir_bridge.mapping.reads import Application, Applied, Branch, Read, RuleReads, Use
    from fhir_bridge.mapping.record import CLEARED, Record, Scope, Usual
    from fhir_bridge.mapping.registry import function
    from fhir_bridge.mapping.runtime import Context, Conversion, Output, Reject, Trace
    from fhir_bridge.mapping.schema import json_schema
    from fhir_bridge.mapping.site import Site, SiteError
    from fhir_bridge.mapping.spans import LineOffsets, Passage, Span, SpannedRecord
    from fhir_bridge.mapping.writes import Write, bare, literal_of, writes_of

__all__ = [
    "CLEARED",
    "Alike",
    "AlikeBlock",
    "AlikeOutputs",
    "Application",
    "Applied",
    "Branch",
    "CompiledMapping",
    "Context",
    "Conversion",
    "CrosswalkError",
    "Form",
    "IdentityResolver",
    "LineOffsets",
    "MappingError",
    "MappingErrors",
    "Output",
    "Passage",
    "PatientLink",
    "Position",
    "Read",
    "Record",
    "Reject",
    "RuleReads",
    "Scope",
    "Site",
    "SiteError",
    "Span",
    "SpannedRecord",
    "Trace",
    "Unlinked",
    "Use",
    "Usual",
    "Write",
    "bare",
    "check_mapping",
    "file_of",
    "find_mapping",
    "function",
    "is_shipped",
    "joined_files",
    "json_schema",
    "literal_of",
    "load_mapping",
    "mapping_files",
    "mapping_names",
    "nearest",
    "open_tables",
    "relocated",
    "source_block",
    "writes_of",
]

assert _issues.CODES

PUBLIC_MODULES = (
    "document",
    "functions.code_check",
    "functions.conversions",
    "functions.quantities",
    "functions.references",
    "functions.schemes",
    "functions.times",
    "loading",
    "yaml_dates",
)
"""What else other packages and plug-ins may import; checked by scripts/check_interfaces.py."""

__getattr__ = deferred(
    __name__,
    {
        "Alike": "alike",
        "AlikeBlock": "alike",
        "AlikeOutputs": "alike",
        "Application": "reads",
        "Applied": "reads",
        "Branch": "reads",
        "CLEARED": "record",
        "CompiledMapping": "compiled",
        "Context": "runtime",
        "Conversion": "runtime",
        "CrosswalkError": "identity",
        "Form": "compiled",
        "IdentityResolver": "identity",
        "LineOffsets": "spans",
        "MappingError": "errors",
        "MappingErrors": "errors",
        "Output": "runtime",
        "Passage": "spans",
        "PatientLink": "identity",
        "Position": "errors",
        "Read": "reads",
        "Record": "record",
        "Reject": "runtime",
        "RuleReads": "reads",
        "Scope": "record",
        "Site": "site",
        "SiteError": "site",
        "Span": "spans",
        "SpannedRecord": "spans",
        "Trace": "runtime",
        "Unlinked": "identity",
        "Use": "reads",
        "Usual": "record",
        "Write": "writes",
        "bare": "writes",
        "check_mapping": "checking",
        "file_of": "files",
        "find_mapping": "files",
        "function": "registry",
        "is_shipped": "files",
        "joined_files": "joins",
        "json_schema": "schema",
        "literal_of": "writes",
        "load_mapping": "loading",
        "mapping_files": "composition",
        "mapping_names": "files",
        "nearest": "errors",
        "open_tables": "joins",
        "relocated": "files",
        "source_block": "loading",
        "writes_of": "writes",
    },
)
