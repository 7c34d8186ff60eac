"""Elements in a resource's JSON: a value and its companion, read and written where the type says they are."""

from __future__ import annotations

from typing import Any

from fhir_bridge.fhir.fhirpath import Item
from fhir_bridge.fhir.json_types import json_type
from fhir_bridge.fhir.patch.errors import PatchError
from fhir_bridge.fhir.xml.shapes import ContentType, Shape, XmlElement, resource_shape, shape_at, type_shape

__all__ = [
    "Pair",
    "append",
    "elements_named",
    "holder",
    "location_of",
    "present",
    "put",
    "read",
    "remove",
    "shape_of",
    "write",
]

Pair = tuple[Any, dict[str, Any] | None]
"""A value, and the id and extensions of a primitive; one of them may be None."""


def read(owner: dict[str, Any], element: XmlElement) -> list[Pair]:
    """What is at a place, once or several times.

    Raises:
        PatchError: an array is where one value belongs, or the other way round.
    """
    values, shadows = (
        owner.get(element.name),
        owner.get(element.shadow) if element.kind <= ContentType.DECIMAL else None,
    )
    for result in (values, shadows):
        if result is not None and isinstance(result, list) is not element.repeats:
            wanted = "an array" if element.repeats else "one value"
            raise PatchError(
                f"{element.path} is {json_type(result)} and not {wanted}; make the resource valid first"
            )
    if not element.repeats:
        return [] if values is None and shadows is None else [(values, shadows)]
    values, shadows = values or [], shadows or []
    count = max(len(values), len(shadows))
    return list(zip(_padded(values, count), _padded(shadows, count), strict=True))


def _padded(items: list[Any], count: int) -> list[Any]:
    return items + [None] * (count - len(items))


def write(owner: dict[str, Any], element: XmlElement, pairs: list[Pair]) -> None:
    """Make these all that is at a place; arrays of nothing but nulls are left out."""
    values, shadows = [value for value, _ in pairs], [shadow for _, shadow in pairs]
    for name, items in ((element.name, values), (element.shadow, shadows)):
        if all(item is None for item in items):
            owner.pop(name, None)
        else:
            owner[name] = items if element.repeats else items[0]


def append(owner: dict[str, Any], element: XmlElement, pair: Pair) -> None:
    """Put an item behind those of a list, or set what occurs once; a long list is not copied for it."""
    value, shadow = pair
    values = owner.get(element.name)
    if not element.repeats or not isinstance(values, list) or shadow is not None or element.shadow in owner:
        write(owner, element, [*read(owner, element), pair])
    else:
        values.append(value)


def put(owner: dict[str, Any], element: XmlElement, pair: Pair, index: int) -> None:
    """Exchange what is at a place, or the item of this index there."""
    if index < 0:
        write(owner, element, [pair])
        return
    pairs = read(owner, element)
    pairs[index] = pair
    write(owner, element, pairs)


def shape_of(item: Item) -> Shape:
    """The elements that an item of a FHIRPath result may have."""
    if item.kind.primitive and not item.kind.system:
        return type_shape("Element")
    if item.kind.is_resource and isinstance(item.value, dict):
        shape = resource_shape(item.value.get("resourceType"))
        if shape is not None:
            return shape
    if item.kind.defined_at is None or not isinstance(item.value, dict):
        raise PatchError("the path leads to a value that is no element of the resource")
    return shape_at(*item.kind.defined_at)


def location_of(item: Item) -> tuple[Item, XmlElement]:
    """The item that holds this one, and the place in it.

    Raises:
        PatchError: it is the resource itself, or a value that the expression made.
    """
    if item.parent is None:
        whole = isinstance(item.value, dict) and "resourceType" in item.value
        raise PatchError(
            "the path leads to a resource as a whole; give the path of an element in it"
            if whole
            else "the path leads to a value that is no element of the resource"
        )
    element = shape_of(item.parent).element(item.key)
    if element is None:
        raise PatchError("the path leads to a value that is no element of the resource")
    return item.parent, element


def holder(item: Item) -> dict[str, Any]:
    """The JSON object that holds an item's elements; that of a primitive is made where it has none yet."""
    if not item.kind.primitive:
        results: dict[str, Any] = item.value
        return results
    if item.extras is None:
        parent, element = location_of(item)
        item.extras = {}
        put(holder(parent), element, (item.value, item.extras), item.index)
    return item.extras


def elements_named(shape: Shape, name: str) -> list[XmlElement]:
    """Places of an element by the name FHIRPath gives it: one, or one for each type of a choice."""
    stem = name.removesuffix("[x]")
    exact = shape.element(stem)
    if exact is not None:
        return [exact]
    return [element for element in shape.by_name.values() if element.path.endswith(f".{stem}[x]")]


def present(owner: dict[str, Any], shape: Shape, element: XmlElement) -> XmlElement | None:
    """What is at a place already, under any type of its choice."""
    alike = (
        [element]
        if not element.path.endswith("[x]")
        else [other for other in shape.by_name.values() if other.path == element.path]
    )
    return next((other for other in alike if read(owner, other)), None)


def remove(item: Item) -> None:
    """Take an element out, and with it what then holds nothing: R4 JSON has no empty objects and arrays."""
    current: Item | None = item
    while current is not None and current.parent is not None:
        parent, element = location_of(current)
        owner = holder(parent)
        pairs = read(owner, element)
        if element.repeats:
            del pairs[current.index]
        write(owner, element, pairs if element.repeats else [])
        if parent.kind.primitive:
            if owner:
                return
            parent.extras = None
            if parent.value is not None:
                above, inner = location_of(parent)
                put(holder(above), inner, (parent.value, None), parent.index)
                return
        elif owner:
            return
        current = parent
