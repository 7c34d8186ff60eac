"""The constants of a view: one primitive value each, named in paths as `%name`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.views.model import Constant

__all__ = ["RESERVED", "ROW_INDEX", "read_constant"]

ROW_INDEX = "rowIndex"
"""The variable that holds the 0-based place of the row's element among those its select iterates over."""

RESERVED = frozenset({ROW_INDEX, "context", "resource", "rootResource", "ucum", "sct", "loinc"})
"""Names that FHIRPath, FHIR or SQL on FHIR gives a meaning."""

_TYPES = (
    "base64Binary boolean canonical code date dateTime decimal id instant integer integer64 oid string positiveInt "
    "time unsignedInt uri url uuid markdown"
).split()
_KEYS = {f"value{kind[0].upper()}{kind[1:]}": kind for kind in _TYPES}
_WHOLE = frozenset({"integer", "positiveInt", "unsignedInt"})


def read_constant(name: str, item: Mapping[str, Any], location: str) -> Constant | str:
    """The constant, or what is wrong with it."""
    if name in RESERVED:
        return f"%{name} has a meaning of its own; give the constant another name"
    present = [key for key in item if key.startswith("value")]
    if len(present) != 1:
        result = f"{', '.join(present)} all are there" if present else "it has none"
        return f"the constant {name} must have exactly one value[x]; {result}"
    kind = _KEYS.get(present[0])
    if kind is None:
        return f"the constant {name} has {present[0]}, which is not the value[x] of a primitive type"
    value = item[present[0]]
    if not _fits(kind, value):
        return f"the constant {name} holds no {kind}"
    return Constant(name, kind, value, location)


def _fits(kind: str, value: Any) -> bool:
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "decimal":
        return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)
    if kind in _WHOLE:
        if not isinstance(value, int) or isinstance(value, bool) or not -(2**31) <= value < 2**31:
            return False
        return value >= {"positiveInt": 1, "unsignedInt": 0}.get(kind, value)
    if kind == "integer64":  # of R5: JSON writes it as a string
        return isinstance(value, str) and re.fullmatch(r"[-+]?\d{1,19}", value, re.ASCII) is not None
    if kind == "base64Binary":  # R4's regex for it backtracks; its alphabet and padding are enough here
        return (
            isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9+/\s]*={0,2}\s*", value, re.ASCII) is not None
        )
    return isinstance(value, str) and bool(value) and _regex(kind).fullmatch(value) is not None


@cache
def _regex(kind: str) -> re.Pattern[str]:
    return re.compile(definitions.primitive_regex(kind) or r"(?s).+")
