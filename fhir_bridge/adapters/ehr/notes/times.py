"""Whether what a sentence states is of another time than the note."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Final

__all__ = ["is_of_another_time"]

_ANOTHER_TIME: Final = re.compile(
    r"""\b(?:last|previous)\ (?:year|month)\b|\b(?:years?|yrs?|months?)\ (?:ago|earlier)\b
    |\b(?:im\ (?:Vorjahr|Vormonat)|(?:letzte[smn]|vorige[smn])\ (?:Jahre?s?|Monats?))\b
    |\bvor\ (?:\w+\ )?(?:Jahr|Monat)(?:e|en)?\b""",
    re.IGNORECASE | re.VERBOSE,
)
_DAY: Final = re.compile(r"\b(\d{1,2})\.\s?(\d{1,2})\.\s?((?:19|20)\d\d)\b|\b((?:19|20)\d\d)-(\d\d)-(\d\d)\b")
_YEAR: Final = re.compile(r"\b(?:19|20)\d\d\b")
_OF_THE_NOTE: Final = timedelta(days=60)
"""A finding of a day so short before the note is one of the note."""
_EVENT: Final = re.compile(
    r"""[,;(]\s*(?:(?:s/p|status\ post|h/o|hx\ of|known|since|Status\ nach|Zustand\ nach
    |bekannt|seit|ED|ICD|CRT(?:-[DP])?|PCI|CABG|TAVI|stent\w*|N?STEMI|MI|HI)\b|Z\.?\ ?n\.|St\.?\ ?n\.)[^,;]*""",
    re.IGNORECASE | re.VERBOSE,
)
"""What happened to the patient, with a time of its own."""
_OTHER_VALUE: Final = re.compile(
    r"""[,;(]?\s*(?:\b(?:(?:down|up)\ from|vs\.?|versus|compared|was|before|previously|prior|vorher|zuvor|war
    |Vorjahr|gegenüber|nach
    |im\ Vorjahr|last\ (?:year|month|visit))\b|\()[^,;]*?(?:\d|\bI{1,3}\b|\bIV\b)[^,;]*""",
    re.IGNORECASE | re.VERBOSE,
)
"""A value beside it, which is of the other time."""


def is_of_another_time(text: str, end: int, day: date | None) -> bool:
    """Whether what ends at `end` in a sentence is of another time than the note; a year where that is unknown is one.

    Times of events and of values that the sentence names beside it are not its own.
    """
    after = _EVENT.sub("", text[end:])
    if _OTHER_VALUE.match(after):
        after = _OTHER_VALUE.sub("", after, count=1)
    own = _EVENT.sub("", text[:end]) + after
    if _ANOTHER_TIME.search(own):
        return True
    rest = own
    for match in _DAY.finditer(own):
        try:
            named = (
                date(int(match[3]), int(match[2]), int(match[1]))
                if match[3]
                else date(int(match[4]), int(match[5]), int(match[6]))
            )
        except ValueError:
            return True
        if day is None or abs(day - named) > _OF_THE_NOTE:
            return True
        rest = rest.replace(match[0], "")
    return any(day is None or int(year) != day.year for year in _YEAR.findall(rest))
