"""A search parameter evaluated by itself: where the common walk of its type can't read an expression or a resource."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

from fhir_bridge.fhir import definitions, fhirpath
from fhir_bridge.fhir.definitions import DEFAULT, SearchParameter
from fhir_bridge.fhir.search.entries import CompositeEntry, IndexEntry
from fhir_bridge.fhir.search.references import target_type
from fhir_bridge.fhir.search.systems import implied_system
from fhir_bridge.fhir.search.values import Append, converter, marked

__all__ = ["Evaluated", "TargetTypes", "typed"]

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

_logged: set[tuple[str, str]] = set()


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
        result = target_type({"reference": reference}, self._resource)
        if result not in definitions.resource_types():
            return None
        return {"resourceType": result, "id": reference.partition("/_history/")[0].rpartition("/")[2]}


class Evaluated:
    """A parameter of one resource type by its FHIRPath, one expression after the other.

    Args:
        known: definitions; components of a composite parameter are among their parameters of the type.

    Attributes:
        parameter: its definition.
        known: the definitions that have it.
        expression: what it finds in a resource.
        components: of a composite parameter, the definition of each component and what it finds at such a place.

    Raises:
        FHIRPathError: an expression is no FHIRPath.
        KeyError: a component is no search parameter of the type.
    """

    def __init__(
        self, resource_type: str, parameter: SearchParameter, known: definitions.Definitions = DEFAULT
    ) -> None:
        others = known.search_parameters(resource_type)
        self.parameter = parameter
        self.expression = fhirpath.compile(parameter.expression, resource_type, published=True)
        self.components = tuple(
            (others[code], fhirpath.compile(expression, published=True))
            for code, expression in parameter.components
        )
        self._type, self.known = resource_type, known

    def values(self, resource: dict[str, Any]) -> list[tuple[str, Any]]:
        """(FHIR type, value) of all that the expression finds; of an extension its value."""
        items = self._items(self.expression, resource, resource)
        return [pair for item in items for pair in typed(item.type, fhirpath.json_value(item))]

    def extract(self, resource: dict[str, Any], append: Callable[[Any], object]) -> None:
        """Append the index entries; of a composite parameter one for each value with something of every component."""
        items = self._items(self.expression, resource, resource)
        if not self.components:
            self._append(self.parameter, items, append, mark=True)
            return
        for item in items:
            parts: list[list[IndexEntry]] = []
            for component, expression in self.components:
                parts.append([])
                self._append(component, self._items(expression, item, resource), parts[-1].append)
            if all(parts):
                append(CompositeEntry.of(self.parameter.code, *parts))

    def _items(
        self, expression: fhirpath.Expression, focus: Any, resource: dict[str, Any]
    ) -> list[fhirpath.Item]:
        """What an expression finds; where it fails on a resource nothing, and the log says so once."""
        try:
            return expression.items(
                focus, resource=resource, resolver=TargetTypes(resource), definitions=self.known
            )
        except fhirpath.FHIRPathError as error:
            key = (self._type, self.parameter.code)
            if key not in _logged:
                _logged.add(key)
                _log.warning(
                    "%s can't always be searched by %s: its expression fails on some (%s)",
                    *key,
                    type(error).__name__,
                )
            return []

    def _append(
        self, parameter: SearchParameter, items: list[fhirpath.Item], append: Append, *, mark: bool = False
    ) -> None:
        for item in items:
            location = (item.parent.kind, item.key) if item.parent is not None else None
            system = implied_system(location, self.known) if item.type == "code" else None
            for type_name, value in typed(item.type, fhirpath.json_value(item)):
                convert = converter(parameter.type, type_name, system, parameter.targets)
                if convert is not None:
                    (marked(convert) if mark else convert)((parameter.code,), value, append)


def typed(type_name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The FHIR type and value of what an expression found; of an extension those of its value."""
    if type_name == "Extension":
        # value[x], the last element of Extension.
        names = definitions.type_definition("Extension").elements[-1].json_names
        for name, kind in names.items():
            if isinstance(value, dict) and name in value:
                yield kind, value[name]
    elif value is not None:
        yield _SYSTEM.get(type_name, type_name), value
