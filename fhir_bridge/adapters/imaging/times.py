"""Dates and times (PS3.5 6.2 DA, TM, DT), joined into one text that says no more than the source does."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

__all__ = ["is_date", "is_time", "joined", "moment", "offset_of", "valid_datetime"]

_DATE = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})\Z", re.ASCII)
_TIME = re.compile(r"(\d{2})(?::?(\d{2})(?::?(\d{2})(?:\.(\d{1,6}))?)?)?\Z", re.ASCII)
_OFFSET = re.compile(r"([+-])(\d{2})(\d{2})\Z", re.ASCII)
_DATETIME = re.compile(
    r"(\d{4})(\d{2})?(\d{2})?(\d{2})?(\d{2})?(\d{2})?(?:\.(\d{1,6}))?([+-]\d{4})?\Z", re.ASCII
)


def is_date(text: str) -> bool:
    """Whether this is a DA of a day that exists; the form of ACR-NEMA 300 with dots counts (PS3.5 6.2 note)."""
    day = _DATE.match(text)
    return day is not None and _is_day(int(day[1]), int(day[2]), int(day[3]))


def is_time(text: str) -> bool:
    """Whether this is a TM of a time that exists; the form of ACR-NEMA 300 with colons counts."""
    clock = _TIME.match(text)
    return clock is not None and int(clock[1]) < 24 and int(clock[2] or 0) < 60 and int(clock[3] or 0) <= 60


def moment(text: str | None) -> datetime | None:
    """What `joined` and `valid_datetime` give as a datetime, naive where it has no offset; None where the text is.

    A month or day that is left out is the first, a time that is left out midnight.
    """
    match = _DATETIME.match(text) if text else None
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, own = match.groups()
    zone = None
    if own is not None:
        span = timedelta(hours=int(own[1:3]), minutes=int(own[3:]))
        zone = timezone(-span if own[0] == "-" else span)
    return datetime(
        int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), int(second or 0),
        int((fraction or "0").ljust(6, "0")), zone,
    )  # fmt: skip


def offset_of(text: str | None) -> str | None:
    """Timezone Offset From UTC `&ZZXX`, checked (-1200 to +1400).

    Raises:
        ValueError: it is no such offset.
    """
    if not text:
        return None
    match = _OFFSET.match(text)
    if match is None:
        raise ValueError("not an offset of the form +HHMM")
    minutes = int(match[2]) * 60 + int(match[3])
    if int(match[3]) > 59 or minutes > (14 if match[1] == "+" else 12) * 60:
        raise ValueError("offset beyond -1200 to +1400")
    return text


def joined(date: str | None, time: str | None, offset: str | None) -> tuple[str | None, list[str]]:
    """DA and TM as `YYYYMMDD[HHMM[SS[.f]]][+ZZZZ]`, with what is impossible left out.

    Hours without minutes are no FHIR time, so they are left out too. The forms with dots and colons of
    ACR-NEMA 300 are read (PS3.5 6.2 note).

    Returns:
        The text, or None without a date; and which of `date`, `time`, `offset` could not be used.
    """
    bad: list[str] = []
    try:
        zone = offset_of(offset)
    except ValueError:
        zone = None
        bad.append("offset")
    if not date:
        return None, bad
    day = _DATE.match(date)
    if day is None or not is_date(date):
        return None, ["date", *bad]
    text = day[1] + day[2] + day[3]
    if not time:
        return text, bad
    clock = _TIME.match(time)
    if clock is None or not is_time(time):
        return text, ["time", *bad]
    if clock[2] is None:
        return text, bad
    # A leap second has no place in a FHIR dateTime: 60 is written as 59.
    seconds = "59" if clock[3] == "60" else clock[3]
    text += clock[1] + clock[2] + (seconds or "")
    if seconds and clock[4] and int(clock[4]):
        text += "." + clock[4]
    return text + (zone or ""), bad


def valid_datetime(text: str | None, offset: str | None) -> str | None:
    """A DT value in the joined form, with `offset` where it has none of its own; None where impossible."""
    if not text:
        return None
    match = _DATETIME.match(text.strip())
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, own = match.groups()
    if hour is None or minute is None:
        complete = year + (month or "") + (day or "")
        return complete if _is_day(int(year), int(month or 1), int(day or 1)) else None
    clock = hour + minute + (second or "") + (f".{fraction}" if fraction else "")
    result, bad = joined(year + month + day, clock, own or offset)
    return None if bad else result


def _is_day(year: int, month: int, day: int) -> bool:
    try:
        datetime(year, month, day)
    except ValueError:
        return False
    return True
