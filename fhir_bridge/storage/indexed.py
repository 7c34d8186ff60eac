"""Which search parameters the store indexes: those with a table, of some types only what most searches ask for."""

from __future__ import annotations

import re
from collections.abc import Mapping

from fhir_bridge.fhir import search_parameters
from fhir_bridge.fhir.definitions import DEFAULT, Definitions, SearchParameter, resource_types

__all__ = [
    "APART",
    "SPECIAL",
    "find",
    "find_reference",
    "included",
    "indexed_only",
    "reference_targets",
    "references_of",
    "searchable",
    "why_apart",
]

TABLES = frozenset({"token", "string", "date", "quantity", "number", "reference", "uri"})
"""Search types that have a table; a composite is searched by its components."""
WORDS = frozenset({"_content", "_text"})
"""Parameters that are answered from the words of resources, for every type."""
SPECIAL = WORDS | {"_filter"}
"""Parameters that are answered without rows of their own."""

# An AuditEvent has up to hundreds of index rows, and every request writes one; those
# chosen are what an audit asks.
_CHOSEN = {
    "AuditEvent": frozenset("action agent date entity outcome patient subtype type".split()),
}
"""Types of which only some parameters are indexed, beside those of Resource: every access writes an AuditEvent."""

_OVERLAPPING = frozenset({"token", "quantity", "reference"})
"""Types of parameters of which some have the values of others."""
_RESTRICTED = re.compile(r"\.where\(resolve\(\) is [A-Z][A-Za-z]*\)$")

APART = frozenset({"AuditEvent"})
"""Types that are no rows of `resource`: no search of another type leads to them (`storage.audit_search`)."""


def indexed_only(resource_type: str, known: Definitions = DEFAULT) -> frozenset[str] | None:
    """The codes that are indexed of this type; None for all."""
    return known.derived(_chosen, resource_type) if resource_type in _CHOSEN else None


def _chosen(known: Definitions, resource_type: str) -> frozenset[str]:
    # `_id`, `_lastUpdated`, `_profile` and the like: those of Resource are answered of every type.
    codes = known.search_parameters(resource_type)
    return _CHOSEN[resource_type].union(code for code in codes if code.startswith("_"))


def included(resource_type: str, known: Definitions = DEFAULT) -> Mapping[str, tuple[str, ...]]:
    """For each code of a type those whose values are among its own: `patient` for `subject`, `code` for `combo-code`.

    What the index has under one of these has no second row: who looks for the code looks for these too. In an index
    that was made before there are both, which finds the same.
    """
    return known.derived(_included, resource_type)


def _included(known: Definitions, resource_type: str) -> dict[str, tuple[str, ...]]:
    parts = {
        code: (parameter.type, frozenset(part.strip() for part in parameter.expression.split("|")))
        for code, parameter in known.search_parameters(resource_type).items()
        if parameter.type in _OVERLAPPING and not parameter.components and parameter.expression
    }
    results = {
        code: tuple(
            sorted(
                other
                for other, (other_type, own) in parts.items()
                if other != code and other_type == kind and _within(own, whole) and not _within(whole, own)
            )
        )
        for code, (kind, whole) in parts.items()
    }
    return {code: others for code, others in results.items() if others}


def _within(own: frozenset[str], whole: frozenset[str]) -> bool:
    return all(part in whole or _RESTRICTED.sub("", part) in whole for part in own)


def find(resource_type: str, code: str, known: Definitions = DEFAULT) -> SearchParameter | None:
    """The definition of a parameter that the store can search by, or None."""
    only = indexed_only(resource_type, known)
    if only is not None and code not in only:
        return None
    if code in SPECIAL:
        if resource_type in APART:
            return None
        return known.search_parameters(resource_type).get(code)
    parameter = search_parameters.find(resource_type, code, known)
    return parameter if parameter is not None and _answered(parameter, resource_type, known) else None


def searchable(resource_type: str, known: Definitions = DEFAULT) -> tuple[SearchParameter, ...]:
    """All parameters that the store can search by on this type, for the CapabilityStatement."""
    only = indexed_only(resource_type, known)
    indexed = [
        parameter
        for parameter in search_parameters.searchable(resource_type, known)
        if (only is None or parameter.code in only) and _answered(parameter, resource_type, known)
    ]
    words = (find(resource_type, code, known) for code in sorted(SPECIAL))
    return (*indexed, *(parameter for parameter in words if parameter is not None))


def _answered(parameter: SearchParameter, resource_type: str, known: Definitions) -> bool:
    if parameter.components:
        return all(find(resource_type, code, known) for code, _ in parameter.components)
    return parameter.type in TABLES or parameter.code in search_parameters.STORED


def why_apart(resource_type: str) -> str:
    """What is said to who asks for a way from another type to one that is apart; empty for all others."""
    if resource_type not in APART:
        return ""
    return f"no search of another type leads to {resource_type}s: search them themselves ({resource_type}?patient=…)"


def find_reference(resource_type: str, code: str, known: Definitions = DEFAULT) -> SearchParameter | None:
    """The definition of a reference parameter that can be followed, or None."""
    if resource_type in APART:
        return None
    parameter = find(resource_type, code, known)
    return parameter if parameter is not None and parameter.type == "reference" else None


def references_of(resource_type: str, known: Definitions = DEFAULT) -> tuple[SearchParameter, ...]:
    """All reference parameters of a type that can be followed."""
    if resource_type in APART:
        return ()
    return tuple(parameter for parameter in searchable(resource_type, known) if parameter.type == "reference")


def reference_targets(parameter: SearchParameter) -> tuple[str, ...]:
    """The types that a reference parameter may point to; all where R4 names none."""
    if (
        parameter.code == "patient"
    ):  # its expressions keep references to Patients alone, whatever its targets say
        return ("Patient",)
    return parameter.targets or tuple(sorted(resource_types()))
