"""FHIRPath's Quantity: UCUM units and calendar durations, compared and converted through `fhir_bridge.fhir.ucum`."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fhir_bridge.fhir import ucum
from fhir_bridge.fhir.fhirpath.errors import FHIRPathError
from fhir_bridge.fhir.fhirpath.numbers import CONTEXT, divided, number

__all__ = ["Quantity", "from_fhir", "to_fhir"]

CALENDAR = ("year", "month", "week", "day", "hour", "minute", "second", "millisecond")
_SINGULAR = {f"{unit}s": unit for unit in CALENDAR} | {unit: unit for unit in CALENDAR}
_TO_UCUM = {"week": "wk", "day": "d", "hour": "h", "minute": "min", "second": "s", "millisecond": "ms"}
"""Calendar durations that last as long as the UCUM unit; years and months don't (N1 §4.1.8)."""
_FROM_UCUM = {code: unit for unit, code in _TO_UCUM.items()}
_LIKE_UCUM = {"year": "a", "month": "mo"}
_FHIR_CALENDAR = {"a": "year", "mo": "month"}
"""R4 fhirpath.html#quantity: in a FHIR Quantity, UCUM's `a` and `mo` stand for the calendar's."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value with its unit.

    Attributes:
        unit: a UCUM code, a calendar duration in the singular, or what another system says.
        calendar: the unit is a calendar duration.
        system: None is UCUM; another system's codes are comparable only to themselves.
    """

    value: Decimal
    unit: str
    calendar: bool = False
    system: str | None = None
    written: str = ""

    def __str__(self) -> str:
        unit = (self.written or self.unit) if self.calendar else f"'{self.unit}'"
        return f"{self.value:f} {unit}"

    def measure(self) -> tuple[Decimal, str] | None:
        """(value, kind) such that quantities of one kind can be compared by value; None where the unit is unknown."""
        if self.system is not None:
            return self.value, f"{self.system}|{self.unit}"
        if self.calendar:
            if self.unit == "year":
                # A calendar year has 12 calendar months, and no fixed number of days.
                return self.value * 12, "calendar"
            if self.unit == "month":
                return self.value, "calendar"
            return ucum.canonical(self.value, _TO_UCUM[self.unit])
        return ucum.canonical(self.value, self.unit)

    def compare(self, other: Quantity) -> int | None:
        """-1, 0 or 1; None where the units measure different things or can't be compared."""
        if self.unit == other.unit and self.calendar == other.calendar and self.system == other.system:
            return _order(self.value, other.value)
        mine, theirs = self.measure(), other.measure()
        if mine is None or theirs is None or mine[1] != theirs[1]:
            return None
        return _order(mine[0], theirs[0])

    def equivalent(self, other: Quantity) -> bool:
        """Equality at the precision of the less precise value, in the unit of that one (N1 §6.1.2)."""
        if (self.calendar and self.unit in _LIKE_UCUM) is not (other.calendar and other.unit in _LIKE_UCUM):
            return self._definite().equivalent(other._definite())
        first, second = (self, other) if _scale(self.value) <= _scale(other.value) else (other, self)
        converted = second.in_unit_of(first)
        if converted is None:
            return False
        grain = Decimal(1).scaleb(-_scale(first.value))
        return _rounded(first.value, grain) == _rounded(converted, grain)

    def _definite(self) -> Quantity:
        """A calendar year or month as UCUM's, to which it is equivalent though not equal (N1 §6.1.2)."""
        if not self.calendar or self.unit not in _LIKE_UCUM:
            return self
        return Quantity(self.value, _LIKE_UCUM[self.unit])

    def in_unit_of(self, other: Quantity) -> Decimal | None:
        """This value in the other's unit; None where they measure different things."""
        if self.unit == other.unit and self.calendar == other.calendar and self.system == other.system:
            return self.value
        # The factor of one unit of the other.
        mine, item = self.measure(), Quantity(Decimal(1), other.unit, other.calendar, other.system).measure()
        if mine is None or item is None or mine[1] != item[1]:
            return None
        if item[1] == "calendar" or self.system is not None:
            return divided(mine[0], item[0])
        try:
            return ucum.convert(self.value, self.ucum_unit(), other.ucum_unit())
        except ValueError:
            return None

    def ucum_unit(self) -> str:
        """The UCUM code to calculate with.

        Raises:
            FHIRPathError: the unit is a year, a month, or of another system than UCUM.
        """
        if self.system is not None or (self.calendar and self.unit not in _TO_UCUM):
            raise FHIRPathError(f"{self} can't be calculated with: its unit is not UCUM's")
        return _TO_UCUM[self.unit] if self.calendar else self.unit

    def duration_unit(self) -> str:
        """The calendar unit that is added to a date; UCUM's `a` and `mo` are not the calendar's (N1 §6.6.1).

        Raises:
            FHIRPathError: the unit is no time.
        """
        if self.system is None:
            if self.unit in _SINGULAR:
                return _SINGULAR[self.unit]
            if self.unit in _FROM_UCUM:
                return _FROM_UCUM[self.unit]
        raise FHIRPathError(f"{self} can't be added to a date: expected a duration such as 1 day or 1 'd'")


def _order(a: Decimal, b: Decimal) -> int:
    return (a > b) - (a < b)


def _scale(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _rounded(value: Decimal, grain: Decimal) -> Decimal:
    try:
        return value.quantize(grain)
    except ArithmeticError:
        return value


def literal(value: Decimal, unit: str, calendar: bool) -> Quantity:
    """A Quantity as an expression writes it."""
    if calendar:
        return Quantity(value, _SINGULAR[unit], True, None, unit)
    return Quantity(value, unit)


def from_fhir(value: Any) -> Quantity | None:
    """A FHIR Quantity (R4 fhirpath.html#quantity); None where it has no value or a comparator."""
    # A comparator means a range: no single value to compare (R4 fhirpath.html#quantity).
    amount = number(value.get("value"))
    if amount is None or "comparator" in value:
        return None
    system, code = value.get("system"), value.get("code")
    if isinstance(code, str) and system == ucum.SYSTEM:
        if code in _FHIR_CALENDAR:
            return Quantity(Decimal(amount), _FHIR_CALENDAR[code], True)
        return Quantity(Decimal(amount), code)
    if isinstance(code, str):
        # Another system's codes compare with themselves only.
        return Quantity(Decimal(amount), code, False, str(system or ""))
    unit = value.get("unit")
    if isinstance(unit, str):
        # A unit in words, without code, is comparable to the same words.
        return Quantity(Decimal(amount), unit, False, "")
    return Quantity(Decimal(amount), "1")


def to_fhir(quantity: Quantity) -> dict[str, Any]:
    """The quantity as a FHIR Quantity."""
    result: dict[str, Any] = {"value": quantity.value, "unit": quantity.written or quantity.unit}
    if quantity.calendar and quantity.unit in _TO_UCUM:
        return {**result, "system": ucum.SYSTEM, "code": _TO_UCUM[quantity.unit]}
    if quantity.calendar:
        return {**result, "system": ucum.SYSTEM, "code": "a" if quantity.unit == "year" else "mo"}
    if quantity.system is None:
        return {**result, "system": ucum.SYSTEM, "code": quantity.unit}
    return {**result, "system": quantity.system, "code": quantity.unit} if quantity.system else result


def times(a: Quantity, b: Quantity) -> Quantity:
    """The product, with the product of the units."""
    return _combined(CONTEXT.multiply(a.value, b.value), a.ucum_unit(), ".", b.ucum_unit())


def over(a: Quantity, b: Quantity) -> Quantity | None:
    """The quotient, with the quotient of the units; None where the divisor is zero."""
    if not b.value:
        return None
    return _combined(divided(a.value, b.value), a.ucum_unit(), "/", b.ucum_unit())


def _combined(value: Decimal, left: str, operator: str, right: str) -> Quantity:
    if right == "1":
        return Quantity(value, left)
    if left == "1" and operator == ".":
        return Quantity(value, right)
    if left == right and operator == "/":
        return Quantity(value, "1")
    # a/b.c would divide by b and multiply by c.
    grouped = f"({right})" if any(mark in right for mark in "./") and operator == "/" else right
    unit = f"{left}{operator}{grouped}"
    if not ucum.is_valid(unit):
        raise FHIRPathError(f"'{unit}' is no UCUM unit")
    return Quantity(value, unit)


def plus(a: Quantity, b: Quantity, sign: int) -> Quantity | None:
    """Sum or difference in the unit of the first; None where they measure different things."""
    other = b.in_unit_of(a)
    if other is None:
        return None
    value = CONTEXT.add(a.value, other) if sign > 0 else CONTEXT.subtract(a.value, other)
    return Quantity(value, a.unit, a.calendar, a.system, a.written)
