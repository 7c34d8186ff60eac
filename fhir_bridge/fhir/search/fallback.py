"""Search parameters whose expressions only the FHIRPath engine can read: those of packages and sites, mostly."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fhir_bridge.fhir import definitions, fhirpath
from fhir_bridge.fhir.search.entries import CompositeEntry, IndexEntry
from fhir_bridge.fhir.search.paths import Unsupported
from fhir_bridge.fhir.search.references import target_type
from fhir_bridge.fhir.search.systems import implied_system
from fhir_bridge.fhir.search.values import Append, converter

__all__ = ["CompositeFallback", "Fallback", "TargetTypes", "composite_fallback", "fallback", "typed"]

_log = logging.getLogger(__name__)

_SYSTEM = {
    "System.Boolean": "boolean",
    "System.String": "string",
    "System.Integer": "integer",
    "System.Decimal": "decimal",
    "System.Date": "date",
    "System.DateTime": "dateTime",
    "System.Quantity": "Quantity",
}
"""FHIR types for those of FHIRPath's own."""

_told: set[tuple[str, str]] = set()


class TargetTypes:
    """Resolves a reference to the contained resource, or to a mere id and type as its text says them."""

    def __init__(self, resource: dict[str, Any]) -> None:
        self._resource = resource

    def resolve(self, reference: str) -> dict[str, Any] | None:
        """See `fhir.ports.ReferenceResolver`."""
        contained = self._resource.get("contained") if reference.startswith("#") else None
        for inner in contained if isinstance(contained, list) else ():
            if isinstance(inner, dict) and inner.get("id") == reference[1:]:
                return inner
        found = target_type({"reference": reference}, self._resource)
        if found not in definitions.resource_types():
            return None
        return {"resourceType": found, "id": reference.partition("/_history/")[0].rpartition("/")[2]}


def _evaluated(
    expression: fhirpath.Expression, focus: Any, resource: dict[str, Any], resource_type: str, code: str
) -> list[fhirpath.Item]:
    """What an expression finds; where it fails on a resource nothing, and the log says so once."""
    try:
        return expression.items(focus, resource=resource, resolver=TargetTypes(resource))
    except fhirpath.FHIRPathError as error:
        if (resource_type, code) not in _told:
            _told.add((resource_type, code))
            _log.warning(
                "%s can't always be searched by %s: its expression fails on some (%s)",
                resource_type,
                code,
                type(error).__name__,
            )
        return []


@dataclass(frozen=True, slots=True)
class _Found:
    """Makes entries of what an expression finds."""

    parameter: str
    search_type: str
    targets: tuple[str, ...]

    def entries(self, items: list[fhirpath.Item], append: Append) -> None:
        for item in items:
            system = implied_system(_binding(item)) if item.type == "code" else None
            for type_name, value in typed(item.type, fhirpath.json_value(item)):
                convert = converter(self.search_type, type_name, system, self.targets)
                if convert is not None:
                    convert((self.parameter,), value, append)


@dataclass(frozen=True, slots=True)
class Fallback:
    """A parameter of one resource type, evaluated by the engine."""

    resource_type: str
    parameter: str
    found: _Found
    expression: fhirpath.Expression

    def values(self, resource: dict[str, Any]) -> list[tuple[str, Any]]:
        """(FHIR type, value) of all that the expression finds; of an extension its value."""
        items = _evaluated(self.expression, resource, resource, self.resource_type, self.parameter)
        return [pair for item in items for pair in typed(item.type, fhirpath.json_value(item))]

    def extract(self, resource: dict[str, Any], append: Append) -> None:
        """Append the index entries."""
        items = _evaluated(self.expression, resource, resource, self.resource_type, self.parameter)
        self.found.entries(items, append)


@dataclass(frozen=True, slots=True)
class CompositeFallback:
    """A composite parameter of one resource type, evaluated by the engine."""

    resource_type: str
    parameter: str
    base: fhirpath.Expression
    components: tuple[tuple[_Found, fhirpath.Expression], ...]

    def extract(self, resource: dict[str, Any]) -> list[CompositeEntry]:
        """An entry for each value of the base that has something of every component."""
        found = []
        for item in _evaluated(self.base, resource, resource, self.resource_type, self.parameter):
            parts = []
            for component, expression in self.components:
                entries: list[IndexEntry] = []
                items = _evaluated(expression, item, resource, self.resource_type, self.parameter)
                component.entries(items, entries.append)
                if not entries:
                    break
                parts.append(tuple(dict.fromkeys(entries)))
            else:
                found.append(CompositeEntry(self.parameter, tuple(parts)))
        return found


def _binding(item: fhirpath.Item) -> str | None:
    """The required value set of a `code` that stands in a resource."""
    place = item.parent.kind.place if item.parent is not None else None
    definition = definitions.find_type(place[0]) if place is not None else None
    found = definition.child(place[1], item.key) if place is not None and definition is not None else None
    binding = found[0].binding if found is not None else None
    return binding.value_set if binding is not None and binding.strength == "required" else None


def typed(type_name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The FHIR type and value of what an expression found; of an extension those of its value."""
    if type_name == "Extension":
        names = definitions.type_definition("Extension").elements[-1].json_names
        for name, kind in names.items():
            if isinstance(value, dict) and name in value:
                yield kind, value[name]
    elif value is not None:
        yield _SYSTEM.get(type_name, type_name), value


def fallback(resource_type: str, parameter: definitions.SearchParameter) -> Fallback:
    """A parameter for the engine.

    Raises:
        FHIRPathError: the expression is no FHIRPath.
    """
    found = _Found(parameter.code, parameter.type, parameter.targets)
    expression = fhirpath.compile(parameter.expression, resource_type, published=True)
    return Fallback(resource_type, parameter.code, found, expression)


def composite_fallback(resource_type: str, parameter: definitions.SearchParameter) -> CompositeFallback:
    """A composite parameter for the engine.

    Raises:
        FHIRPathError: an expression is no FHIRPath.
        Unsupported: a component is no search parameter of the type.
    """
    known = definitions.search_parameters(resource_type)
    components = []
    for code, expression in parameter.components:
        part = known.get(code)
        if part is None:
            raise Unsupported(f"its component {code} is no search parameter of {resource_type}")
        components.append(
            (_Found(code, part.type, part.targets), fhirpath.compile(expression, published=True))
        )
    base = fhirpath.compile(parameter.expression, resource_type, published=True)
    return CompositeFallback(resource_type, parameter.code, base, tuple(components))
