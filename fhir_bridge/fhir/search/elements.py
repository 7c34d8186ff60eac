"""Which repeating element an index entry comes from, where a composite parameter asks what occurs together there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from fhir_bridge.fhir.definitions import Definitions, SearchParameter, resource_types
from fhir_bridge.fhir.search.compiling import compiled
from fhir_bridge.fhir.search.entries import CompositeEntry, IndexEntry, TooManyEntries

__all__ = ["elements_of", "is_of_resource"]


def is_of_resource(parameter: SearchParameter) -> bool:
    """Whether a composite's components are elements of the resource itself, each of which occurs once.

    Then a resource has the pair where it has both values.
    """
    return bool(parameter.components) and parameter.expression in resource_types()


def elements_of(
    resource: dict[str, Any], entries: Sequence[IndexEntry], known: Definitions, *, most: int | None = None
) -> list[tuple[IndexEntry, int | None]] | None:
    """The entries, those of composites' components once for each element that they come from; None: none has a number.

    Values of a composite belong together where their numbers are equal, None among them. Most resources need no
    number: an Observation without components, or with one whose values are the only ones.

    Raises:
        TooManyEntries: that makes more than `most`.
    """
    parts, names = known.derived(_composites, resource["resourceType"])
    if names is not None and names.isdisjoint(resource):
        return None
    pairs: dict[str, list[CompositeEntry]] = {}
    for pair in compiled(resource["resourceType"], frozenset(parts), known).pairs(resource, most):
        pairs.setdefault(pair.parameter, []).append(pair)
    elements = _numbered(pairs, entries, parts)
    results: list[tuple[IndexEntry, int | None]] = []
    for entry in entries:
        results += [(entry, element) for element in elements.get(entry, (None,))]
        if most is not None and len(results) > most:
            raise TooManyEntries
    return results


def _numbered(
    pairs: dict[str, list[CompositeEntry]], entries: Sequence[IndexEntry], parts: Mapping[str, frozenset[str]]
) -> dict[IndexEntry, dict[int | None, None]]:
    """For each entry of a component the elements that it comes from, in order.

    Args:
        parts: by composite the parameters of its components.
    """
    by_parameter: dict[str, set[IndexEntry]] = {}
    for entry in entries:
        by_parameter.setdefault(entry.parameter, set()).add(entry)
    elements: dict[IndexEntry, dict[int | None, None]] = {}
    number = 0
    for of_composite in pairs.values():
        first = of_composite[0]
        # One element that has all there is of its components: nothing else could be taken for a part of it.
        alone = len(of_composite) == 1 and all(
            by_parameter.get(part[0].parameter, set()) <= set(part) for part in first.components
        )
        for pair in of_composite:
            number += 1
            for part in pair.components:
                for entry in part:
                    elements.setdefault(entry, {})[None if alone else number] = None
    # What is in no pair has a number of its own where it could be taken for a part of one: a code of one element, the
    # value of another.
    for codes in parts.values():
        of_parts = [by_parameter.get(code, set()) for code in codes]
        if all(of_parts):
            for entry in entries:
                if entry.parameter in codes and entry not in elements:
                    number += 1
                    elements[entry] = {number: None}
    return elements


def _composites(
    known: Definitions, resource_type: str
) -> tuple[dict[str, frozenset[str]], frozenset[str] | None]:
    """Composites of repeating elements with the parameters of their components, and the elements of the resource that
    they are; None: any may be."""
    composites = {
        code: parameter
        for code, parameter in known.search_parameters(resource_type).items()
        if parameter.components and not is_of_resource(parameter)
    }
    names = [_names(parameter.expression, resource_type) for parameter in composites.values()]
    parts = {
        code: frozenset(part for part, _ in parameter.components) for code, parameter in composites.items()
    }
    return parts, frozenset().union(*names) if all(names) else None


def _names(expression: str, resource_type: str) -> frozenset[str]:
    names: set[str] = set()
    for part in expression.split("|"):
        path = re.match(r"\s*([A-Z][A-Za-z]*)(?:\.([a-z][A-Za-z]*))?", part)
        if path is None or (path[1] == resource_type and path[2] is None and part.strip() != resource_type):
            return frozenset()
        if path[1] == resource_type and path[2] is not None:
            names.add(path[2])
    return frozenset(names)
