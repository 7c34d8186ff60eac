"""Values of INFO and FORMAT in their declared types (VCF 4.3 §1.4.2, §1.6)."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from urllib.parse import unquote

from fhir_bridge.adapters.genomics.definition import Definition

__all__ = ["Value", "decimal", "item", "typed", "unescaped", "whole"]

_INFINITE = Decimal(2) ** 128
Value = str | int | Decimal | bool | None


def decimal(text: str) -> Decimal | None:
    """A finite number with its digits as written; None for `.`, NaN, infinity or no number.

    Floats of VCF have 32 bits (VCF 4.3 §1.3): a number beyond them is infinite.
    """
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number) < _INFINITE else None


def whole(text: str) -> int | None:
    """A whole number; None for `.`, no number, or more than 18 digits."""
    bare = text[1:] if text[:1] in "+-" else text
    return int(text) if bare.isascii() and bare.isdigit() and len(bare) < 19 else None


def typed(text: str, kind: str) -> Value:
    """One value; None where it is missing or not of its type. Text is `unescaped`."""
    if text in (".", ""):
        return None
    if kind == "Integer":
        number = whole(text)
        return number if number is not None and -(2**31) + 8 <= number < 2**31 else None
    if kind == "Float":
        return decimal(text)
    return unescaped(text)


_HEXADECIMAL = re.compile(r"\\x([0-9A-Fa-f]{2})")


def unescaped(text: str) -> str:
    """Text without percent-encoding (VCF 4.3 §1.2), and without the `\\x2c` of ANNOVAR."""
    if "%" in text:
        text = unquote(text)
    return _HEXADECIMAL.sub(lambda sign: chr(int(sign[1], 16)), text) if "\\x" in text else text


def item(
    text: str, definition: Definition | None, alternate: int | None, alternates: int
) -> Value | list[Value]:
    """The value of a key, for one ALT where the declaration gives one for each.

    Args:
        text: raw value.
        definition: the declaration; None reads text.
        alternate: number of the ALT (from 1), or None for the line as a whole.
        alternates: how many ALTs the line has.

    Returns:
        one value where Number is 1, or where A or R picks one (None if there are not as many as that says);
        otherwise a list.
    """
    if definition is None:
        return typed(text, "String")
    if definition.number == "1":
        return typed(text, definition.kind)
    parts = text.split(",")
    if alternate is not None and definition.number in ("A", "R"):
        if len(parts) != definition.count(alternates):
            return None
        return typed(parts[alternate - (definition.number == "A")], definition.kind)
    return [typed(part, definition.kind) for part in parts]
