"""JSON Patch (RFC 6902) on a resource's JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhir_bridge.fhir.json_types import json_type
from fhir_bridge.fhir.patch.documents import Copier, check_depth, equal, identity
from fhir_bridge.fhir.patch.errors import PatchError
from fhir_bridge.fhir.patch.pointers import PointerError, index_of, parse_pointer, step

__all__ = ["json_patch"]

_NEEDS = {
    "add": ("value",),
    "remove": (),
    "replace": ("value",),
    "move": ("from",),
    "copy": ("from",),
    "test": ("value",),
}


class _Document:
    """The document under work: a root that operations may exchange."""

    __slots__ = ("copier", "root")

    def __init__(self, root: Any) -> None:
        self.copier = Copier()
        self.root = self.copier.first(root)

    def find(self, tokens: list[str], count: int | None = None) -> Any:
        value = self.root
        for position in range(len(tokens) if count is None else count):
            value = step(value, tokens, position)
        return value

    def add(self, tokens: list[str], value: Any) -> None:
        if not tokens:
            self.root = value
            return
        holder = self.find(tokens, len(tokens) - 1)
        if isinstance(holder, dict):
            holder[tokens[-1]] = value
        elif isinstance(holder, list):
            holder.insert(index_of(tokens[-1], holder, beyond=True), value)
        else:
            step(holder, tokens, len(tokens) - 1)

    def remove(self, tokens: list[str]) -> Any:
        if not tokens:
            raise PointerError("the whole resource can't be removed by a patch; delete it")
        holder = self.find(tokens, len(tokens) - 1)
        value = step(holder, tokens, len(tokens) - 1)
        del holder[tokens[-1] if isinstance(holder, dict) else int(tokens[-1])]
        return value

    def replace(self, tokens: list[str], value: Any) -> None:
        self.find(tokens)
        if not tokens:
            self.root = value
            return
        holder = self.find(tokens, len(tokens) - 1)
        holder[tokens[-1] if isinstance(holder, dict) else int(tokens[-1])] = value

    def apply(self, operation: Mapping[str, Any]) -> None:
        name = operation["op"]
        tokens = parse_pointer(operation["path"])
        if name == "add":
            self.add(tokens, self.copier.copy(operation["value"]))
        elif name == "remove":
            self.remove(tokens)
        elif name == "replace":
            self.replace(tokens, self.copier.copy(operation["value"]))
        elif name == "test":
            if not equal(self.find(tokens), operation["value"]):
                raise PointerError("the test failed: the value is another")
        else:
            source = parse_pointer(operation["from"])
            if name == "copy":
                self.add(tokens, self.copier.copy(self.find(source)))
            elif tokens[: len(source)] == source and len(tokens) > len(source):
                raise PointerError(f"{operation['from'][:64]} can't be moved into itself")
            elif tokens == source:
                self.find(source)
            else:
                self.add(tokens, self.remove(source))


def json_patch(resource: Any, operations: Any, *, keep_identity: bool = True) -> Any:
    """The resource after a JSON Patch; the one given is not touched, and either all operations apply or none.

    Args:
        resource: its JSON, from `loads_exact` where decimals must keep their digits.
        operations: the patch document: a list of operations, with members that RFC 6902 doesn't know ignored.
        keep_identity: refuse a patch that changes `resourceType` or `id` (R4 http.html#patch).

    The outcome is JSON, not yet valid FHIR: removing the last item of an array leaves an empty one. Validate it.

    Raises:
        PatchError: an operation is malformed, its path leads nowhere, a test failed, or the outcome has no bounds; it
            gives the operation's number.
    """
    if not isinstance(operations, list):
        raise PatchError(f"a JSON Patch is an array of operations, this is {json_type(operations)}")
    document = _Document(resource)
    before = identity(resource)
    for number, operation in enumerate(operations, start=1):
        path = operation.get("path") if isinstance(operation, Mapping) else None
        where = path if isinstance(path, str) else ""
        try:
            _check(operation)
            document.apply(operation)
        except (PointerError, PatchError) as error:
            reason = error.reason if isinstance(error, PatchError) else str(error)
            raise PatchError(reason, operation=number, path=where) from error
        if keep_identity and identity(document.root) != before:
            raise PatchError("a patch may not change resourceType or id", operation=number, path=where)
    check_depth(document.root)
    return document.root


def _check(operation: Any) -> None:
    """That it is an operation of RFC 6902, with the members it needs."""
    if not isinstance(operation, Mapping):
        raise PatchError(f"an operation is an object, this is {json_type(operation)}")
    name = operation.get("op")
    if not isinstance(name, str) or name not in _NEEDS:
        result = f"'{name[:64]}'" if isinstance(name, str) else "missing" if name is None else json_type(name)
        raise PatchError(f"op is {result}; it is one of {', '.join(_NEEDS)}")
    for member in ("path", *_NEEDS[name]):
        if member not in operation:
            raise PatchError(f"{name} needs the member {member}")
