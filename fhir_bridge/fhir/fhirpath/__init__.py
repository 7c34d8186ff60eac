"""FHIRPath for R4 (N1 2.0 and http://hl7.org/fhir/R4/fhirpath.html): parsed once, compiled, evaluated on JSON.

>>> compile("name.where(use = 'official').given", "Patient").evaluate(patient)

Packages that compile expressions themselves (views, invariants) also build on the modules `syntax` (the tree),
`fhir_types` (what a type's elements lead to) and `types` (the names of types); the other modules are free to change.
"""

from fhir_bridge.fhir.fhirpath import (
    boundaries,
    functions_collections,
    functions_fhir,
    functions_strings,
    functions_values,
)
from fhir_bridge.fhir.fhirpath.environment import Budget
from fhir_bridge.fhir.fhirpath.errors import FHIRPathError
from fhir_bridge.fhir.fhirpath.expression import (
    Expression,
    compile,  # noqa: A004
    compiled_condition,
    json_value,
)
from fhir_bridge.fhir.fhirpath.items import Item
from fhir_bridge.fhir.fhirpath.parser import parse
from fhir_bridge.fhir.fhirpath.syntax import unparse

__all__ = [
    "Budget",
    "Expression",
    "FHIRPathError",
    "Item",
    "compile",
    "compiled_condition",
    "json_value",
    "parse",
    "unparse",
]

_TABLES = (boundaries, functions_collections, functions_fhir, functions_strings, functions_values)
"""Modules whose functions are in the table because they are imported here."""
