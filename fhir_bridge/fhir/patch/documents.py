"""What patches do to JSON values: copy them within bounds, compare them as JSON does, keep a resource's identity."""

from __future__ import annotations

import math
import sys
from decimal import Decimal
from typing import Any

from fhir_bridge.fhir.patch.errors import PatchError
from fhir_bridge.fhir.serialization import MAX_DEPTH, nests_too_deep

__all__ = ["MAX_NODES", "Copier", "check_depth", "equal", "identity"]

MAX_NODES = 500_000
"""Values that a patch may add to as many as the resource has: `copy` into itself doubles it with every operation."""


class Copier:
    """Copies JSON values for one patch, and refuses when there are too many or they nest too deep.

    Attributes:
        left: how many more may be copied.
    """

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = sys.maxsize

    def first(self, value: Any) -> Any:
        """A copy of the resource itself, which sets the bound for what follows."""
        copied = self.copy(value)
        self.left = MAX_NODES + sys.maxsize - self.left
        return copied

    def copy(self, value: Any, depth: int = 0) -> Any:
        """A copy that shares no object or array with the original.

        Raises:
            PatchError: more than are left, or nested deeper than `MAX_DEPTH`.
        """
        if not isinstance(value, (dict, list)):
            return value
        if depth >= MAX_DEPTH:
            raise PatchError(f"nested deeper than {MAX_DEPTH} levels")
        self.left -= len(value) + 1
        if self.left < 0:
            raise PatchError(f"more than {MAX_NODES:,} values would be added")
        if isinstance(value, dict):
            return {key: self.copy(item, depth + 1) for key, item in value.items()}
        return [self.copy(item, depth + 1) for item in value]


def check_depth(value: Any) -> None:
    """Refuse what nests beyond `MAX_DEPTH`.

    Raises:
        PatchError: it does.
    """
    if nests_too_deep(value):
        raise PatchError(f"nested deeper than {MAX_DEPTH} levels")


def equal(first: Any, second: Any) -> bool:
    """Equality of JSON values (RFC 6902 4.6): numbers by value, objects without order, true is not 1."""
    waiting = [(first, second)]
    while waiting:
        entry, other = waiting.pop()
        if isinstance(entry, dict) and isinstance(other, dict):
            if entry.keys() != other.keys():
                return False
            waiting += [(item, other[key]) for key, item in entry.items()]
        elif isinstance(entry, list) and isinstance(other, list):
            if len(entry) != len(other):
                return False
            waiting += zip(entry, other, strict=True)
        elif isinstance(entry, bool) or isinstance(other, bool):
            if entry is not other:
                return False
        elif isinstance(entry, (int, float, Decimal)) and isinstance(other, (int, float, Decimal)):
            if _exact(entry) != _exact(other):
                return False
        elif type(entry) is not type(other) or entry != other:
            return False
    return True


def _exact(value: int | float | Decimal) -> int | float | Decimal:
    """A float as the decimal it was written as, so that 0.1 read fast equals 0.1 read exactly."""
    return Decimal(repr(value)) if isinstance(value, float) and math.isfinite(value) else value


def identity(document: Any) -> tuple[Any, Any]:
    """What a patch may not change: type and id of a resource."""
    return (document.get("resourceType"), document.get("id")) if isinstance(document, dict) else (None, None)
