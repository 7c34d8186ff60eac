"""The span of time that a date, dateTime or instant covers (R4 search.html#date)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

__all__ = ["date_range"]

_DATE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?)?)?)?", re.ASCII
)
_FIRST = datetime.min.replace(tzinfo=UTC)
_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)
_FAST = frozenset({20, 25})
"""Lengths of a time to the second with its zone: `…Z`, `…+01:00`."""


@lru_cache(2048)
def date_range(text: str) -> tuple[datetime, datetime | None]:
    """The time that a date or dateTime covers at its precision; without a zone it is taken as UTC.

    Returns:
        Start (inclusive) and end (exclusive; None beyond the last year a calendar here can hold). What its zone puts
        before the first year begins with that.

    Raises:
        ValueError: not a FHIR date, dateTime or instant.
    """
    result = _common(text)
    return result if result is not None else _any(text)


def _common(text: str) -> tuple[datetime, datetime] | None:
    """The two forms that most resources have, read by the C parser; None for every other, right or wrong."""
    try:
        if len(text) == 10:
            # `fromisoformat` also reads week dates and other forms of ISO 8601, which are no dates of FHIR.
            if text[4] != "-" or text[7] != "-":
                return None
            low = datetime.fromisoformat(text).replace(tzinfo=UTC)
            return low, low + _DAY
        if (
            # R4 datatypes.html#dateTime has no hour 24, which newer Pythons read.
            len(text) not in _FAST
            or (text[4], text[7], text[10], text[13], text[16]) != ("-", "-", "T", ":", ":")
            or text[11:13] == "24"
            or not (text[19] == "Z" if len(text) == 20 else text[19] in "+-" and text[22] == ":")
        ):
            return None
        low = datetime.fromisoformat(text).astimezone(UTC)
        return low, low + _SECOND
    except (ValueError, OverflowError):
        return None


def _any(text: str) -> tuple[datetime, datetime | None]:
    match = _DATE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a date")
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    if hour is None:
        low = datetime(int(year), int(month or 1), int(day or 1), tzinfo=UTC)
        try:
            if day is not None:
                return low, low + _DAY
            if month is not None:
                return low, low.replace(year=low.year + low.month // 12, month=low.month % 12 + 1)
            return low, low.replace(year=low.year + 1)
        except (OverflowError, ValueError):
            return low, None
    micro = int((fraction or "0")[:6].ljust(6, "0"))
    # R4 allows second 60, which datetime can't hold.
    leap = second == "60"
    low = datetime(
        int(year), int(month), int(day), int(hour), int(minute), 59 if leap else int(second or 0), micro, UTC
    )
    try:
        if zone and zone != "Z":
            offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:]))
            if zone[0] == "-":
                low += offset
            else:
                low = low - offset if low - _FIRST > offset else _FIRST
        if second is None:
            return low, low + timedelta(minutes=1)
        if fraction is None:
            return low, low + _SECOND
        return low, low + timedelta(microseconds=10 ** (6 - min(len(fraction), 6)))
    except OverflowError:
        return low, None
