"""UCUM's special units: functions between a value and the ratio unit it stands for (UCUM §21-22, §25 and later)."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Context, Decimal, localcontext
from typing import NamedTuple

__all__ = ["FUNCTIONS", "PRECISION", "Function"]

PRECISION = 34
"""Digits of a result that has no finite decimal (as in IEEE 754 decimal128)."""

_CONTEXT = Context(prec=PRECISION)
_ABSOLUTE_ZERO = Decimal("273.15")
_FAHRENHEIT_ZERO = Decimal("459.67")
_REAUMUR_ZERO = Decimal("218.52")  # 273.15 K in degrees Réaumur


class Function(NamedTuple):
    """`to_ratio` gives multiples of the function's unit (K for Cel, mol/l for [pH]); `from_ratio` is its inverse.

    `is_affine`: equal steps of the value are equal steps of the ratio, in the same direction (degrees, not logarithms).
    """

    to_ratio: Callable[[Decimal], Decimal]
    from_ratio: Callable[[Decimal], Decimal]
    is_affine: bool = False


def _power(base: Decimal, sign: int = 1, divisor: int = 1) -> Function:
    """A logarithmic scale: value = divisor * sign * log_base(ratio)."""

    def to_ratio(value: Decimal) -> Decimal:
        with localcontext(_CONTEXT):
            return base ** (value * sign / divisor)

    def from_ratio(ratio: Decimal) -> Decimal:
        if ratio <= 0:
            raise ValueError("a logarithmic unit has no value for zero or less")
        with localcontext(_CONTEXT):
            logarithm = ratio.log10() if base == 10 else ratio.ln() / base.ln()
            return logarithm * divisor * sign

    return Function(to_ratio, from_ratio)


def _offset(zero: Decimal) -> Function:
    return Function(lambda value: value + zero, lambda ratio: ratio - zero, is_affine=True)


def _tangent() -> Function:
    # math has no decimals; repr gives a float's shortest digits.
    return Function(
        lambda value: Decimal(repr(math.atan(float(value) / 100))),
        lambda ratio: Decimal(repr(100 * math.tan(float(ratio)))),
    )


def _slope() -> Function:
    """As `_tangent`, in degrees."""
    return Function(
        lambda value: Decimal(repr(math.degrees(math.atan(float(value) / 100)))),
        lambda ratio: Decimal(repr(100 * math.tan(math.radians(float(ratio))))),
    )


FUNCTIONS: dict[str, Function] = {
    "Cel": _offset(_ABSOLUTE_ZERO),
    "degF": _offset(_FAHRENHEIT_ZERO),
    "degRe": _offset(_REAUMUR_ZERO),
    "pH": _power(Decimal(10), sign=-1),
    "ln": _power(_CONTEXT.exp(Decimal(1))),
    "lg": _power(Decimal(10)),
    "lgTimes2": _power(Decimal(10), divisor=2),
    "ld": _power(Decimal(2)),
    "hpX": _power(Decimal(10), sign=-1),
    "hpC": _power(Decimal(100), sign=-1),
    "hpM": _power(Decimal(1000), sign=-1),
    "hpQ": _power(Decimal(50000), sign=-1),
    "sqrt": Function(lambda value: value * value, _CONTEXT.sqrt),
    "tanTimes100": _tangent(),
    "100tan": _slope(),
}
"""By the function's name in ucum-essence."""
