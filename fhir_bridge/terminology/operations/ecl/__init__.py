"""SNOMED CT's Expression Constraint Language (ECL 2.2), over SNOMED CT and over any code system's content.

`parse` reads the text into `model`, `bind` makes selections of it over the substrate of a code system, `query` asks
them for one code or for all.
"""

from fhir_bridge.terminology.operations.ecl.errors import EclError
from fhir_bridge.terminology.operations.ecl.parse import parse_ecl
from fhir_bridge.terminology.operations.ecl.query import Query, compile_ecl

__all__ = ["EclError", "Query", "compile_ecl", "parse_ecl"]
