"""lowBoundary, highBoundary and precision: the range that a value of limited precision stands for (N1 §5.5.7)."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, Context, Decimal
from typing import Any

from fhir_bridge.fhir.fhirpath.environment import Frame
from fhir_bridge.fhir.fhirpath.errors import FHIRPathError
from fhir_bridge.fhir.fhirpath.items import Item, boolean, integer, item_of, single, system_value
from fhir_bridge.fhir.fhirpath.quantities import Quantity
from fhir_bridge.fhir.fhirpath.registry import function, integer_of
from fhir_bridge.fhir.fhirpath.temporal import Temporal

__all__: list[str] = []

Items = list[Item]

_EXACT = Context(prec=200)
# N1 leaves the largest precision to the implementation.
MAX_DECIMAL = 31
_DATE_DIGITS = {4: 1, 6: 2, 8: 3}
_DATE_TIME_DIGITS = {4: 1, 6: 2, 8: 3, 10: 4, 12: 5, 14: 6, 17: 6}
_TIME_DIGITS = {2: 1, 4: 2, 6: 3, 9: 3}
# The extreme offsets in use: the earliest moment of a local time is that of the easternmost zone.
_EAST, _WEST = 14 * 60, -12 * 60


def _decimal_boundary(value: Decimal, digits: int, *, low: bool) -> Decimal | None:
    if not 0 <= digits <= MAX_DECIMAL:
        return None
    exponent = value.as_tuple().exponent
    scale = -exponent if isinstance(exponent, int) and exponent < 0 else 0
    half = Decimal(5).scaleb(-scale - 1)
    edge = _EXACT.subtract(value, half) if low else _EXACT.add(value, half)
    grain = Decimal(1).scaleb(-digits)
    # Half a unit of the last digit that was written (N1 §5.5.7).
    if abs(value) < grain and digits < scale and value:
        # nothing of the value is left at this precision: it is zero, with the value's sign
        return Decimal(0).quantize(grain, context=_EXACT).copy_sign(value)
    return edge.quantize(grain, ROUND_FLOOR if low else ROUND_CEILING, _EXACT)


# N1 counts the digits of the text: 4 is a year, 8 a day, 17 milliseconds.
def _temporal_boundary(value: Temporal, digits: int | None, *, low: bool) -> Temporal | None:
    sizes = {"Date": _DATE_DIGITS, "DateTime": _DATE_TIME_DIGITS, "Time": _TIME_DIGITS}[value.kind]
    if digits is None:
        digits = max(sizes)
    kind = value.kind
    # More digits than a Date has ask for a DateTime.
    if kind == "Date" and digits in _DATE_TIME_DIGITS and digits not in sizes:
        kind, sizes = "DateTime", _DATE_TIME_DIGITS
    count = sizes.get(digits)
    if count is None:
        return None
    parts = list(value.parts[:count])
    if kind == "DateTime" and len(parts) == 4 and count > 4:
        parts.append(0)  # FHIR has no hour without minutes: N1's example reads T08 as T08:00
    while len(parts) < count:
        parts.append(_filler(kind, parts, low=low))
    fine = digits == max(sizes) and kind != "Date"
    if fine:
        parts[-1] = _milliseconds(Decimal(parts[-1]), value, low=low)
    elif len(parts) == (3 if kind == "Time" else 6):
        parts[-1] = Decimal(int(parts[-1]))
    offset = value.offset
    if kind == "DateTime" and count > 3 and offset is None:
        offset = _EAST if low else _WEST
    if kind == "DateTime" and count <= 3:
        kind, offset = "Date", None
    text = Temporal(kind, tuple(parts), offset).text
    if fine and "." not in text:
        at = (
            len(text) - len(text.partition("T")[2].lstrip("0123456789:")) if kind == "DateTime" else len(text)
        )
        text = f"{text[:at]}.000{text[at:]}"
    return Temporal(kind, tuple(parts), offset, text)


def _filler(kind: str, parts: Sequence[int | Decimal], *, low: bool) -> int | Decimal:
    location = len(parts) + (3 if kind == "Time" else 0)
    if low:
        return Decimal(0) if location == 5 else 1 if location in (1, 2) else 0
    if location == 2:
        return monthrange(int(parts[0]), int(parts[1]))[1]
    return Decimal("59.999") if location == 5 else {1: 12, 3: 23, 4: 59}[location]


def _milliseconds(second: Decimal, value: Temporal, *, low: bool) -> Decimal:
    """Seconds to the millisecond; those that were not written are the first or the last of their second."""
    if len(value.parts) < (3 if value.is_time else 6):
        return second
    written = len(value.text.partition(".")[2].rstrip("Z").partition("+")[0].partition("-")[0])
    base = second.quantize(Decimal("0.001"), ROUND_DOWN)
    return base if low or written >= 3 else base + (Decimal(1).scaleb(-written) - Decimal("0.001"))


def _boundary(items: Items, arguments: Sequence[Any], frame: Frame, *, low: bool) -> Items:
    name = "lowBoundary()" if low else "highBoundary()"
    item = single(items, name)
    digits = integer_of(arguments[0](frame), name) if arguments else None
    if item is None or item.value is None or (arguments and digits is None):
        return []
    value = system_value(item)
    if isinstance(value, Temporal):
        edge: Any = _temporal_boundary(value, digits, low=low)
        return [] if edge is None else [item_of(edge)]
    quantity = value if isinstance(value, Quantity) else None
    number = quantity.value if quantity else value
    if isinstance(number, bool) or not isinstance(number, int | Decimal):
        # A primitive with extensions alone has no value, hence no boundary; anything else is an error.
        if number is None and item.kind.primitive:
            return []
        raise FHIRPathError(f"{name} takes a number, a Quantity, a date or a time, found {item.type}")
    decimal_boundary = _decimal_boundary(Decimal(number), 8 if digits is None else digits, low=low)
    if decimal_boundary is None:
        return []
    if quantity:
        return [
            item_of(
                Quantity(
                    decimal_boundary, quantity.unit, quantity.calendar, quantity.system, quantity.written
                )
            )
        ]
    return [item_of(decimal_boundary)]


@function("lowBoundary", 0, 1)
def _low(items: Items, arguments: Sequence[Any], frame: Frame) -> Items:
    return _boundary(items, arguments, frame, low=True)


@function("highBoundary", 0, 1)
def _high(items: Items, arguments: Sequence[Any], frame: Frame) -> Items:
    return _boundary(items, arguments, frame, low=False)


@function("precision")
def _precision(items: Items, _: Sequence[Any], __: Frame) -> Items:
    item = single(items, "precision()")
    if item is None or item.value is None:
        return []
    value = system_value(item)
    if isinstance(value, Temporal):
        text = value.text.partition("T")
        clock = text[0] if value.is_time else text[2]
        clock = clock.rstrip("Z").partition("+")[0].partition("-")[0]
        digits = sum(c.isdigit() for c in clock) + (0 if value.is_time else sum(c.isdigit() for c in text[0]))
        return integer(digits)
    if isinstance(value, Quantity):
        value = value.value
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise FHIRPathError(f"precision() takes a number, a date or a time, found {item.type}")
    exponent = Decimal(value).as_tuple().exponent
    return integer(-exponent if isinstance(exponent, int) and exponent < 0 else 0)


@function("comparable", 1)
def _comparable(items: Items, arguments: Sequence[Any], frame: Frame) -> Items:
    first, second = single(items, "comparable()"), single(arguments[0](frame), "comparable()")
    if first is None or second is None:
        return []
    a, b = system_value(first), system_value(second)
    if not isinstance(a, Quantity) or not isinstance(b, Quantity):
        raise FHIRPathError(f"comparable() takes Quantities, found {first.type} and {second.type}")
    x, y = a.measure(), b.measure()
    # By what is measured: units that convert into each other are comparable.
    return boolean(x is not None and y is not None and x[1] == y[1])
