"""JSON in and out, with FHIR decimals kept to the digit (R4 datatypes.html#decimal)."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import orjson

__all__ = ["MAX_DEPTH", "JsonError", "dumps", "loads", "loads_exact"]

MAX_DEPTH = 200
"""Nesting beyond this is refused: no FHIR resource needs it, and a parser's stack is not a place to find out."""


class JsonError(ValueError):
    """Text that is not the JSON of a resource; the message says where."""


def _plain(value: object) -> Any:
    if isinstance(value, Decimal):
        return orjson.Fragment(_decimal_text(value))
    raise TypeError(f"{type(value).__name__} has no FHIR JSON form")


def _decimal_text(value: Decimal) -> str:
    """A decimal as JSON writes it: precision kept, no bare exponent sign that JSON would refuse."""
    if not value.is_finite():
        raise TypeError(f"{value} is not a FHIR decimal")
    text = str(value)
    return text.replace("E+", "E") if "E" in text else text


def dumps(resource: Any) -> bytes:
    """Serialize to UTF-8 JSON without white space; `Decimal` keeps its digits ("37.0" stays 37.0)."""
    return orjson.dumps(resource, default=_plain)


def loads(text: bytes | str) -> Any:
    """Parse JSON fast, decimals as float. For reading only: re-serializing may change a decimal's precision."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise JsonError(f"not JSON: {error}") from error


def loads_exact(text: bytes | str) -> Any:
    """Parse JSON so that `dumps` gives every decimal back as written; duplicate keys and NaN are refused.

    Raises:
        JsonError: the text is not JSON, repeats a key, holds NaN or Infinity, or nests beyond `MAX_DEPTH`.
    """
    try:
        value = json.loads(
            text, parse_float=Decimal, parse_constant=_refuse_constant, object_pairs_hook=_unique
        )
    except JsonError:
        raise
    except ValueError as error:  # also of a number with thousands of digits, which Python refuses to read
        raise JsonError(f"not JSON: {error}") from error
    except RecursionError as error:
        raise JsonError(f"nested deeper than {MAX_DEPTH} levels") from error
    if _depth(value) > MAX_DEPTH:
        raise JsonError(f"nested deeper than {MAX_DEPTH} levels")
    return value


def _depth(value: Any) -> int:
    """Levels of nesting; walked level by level, so that its own stack stays flat."""
    depth, level = 0, [value]
    while level:
        level = [
            child
            for node in level
            if isinstance(node, (dict, list))
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, (dict, list))
        ]
        depth += 1
        if depth > MAX_DEPTH:
            break
    return depth


def _refuse_constant(name: str) -> Any:
    raise JsonError(f"{name} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise JsonError(f'the key "{key}" stands twice in one object')
            seen.add(key)
    return result
