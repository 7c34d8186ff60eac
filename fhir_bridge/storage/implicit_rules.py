"""`implicitRules`: who does not know the rules can't determine what the content means (R4 resource.html#implicitRules).

The element is a modifier, and no rules are known here, so that whatever carries it is refused on every path into the
store. An unknown `modifierExtension` is another matter: keeping a resource as a whole and giving it back is no
processing of it (R4 extensibility.html#modifierExtension).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fhir_bridge.fhir.implicit_rules import unknown_rules
from fhir_bridge.storage.errors import UnknownRules

__all__ = ["refuse_implicit_rules"]


def refuse_implicit_rules(resource: dict[str, Any]) -> None:
    """Refuse a resource that carries `implicitRules`, itself or in a resource within it.

    Raises:
        UnknownRules: it does.
    """
    # A list of what is still to be looked at, not recursion: `contained` and Bundles nest
    # as deeply as the sender likes.
    waiting = [resource]
    while waiting:
        item = waiting.pop()
        if item.get("implicitRules") is not None:
            raise UnknownRules(unknown_rules(item.get("resourceType")), source="implicitRules")
        waiting.extend(_within(item))


def _within(resource: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The resources that are in one: contained, entries of a Bundle, values of Parameters."""
    yield from _dicts(resource.get("contained"))
    kind = resource.get("resourceType")
    if kind == "Bundle":
        for entry in _dicts(resource.get("entry")):
            yield from _dicts([entry.get("resource")])
            response = entry.get("response")
            if isinstance(response, dict):
                yield from _dicts([response.get("outcome")])
    elif kind == "Parameters":
        parameters = list(_dicts(resource.get("parameter")))
        while parameters:
            parameter = parameters.pop()
            yield from _dicts([parameter.get("resource")])
            parameters.extend(_dicts(parameter.get("part")))


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))
