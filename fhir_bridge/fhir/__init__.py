"""R4 as data and rules: definitions, data types, validation, ids, bundles, difference, and the ports it is handed.

`definitions` is a module of look-ups; `search_parameters` and `ucum` stand beside it and are imported by name.
"""

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.access import EVERYTHING, NOTHING, AccessFilter, AccessRule
from fhir_bridge.fhir.bundles import Entry, iter_resources, searchset
from fhir_bridge.fhir.canonical import BASE, PREDICTION_CODES, SOURCE_EXTENSION
from fhir_bridge.fhir.datatypes import (
    Address,
    Attachment,
    Code,
    CodeableConcept,
    Coding,
    ContactPoint,
    Date,
    DateTime,
    HumanName,
    Identifier,
    Instant,
    Period,
    Quantity,
    Range,
    Ratio,
    Reference,
    SampledData,
    Time,
    Uri,
    fhir_type,
)
from fhir_bridge.fhir.difference import ABSENT, Difference, difference, difference_of_sets
from fhir_bridge.fhir.ids import DEMO_KEY, IdKey, MissingPart
from fhir_bridge.fhir.issues import Issue, IssueCode, Severity, declare, declared, operation_outcome
from fhir_bridge.fhir.ports import Concept, ReferenceResolver, TerminologyPort, Translation
from fhir_bridge.fhir.serialization import MAX_DEPTH, JsonError, dumps, loads, loads_exact
from fhir_bridge.fhir.validation import InvariantEngine, Validator, get_validator

__all__ = [
    "ABSENT",
    "BASE",
    "DEMO_KEY",
    "EVERYTHING",
    "MAX_DEPTH",
    "NOTHING",
    "PREDICTION_CODES",
    "SOURCE_EXTENSION",
    "AccessFilter",
    "AccessRule",
    "Address",
    "Attachment",
    "Code",
    "CodeableConcept",
    "Coding",
    "Concept",
    "ContactPoint",
    "Date",
    "DateTime",
    "Difference",
    "Entry",
    "HumanName",
    "IdKey",
    "Identifier",
    "Instant",
    "InvariantEngine",
    "Issue",
    "IssueCode",
    "JsonError",
    "MissingPart",
    "Period",
    "Quantity",
    "Range",
    "Ratio",
    "Reference",
    "ReferenceResolver",
    "SampledData",
    "Severity",
    "TerminologyPort",
    "Time",
    "Translation",
    "Uri",
    "Validator",
    "declare",
    "declared",
    "definitions",
    "difference",
    "difference_of_sets",
    "dumps",
    "fhir_type",
    "get_validator",
    "iter_resources",
    "loads",
    "loads_exact",
    "operation_outcome",
    "searchset",
]
