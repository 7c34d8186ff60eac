"""Decimal arithmetic as FHIRPath has it: 28 digits and more, at least 8 behind the point (N1 §4.1.4)."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

__all__ = ["CONTEXT", "divided", "number", "plain"]

# Six digits more than N1 asks for, so that intermediate results round once.
CONTEXT = Context(prec=34, rounding=ROUND_HALF_UP)
MAX_EXPONENT = 400
# A JSON integer may have any number of digits; comparing with an int is exact and cheap.
_BEYOND = 10**MAX_EXPONENT


def number(value: Any) -> int | Decimal | None:
    """A JSON number as int or Decimal; None for what is none, or not finite, or beyond all measure."""
    if value.__class__ is int:
        return int(value) if -_BEYOND < value < _BEYOND else None
    if isinstance(value, float):
        # repr: the shortest digits that give the same float, which are those that were written.
        value = Decimal(repr(value))
    if isinstance(value, Decimal):
        return value if value.is_finite() and abs(value.adjusted()) < MAX_EXPONENT else None
    return None


def divided(a: Decimal, b: Decimal) -> Decimal:
    """a / b to 34 digits, without the zeros that division leaves."""
    return plain(CONTEXT.divide(a, b))


def plain(value: Decimal) -> Decimal:
    """The value without trailing zeros and without an exponent above zero."""
    value = value.normalize(CONTEXT)
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent > 0:
        return value.quantize(Decimal(1), context=Context(prec=MAX_EXPONENT * 2))
    return value
