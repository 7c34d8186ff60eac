"""FHIRPath's binary operators on collections (N1 §6)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from fhir_bridge.fhir.fhirpath import quantities
from fhir_bridge.fhir.fhirpath.equality import (
    collections_equal,
    collections_equivalent,
    compare,
    distinct,
    equal,
)
from fhir_bridge.fhir.fhirpath.errors import FHIRPathError
from fhir_bridge.fhir.fhirpath.items import Item, boolean, item_of, single, string, system_value
from fhir_bridge.fhir.fhirpath.numbers import CONTEXT, divided, number
from fhir_bridge.fhir.fhirpath.quantities import Quantity
from fhir_bridge.fhir.fhirpath.temporal import Temporal

__all__ = ["OPERATORS", "Operator", "negated"]

Items = list[Item]
Operator = Callable[[Items, Items], Items]

MAX_INTEGER = 2**63


def _equals(left: Items, right: Items) -> Items:
    return boolean(collections_equal(left, right))


def _differs(left: Items, right: Items) -> Items:
    same = collections_equal(left, right)
    return boolean(None if same is None else not same)


def _alike(left: Items, right: Items) -> Items:
    return boolean(collections_equivalent(left, right))


def _unlike(left: Items, right: Items) -> Items:
    return boolean(not collections_equivalent(left, right))


def _ordered(name: str, holds: Callable[[int], bool]) -> Operator:
    def operator(left: Items, right: Items) -> Items:
        a, b = single(left, f"'{name}'"), single(right, f"'{name}'")
        if a is None or b is None:
            return []
        order = compare(a, b)
        return [] if order is None else boolean(holds(order))

    return operator


def _in(left: Items, right: Items) -> Items:
    item = single(left, "the left side of 'in'")
    return [] if item is None else boolean(_among(item, right))


def _contains(left: Items, right: Items) -> Items:
    item = single(right, "the right side of 'contains'")
    return [] if item is None else boolean(_among(item, left))


def _among(item: Item, items: Items) -> bool:
    return any(equal(item, other) is True for other in items)


def _union(left: Items, right: Items) -> Items:
    return distinct([*left, *right])


def _concatenated(left: Items, right: Items) -> Items:
    parts = []
    for items in (left, right):
        item = single(items, "'&'")
        if item is None:
            parts.append("")
        elif isinstance(item.value, str):
            parts.append(item.value)
        else:
            raise FHIRPathError(f"'&' takes strings, found {item.type}")
    return string("".join(parts))


def _arithmetic(name: str, of_values: Callable[[Any, Any], Any]) -> Operator:
    def operator(left: Items, right: Items) -> Items:
        a, b = single(left, f"'{name}'"), single(right, f"'{name}'")
        # N1 §6.6: an empty operand gives empty.
        if a is None or b is None or a.value is None or b.value is None:
            return []
        x, y = _operand(a, name), _operand(b, name)
        try:
            result = of_values(x, y)
        except ArithmeticError:  # beyond what a Decimal holds: empty, as any overflow (N1 §6.6)
            return []
        if result is NotImplemented:
            raise FHIRPathError(f"'{name}' takes no {a.type} and {b.type}")
        return [] if result is None or _overflows(result) else [item_of(result)]

    return operator


# An Integer has 64 bits here; beyond them the result is empty (N1 §6.6), and no bigger number.
def _overflows(result: Any) -> bool:
    if isinstance(result, int):
        return abs(result) >= MAX_INTEGER
    amount = result.value if isinstance(result, Quantity) else result
    return isinstance(amount, Decimal) and number(amount) is None


def _operand(item: Item, name: str) -> Any:
    value = system_value(item)
    if value is None or isinstance(value, bool):
        raise FHIRPathError(f"'{name}' takes no {item.type}")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _plus(x: Any, y: Any) -> Any:
    if _is_number(x) and _is_number(y):
        return x + y if isinstance(x, int) and isinstance(y, int) else CONTEXT.add(Decimal(x), Decimal(y))
    if isinstance(x, str) and isinstance(y, str):
        return x + y
    if isinstance(x, Temporal) and isinstance(y, Quantity):
        return x.plus(y.value, y.duration_unit())
    if isinstance(x, Quantity) and isinstance(y, Quantity):
        return quantities.plus(x, y, 1)
    return NotImplemented


def _minus(x: Any, y: Any) -> Any:
    if _is_number(x) and _is_number(y):
        return (
            x - y if isinstance(x, int) and isinstance(y, int) else CONTEXT.subtract(Decimal(x), Decimal(y))
        )
    if isinstance(x, Temporal) and isinstance(y, Quantity):
        return x.plus(-y.value, y.duration_unit())
    if isinstance(x, Quantity) and isinstance(y, Quantity):
        return quantities.plus(x, y, -1)
    return NotImplemented


def _times(x: Any, y: Any) -> Any:
    if _is_number(x) and _is_number(y):
        return (
            x * y if isinstance(x, int) and isinstance(y, int) else CONTEXT.multiply(Decimal(x), Decimal(y))
        )
    if isinstance(x, Quantity) and isinstance(y, Quantity):
        return quantities.times(x, y)
    if isinstance(x, Quantity) and _is_number(y):
        return Quantity(CONTEXT.multiply(x.value, Decimal(y)), x.unit, x.calendar, x.system, x.written)
    if isinstance(y, Quantity) and _is_number(x):
        return Quantity(CONTEXT.multiply(y.value, Decimal(x)), y.unit, y.calendar, y.system, y.written)
    return NotImplemented


def _over(x: Any, y: Any) -> Any:
    if _is_number(x) and _is_number(y):
        return divided(Decimal(x), Decimal(y)) if y else None
    if isinstance(x, Quantity) and isinstance(y, Quantity):
        return quantities.over(x, y)
    if isinstance(x, Quantity) and _is_number(y):
        return Quantity(divided(x.value, Decimal(y)), x.unit, x.calendar, x.system, x.written) if y else None
    return NotImplemented


def _div(x: Any, y: Any) -> Any:
    if not (_is_number(x) and _is_number(y)):
        return NotImplemented
    # N1 §6.6.4: `div` truncates towards zero, Python's // rounds down.
    # Not of a quotient, which rounding may have brought to the next integer.
    return int(CONTEXT.divide_int(Decimal(x), Decimal(y))) if y else None


def _mod(x: Any, y: Any) -> Any:
    if not (_is_number(x) and _is_number(y)):
        return NotImplemented
    if not y:
        return None
    if isinstance(x, int) and isinstance(y, int):
        # The sign of the dividend, as truncation needs it; Python's % has that of the divisor.
        return abs(x) % abs(y) * (1 if x >= 0 else -1)
    return CONTEXT.remainder(Decimal(x), Decimal(y))


def negated(items: Items) -> Items:
    """Unary minus.

    Raises:
        FHIRPathError: several items, or one that is no number or Quantity.
    """
    item = single(items, "'-'")
    if item is None or item.value is None:
        return []
    value = system_value(item)
    if _is_number(value):
        return [item_of(-value if isinstance(value, int) else CONTEXT.minus(value))]
    if isinstance(value, Quantity):
        return [
            item_of(
                Quantity(CONTEXT.minus(value.value), value.unit, value.calendar, value.system, value.written)
            )
        ]
    raise FHIRPathError(f"'-' takes numbers and quantities, found {item.type}")


OPERATORS: dict[str, Operator] = {
    "=": _equals,
    "!=": _differs,
    "~": _alike,
    "!~": _unlike,
    "<": _ordered("<", lambda order: order < 0),
    "<=": _ordered("<=", lambda order: order <= 0),
    ">": _ordered(">", lambda order: order > 0),
    ">=": _ordered(">=", lambda order: order >= 0),
    "in": _in,
    "contains": _contains,
    "|": _union,
    "&": _concatenated,
    "+": _arithmetic("+", _plus),
    "-": _arithmetic("-", _minus),
    "*": _arithmetic("*", _times),
    "/": _arithmetic("/", _over),
    "div": _arithmetic("div", _div),
    "mod": _arithmetic("mod", _mod),
}
"""All binary operators but the logical ones, which decide whether their right side is evaluated at all."""
