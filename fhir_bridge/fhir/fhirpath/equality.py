"""Equality, equivalence and order of items (N1 §6.1, §6.2)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from decimal import Decimal
from typing import Any

from fhir_bridge.fhir.fhirpath.errors import FHIRPathError
from fhir_bridge.fhir.fhirpath.items import Item, system_value
from fhir_bridge.fhir.fhirpath.numbers import number
from fhir_bridge.fhir.fhirpath.quantities import Quantity
from fhir_bridge.fhir.fhirpath.temporal import Temporal

__all__ = ["collections_equal", "collections_equivalent", "compare", "distinct", "equal", "key"]


def collections_equal(left: Sequence[Item], right: Sequence[Item]) -> bool | None:
    """`=`: None where a side is empty or a pair is undecided."""
    if not left or not right:
        return None
    if len(left) != len(right):
        return False
    # A pair that is certainly different decides; undecided pairs only keep it from being true.
    undecided = False
    for a, b in zip(left, right, strict=True):
        same = equal(a, b)
        if same is False:
            return False
        undecided = undecided or same is None
    return None if undecided else True


def equal(a: Item, b: Item) -> bool | None:
    """Whether two items are equal; None where that can't be determined (partial dates, a primitive without a value)."""
    if a.value is None or b.value is None:
        return None
    x, y = system_value(a), system_value(b)
    if x is None or y is None:
        if isinstance(a.value, dict) and isinstance(b.value, dict):
            return _same(a.value, b.value)
        if isinstance(a.value, str) and isinstance(b.value, str):
            return a.value == b.value  # a date that is none
        return False
    return _values_equal(x, y)


def _values_equal(x: Any, y: Any) -> bool | None:
    if isinstance(x, bool) or isinstance(y, bool):
        return x is y
    if isinstance(x, Temporal) and isinstance(y, Temporal):
        if x.is_time != y.is_time:
            return False
        order = x.compare(y)
        return None if order is None else order == 0
    if isinstance(x, Quantity) or isinstance(y, Quantity):
        first, second = _as_quantity(x), _as_quantity(y)
        if first is None or second is None:
            return False
        order = first.compare(second)
        if order is None:
            return None if _calendar_apart(first, second) else False
        return order == 0
    if isinstance(x, str) != isinstance(y, str) or isinstance(x, Temporal) or isinstance(y, Temporal):
        return False
    return bool(x == y)


def _calendar_apart(a: Quantity, b: Quantity) -> bool:
    """A year or month of the calendar beside a duration in UCUM's: neither equal nor different (N1 §6.1.1)."""
    # Only against definite durations of UCUM is it undecided; other units are simply different.
    return (a.calendar and a.unit in ("year", "month")) != (
        b.calendar and b.unit in ("year", "month")
    ) and all(q.system is None and (q.calendar or (q.measure() or (0, ""))[1] == "s") for q in (a, b))


def _as_quantity(value: Any) -> Quantity | None:
    if isinstance(value, Quantity):
        return value
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return Quantity(Decimal(value), "1")
    return None


def _same(a: Any, b: Any) -> bool:
    """JSON values alike, numbers by value."""
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(_same(v, b[k]) for k, v in a.items())
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(_same, a, b))
    # True == 1 in Python.
    if isinstance(a, bool) or isinstance(b, bool) or isinstance(a, str) or a is None:
        return a.__class__ is b.__class__ and bool(a == b)
    return number(a) == number(b) and number(a) is not None


def key(item: Item) -> Hashable:
    """A key that two items share just where `=` says true of them."""
    value = system_value(item)
    if value is None:
        # Primitives without a value equal nothing, not even each other.
        return ("none", id(item.extras)) if item.value is None else ("complex", _frozen(item.value))
    return _value_key(value)


def _value_key(value: Any) -> Hashable:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, Temporal):
        # Local times are equal to local times only: an offset on one side alone leaves it undecided.
        return (value.is_time, value.offset is None or len(value.parts) < 4, value.key())
    if isinstance(value, Quantity):
        measure = value.measure()
        if measure is None:
            return ("quantity", value.value, value.unit)
        return ("quantity", *measure) if measure[1] != "1" else measure[0]
    return value  # type: ignore[no-any-return]


def _frozen(value: Any) -> Hashable:
    # Order of properties does not count in JSON.
    if isinstance(value, dict):
        return tuple(sorted(((k, _frozen(v)) for k, v in value.items()), key=_first))
    if isinstance(value, list):
        return tuple(_frozen(v) for v in value)
    if isinstance(value, bool) or value is None:
        return ("boolean", value)
    return value if isinstance(value, str) else number(value)


def _first(pair: tuple[str, Hashable]) -> str:
    return pair[0]


def distinct(items: Sequence[Item]) -> list[Item]:
    """The items without those equal to an earlier one, in order."""
    if len(items) < 2:
        return list(items)
    seen: set[Hashable] = set()
    kept = []
    for item in items:
        own = key(item)
        if own not in seen:
            seen.add(own)
            kept.append(item)
    return kept


# --- equivalence ----------------------------------------------------------------------------------------------------


def collections_equivalent(left: Sequence[Item], right: Sequence[Item]) -> bool:
    """`~`: alike without regard to order, case, white space and precision; two empty collections are alike."""
    if len(left) != len(right):
        return False
    # Each item has its own partner: equal numbers of equals are needed.
    rest = list(right)
    for item in left:
        for index, other in enumerate(rest):
            if equivalent(item, other):
                del rest[index]
                break
        else:
            return False
    return True


def equivalent(a: Item, b: Item) -> bool:
    """Whether two items are equivalent (N1 §6.1.2)."""
    x, y = system_value(a), system_value(b)
    if x is None or y is None:
        if isinstance(a.value, dict) and isinstance(b.value, dict):
            return _alike(a.value, b.value)
        return False
    return _values_alike(x, y)


def _values_alike(x: Any, y: Any) -> bool:
    if isinstance(x, str) and isinstance(y, str):
        return _folded(x) == _folded(y)
    if isinstance(x, Quantity) or isinstance(y, Quantity):
        first, second = _as_quantity(x), _as_quantity(y)
        return first is not None and second is not None and first.equivalent(second)
    if isinstance(x, Decimal) or isinstance(y, Decimal):
        if isinstance(x, bool | str | Temporal) or isinstance(y, bool | str | Temporal):
            return False
        return Quantity(Decimal(x), "1").equivalent(Quantity(Decimal(y), "1"))
    return _values_equal(x, y) is True


def _folded(text: str) -> str:
    # N1 §6.1.2: case and white space do not count.
    return " ".join(text.casefold().split())


def _alike(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(_alike(v, b[k]) for k, v in a.items())
    if isinstance(a, list):
        if not isinstance(b, list) or len(a) != len(b):
            return False
        rest = list(b)
        for item in a:
            index = next((n for n, other in enumerate(rest) if _alike(item, other)), None)
            if index is None:
                return False
            del rest[index]
        return True
    if isinstance(a, str) and isinstance(b, str):
        return _folded(a) == _folded(b)
    if isinstance(a, bool) or isinstance(b, bool) or a is None or b is None:
        return a is b
    x, y = number(a), number(b)
    return x is not None and y is not None and _values_alike(x, y)


# --- order ----------------------------------------------------------------------------------------------------------


def compare(a: Item, b: Item) -> int | None:
    """-1, 0 or 1; None where it can't be determined.

    Raises:
        FHIRPathError: the two have no order, or are of different kinds.
    """
    if a.value is None or b.value is None:
        return None
    x, y = system_value(a), system_value(b)
    if x is None or y is None:
        lacking = a if x is None else b
        if lacking.kind.primitive or (isinstance(lacking.value, dict) and "value" in lacking.value):
            # A value that can't be read (a malformed date) has no order, and is no error of the expression.
            return None  # a date that is none, a Quantity that is no single value
        if lacking.kind.name == "Quantity" or lacking.kind.is_a("Quantity"):
            return None
        raise FHIRPathError(
            f"{lacking.type} has no order: expected numbers, strings, dates, times or quantities"
        )
    if isinstance(x, bool) or isinstance(y, bool):
        raise FHIRPathError("Booleans have no order")
    if isinstance(x, str) and isinstance(y, str):
        return (x > y) - (x < y)
    if isinstance(x, Temporal) and isinstance(y, Temporal):
        return x.compare(y)
    first, second = _as_quantity(x), _as_quantity(y)
    if first is not None and second is not None:
        # Plain numbers need no units.
        if not isinstance(x, Quantity) and not isinstance(y, Quantity):
            return (first.value > second.value) - (first.value < second.value)
        return first.compare(second)
    raise FHIRPathError(f"{a.type} and {b.type} can't be compared")
