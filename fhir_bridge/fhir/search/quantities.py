"""From quantities and numbers to index entries: intervals, in the unit as written and in UCUM base units."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from fhir_bridge.fhir import ucum
from fhir_bridge.fhir.search.entries import IndexEntry, NumberEntry, QuantityEntry

__all__ = [
    "UCUM",
    "canonical_quantity",
    "money",
    "number",
    "number_range",
    "quantity",
    "quantity_range",
    "sampled_data",
]

Append = Callable[[IndexEntry], object]

UCUM = "http://unitsofmeasure.org"
CURRENCIES = "urn:iso:std:iso:4217"

_LARGEST_EXPONENT = 1000
"""A number beyond 10 to this power measures nothing, and would not fit an index."""

_MOST_SAMPLES = 1_000_000
"""Characters of SampledData.data that are read for their bounds."""


def _decimal(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, Decimal | int | float | str):
        # A Boolean is an int to Python.
        return None
    try:
        # A float by its text, so that 0.1 stays 0.1.
        result = value if isinstance(value, Decimal) else Decimal(str(value))
    except (InvalidOperation, ValueError):  # ValueError: an integer of thousands of digits
        return None
    return result if result.is_finite() and abs(result.adjusted()) <= _LARGEST_EXPONENT else None


@lru_cache(4096)
def canonical_quantity(value: Decimal, code: str) -> tuple[Decimal, str] | None:
    """The value in UCUM base units, where the unit can be converted; without trailing zeros, so that equal values,
    which share an answer here, are written alike.

    None of a logarithm or another curve ([pH], [hp'_X], B, …), which is compared in its own scale: converted, a pH
    falls as it rises, is found by a concentration, and its range of precision is another.
    """
    measured = ucum.canonical(value, code) if ucum.is_affine(code) else None
    return None if measured is None else (measured[0].normalize(), measured[1])


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _quantity_entry(
    parameters: tuple[str, ...],
    unit: dict[str, Any],
    low: Decimal | None,
    high: Decimal | None,
    append: Append,
) -> None:
    system, code = _text(unit.get("system")), _text(unit.get("code"))
    base: str | None = None
    base_low: Decimal | None = None
    base_high: Decimal | None = None
    if system == UCUM and code is not None:
        first = None if low is None else canonical_quantity(low, code)
        second = first if low is high else None if high is None else canonical_quantity(high, code)
        if first is not None:
            base_low, base = first
        if second is not None:
            base_high, base = second
    rest = (system, code, _text(unit.get("unit")), low, high, base, base_low, base_high)
    for parameter in parameters:
        append(QuantityEntry(parameter, *rest))


def quantity(parameters: tuple[str, ...], value: Any, append: Append) -> None:
    """A Quantity; its comparator leaves one end open."""
    if isinstance(value, dict):
        low = high = _decimal(value.get("value"))
        if low is not None:
            comparator = value.get("comparator")
            if comparator in ("<", "<="):
                low = None
            elif comparator in (">", ">="):
                high = None
            _quantity_entry(parameters, value, low, high, append)


def money(parameters: tuple[str, ...], value: Any, append: Append) -> None:
    """Money, whose unit is a currency (R4 datatypes.html#Money)."""
    if isinstance(value, dict):
        amount, currency = _decimal(value.get("value")), value.get("currency")
        if amount is not None:
            _quantity_entry(parameters, {"system": CURRENCIES, "code": currency}, amount, amount, append)


def quantity_range(parameters: tuple[str, ...], value: Any, append: Append) -> None:
    """A Range, from its low to its high."""
    if isinstance(value, dict):
        low, high = (end if isinstance(end, dict) else {} for end in (value.get("low"), value.get("high")))
        numbers = _decimal(low.get("value")), _decimal(high.get("value"))
        if numbers != (None, None):
            # R4 datatypes.html#Range: low and high have one unit.
            _quantity_entry(parameters, low or high, *numbers, append)


def sampled_data(parameters: tuple[str, ...], value: Any, append: Append) -> None:
    """SampledData, from its smallest to its greatest sample (R4 searchparameter Observation-value-quantity).

    A sample is origin + factor · number; `L` and `U` stand for the limits, `E` for an error
    (R4 datatypes.html#SampledData).
    """
    if not isinstance(value, dict):
        return
    origin, data = value.get("origin"), value.get("data")
    if not isinstance(origin, dict) or not isinstance(data, str) or len(data) > _MOST_SAMPLES:
        return
    zero, factor = _decimal(origin.get("value")), _decimal(value.get("factor", 1))
    if zero is None or factor is None:
        return
    limits = {"L": _decimal(value.get("lowerLimit")), "U": _decimal(value.get("upperLimit"))}
    # A set: only the bounds matter, and signals repeat their values.
    samples = [limits.get(text, _decimal(text)) for text in set(data.split()) - {"E"}]
    known = [zero + factor * sample for sample in samples if sample is not None]
    if known:
        _quantity_entry(parameters, origin, min(known), max(known), append)


def number(parameters: tuple[str, ...], value: Any, append: Append) -> None:
    """A number: one point."""
    decimal = _decimal(value)
    if decimal is not None:
        for parameter in parameters:
            append(NumberEntry(parameter, decimal, decimal))


def number_range(parameters: tuple[str, ...], value: Any, append: Append) -> None:
    """A Range of plain numbers."""
    if isinstance(value, dict):
        low, high = (end if isinstance(end, dict) else {} for end in (value.get("low"), value.get("high")))
        numbers = _decimal(low.get("value")), _decimal(high.get("value"))
        if numbers != (None, None):
            for parameter in parameters:
                append(NumberEntry(parameter, *numbers))
