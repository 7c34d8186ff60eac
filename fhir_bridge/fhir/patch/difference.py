"""The FHIRPath Patch that turns one version of a resource into another (R4 fhirpatch.html)."""

from __future__ import annotations

from collections import deque
from typing import Any

from fhir_bridge.fhir import xml
from fhir_bridge.fhir.patch.documents import equal
from fhir_bridge.fhir.patch.elements import Pair, read
from fhir_bridge.fhir.patch.errors import PatchError
from fhir_bridge.fhir.patch.fhirpath_operations import fhirpath_patch
from fhir_bridge.fhir.patch.values import parameter_elements
from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.fhir.xml.shapes import ContentType, Shape, XmlElement, resource_shape

__all__ = ["fhirpath_difference"]


class _Difference:
    """Collects operations; paths are those that hold when an operation's turn comes."""

    def __init__(self) -> None:
        self.parameters: list[dict[str, Any]] = []

    def _operation(self, kind: str, path: str, *parts: dict[str, Any]) -> None:
        head = [{"name": "type", "valueCode": kind}, {"name": "path", "valueString": path}]
        self.parameters.append({"name": "operation", "part": [*head, *parts]})

    def object(self, before: dict[str, Any], after: dict[str, Any], shape: Shape, path: str) -> None:
        """What changes in an object: first what comes and what changes, so that nothing is empty in between."""
        # Additions first: an object that loses its last element would be empty, which R4 does not allow.
        old, new = _elements(before, shape), _elements(after, shape)
        for element, slot in sorted(new.items(), key=lambda item: item[1].order):
            pairs = read(after, slot)
            if element not in old:
                for pair in pairs:
                    self._operation(
                        "add", path, {"name": "name", "valueString": _name(slot)}, _part(slot, pair)
                    )
            elif slot.repeats:
                self._list(read(before, slot), pairs, slot, path)
            else:
                self._one(
                    old[element], read(before, old[element])[0], slot, pairs[0], f"{path}.{_name(slot)}"
                )
        for element, slot in sorted(old.items(), key=lambda item: item[1].order):
            if element not in new:
                where = f"{path}.{_name(slot)}"
                # From the end: earlier indices stay valid.
                for index in reversed(range(len(read(before, slot)))):
                    self._operation("delete", f"{where}[{index}]" if slot.repeats else where)

    def _one(self, old: XmlElement, before: Pair, element: XmlElement, after: Pair, path: str) -> None:
        if old is element:
            if _same(before, after):
                return
            first, second = before[0], after[0]
            # Another `id` is another element: replaced as a whole.
            if element.kind is ContentType.OBJECT and first.get("id") == second.get("id"):
                self.object(first, second, element.shape, path)
                return
            if element.kind is ContentType.RESOURCE and first.get("resourceType") == second.get(
                "resourceType"
            ):
                shape = resource_shape(second.get("resourceType"))
                if shape is not None:
                    self.object(first, second, shape, path)
                    return
        self._operation("replace", path, _part(element, after))

    def _list(self, before: list[Pair], after: list[Pair], element: XmlElement, parent: str) -> None:
        path = f"{parent}.{_name(element)}"
        sources = _sources(before, after)
        kept = set(sources)
        current = [index for index in range(len(before)) if index in kept]
        for index in reversed(range(len(before))):
            if index not in kept:
                self._operation("delete", f"{path}[{index}]")
        # Moved one by one into the wanted order; the model list shows where each is at that moment.
        wanted = [source for source in sources if source is not None]
        for position, origin in enumerate(wanted):
            result = current.index(origin, position)
            if result != position:
                current.insert(position, current.pop(result))
                self._operation("move", path, _number("source", result), _number("destination", position))
        position = 0
        for source, pair in zip(sources, after, strict=True):
            if source is not None:
                self._one(element, before[source], element, pair, f"{path}[{position}]")
                position += 1
        length = len(wanted)
        for index, (source, pair) in enumerate(zip(sources, after, strict=True)):
            if source is not None:
                continue
            if index == length:
                self._operation(
                    "add", parent, {"name": "name", "valueString": _name(element)}, _part(element, pair)
                )
            else:
                self._operation("insert", path, _number("index", index), _part(element, pair))
            length += 1


def _sources(before: list[Pair], after: list[Pair]) -> list[int | None]:
    """For each item of the new list the old one it comes from: an equal one, one of its id, else the next left over."""
    sources: list[int | None] = [None] * len(after)
    # Equal items first, then items of one id; what is left is paired in order, as changed in place.
    left = set(range(len(before)))
    for key in (_content, _id):
        waiting: dict[Any, deque[int]] = {}
        for index in sorted(left):
            waiting.setdefault(key(before[index]), deque()).append(index)
        for position, pair in enumerate(after):
            name = key(pair)
            if sources[position] is None and name is not None and waiting.get(name):
                sources[position] = waiting[name].popleft()
        left -= {source for source in sources if source is not None}
    over = deque(sorted(left))
    for position, source in enumerate(sources):
        if source is None and over:
            sources[position] = over.popleft()
    return sources


def _content(pair: Pair) -> bytes:
    return dumps(_sorted(list(pair)))


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _id(pair: Pair) -> Any:
    value = pair[0] if isinstance(pair[0], dict) else pair[1]
    entry = value.get("id") if isinstance(value, dict) else None
    return entry if isinstance(entry, str) else None


def _same(first: Pair, second: Pair) -> bool:
    # `equal` compares numbers by value: 1.0 and 1.00 are a change.
    return equal(list(first), list(second)) and dumps(_sorted(list(first))) == dumps(_sorted(list(second)))


def _elements(value: dict[str, Any], shape: Shape) -> dict[str, XmlElement]:
    """The places that are taken in an object, by the element's path (the types of a choice share one)."""
    elements: dict[str, XmlElement] = {}
    for key in value:
        if key == "resourceType":
            continue
        element = shape.element(key) or (shape.element(key[1:]) if key.startswith("_") else None)
        if element is None:
            raise PatchError(f"{shape.path} has no element {key[:64]!r}")
        if elements.setdefault(element.path, element) is not element:
            raise PatchError(
                f"{element.path} is there twice, as {element.name} and {elements[element.path].name}"
            )
    return elements


def _name(element: XmlElement) -> str:
    return element.path.rpartition(".")[2].removesuffix("[x]")


def _number(name: str, value: int) -> dict[str, Any]:
    return {"name": name, "valueInteger": value}


def _part(element: XmlElement, pair: Pair, name: str = "value") -> dict[str, Any]:
    """A value as a part: value[x] where Parameters has its type, parts where it has not."""
    value, shadow = pair
    if element.kind is ContentType.RESOURCE:
        return {"name": name, "resource": value}
    kind = "string" if element.kind is ContentType.DIV else element.type
    typed = parameter_elements().get("value" + kind[0].upper() + kind[1:])
    if typed is None:
        return {"name": name, "part": _parts(value, element.shape)}
    part: dict[str, Any] = {"name": name}
    if value is not None:
        part[typed.name] = value
    if shadow is not None:
        part[typed.shadow] = shadow
    return part


def _parts(value: dict[str, Any], shape: Shape) -> list[dict[str, Any]]:
    taken = sorted(_elements(value, shape).values(), key=lambda element: element.order)
    return [_part(element, pair, _name(element)) for element in taken for pair in read(value, element)]


def fhirpath_difference(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """The Parameters with which `fhirpath_patch` makes `after` out of `before`; no operations where they are equal.

    Items of a list are the same when they are equal or have one `id`; others are changed where they are. An element
    whose `id` changes is replaced as a whole. That the patch gives `after` is checked before it is handed out.

    Raises:
        PatchError: they differ in type or id, or one of them is not the JSON of a resource of R4 (empty objects,
            unknown elements, a value of the wrong kind).
    """
    kinds = [value.get("resourceType") if isinstance(value, dict) else None for value in (before, after)]
    shape = resource_shape(kinds[0])
    if shape is None or kinds[0] != kinds[1]:
        raise PatchError(
            f"two resources of one type are expected, found {kinds[0]!s:.64} and {kinds[1]!s:.64}"
        )
    if before.get("id") != after.get("id"):
        raise PatchError("the resources have two ids; a patch can't change an id")
    # Writing XML checks that every element is R4's, without a validator.
    for version in (before, after):
        try:
            xml.dumps(version)
        except xml.XmlError as error:
            raise PatchError(
                f"a resource is not what R4 allows, so no patch can be determined: {error}"
            ) from error
    difference = _Difference()
    difference.object(before, after, shape, str(kinds[0]))
    patch: dict[str, Any] = {"resourceType": "Parameters"}
    if difference.parameters:
        patch["parameter"] = difference.parameters
    # Proven by applying it: whatever the algorithm, a wrong patch is never handed out.
    if not equal(fhirpath_patch(before, patch), after):
        raise PatchError(
            "no patch leads from one to the other: one of them has empty objects, arrays or nulls"
        )
    return patch
