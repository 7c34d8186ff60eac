"""Numbers of results (NM, SN; HL7 v2.5.1 §2.A.47, §2.A.70) and reference ranges (OBX-7)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from fhir_bridge.adapters.ehr.hl7v2.composites import Components, reader
from fhir_bridge.adapters.ehr.hl7v2.fields import Component, Field
from fhir_bridge.fhir.datatypes import Range, Ratio
from fhir_bridge.mapping import CLEARED, Context, function
from fhir_bridge.mapping.functions.quantities import number, quantity

__all__ = ["FUNCTIONS"]

_COMPARATORS: Final = {"": "", "=": "", "<": "<", "<=": "<=", ">": ">", ">=": ">=", "≤": "<=", "≥": ">="}
_NM: Final = re.compile(r"[+-]?\d+(\.\d*)?", re.ASCII)
_UNREADABLE: Final = "is no number; its text is kept in a note"


def _plain_number(ctx: Context, text: str | None) -> Decimal | None:
    """The number of a part of an SN: no comparator, nothing after it."""
    result = number(ctx, text) if text else None
    return result[1] if result is not None and result[0] is None and not result[2] else None


def _whole_number(ctx: Context, text: str, unit: Any) -> tuple[str | None, Decimal] | None:
    """Comparator and number of a text; a unit after it must be the one that OBX-6 states."""
    result = number(ctx, text)
    if result is None:
        return None
    comparator, value, rest = result
    if rest and rest not in _unit_names(unit):
        return None
    return comparator, value


def _unit_names(unit: Any) -> tuple[str, ...]:
    if isinstance(unit, Field):
        unit = unit.as_unit
    names = (unit.part(1), unit.part(2)) if isinstance(unit, Field) else (unit,)
    return tuple(name for name in names if isinstance(name, str) and name)


@reader("NM")
def _nm(c: Components) -> str | None:
    """NM: its only component; or all four of a value that is in truth an SN."""
    return c.text(1) if _is_number(c.peek(1)) else _sn(c)


@reader("SN")
def _sn(c: Components) -> str | None:
    """SN: comparator, number, separator or suffix, number."""
    return "".join(part for n in (1, 2, 3, 4) if (part := c.text(n))) or None


def _is_number(text: str | None) -> bool:
    return text is not None and re.match(r"\s*(?:[<>]=?|≤|≥)?\s*[-+.,]?\d", text) is not None


@function(context=True, nulls=True, reads=("NM", "unit"), pure=True)
def numeric(ctx: Context, x: Any, unit: Any = None) -> Any:
    """NM as a Quantity; null, flagged, where it can't be read: `12,5`, `1.2.3`, `5 mg`, `N/A`.

    A comparator (`<5`) is read though NM has none, and so is a value that has the components of an SN. What follows
    the number must be the unit that OBX-6 states: `5 H` is no henry.
    """
    if not isinstance(x, Field):
        return x if x is CLEARED else None
    text = x.part(1)
    if not _is_number(text):
        result = structured(ctx, x, unit)
        if result is not None:
            ctx.flag("FB-HL7-016", "a value of type NM has the components of an SN; it was read")
        return result
    whole_number = _whole_number(ctx, text, unit)
    if whole_number is None:
        ctx.flag("FB-MAP-207", f"a value of type NM {_UNREADABLE}")
        return None
    comparator, value = whole_number
    if not _NM.fullmatch(text):
        ctx.flag("FB-HL7-016", "a value of type NM has more than digits, sign and point; it was read")
    return quantity(ctx, value, unit, comparator)


@function(context=True, nulls=True, reads=("SN", "unit"), pure=True)
def structured(ctx: Context, x: Any, unit: Any = None) -> Any:
    """SN as Quantity (`>^90`), Range (`^2^-^4`), Ratio (`^1^:^128`) or text (`^2^+`, `<>^5`, `>=^1^:^640`).

    Null, flagged, where a number can't be read or the parts make no sense together (`^^-^5`, `^4^-^2`).
    """
    if not isinstance(x, Field):
        return x if x is CLEARED else None
    result = _structured(ctx, x, unit)
    if result is None:
        ctx.flag("FB-MAP-207", f"a structured number {_UNREADABLE}")
    return result


def _structured(ctx: Context, x: Field, unit: Any) -> Any:
    comparator, item, separator, other = ((x.part(n) or "").strip() for n in (1, 2, 3, 4))
    first, second = _plain_number(ctx, item), _plain_number(ctx, other)
    if not item and not separator and not other:  # all of it in the first component
        whole_number = _whole_number(ctx, comparator, unit) if comparator else None
        if whole_number is None:
            return None
        ctx.flag("FB-HL7-016", "a structured number is in its first component; it was read")
        return quantity(ctx, whole_number[1], unit, whole_number[0])
    if first is None or (other and second is None):
        return None
    sign = _COMPARATORS.get(comparator)
    if not separator and not other:
        if comparator == "<>":
            return f"<>{item}"
        return None if sign is None else quantity(ctx, first, unit, sign or None)
    if sign and second is not None and separator in (":", "/"):  # a titre: `>=1:640` is no Ratio
        ctx.flag("FB-HL7-016", "a ratio has a comparator, for which R4 has no place; it is kept as a text")
        return f"{comparator}{item}{separator}{other}"
    if sign != "":
        return None
    if second is None:
        return f"{item}+" if separator == "+" else None
    low, high = quantity(ctx, first, unit), quantity(ctx, second, unit)
    if separator in ("-", "–") and first <= second:
        return Range(low=low, high=high)
    if separator in (":", "/"):
        return Ratio(numerator=low, denominator=high)
    return None


@reader("CQ")
def _cq(c: Components) -> str | None:
    """CQ: a number, and its unit as a CE in the subcomponents of the second component."""
    value = c.text(1)
    if value and (c.text(2, 1) or c.text(2, 2)) and c.peek(2, 3) == "UCUM":
        c.pass_over_leaves((2, 2), (2, 3), (2, 7))  # the unit in words, and UCUM in which version
    return value


@function(context=True, nulls=True, reads=("CQ",), returns="Quantity", pure=True)
def composite_quantity(ctx: Context, x: Any) -> Any:
    """CQ as a Quantity; null, flagged, where its number can't be read."""
    if not isinstance(x, Field):
        return x if x is CLEARED else None
    unit = x.component(2)
    text = unit.component(1) or unit.component(2) if unit else None
    return quantity(ctx, x.part(1), text)


_BOUND = r"([-+]?\d+(?:\.\d+)?)"
_BETWEEN = re.compile(rf"\s*{_BOUND}\s*(?:-|–|to|\.\.)\s*{_BOUND}\s*", re.IGNORECASE)
_BELOW = re.compile(rf"\s*(?:<=?|≤|up to)\s*{_BOUND}\s*", re.IGNORECASE)
_ABOVE = re.compile(rf"\s*(?:>=?|≥)\s*{_BOUND}\s*")


@function(nulls=True, pure=True)
def range_low(x: Any) -> str | None:
    """The lower bound that OBX-7 states (`3.5-5.1`, `>= 60`); None where it reads otherwise."""
    if not isinstance(x, str):
        return None
    match = _BETWEEN.fullmatch(x) or _ABOVE.fullmatch(x)
    return match.group(1) if match else None


@function(nulls=True, pure=True)
def range_high(x: Any) -> str | None:
    """The upper bound that OBX-7 states (`3.5-5.1`, `< 14`); None where it reads otherwise."""
    if not isinstance(x, str):
        return None
    if match := _BETWEEN.fullmatch(x):
        return match.group(2)
    match = _BELOW.fullmatch(x)
    return match.group(1) if match else None


@function(nulls=True, reads=("whole",), pure=True)
def whole(x: Any) -> str | None:
    """A field's text with its separators as written, repetitions on lines of their own."""
    if isinstance(x, list):
        return "\n".join(item.whole if isinstance(item, Field) else str(item) for item in x) or None
    if isinstance(x, Field | Component):
        return x.whole or None
    return x if isinstance(x, str) else None


@function(reads=("none", "none"), pure=True)
def same(x: Any, y: Any) -> bool:
    """Whether two fields are written the same, which is no use of what they say."""
    return whole(x) == whole(y)


FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "numeric": numeric,
    "structured_numeric": structured,
    "composite_quantity": composite_quantity,
    "range_low": range_low,
    "range_high": range_high,
    "whole": whole,
    "same": same,
}
"""Functions that `hl7v2` adds to the expression language."""
