"""Every object of a resource with its kind, and resources broken at random: what evaluators are compared on."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.definitions import Constraint
from fhir_bridge.fhir.fhirpath.fhir_types import FhirType
from fhir_bridge.fhir.fhirpath.items import Item, children, root_item

ODDITIES: tuple[Any, ...] = (
    None,
    "",
    "x",
    0,
    1.5,
    True,
    [],
    {},
    [None],
    ["final"],
    {"value": "x"},
    "2024",
    [[]],
    {"id": 1},
)


def objects(resource: dict[str, Any]) -> Iterator[Item]:
    """The resource and everything below it, depth first."""
    todo = [root_item(resource)]
    while todo:
        item = todo.pop()
        yield item
        below: list[Item] = []
        children(item, below)
        todo.extend(below)


def constraints_of(kind: FhirType) -> tuple[Constraint, ...]:
    """The invariants of a type, or of an element with children."""
    if kind.defined_at is None:
        return ()
    definition = definitions.find_type(kind.defined_at[0])
    element = definition.element(kind.defined_at[1]) if definition is not None else None
    return element.constraints if element is not None else ()


def mutants(resource: dict[str, Any], number: int, seed: int) -> Iterator[dict[str, Any]]:
    """Copies with one to three places removed, emptied, doubled or given a value of another kind."""
    chance = random.Random(seed)
    for _ in range(number):
        changed = copy.deepcopy(resource)
        for _ in range(chance.randint(1, 3)):
            _change(changed, chance)
        yield changed


def _change(resource: dict[str, Any], chance: random.Random) -> None:
    locations: list[tuple[Any, Any]] = []
    todo: list[Any] = [resource]
    while todo:
        node = todo.pop()
        for key, value in list(node.items()) if isinstance(node, dict) else list(enumerate(node)):
            if key != "resourceType":
                locations.append((node, key))
            if isinstance(value, dict | list):
                todo.append(value)
    if not locations:
        return
    holder, key = chance.choice(locations)
    match chance.randint(0, 4):
        case 0:
            del holder[key]
        case 1:
            holder[key] = copy.deepcopy(chance.choice(ODDITIES))
        case 2:
            holder[key] = [holder[key]]
        case 3 if isinstance(holder[key], list) and holder[key]:
            holder[key].append(copy.deepcopy(holder[key][0]))
        case _ if (
            isinstance(holder, dict) and isinstance(key, str) and not isinstance(holder[key], dict | list)
        ):
            holder["_" + key] = {"extension": [{"url": "http://example.org/x", "valueString": "y"}]}
            if chance.random() < 0.7:
                del holder[key]
