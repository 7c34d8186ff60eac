"""The native types of typed outputs: which one a column has, and a value's exact native form, if it has one."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from typing import Any, Final

from fhir_bridge.fhir.views import Column, ColumnType, RecordError, sql_type
from fhir_bridge.fhir.views.sql_types import DIGITS, SCALE
from fhir_bridge.pipeline.views_sinks import as_written

__all__ = ["AS_WRITTEN", "MISSING", "NATIVE", "Converter", "Native", "asked_for"]

Converter = Callable[[Any], Any]


class _Missing:
    """The value has no exact native form."""


MISSING: Final = _Missing()
_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)


@dataclass(frozen=True, slots=True)
class Native:
    """A native type: its name as a person reads it, how Arrow makes it, and how a value becomes one."""

    name: str
    arrow: Callable[[Any], Any]
    convert: Converter


def _refuse(value: Any, wanted: str) -> RecordError:
    shown = type(value).__name__ if not isinstance(value, str) else f"text of {len(value)} characters"
    return RecordError("FB-VIEW-031", f"a value ({shown}) has no exact {wanted}")


def _strict(convert: Converter, wanted: str) -> Converter:
    """What an ansi/type asks for must be: the view's author vouches that the values fit."""

    def converted(value: Any) -> Any:
        converter = convert(value)
        if converter is MISSING:
            raise _refuse(value, wanted)
        return converter

    return converted


def _boolean(value: Any) -> Any:
    return value if isinstance(value, bool) else MISSING


def _whole(bits: int) -> Converter:
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1

    def converted(value: Any) -> Any:
        if isinstance(value, str) and len(value) <= 20 and re.fullmatch(r"[-+]?[0-9]+", value):
            value = int(value)  # integer64 is a string in JSON
        elif isinstance(value, (float, Decimal)) and Decimal(str(value)) == int(value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            return MISSING
        return value if low <= value <= high else MISSING

    return converted


def _decimal(digits: int, scale: int) -> Converter:
    def converted(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
            return MISSING
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
        if not number:
            return Decimal(0)
        number = number.normalize(_EXACT)
        _, figures, exponent = number.as_tuple()
        assert isinstance(exponent, int), "FHIR has no infinite decimal"
        if -exponent > scale or len(figures) + exponent > digits - scale:
            return MISSING
        return number

    return converted


def _float(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return MISSING
    return float(value)


_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DATETIME = re.compile(
    r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}):(\d{2})(?:\.(\d{1,6})0*)?(Z|[+-]\d{2}:\d{2})", re.ASCII
)
_TIME = re.compile(r"\d{2}:\d{2}:\d{2}(?:\.(\d{1,6})0*)?", re.ASCII)


def _date(value: Any) -> Any:
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return MISSING
    try:
        return date.fromisoformat(value)
    except ValueError:
        return MISSING


def _moment(value: Any) -> Any:
    """Microseconds in UTC: what is reported to the second at least, with an offset, is one moment."""
    match = _DATETIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return MISSING
    minute, second, fraction, zone = match.groups()
    try:
        moment = datetime.fromisoformat(f"{minute}:{second}.{(fraction or '').ljust(6, '0')}{zone}")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):  # also of the leap second 60, which no native type has
        return MISSING


def _time(value: Any) -> Any:
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return MISSING
    try:
        return time.fromisoformat(f"{value[:8]}.{(match[1] or '').ljust(6, '0')}")
    except ValueError:
        return MISSING


def _bytes(value: Any) -> Any:
    if not isinstance(value, str):
        return MISSING
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        return MISSING


AS_WRITTEN: Final = Native("string", lambda arrow: arrow.string(), as_written)


def _native(name: str, arrow: Callable[[Any], Any], convert: Converter, *, strict: bool = True) -> Native:
    return Native(name, arrow, _strict(convert, name) if strict else convert)


def _decimals(digits: int, scale: int) -> tuple[str, Callable[[Any], Any], Converter]:
    return (
        f"decimal({digits},{scale})",
        lambda arrow: arrow.decimal128(digits, scale),
        _decimal(digits, scale),
    )


_DATE32 = ("date", lambda arrow: arrow.date32(), _date)
_TIMESTAMP = ("timestamp (UTC, µs)", lambda arrow: arrow.timestamp("us", tz="UTC"), _moment)
_INT32 = _native("int32", lambda arrow: arrow.int32(), _whole(32))
_INT64 = _native("int64", lambda arrow: arrow.int64(), _whole(64))
_BOOLEAN = _native("boolean", lambda arrow: arrow.bool_(), _boolean)
_BINARY = _native("binary", lambda arrow: arrow.binary(), _bytes)
_DOUBLE = _native("double", lambda arrow: arrow.float64(), _float)

NATIVE: Final[dict[ColumnType, Native]] = {
    ColumnType.BOOLEAN: _BOOLEAN,
    ColumnType.INTEGER: _INT32,
    ColumnType.INTEGER64: _INT64,
    ColumnType.DECIMAL: _native(*_decimals(DIGITS, SCALE), strict=False),
    ColumnType.DATE: _native(*_DATE32, strict=False),
    ColumnType.DATETIME: _native(*_TIMESTAMP, strict=False),
    ColumnType.INSTANT: _native(*_TIMESTAMP, strict=False),
    ColumnType.TIME: AS_WRITTEN,
    ColumnType.STRING: AS_WRITTEN,
    ColumnType.BINARY: _BINARY,
    ColumnType.COMPLEX: AS_WRITTEN,
    ColumnType.UNKNOWN: AS_WRITTEN,
}
"""The native type of each kind of column."""

_ASKED: Final[dict[str, Native]] = {
    "VARCHAR": AS_WRITTEN,
    "BOOLEAN": _BOOLEAN,
    "SMALLINT": _native("int16", lambda arrow: arrow.int16(), _whole(16)),
    "INTEGER": _INT32,
    "BIGINT": _INT64,
    "DOUBLE PRECISION": _DOUBLE,
    "DATE": _native(*_DATE32),
    "TIME": _native("time (µs)", lambda arrow: arrow.time64("us"), _time),
    "TIMESTAMP": _native(*_TIMESTAMP),
    "BINARY": _BINARY,
}


def asked_for(column: Column) -> Native | None:
    """What the column's `ansi/type` asks for; None where it has none, or one that is not understood."""
    wanted = sql_type(column.tags)
    if wanted is None:
        return None
    if wanted.name == "DECIMAL":
        return _native(*_decimals(wanted.digits, wanted.scale))
    return _ASKED[wanted.name]
