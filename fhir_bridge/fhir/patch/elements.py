"""Elements in a resource's JSON: a value and its companion, read and written where the type says they stand."""

from __future__ import annotations

from typing import Any

from fhir_bridge.fhir.fhirpath import Item
from fhir_bridge.fhir.json_kinds import kind_of
from fhir_bridge.fhir.patch.errors import PatchError
from fhir_bridge.fhir.xml.shapes import Kind, Place, Shape, resource_shape, shape_at, type_shape

__all__ = [
    "Pair",
    "append",
    "holder",
    "place_of",
    "places",
    "present",
    "put",
    "read",
    "remove",
    "shape_of",
    "write",
]

Pair = tuple[Any, dict[str, Any] | None]
"""A value, and the id and extensions of a primitive; one of them may be None."""


def read(owner: dict[str, Any], place: Place) -> list[Pair]:
    """What stands at a place, once or several times.

    Raises:
        PatchError: an array stands where one value belongs, or the other way round.
    """
    values, shadows = owner.get(place.name), owner.get(place.shadow) if place.kind <= Kind.DECIMAL else None
    for found in (values, shadows):
        if found is not None and isinstance(found, list) is not place.repeats:
            wanted = "an array" if place.repeats else "one value"
            raise PatchError(
                f"{place.path} is {kind_of(found)} and not {wanted}; make the resource valid first"
            )
    if not place.repeats:
        return [] if values is None and shadows is None else [(values, shadows)]
    values, shadows = values or [], shadows or []
    count = max(len(values), len(shadows))
    return list(zip(_padded(values, count), _padded(shadows, count), strict=True))


def _padded(items: list[Any], count: int) -> list[Any]:
    return items + [None] * (count - len(items))


def write(owner: dict[str, Any], place: Place, pairs: list[Pair]) -> None:
    """Make these all that stands at a place; arrays of nothing but nulls are left out."""
    values, shadows = [value for value, _ in pairs], [shadow for _, shadow in pairs]
    for name, items in ((place.name, values), (place.shadow, shadows)):
        if all(item is None for item in items):
            owner.pop(name, None)
        else:
            owner[name] = items if place.repeats else items[0]


def append(owner: dict[str, Any], place: Place, pair: Pair) -> None:
    """Put an item behind those of a list, or set what stands once; a long list is not copied for it."""
    value, shadow = pair
    values = owner.get(place.name)
    if not place.repeats or not isinstance(values, list) or shadow is not None or place.shadow in owner:
        write(owner, place, [*read(owner, place), pair])
    else:
        values.append(value)


def put(owner: dict[str, Any], place: Place, pair: Pair, index: int) -> None:
    """Exchange what stands at a place, or the item of this index there."""
    if index < 0:
        write(owner, place, [pair])
        return
    pairs = read(owner, place)
    pairs[index] = pair
    write(owner, place, pairs)


def shape_of(item: Item) -> Shape:
    """The elements that an item of a FHIRPath result may have."""
    if item.kind.primitive and not item.kind.system:
        return type_shape("Element")
    if item.kind.is_resource and isinstance(item.value, dict):
        found = resource_shape(item.value.get("resourceType"))
        if found is not None:
            return found
    if item.kind.place is None or not isinstance(item.value, dict):
        raise PatchError("the path leads to a value that is no element of the resource")
    return shape_at(*item.kind.place)


def place_of(item: Item) -> tuple[Item, Place]:
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
    place = shape_of(item.parent).place(item.key)
    if place is None:
        raise PatchError("the path leads to a value that is no element of the resource")
    return item.parent, place


def holder(item: Item) -> dict[str, Any]:
    """The JSON object that holds an item's elements; that of a primitive is made where it has none yet."""
    if not item.kind.primitive:
        found: dict[str, Any] = item.value
        return found
    if item.extras is None:
        parent, place = place_of(item)
        item.extras = {}
        put(holder(parent), place, (item.value, item.extras), item.index)
    return item.extras


def places(shape: Shape, name: str) -> list[Place]:
    """Places of an element by the name FHIRPath gives it: one, or one for each type of a choice."""
    stem = name.removesuffix("[x]")
    exact = shape.place(stem)
    if exact is not None:
        return [exact]
    return [place for place in shape.by_name.values() if place.path.endswith(f".{stem}[x]")]


def present(owner: dict[str, Any], shape: Shape, place: Place) -> Place | None:
    """What stands at a place already, under any type of its choice."""
    alike = (
        [place]
        if not place.path.endswith("[x]")
        else [other for other in shape.by_name.values() if other.path == place.path]
    )
    return next((other for other in alike if read(owner, other)), None)


def remove(item: Item) -> None:
    """Take an element out, and with it what then holds nothing: R4 JSON has no empty objects and arrays."""
    current: Item | None = item
    while current is not None and current.parent is not None:
        parent, place = place_of(current)
        owner = holder(parent)
        pairs = read(owner, place)
        if place.repeats:
            del pairs[current.index]
        write(owner, place, pairs if place.repeats else [])
        if parent.kind.primitive:
            if owner:
                return
            parent.extras = None
            if parent.value is not None:
                above, inner = place_of(parent)
                put(holder(above), inner, (parent.value, None), parent.index)
                return
        elif owner:
            return
        current = parent
