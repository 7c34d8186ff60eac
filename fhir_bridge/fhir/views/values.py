"""A column's value: one value or a list, of the kind that the column has, or an error that says what was found."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from fhir_bridge.fhir.views.issues import RecordError
from fhir_bridge.fhir.views.types import ColumnType

__all__ = ["Check", "check_of"]

Check = Callable[[Any], Any]
"""Gives a value back as the column has it. Raises RecordError where it is of another type."""

_YEAR = r"\d{4}(-\d\d(-\d\d"
_CLOCK = r"\d\d:\d\d:\d\d(\.\d+)?"
_ZONE = r"(Z|[+-]\d\d:\d\d)"
_FORMS = {
    ColumnType.DATE: re.compile(rf"{_YEAR})?)?", re.ASCII),
    ColumnType.DATETIME: re.compile(rf"{_YEAR}(T{_CLOCK}{_ZONE}?)?)?)?", re.ASCII),
    ColumnType.INSTANT: re.compile(rf"\d{{4}}-\d\d-\d\dT{_CLOCK}{_ZONE}", re.ASCII),
    ColumnType.TIME: re.compile(_CLOCK, re.ASCII),
}
_BITS = {ColumnType.INTEGER: 32, ColumnType.INTEGER64: 64}


def check_of(kind: ColumnType, type_name: str | None) -> Check:
    """The check of a kind; `type_name` is what an error says was expected."""
    if kind is ColumnType.STRING or kind is ColumnType.BINARY:
        return _text(type_name)
    if kind in _FORMS:
        return _formed(_FORMS[kind], type_name)
    if kind in _BITS:
        return _integer(_BITS[kind], type_name)
    return {
        ColumnType.BOOLEAN: _boolean,
        ColumnType.DECIMAL: _decimal,
        ColumnType.COMPLEX: _complex(type_name),
        ColumnType.UNKNOWN: _any_primitive,
    }[kind]


def _refused(value: Any, expected: str | None) -> RecordError:
    if isinstance(value, bool):
        result = "a boolean"
    elif isinstance(value, (int, float, Decimal)):
        result = "a number"
    elif isinstance(value, str):
        result = "text that is not one"
    else:
        result = "a complex value"
    return RecordError("FB-VIEW-031", f"expected {expected}, found {result}")


def _text(expected: str | None) -> Check:
    def check(value: Any) -> Any:
        if type(value) is str:
            return value
        raise RecordError(
            "FB-VIEW-031", str(_refused(value, expected)).replace("text that is not one", "text")
        )

    return check


def _formed(form: re.Pattern[str], expected: str | None) -> Check:
    match = form.fullmatch

    def check(value: Any) -> Any:
        if type(value) is str and match(value):
            return value
        raise _refused(value, expected)

    return check


def _integer(bits: int, expected: str | None) -> Check:
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1

    def check(value: Any) -> Any:
        result = value
        if bits == 64 and isinstance(value, str) and re.fullmatch(r"[-+]?\d{1,19}", value, re.ASCII):
            result = int(value)  # integer64 is a JSON string (R5)
        elif isinstance(value, (float, Decimal)) and value == value.__trunc__():
            result = int(value)
        if type(result) is int and low <= result <= high:
            return result
        raise _refused(value, f"{expected} ({bits} bits)")

    return check


def _boolean(value: Any) -> Any:
    if type(value) is bool:
        return value
    raise _refused(value, "boolean")


def _decimal(value: Any) -> Any:
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return value
    raise _refused(value, "decimal")


def _complex(expected: str | None) -> Check:
    def check(value: Any) -> Any:
        if type(value) is dict:
            return value
        raise _refused(value, expected)

    return check


def _any_primitive(value: Any) -> Any:
    if not isinstance(value, (dict, list)):
        return value
    raise RecordError("FB-VIEW-031", "a complex value; the column must declare its type")
