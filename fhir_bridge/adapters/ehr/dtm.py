"""Times as HL7 v2 writes them (DTM), which other sources have, too."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Final

__all__ = ["timestamp"]

_DTM: Final = re.compile(
    r"(\d{4})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:\.(\d{1,6})\d*)?)?)?)?)?)?([+-]\d{4})?\Z"
)


def timestamp(text: str | None) -> datetime | None:
    """A DTM as a datetime, missing parts at their lowest; naive without offset; None where it is no time."""
    if text and len(text) == 19 and text.isascii() and text[:14].isdecimal() and text[14] in "+-":
        try:  # the usual form, to the second with its offset
            return datetime.fromisoformat(f"{text[:8]}T{text[8:]}")
        except ValueError:
            pass
    match = _DTM.match(text or "")
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    zone = None
    if offset:
        sign = -1 if offset[0] == "-" else 1
        zone = timezone(sign * timedelta(hours=int(offset[1:3]), minutes=int(offset[3:])))
    try:
        return datetime(
            int(year),
            int(month or 1),
            int(day or 1),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int((fraction or "0").ljust(6, "0")),
            zone,
        )
    except ValueError:
        return None
