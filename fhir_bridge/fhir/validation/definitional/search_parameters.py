"""SearchParameters: their expression fits the types they are for (R4 searchparameter.html)."""

from __future__ import annotations

from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.definitions.searches import expression_for, starting_type, union_parts
from fhir_bridge.fhir.fhirpath import FHIRPathError
from fhir_bridge.fhir.fhirpath import compile as compile_fhirpath
from fhir_bridge.fhir.validation.definitional.objects import objects, text
from fhir_bridge.fhir.validation.run import Path, Run

__all__ = ["check_search_parameter"]

OF_ANY_RESOURCE = frozenset({"Resource", "DomainResource"})


def check_search_parameter(value: Any, path: Path, run: Run) -> None:
    """The expression compiles: each part of a union for the type it starts at, one that names none for every base.

    A part starts at a type of `base`; a composite has two components or more.
    """
    expression, listed = text(value, "expression"), value.get("base")
    known = definitions.resource_types() | OF_ANY_RESOURCE
    bases = [b for b in listed if isinstance(b, str) and b in known] if isinstance(listed, list) else []
    if expression and bases:
        problem = _problem(expression, bases)
        if problem:
            run.add("FB-FHIR-092", problem, (path, "expression", -1))
    if value.get("type") == "composite" and len(list(objects(value, "component", path))) < 2:
        run.add("FB-FHIR-090", "a composite of less than two components", (path, "component", -1))


def _problem(expression: str, bases: list[str]) -> str:
    """What of the expression doesn't fit; empty where all does."""
    try:
        compile_fhirpath(expression, "Resource")
        for base in bases:
            own = expression_for(expression, base)
            if own and base not in OF_ANY_RESOURCE:
                compile_fhirpath(own, base)
    except FHIRPathError as error:
        return str(error)
    if OF_ANY_RESOURCE.isdisjoint(bases):
        for part in union_parts(expression):
            named = starting_type(part)
            if named in definitions.resource_types() and named not in bases:
                return f"it starts at {named}, expected {' or '.join(bases[:12])}, which base names"
    return ""
