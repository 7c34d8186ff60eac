"""The R4 search parameters, compiled: from a resource to index entries, and to its patients.

Composite parameters, a few expressions and most of AuditEvent are not compiled; `uncompiled()` lists each with its
reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.search_entries import (
    DateEntry,
    IndexEntry,
    NumberEntry,
    QuantityEntry,
    ReferenceEntry,
    StringEntry,
    TokenEntry,
    UriEntry,
)
from fhir_bridge.fhir.search_paths import Path, Unsupported, compile_expression
from fhir_bridge.fhir.search_values import Converter, converter

__all__ = [
    "DateEntry",
    "IndexEntry",
    "NumberEntry",
    "QuantityEntry",
    "ReferenceEntry",
    "StringEntry",
    "TokenEntry",
    "Uncompiled",
    "UriEntry",
    "compartment_patients",
    "extract",
    "find",
    "searchable",
    "uncompiled",
]

STORED = frozenset({"_id", "_lastUpdated"})
"""Parameters that the server answers from its own columns, without an index."""

_CHOSEN = {
    "AuditEvent": frozenset("action agent date entity outcome patient subtype type".split()),
}
"""Types of which only some parameters are indexed (beside those of Resource): every access writes an AuditEvent."""

_PRESENT_AND_TRUE = re.compile(r"(?P<path>[\w.]+)\.exists\(\) and (?P=path) != false")


@dataclass(frozen=True, slots=True)
class Uncompiled:
    """A search parameter, or a part of one, that finds nothing here."""

    type: str
    code: str
    expression: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Walk:
    """One path of one parameter, with what makes entries of its values."""

    parameter: str
    path: Path
    convert: Converter


@dataclass(frozen=True, slots=True)
class _Presence:
    """`X.exists() and X != false` (Patient.deceased): always one token, true or false."""

    parameter: str
    paths: tuple[Path, ...]

    def entry(self, resource: dict[str, Any]) -> TokenEntry:
        true = any(value is not False for path in self.paths for value in path.values(resource))
        return TokenEntry(
            self.parameter,
            "http://terminology.hl7.org/CodeSystem/special-values",
            "true" if true else "false",
        )


@dataclass(frozen=True, slots=True)
class _Compiled:
    """All parameters of a resource type. `by_element` groups the paths by the element they begin with."""

    by_element: dict[str, tuple[_Walk, ...]]
    presences: tuple[_Presence, ...]
    codes: frozenset[str]
    uncompiled: tuple[Uncompiled, ...]


@cache
def _compile(resource_type: str) -> _Compiled:
    walks: dict[str, list[_Walk]] = {}
    presences: list[_Presence] = []
    codes: set[str] = set(STORED)
    left: list[Uncompiled] = []
    for code, parameter in definitions.search_parameters(resource_type).items():
        if code in STORED:
            continue
        expression = parameter.expression

        def leave(reason: str, code: str = code, expression: str = expression) -> None:
            left.append(Uncompiled(resource_type, code, expression, reason))

        if not expression:
            leave("has no expression")
            continue
        if resource_type in _CHOSEN and code not in _CHOSEN[resource_type] and not code.startswith("_"):
            leave(f"of {resource_type} only what most searches ask for is indexed")
            continue
        if parameter.type in ("composite", "special"):
            leave(f"{parameter.type} parameters are not supported")
            continue
        presence = _PRESENT_AND_TRUE.fullmatch(expression)
        try:
            paths = compile_expression(presence["path"] if presence else expression, resource_type)
        except Unsupported as error:
            leave(str(error))
            continue
        if presence:
            presences.append(_Presence(code, paths))
            codes.add(code)
            continue
        for path in paths:
            convert = converter(parameter.type, path.type, _implied_system(path.binding))
            if convert is None:
                if ".extension(" not in expression:  # an extension's value may have any type: most don't fit
                    leave(f"values of type {path.type} are not indexed as {parameter.type}")
                continue
            codes.add(code)
            walks.setdefault(path.element, []).append(_Walk(code, path, convert))
    return _Compiled(
        {element: tuple(found) for element, found in walks.items()},
        tuple(presences),
        frozenset(codes),
        tuple(left),
    )


@cache
def _implied_system(value_set: str | None) -> str | None:
    """The one code system of a required binding: what `system|code` means for an element of type code."""
    known = definitions.value_set(value_set) if value_set else None
    if known is None or known.open or len(known.codes) != 1:
        return None
    return next(iter(known.codes))


def extract(resource: dict[str, Any]) -> list[IndexEntry]:
    """All index entries of a resource; equal ones once.

    Raises:
        KeyError: the resource has no `resourceType`.
    """
    compiled = _compile(resource["resourceType"])
    entries: list[IndexEntry] = []
    append = entries.append
    by_element = compiled.by_element
    for element in resource:
        walks = by_element.get(element)
        if walks is not None:
            for walk in walks:
                for value in walk.path.values(resource):
                    walk.convert(walk.parameter, value, append)
    entries.extend(presence.entry(resource) for presence in compiled.presences)
    return list(dict.fromkeys(entries))


def find(resource_type: str, code: str) -> definitions.SearchParameter | None:
    """The definition of a parameter that can be searched by, or None."""
    if code not in _compile(resource_type).codes:
        return None
    return definitions.search_parameters(resource_type)[code]


def searchable(resource_type: str) -> tuple[definitions.SearchParameter, ...]:
    """All parameters that can be searched by on this type, for the CapabilityStatement."""
    codes = _compile(resource_type).codes
    return tuple(
        parameter
        for code, parameter in sorted(definitions.search_parameters(resource_type).items())
        if code in codes
    )


def uncompiled(resource_type: str | None = None) -> list[Uncompiled]:
    """What of the search parameters of a type (or of all types) finds nothing here, and why."""
    types = [resource_type] if resource_type else sorted(definitions.resource_types())
    return [entry for name in types for entry in _compile(name).uncompiled]


def compartment_patients(resource: dict[str, Any], entries: Iterable[IndexEntry]) -> tuple[str, ...]:
    """Ids of the patients in whose compartment the resource is (R4 compartmentdefinition-patient.html).

    Only the parameters that CompartmentDefinition names confer membership; a Patient is in its own.
    """
    resource_type = resource["resourceType"]
    parameters = definitions.patient_compartment().get(resource_type, ())
    patients = [
        entry.id
        for entry in entries
        if type(entry) is ReferenceEntry
        and entry.type == "Patient"
        and entry.id is not None
        and entry.parameter in parameters
    ]
    if resource_type == "Patient" and isinstance(resource.get("id"), str):
        patients.insert(0, resource["id"])
    return tuple(dict.fromkeys(patients))
