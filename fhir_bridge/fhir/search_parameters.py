"""The search parameters of R4 and of loaded packages, compiled: from a resource to index entries, and to its patients.

All parameters of a resource type become one function over JSON (`search.compiling`); what that can't read is evaluated
parameter by parameter (`search.evaluated`). Which parameters a store indexes is its own choice.
`docs/search-parameters.md` says what is found and what is not.
"""

from __future__ import annotations

from typing import Any

from fhir_bridge.fhir.definitions import (
    DEFAULT,
    Definitions,
    SearchParameter,
    resource_types,
)
from fhir_bridge.fhir.search.compiling import STORED, Uncompiled, Unindexed, codes_of, compiled
from fhir_bridge.fhir.search.elements import elements_of, is_of_resource
from fhir_bridge.fhir.search.entries import (
    PRESENT,
    CompositeEntry,
    DateEntry,
    IndexEntry,
    NumberEntry,
    QuantityEntry,
    ReferenceEntry,
    StringEntry,
    TokenEntry,
    TooManyEntries,
    UriEntry,
    is_present,
)

__all__ = [
    "PRESENT",
    "STORED",
    "CompositeEntry",
    "DateEntry",
    "IndexEntry",
    "NumberEntry",
    "QuantityEntry",
    "ReferenceEntry",
    "StringEntry",
    "TokenEntry",
    "TooManyEntries",
    "Uncompiled",
    "Unindexed",
    "UriEntry",
    "elements_of",
    "extract",
    "extract_composites",
    "find",
    "is_of_resource",
    "is_present",
    "searchable",
    "uncompiled",
    "unindexed",
    "values",
]


def extract(
    resource: dict[str, Any],
    only: frozenset[str] | None = None,
    known: Definitions = DEFAULT,
    *,
    most: int | None = None,
    marks: bool = False,
) -> list[IndexEntry]:
    """All index entries of a resource, those of composite parameters aside; equal ones once.

    Args:
        resource: R4 JSON. A part of a wrong shape gives no entries.
        only: codes of the parameters that are wanted; None for all.
        known: the definitions that have the parameters, those of a site's packages among them.
        most: entries that are wanted, equal ones counted each; None: all.
        marks: also an entry `code:present` of each parameter that leads to an element and finds no value there.

    Raises:
        KeyError: the resource has no `resourceType`, or one that R4 doesn't have.
        TooManyEntries: it gives more than `most`.
    """
    entries = dict.fromkeys(compiled(resource["resourceType"], only, known).entries(resource, most))
    return list(entries) if marks else [entry for entry in entries if not is_present(entry)]


def extract_composites(
    resource: dict[str, Any], only: frozenset[str] | None = None, known: Definitions = DEFAULT
) -> list[CompositeEntry]:
    """The entries of composite parameters, as `extract`: for each value of the base what its components find together.

    Raises:
        KeyError: the resource has no `resourceType`, or one that R4 doesn't have.
    """
    return list(dict.fromkeys(compiled(resource["resourceType"], only, known).pairs(resource)))


def values(resource: dict[str, Any], known: Definitions = DEFAULT) -> dict[str, list[tuple[str, Any]]]:
    """What each parameter finds, before it becomes entries: (FHIR type, JSON value) by code, composites aside.

    Raises:
        KeyError: the resource has no `resourceType`, or one that R4 doesn't have.
    """
    results: dict[str, list[tuple[str, Any]]] = {}
    for code, type_name, value in compiled(resource["resourceType"], None, known).values(resource):
        results.setdefault(code, []).append((type_name, value))
    return results


def find(resource_type: str, code: str, known: Definitions = DEFAULT) -> SearchParameter | None:
    """The definition of a parameter that can be searched by, composites among them, or None."""
    if code not in codes_of(resource_type, known):
        return None
    return known.search_parameters(resource_type)[code]


def searchable(resource_type: str, known: Definitions = DEFAULT) -> tuple[SearchParameter, ...]:
    """All parameters that can be searched by on this type, composites among them."""
    codes = codes_of(resource_type, known)
    return tuple(
        parameter
        for code, parameter in sorted(known.search_parameters(resource_type).items())
        if code in codes
    )


def uncompiled(resource_type: str | None = None, known: Definitions = DEFAULT) -> list[Uncompiled]:
    """The search parameters of a type (or of all types) that find nothing here, and why."""
    types = [resource_type] if resource_type else sorted(resource_types())
    return [entry for name in types for entry in compiled(name, None, known).uncompiled]


def unindexed(resource_type: str | None = None, known: Definitions = DEFAULT) -> list[Unindexed]:
    """The types of values that parameters lead to and that their search types have no form for."""
    types = [resource_type] if resource_type else sorted(resource_types())
    return [entry for name in types for entry in compiled(name, None, known).unindexed]
