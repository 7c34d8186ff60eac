"""Operations of a FHIRPath Patch out of its Parameters (R4 fhirpatch.html)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fhir_bridge.fhir.json_types import json_type
from fhir_bridge.fhir.patch.errors import PatchError

__all__ = ["Operation", "operations"]

_NEEDS = {
    "add": ("name", "value"),
    "insert": ("index", "value"),
    "delete": (),
    "replace": ("value",),
    "move": ("source", "destination"),
}
_TEXTS = frozenset({"type", "path", "name"})
_NUMBERS = frozenset({"index", "source", "destination"})
_LONGEST = 64


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    Attributes:
        number: its place in the patch, from 1.
        value: the part that carries the value, as it is.
    """

    number: int
    type: str
    path: str
    name: str = ""
    value: dict[str, Any] | None = None
    index: int = 0
    source: int = 0
    destination: int = 0


def operations(parameters: Any) -> Iterator[Operation]:
    """The operations, each checked for the parts it needs.

    Raises:
        PatchError: it is no Parameters resource, or an operation is malformed.
    """
    if not isinstance(parameters, dict) or parameters.get("resourceType") != "Parameters":
        resource_type = (
            parameters.get("resourceType") if isinstance(parameters, dict) else json_type(parameters)
        )
        raise PatchError(
            f"a FHIRPath Patch is a Parameters resource, this is {str(resource_type)[:_LONGEST]}"
        )
    entries = parameters.get("parameter", [])
    if not isinstance(entries, list):
        raise PatchError(f"parameter is {json_type(entries)}, an array of operations is expected")
    for number, entry in enumerate(entries, start=1):
        try:
            yield _operation(number, entry)
        except PatchError as error:
            # What reads the parts knows neither; both are added here once.
            path = _path(entry)
            raise PatchError(error.reason, operation=number, path=path) from error


def _operation(number: int, entry: Any) -> Operation:
    if not isinstance(entry, dict) or entry.get("name") != "operation":
        name = entry.get("name") if isinstance(entry, dict) else entry
        raise PatchError(f"a parameter named operation is expected, found {str(name)[:_LONGEST]!r}")
    parts = entry.get("part")
    if not isinstance(parts, list):
        raise PatchError("an operation has parts: type, path and what its type needs")
    values: dict[str, Any] = {}
    for part in parts:
        name = part.get("name") if isinstance(part, dict) else None
        if not isinstance(name, str):
            raise PatchError("a part without a name")
        if name in values:
            raise PatchError(f"the part {name[:_LONGEST]} occurs twice")
        if name in _TEXTS:
            values[name] = _text(name, part)
        elif name in _NUMBERS:
            values[name] = _number(name, part)
        elif name == "value":
            values[name] = part
        else:
            raise PatchError(
                f"no operation has a part {name[:_LONGEST]!r}; there are type, path, name, value, index, "
                "source and destination"
            )
    kind = values.get("type")
    if kind not in _NEEDS:
        result = "missing" if kind is None else repr(kind[:_LONGEST])
        raise PatchError(f"type is {result}; it is one of {', '.join(_NEEDS)}")
    for name in ("path", *_NEEDS[kind]):
        if name not in values:
            raise PatchError(f"{kind} needs the part {name}")
    return Operation(number, **values)


def _text(name: str, part: dict[str, Any]) -> str:
    for key in ("valueCode", "valueString"):
        if isinstance(part.get(key), str) and part[key]:
            return str(part[key])
    raise PatchError(f"{name} needs {'valueCode' if name == 'type' else 'valueString'}")


def _number(name: str, part: dict[str, Any]) -> int:
    for key in ("valueInteger", "valueUnsignedInt", "valuePositiveInt"):
        # Not isinstance: true is an int to Python.
        if type(part.get(key)) is int:
            return int(part[key])
    raise PatchError(f"{name} needs valueInteger")


def _path(entry: Any) -> str:
    parts = entry.get("part") if isinstance(entry, dict) else None
    for part in parts if isinstance(parts, list) else ():
        if isinstance(part, dict) and part.get("name") == "path" and isinstance(part.get("valueString"), str):
            return str(part["valueString"])
    return ""
