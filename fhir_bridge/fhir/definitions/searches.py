"""SearchParameter resources as rows by resource type, their unions split by type."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from fhir_bridge.fhir.definitions.model import SearchParameter

__all__ = ["expression_for", "search_parameter", "search_rows", "starting_type", "union_parts"]


def union_parts(expression: str) -> list[str]:
    """The parts of a FHIRPath union, split at the top level and outside of strings."""
    parts, depth, start, quote = [], 0, 0, ""
    for n, letter in enumerate(expression):
        if quote:
            quote = "" if letter == quote and expression[n - 1] != "\\" else quote
        elif letter in "'`":
            quote = letter
        else:
            depth += (letter in "([") - (letter in ")]")
            if letter == "|" and not depth:
                parts.append(expression[start:n].strip())
                start = n + 1
    return [*parts, expression[start:].strip()]


_FIRST_NAME = re.compile(r"[\s(]*`?([A-Za-z_]\w*)")
_EVERYWHERE = ("Resource", "DomainResource")


def expression_for(expression: str, kind: str) -> str:
    """The parts of a union that can be of this type: those that start at it or at any resource, or name no type."""
    return " | ".join(part for part in union_parts(expression) if part and _may_start_at(part, kind))


def starting_type(part: str) -> str:
    """The type that a path names first, `Patient` of `Patient.name`; empty where it names none (`name.given`)."""
    first = _FIRST_NAME.match(part)
    return first.group(1) if first is not None and first.group(1)[0].isupper() else ""


def _may_start_at(part: str, kind: str) -> bool:
    return starting_type(part) in ("", kind, *_EVERYWHERE)


def search_rows(
    parameter: Mapping[str, Any], kinds: Iterable[str], code_of: Callable[[str], str]
) -> Iterator[tuple[str, list[Any]]]:
    """(resource type, row) for each type that the parameter applies to.

    Args:
        kinds: all resource types, for parameters of every resource.
        code_of: the code of a component's parameter by its canonical.

    Raises:
        KeyError: a component's parameter is not known.
    """
    for base in parameter.get("base", ()):
        for kind in sorted(kinds) if base in _EVERYWHERE else [base]:
            row: list[Any] = [
                parameter["type"],
                expression_for(parameter.get("expression", ""), kind),
                sorted(parameter.get("target", ())),
                parameter["url"],
            ]
            if components := parameter.get("component"):
                row[1] = parameter.get("expression", "")
                row.append([[code_of(c["definition"]), c["expression"]] for c in components])
            yield kind, row


def search_parameter(code: str, row: list[Any]) -> SearchParameter:
    """A row as the typed model."""
    components = tuple((c[0], c[1]) for c in row[4]) if row[4:] else ()
    # An error of R4: it gives each of the two the other's expression.
    if components == (("relatesto", "code"), ("relation", "target")):
        components = (("relation", "code"), ("relatesto", "target"))
    return SearchParameter(code, row[0], row[1], tuple(row[2]), row[3], components)
