"""Times of HL7 v2 (chapter 2A, DTM), ISO 8601 and FHIR, in the precision that they are written in."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final, NamedTuple

__all__ = ["Moment", "moment"]

_V2: Final = re.compile(
    r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d+))?)?)?)?)?)?([+-]\d{4}|Z)?\Z"
)
_ISO: Final = re.compile(
    r"(\d{4})(?:-(\d\d?)(?:-(\d\d?)(?:[T ](\d\d)(?::(\d\d)(?::(\d\d)(?:[.,](\d+))?)?)?)?)?)?\s?(Z|[+-]\d\d:?\d\d)?\Z"
)
_DOTTED: Final = re.compile(r"(\d\d?)[./](\d\d?)[./](\d{4})(?:[ T](\d\d?):(\d\d)(?::(\d\d))?)?\Z")


class Moment(NamedTuple):
    """A time.

    Attributes:
        parts: year, month, day, hour, minute, second as far as they are written.
        fraction: digits after the second.
        offset: minutes from UTC; None where it is not stated.
    """

    parts: tuple[int, ...]
    fraction: str = ""
    offset: int | None = None

    @property
    def has_time(self) -> bool:
        """Whether it is written to the hour or beyond."""
        return len(self.parts) > 3

    @property
    def wall(self) -> datetime | None:
        """The clock reading, to the second; None where there is no such time."""
        year, month, day, hour, minute, second = (*self.parts, *(0, 1, 1, 0, 0, 0)[len(self.parts) :])
        try:
            return datetime(year, month, day, hour, minute, min(second, 59))
        except ValueError:
            return None

    @property
    def instant(self) -> datetime | None:
        """The clock reading in UTC; None without offset."""
        wall = self.wall
        return None if wall is None or self.offset is None else wall - timedelta(minutes=self.offset)


def moment(text: str) -> Moment | None:
    """A time as HL7 v2, ISO 8601 or `dd.mm.yyyy` write it; None for what is none. `a/b/yyyy` is read day first."""
    text = text.strip()
    match = _V2.match(text) or _ISO.match(text)
    if match:
        *numbers, fraction, zone = match.groups()
        parts = tuple(int(part) for part in numbers if part is not None)
        return _checked(Moment(parts, (fraction or "").rstrip("0"), _offset(zone)))
    match = _DOTTED.match(text)
    if match:
        day, month, year, *rest = match.groups()
        parts = (int(year), int(month), int(day), *(int(part) for part in rest if part is not None))
        return _checked(Moment(parts))
    return None


def _checked(result: Moment) -> Moment | None:
    return result if result.wall is not None and 1800 <= result.parts[0] <= 2200 else None


def _offset(zone: str | None) -> int | None:
    if zone is None:
        return None
    if zone == "Z":
        return 0
    digits = zone[1:].replace(":", "")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    return -minutes if zone[0] == "-" else minutes
