"""SNOMED CT's Expression Constraint Language (ECL 2.2), over SNOMED CT and over any code system's content.

`parse` reads the text into `model`, `bind` makes selections of it over the substrate of a code system, `query` asks
them for one code or for all. They are loaded with the first expression: few value sets have one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_bridge.deferred import deferred
from fhir_bridge.terminology.operations.ecl.errors import EclError

if TYPE_CHECKING:
    from fhir_bridge.terminology.operations.ecl.parse import parse_ecl
    from fhir_bridge.terminology.operations.ecl.query import Query, compile_ecl

__all__ = ["EclError", "Query", "compile_ecl", "parse_ecl"]

__getattr__ = deferred(__name__, {"Query": "query", "compile_ecl": "query", "parse_ecl": "parse"})
