"""FHIRPath Patch (R4 fhirpatch.html): operations whose places are FHIRPath expressions."""

from __future__ import annotations

from typing import Any

from fhir_bridge.fhir.fhirpath import (
    Budget,
    FHIRPathError,
    Item,
    compile,  # noqa: A004 - its name there
    parse,
    unparse,
)
from fhir_bridge.fhir.fhirpath.syntax import Member
from fhir_bridge.fhir.json_types import json_type
from fhir_bridge.fhir.patch.documents import Copier, check_depth, identity
from fhir_bridge.fhir.patch.elements import (
    Pair,
    append,
    elements_named,
    holder,
    location_of,
    present,
    put,
    read,
    remove,
    shape_of,
    write,
)
from fhir_bridge.fhir.patch.errors import PatchError
from fhir_bridge.fhir.patch.operations import Operation, operations
from fhir_bridge.fhir.patch.values import element
from fhir_bridge.fhir.xml.shapes import XmlElement, resource_shape

__all__ = ["fhirpath_patch"]


class _Patch:
    """One patch under way: the copy that is changed, and what all paths together may look at."""

    __slots__ = ("budget", "copier", "resource", "type")

    def __init__(self, resource: dict[str, Any], budget: Budget | None) -> None:
        self.budget = budget or Budget()
        self.copier = Copier()
        self.resource: dict[str, Any] = self.copier.first(resource)
        self.type = str(resource["resourceType"])

    def apply(self, operation: Operation) -> None:
        getattr(self, f"_{operation.type}")(operation)

    # --- the operations -------------------------------------------------------------------------------------------

    def _add(self, operation: Operation) -> None:
        item = self._single(operation.path)
        shape = shape_of(item)
        slot, pair = self._value(operation, item, operation.name)
        owner = holder(item)
        before = None if slot.repeats else present(owner, shape, slot)
        if before is not None:
            raise PatchError(f"{before.name} is there already and occurs once; use replace")
        append(owner, slot, pair)

    def _insert(self, operation: Operation) -> None:
        parent, slot, pairs = self._list(operation.path, may_be_absent=True)
        index = _within(operation.index, len(pairs), "index")
        result, pair = self._value(operation, parent, slot.name)
        pairs.insert(index, pair)
        write(holder(parent), result, pairs)

    def _delete(self, operation: Operation) -> None:
        items = self._items(operation.path)
        if len(items) > 1:
            raise PatchError(f"the path leads to {len(items)} elements; delete takes one at a time")
        for item in items:
            location_of(item)
            remove(item)

    def _replace(self, operation: Operation) -> None:
        item = self._single(operation.path)
        parent, slot = location_of(item)
        result, pair = self._value(operation, parent, item.name)
        owner = holder(parent)
        if result is not slot:
            write(owner, slot, [])
        put(owner, result, pair, item.index)

    def _move(self, operation: Operation) -> None:
        parent, slot, pairs = self._list(operation.path)
        last = len(pairs) - 1
        pair = pairs.pop(_within(operation.source, last, "source"))
        pairs.insert(_within(operation.destination, last, "destination"), pair)
        write(holder(parent), slot, pairs)

    # --- places and values ----------------------------------------------------------------------------------------

    def _items(self, path: str) -> list[Item]:
        try:
            items = compile(path, self.type).items(self.resource, budget=self.budget)
            self.budget.spend(2 * len(items))  # a list is read and written as a whole
            return items
        except FHIRPathError as error:
            raise PatchError(f"the path can't be followed: {error}") from error
        except RecursionError as error:
            raise PatchError("the path can't be followed: it nests too deep") from error

    def _single(self, path: str) -> Item:
        items = self._items(path)
        if len(items) != 1:
            raise PatchError(f"the path leads to {len(items) or 'no'} elements; exactly one is expected")
        return items[0]

    def _list(self, path: str, *, may_be_absent: bool = False) -> tuple[Item, XmlElement, list[Pair]]:
        """The list that a path leads to as a whole: what holds it, its place, its items."""
        items = self._items(path)
        if not items and may_be_absent:
            return self._absent_list(path)
        if not items:
            raise PatchError("the path leads to no elements; a list is expected")
        parent, slot = location_of(items[0])
        if not slot.repeats:
            raise PatchError(f"{slot.path} is no list: it occurs once")
        for item in items[1:]:
            if item.key != slot.name or item.parent is not parent:
                raise PatchError("the path leads into several lists; exactly one is expected")
        pairs = read(holder(parent), slot)
        if len(items) != sum(pair != (None, None) for pair in pairs):
            raise PatchError(
                f"the path leads to {len(items)} of the {len(pairs)} items of {slot.path}; give that of the whole list"
            )
        return parent, slot, pairs

    def _absent_list(self, path: str) -> tuple[Item, XmlElement, list[Pair]]:
        """A list without items has no elements to be found: its parent is, and its name."""
        node = parse(path)  # it was evaluated before, so that it is FHIRPath
        holder_path = node.target if isinstance(node, Member) else None
        items = self._items(unparse(holder_path)) if holder_path is not None else []
        if not isinstance(node, Member) or len(items) != 1:
            raise PatchError("the path leads to no list; the element that holds it is not there")
        name = node.name
        result = elements_named(shape_of(items[0]), name)
        if len(result) != 1 or not result[0].repeats:
            raise PatchError(f"{name[:64]} is no list of {shape_of(items[0]).path}")
        return items[0], result[0], []

    def _value(self, operation: Operation, parent: Item, name: str) -> tuple[XmlElement, Pair]:
        assert operation.value is not None
        return element(operation.value, shape_of(parent), name, self.copier)


def _within(index: int, last: int, what: str) -> int:
    if not 0 <= index <= last:
        raise PatchError(f"{what} is {index}; it lies between 0 and {last}")
    return index


def fhirpath_patch(
    resource: dict[str, Any], parameters: Any, *, keep_identity: bool = True, budget: Budget | None = None
) -> dict[str, Any]:
    """The resource after a FHIRPath Patch; the one given is not touched, and either all operations apply or none.

    Args:
        resource: in its JSON shape.
        parameters: the patch, a Parameters resource in its JSON shape; each operation sees what those before it did.
        keep_identity: refuse a patch that changes `resourceType` or `id` (R4 http.html#patch).
        budget: what all paths together may look at.

    An element that is deleted takes along what then would be empty. `delete` of what is not there does nothing.

    Raises:
        PatchError: an operation is malformed, its path leads to none or too many, a value does not fit; it gives the
            operation's number, and its path.
    """
    if not isinstance(resource, dict) or resource_shape(resource.get("resourceType")) is None:
        resource_type = resource.get("resourceType") if isinstance(resource, dict) else json_type(resource)
        raise PatchError(f"a resource of R4 is expected, found {str(resource_type)[:64]}")
    patch = _Patch(resource, budget)
    before = identity(resource)
    for operation in operations(parameters):
        try:
            patch.apply(operation)
        except PatchError as error:
            raise PatchError(error.reason, operation=operation.number, path=operation.path) from error
        if keep_identity and identity(patch.resource) != before:
            raise PatchError(
                "a patch may not change resourceType or id", operation=operation.number, path=operation.path
            )
    check_depth(patch.resource)
    return patch.resource
