"""SNOMED CT's Expression Constraint Language (ECL 2.2), its common part, over any code system's content."""

from fhir_bridge.terminology.operations.ecl.evaluate import Query, compile_ecl
from fhir_bridge.terminology.operations.ecl.parse import EclError, parse_ecl

__all__ = ["EclError", "Query", "compile_ecl", "parse_ecl"]
