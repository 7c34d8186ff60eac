"""Values of a statement that their type does not allow: their text is kept, as what reads them leaves them out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Final

from fhir_bridge.adapters.ehr.ccda.node import STATEMENTS, Node

__all__ = ["is_inverted", "unreadable_values"]

_TIMES: Final = frozenset(("effectiveTime", "time", "expirationTime", "birthTime", "deceasedTime"))
_NUMBERS: Final = frozenset(
    """doseQuantity rateQuantity quantity maxDoseQuantity numerator denominator repeatNumber period width value
    translation""".split()
)
_BOUNDS: Final = frozenset(("low", "high", "center"))
_NUMERIC: Final = frozenset(("PQ", "INT", "REAL", "MO"))
_ELSEWHERE: Final = frozenset(("referenceRange", "text", "entryRelationship", "component"))
"""What has its text where it is, or is a statement of its own."""
_TIME: Final = re.compile(
    r"(\d{4})(?:-?(\d\d)(?:-?(\d\d)(?:[T ]?([01]\d|2[0-4])(?::?[0-5]\d(?::?[0-6]\d(?:\.\d*)?)?)?)?)?)?"
    r"(?: ?(?:Z|[+-]\d\d:?\d\d))?"
)
_NUMBER: Final = re.compile(r"\s*(?:[<>]=?|≤|≥)?\s*[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?\s*")


def unreadable_values(statement: Node) -> Iterator[str]:
    """Each such value with the path of its element; the value of an observation alone has its own note."""
    for child in statement.children:
        if child.tag in _ELSEWHERE or child.tag in STATEMENTS:
            continue
        if child.tag == "value" and statement.kind not in ("Observation", "DiastolicPressure"):
            yield from _of(child, child.tag, "number", own=child.attributes.get("type") in _NUMERIC)
        elif child.tag == "value":
            yield from _of(child, child.tag, "number", own=False)
        else:
            yield from _of(child, child.tag, "", own=True)


def _of(node: Node, path: str, kind: str, *, own: bool) -> Iterator[str]:
    tag = node.tag
    if tag in _TIMES:
        kind = "time"
    elif tag in _NUMBERS:
        kind = "number"
    elif tag not in _BOUNDS:
        kind = ""
    value = node.attributes.get("value")
    if own and kind == "number" and is_inverted(node):
        yield f"{path}: low {_words(node.get('low'))}, high {_words(node.get('high'))}"
    if own and kind and value is not None and not _is_readable(value, kind):
        yield f"{path}: {_words(node)}"
    for child in node.children:
        if child.tag and child.tag not in _ELSEWHERE:
            yield from _of(child, f"{path}/{child.tag}", kind, own=True)


def _words(node: Node) -> str:
    return " ".join(part for name in ("value", "unit") if (part := node.attributes.get(name)))


def _is_readable(value: str, kind: str) -> bool:
    if kind == "number":
        return _NUMBER.fullmatch(value) is not None or value.strip().lower() in ("true", "false")
    match = _TIME.fullmatch(value.strip())
    if match is None:
        return False
    try:
        date(int(match[1]), int(match[2] or 1), int(match[3] or 1))
    except ValueError:
        return False
    return True


def is_inverted(node: Node) -> bool:
    """Whether the low of an interval of quantities is above its high, in the same unit."""
    low, high = node.get("low"), node.get("high")
    if low.__class__ is not Node or high.__class__ is not Node:
        return False
    if low.attributes.get("unit") != high.attributes.get("unit"):
        return False
    try:
        return Decimal(low.attributes["value"]) > Decimal(high.attributes["value"])
    except (KeyError, InvalidOperation):
        return False
