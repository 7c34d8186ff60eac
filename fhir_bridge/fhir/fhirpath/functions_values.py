"""Conversion and mathematics (N1 §5.5, §5.7)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal
from typing import Any

from fhir_bridge.fhir.fhirpath.environment import Frame
from fhir_bridge.fhir.fhirpath.errors import FHIRPathError
from fhir_bridge.fhir.fhirpath.items import Item, boolean, item_of, single, system_value
from fhir_bridge.fhir.fhirpath.numbers import CONTEXT, plain
from fhir_bridge.fhir.fhirpath.quantities import CALENDAR, Quantity, literal
from fhir_bridge.fhir.fhirpath.registry import function, integer_of, text_of, value_of
from fhir_bridge.fhir.fhirpath.temporal import Temporal, of_moment, parse_date, parse_date_time, parse_time

__all__ = ["as_text"]

Items = list[Item]

# N1 §5.5.3: signs and digits alone; `int()` would take blanks and underscores.
_INTEGER = re.compile(r"[+-]?\d{1,19}\Z", re.ASCII)
_DECIMAL = re.compile(r"[+-]?\d{1,64}(?:\.\d{1,64})?\Z", re.ASCII)
_QUANTITY = re.compile(r"([+-]?\d{1,64}(?:\.\d{1,64})?)\s*(?:'([^']+)'|([A-Za-z]+))?\Z", re.ASCII)
_TRUE = frozenset({"true", "t", "yes", "y", "1", "1.0"})
_FALSE = frozenset({"false", "f", "no", "n", "0", "0.0"})
_CALENDAR_WORDS = frozenset(CALENDAR) | frozenset(f"{unit}s" for unit in CALENDAR)


def _to_boolean(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        word = value.lower()
        return True if word in _TRUE else False if word in _FALSE else None
    if isinstance(value, int | Decimal):
        return True if value == 1 else False if value == 0 else None
    return None


def _to_integer(value: Any) -> int | None:
    if isinstance(value, bool | int):
        return int(value)
    if isinstance(value, str) and _INTEGER.match(value):
        return int(value)
    return None


def _to_decimal(value: Any) -> Decimal | None:
    if isinstance(value, bool | int | Decimal):
        return Decimal(value)
    if isinstance(value, str) and _DECIMAL.match(value):
        return Decimal(value)
    return None


def as_text(value: Any) -> str | None:
    """A System value as toString() writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Temporal):
        return value.text.removesuffix("T")
    return None if value is None else str(value)


def _to_date(value: Any) -> Temporal | None:
    if isinstance(value, Temporal):
        return (
            None
            if value.is_time
            else value
            if value.kind == "Date"
            else Temporal("Date", value.parts[:3], None)
        )
    if not isinstance(value, str):
        return None
    moment = parse_date(value) or parse_date_time(value)
    return None if moment is None else _to_date(moment)


def _to_date_time(value: Any) -> Temporal | None:
    if isinstance(value, Temporal):
        return (
            None
            if value.is_time
            else value
            if value.kind == "DateTime"
            else Temporal("DateTime", value.parts, None)
        )
    return parse_date_time(value) if isinstance(value, str) else None


def _to_time(value: Any) -> Temporal | None:
    if isinstance(value, Temporal):
        return value if value.is_time else None
    return parse_time(value) if isinstance(value, str) else None


def _to_quantity(value: Any) -> Quantity | None:
    if isinstance(value, Quantity):
        return value
    if isinstance(value, bool):
        return Quantity(Decimal("1.0" if value else "0.0"), "1")
    if isinstance(value, int | Decimal):
        return Quantity(Decimal(value), "1")
    match = _QUANTITY.match(value) if isinstance(value, str) else None
    if match is None:
        return None
    amount, unit, word = match.groups()
    if word is not None:
        return literal(Decimal(amount), word, True) if word in _CALENDAR_WORDS else None
    return Quantity(Decimal(amount), unit or "1")


_CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "Boolean": _to_boolean,
    "Integer": _to_integer,
    "Decimal": _to_decimal,
    "String": as_text,
    "Date": _to_date,
    "DateTime": _to_date_time,
    "Time": _to_time,
}


def _source(items: Items, what: str) -> Any:
    """The value to convert: a FHIR text keeps being one, so that a code can become an integer."""
    item = single(items, what)
    if item is None:
        return None
    value = system_value(item)
    return item.value if value is None and isinstance(item.value, str) else value


def _register(name: str, convert: Callable[[Any], Any]) -> None:
    @function(f"to{name}")
    def _to(items: Items, _: Sequence[Any], __: Frame) -> Items:
        value = convert(_source(items, f"to{name}()"))
        return [] if value is None else [item_of(value)]

    @function(f"convertsTo{name}")
    def _converts(items: Items, _: Sequence[Any], __: Frame) -> Items:
        return boolean(convert(_source(items, f"convertsTo{name}()")) is not None) if items else []


for _name, _convert in _CONVERSIONS.items():
    _register(_name, _convert)


def _quantity(items: Items, arguments: Sequence[Any], frame: Frame, what: str) -> Quantity | None:
    quantity = _to_quantity(_source(items, what))
    if quantity is None or not arguments:
        return quantity
    unit = text_of(arguments[0](frame), f"the unit of {what}")
    if unit is None:
        return None
    wanted = literal(Decimal(1), unit, unit in _CALENDAR_WORDS)
    value = quantity.in_unit_of(wanted)
    return None if value is None else Quantity(value, wanted.unit, wanted.calendar, None, wanted.written)


@function("toQuantity", 0, 1)
def _to_quantity_function(items: Items, arguments: Sequence[Any], frame: Frame) -> Items:
    quantity = _quantity(items, arguments, frame, "toQuantity()")
    return [] if quantity is None else [item_of(quantity)]


@function("convertsToQuantity", 0, 1)
def _converts_to_quantity(items: Items, arguments: Sequence[Any], frame: Frame) -> Items:
    return boolean(_quantity(items, arguments, frame, "convertsToQuantity()") is not None) if items else []


# --- mathematics ------------------------------------------------------------------------------------------------------


def _number(items: Items, what: str) -> int | Decimal | None:
    value = value_of(items, what)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise FHIRPathError(f"{what} takes a number, found {items[0].type}")
    return value


def _whole(rounding: str) -> Callable[[Any], Any]:
    return lambda value: int(Decimal(value).to_integral_value(rounding))


def _exp(value: int | Decimal) -> Decimal | None:
    return plain(CONTEXT.exp(Decimal(value))) if abs(Decimal(value)) < 900 else None


def _ln(value: int | Decimal) -> Decimal | None:
    return plain(CONTEXT.ln(Decimal(value))) if value > 0 else None


def _sqrt(value: int | Decimal) -> Decimal | None:
    return plain(CONTEXT.sqrt(Decimal(value))) if value >= 0 else None


def _unary(name: str, calculate: Callable[[Any], Any], *, quantities: bool = False) -> None:
    @function(name)
    def _apply(items: Items, _: Sequence[Any], __: Frame) -> Items:
        value = value_of(items, f"{name}()")
        if quantities and isinstance(value, Quantity):
            result = Decimal(calculate(value.value))
            return [item_of(Quantity(result, value.unit, value.calendar, value.system, value.written))]
        number = _number(items, f"{name}()")
        outcome = None if number is None else calculate(number)
        return [] if outcome is None else [item_of(outcome)]


_unary("abs", abs, quantities=True)
_unary("ceiling", _whole(ROUND_CEILING), quantities=True)
_unary("floor", _whole(ROUND_FLOOR), quantities=True)
_unary("truncate", _whole(ROUND_DOWN), quantities=True)
_unary("exp", _exp)
_unary("ln", _ln)
_unary("sqrt", _sqrt)


@function("log", 1)
def _log(items: Items, arguments: Sequence[Any], frame: Frame) -> Items:
    value, base = _number(items, "log()"), _number(arguments[0](frame), "the base of log()")
    if value is None or base is None or value <= 0 or base <= 0 or base == 1:
        return []
    quotient = CONTEXT.divide(CONTEXT.ln(Decimal(value)), CONTEXT.ln(Decimal(base)))
    return [item_of(plain(Context(prec=28).plus(quotient)))]


@function("power", 1)
def _power(items: Items, arguments: Sequence[Any], frame: Frame) -> Items:
    base, exponent = _number(items, "power()"), _number(arguments[0](frame), "the exponent of power()")
    if base is None or exponent is None:
        return []
    whole = isinstance(exponent, int) or exponent == exponent.to_integral_value()
    if (base < 0 and not whole) or (base == 0 and exponent < 0):
        return []
    # Estimated first: the power itself may have more digits than memory.
    if base and abs(float(exponent) * math.log10(abs(float(base)) or 1e-300)) > 300:
        return []
    if isinstance(base, int) and isinstance(exponent, int) and exponent >= 0:
        result = base**exponent
        # Beyond an Integer the result is empty, as with any overflow.
        return [item_of(result)] if abs(result) < 2**63 else []
    return [item_of(plain(CONTEXT.power(Decimal(base), Decimal(exponent))))]


@function("round", 0, 1)
def _round(items: Items, arguments: Sequence[Any], frame: Frame) -> Items:
    value = value_of(items, "round()")
    digits = integer_of(arguments[0](frame), "round()") if arguments else 0
    if value is None or digits is None:
        return []
    if not 0 <= digits <= 64:
        raise FHIRPathError(f"round() takes 0 to 64 digits, found {digits}")
    quantity = value if isinstance(value, Quantity) else None
    number = quantity.value if quantity else _number(items, "round()")
    if number is None or isinstance(number, int):
        return items
    # Enough digits for whatever is rounded; the default context would round first.
    rounded = number.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, Context(prec=999))
    if quantity:
        return [
            item_of(Quantity(rounded, quantity.unit, quantity.calendar, quantity.system, quantity.written))
        ]
    return [item_of(rounded)]


# --- the moment -------------------------------------------------------------------------------------------------------


@function("now")
def _now(_: Items, __: Sequence[Any], frame: Frame) -> Items:
    return [item_of(of_moment(frame.env.moment, "DateTime"))]


@function("today")
def _today(_: Items, __: Sequence[Any], frame: Frame) -> Items:
    return [item_of(of_moment(frame.env.moment, "Date"))]


@function("timeOfDay")
def _time_of_day(_: Items, __: Sequence[Any], frame: Frame) -> Items:
    return [item_of(of_moment(frame.env.moment, "Time"))]
