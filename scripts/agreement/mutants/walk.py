"""Walking a resource by its type's definition: what is where, and of which type."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.definitions import Element, TypeDefinition

__all__ = ["Node", "Spot", "nodes", "spots"]


@dataclass(frozen=True, slots=True)
class Node:
    """An object in a resource: the resource itself, a backbone element or a value of a complex type.

    Attributes:
        definition: the type that defines its elements.
        element_id: the element of that definition whose children these are.
        element: the element that it is the value of; None for a resource.
    """

    value: dict[str, Any]
    definition: TypeDefinition
    element_id: str
    path: str
    element: Element | None = None

    @property
    def children(self) -> tuple[Element, ...]:
        """The elements it may have."""
        return self.definition.children(self.element_id)

    @property
    def is_resource(self) -> bool:
        """Whether it is a resource, the whole one or one inside."""
        return self.definition.kind == "resource" and self.element_id == self.definition.name

    def has(self, element: Element) -> bool:
        """Whether the element is present in any of its types."""
        return any(name in self.value or "_" + name in self.value for name in element.json_names)


@dataclass(frozen=True, slots=True)
class Spot:
    """A value of a known element: `owner[name]`, or an item of it.

    Attributes:
        code: the value's type.
    """

    owner: Node
    name: str
    index: int | None
    element: Element
    code: str

    @property
    def value(self) -> Any:
        """The value that is here."""
        result = self.owner.value[self.name]
        return result if self.index is None else result[self.index]

    @property
    def path(self) -> str:
        """Where it is, as JSON names."""
        step = self.name if self.index is None else f"{self.name}[{self.index}]"
        return f"{self.owner.path}.{step}"

    def put(self, value: Any) -> None:
        """Replace the value."""
        if self.index is None:
            self.owner.value[self.name] = value
        else:
            self.owner.value[self.name][self.index] = value

    def drop(self) -> None:
        """Remove the element with all its values."""
        self.owner.value.pop(self.name, None)
        self.owner.value.pop("_" + self.name, None)


def nodes(resource: dict[str, Any]) -> Iterator[Node]:
    """All objects of a resource that its definition knows, outer ones first."""
    definition = definitions.find_type(str(resource.get("resourceType")))
    if definition is not None:
        yield from _nodes(Node(resource, definition, definition.name, definition.name))


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for spot in _spots(node):
        if isinstance(spot.value, dict):
            inner = _inside(spot)
            if inner is not None:
                yield from _nodes(inner)


def _inside(spot: Spot) -> Node | None:
    element, owner = spot.element, spot.owner
    if spot.code == "Resource" or spot.code in definitions.resource_types():
        definition = definitions.find_type(str(spot.value.get("resourceType")))
        return Node(spot.value, definition, definition.name, spot.path) if definition else None
    if element.content_reference:
        return Node(spot.value, owner.definition, element.content_reference, spot.path, element)
    if owner.definition.children(element.id):
        return Node(spot.value, owner.definition, element.id, spot.path, element)
    definition = definitions.find_type(spot.code)
    return Node(spot.value, definition, definition.name, spot.path, element) if definition else None


def _spots(node: Node) -> Iterator[Spot]:
    for name, value in node.value.items():
        child = node.definition.child(node.element_id, name)
        if child is None:
            continue
        element, code = child
        if isinstance(value, list):
            for index in range(len(value)):
                if value[index] is not None:
                    yield Spot(node, name, index, element, code)
        else:
            yield Spot(node, name, None, element, code)


def spots(resource: dict[str, Any]) -> Iterator[Spot]:
    """All values of a resource that its definition knows."""
    for node in nodes(resource):
        yield from _spots(node)
