"""R4 as data and rules: definitions, data types, validation, ids, bundles, difference, and the ports it is handed.

`definitions` is a module of look-ups; `search_parameters` and `ucum` are beside it and are imported by name.


What validates is loaded when it is asked for: a process that a model runs in, and most commands, ask for none of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_bridge.deferred import deferred
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

if TYPE_CHECKING:
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

PUBLIC_MODULES = (
    "access",
    "attachments",
    "bundles",
    "canonical",
    "characters",
    "consent",
    "datatypes",
    "definitions",
    "definitions.package_cache",
    "definitions.package_files",
    "definitions.packages",
    "definitions.table",
    "difference",
    "ecg_leads",
    "fhirpath",
    "ids",
    "implicit_rules",
    "issues",
    "models",
    "molar_masses",
    "patch",
    "ports",
    "purposes",
    "record",
    "reference_ranges",
    "sampled_data",
    "search.entries",
    "search.values",
    "search_parameters",
    "serialization",
    "sound_codes",
    "subsets",
    "ucum",
    "ucum_grammar",
    "ucum_table",
    "validation",
    "validation.bindings",
    "validation.run",
    "views",
    "views.sql_types",
    "xml",
)
"""What else other packages and plug-ins may import; checked by scripts/check_interfaces.py."""

__getattr__ = deferred(
    __name__, dict.fromkeys(("InvariantEngine", "Validator", "get_validator"), "validation")
)
