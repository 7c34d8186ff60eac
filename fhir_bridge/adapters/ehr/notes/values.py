"""Values after a name in a sentence, each with the words of time around it: which is the one of the day of the note."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import Final, NamedTuple

from fhir_bridge.adapters.ehr.notes.sentences import Sentence
from fhir_bridge.adapters.ehr.notes.times import (
    EARLIER,
    NOW,
    is_as_before,
    is_dated,
    is_dated_otherwise,
    without_dates,
)

__all__ = [
    "FROM",
    "PIVOT",
    "TO",
    "Report",
    "Value",
    "is_denied",
    "is_of_another_time",
    "is_under_another_time",
    "shared",
    "value_of_the_day",
    "words_after",
]

PIVOT: Final = re.compile(
    r"""[,;(\[]|\.{2,}|…|->|=>|→|\b(?:unchanged|unverändert|vs\.?|versus|from|von|compared|gegenüber|statt|instead
    |previously
    |prev|prior|zuvor|vorher|früher|was|war|vormals|up|down|to|auf)\b""",
    re.IGNORECASE | re.VERBOSE,
)
FROM: Final = re.compile(r"\b(?:from|von)\s*(?:Stadium\s|class\s)?\Z", re.IGNORECASE)
TO: Final = re.compile(
    r"(?:\b(?:to|auf|bis auf)(?:\s+(?:now|jetzt|nun|nunmehr|aktuell|currently|heute|derzeit))?|->|=>|→)\s*\Z",
    re.IGNORECASE,
)
Report = Callable[[str, int, int], None]


class Value(NamedTuple):
    """A value after a name, by its place in the sentence; `moment`: 1 of now, -1 of another time, 0 where it does
    not say."""

    value: str
    start: int
    end: int
    moment: int


_NOT: Final = re.compile(
    r"\b(?:no|not|never|without|no longer|keine?[nmrs]?|nicht|nie(?:mals)?"
    r"|ohne)\s+(?:[^\s,;:.–-][^\s,;:.]*\s+){0,4}$",
    re.IGNORECASE,
)
"""What stands before a finding that is denied."""
_NOT_OF_IT: Final = re.compile(
    r"\b(?:bei|mit|with|when|da|as|because|since|weil|and|und|derzeit|given|therefore)\b", re.IGNORECASE
)
"""After such a word it is no longer denied."""

_ADVERB: Final = re.compile(
    r"\W*(?:in|on|at|by|im|am|vor|bei|zum|last|noch|seit|two|three|a|\d|the|following|after|nach|während|(?:previous|prior)(?!\s+(?:CABG|PCI|MI"
    r"|AVR|TAVI|stent\w*|surgery|bypass|infarct\w*))"
    r"|earlier|once|before|formerly|during|letzte\w*)\b",
    re.IGNORECASE,
)
_EXAM: Final = re.compile(
    r"""\b(?:echo\w*|TTE|TOE|TEE|[ck]?MRT|[ck]?MRI|CMR|MUGA|SPECT|Vorstellung\w*|visit|review|Aufenthalt\w*
    |admission|Aufnahme|\w*befund\w*
    |Untersuchung|Kontrolle|report|study|scan|letter|notes?|records?|summary|\w*brief|\w*bericht|Epikrise|[CK]oro\w*|Lävo\w*|Ventri[kc]ulo\w*)\b""",
    re.IGNORECASE | re.VERBOSE,
)


def is_of_another_time(sentence: Sentence, start: int, end: int, day: date | None) -> bool:
    """Whether clauses beside that of a value, or the heading over it, say that it is of another time.

    They do where they are the time alone (`In 2019, …`), or name an examination with its time (`Echo 2019: LV
    normal, EF …`).
    """
    text = sentence.text
    begin, stop = sentence.clause(start, end)
    label = text[: sentence.body]
    if sentence.body and sentence.body <= start and EARLIER.search(label) and not is_as_before(label):
        dated = is_dated(label) and not is_dated_otherwise(label, day)
        if not dated:
            return True
    if is_under_another_time(sentence, day):
        return True
    for part in _parts(sentence, 0, begin):
        if NOW.search(part):
            return False
        timed = is_dated_otherwise(part, day) or EARLIER.search(part) is not None
        if timed and (_EXAM.search(part) or _is_time_alone(part)):
            return True
    for part in _parts(sentence, stop, len(text)):
        if "%" in part:
            break
        if (
            len(part.split()) <= 4
            and is_dated_otherwise(part, day)
            and (_ADVERB.match(part) or _EXAM.search(part))
        ):
            return True
    before = sentence.before
    if sentence.is_joined and before is not None and _ADVERB.match(before.text) and NOW.search(text) is None:
        return is_dated_otherwise(before.text, day)
    if _WHEN.match(text, begin) and is_dated_otherwise(text[:begin], day, events=True):
        return True
    if before is None or _WAS.search(text, begin, stop) is None or _ADVERB.match(text):
        return False
    if _SEEN.search(before.text) is None:
        return False
    dated = is_dated_otherwise(before.text, day) or EARLIER.search(before.text) is not None
    return dated and NOW.search(f"{before.text} {text}") is None and not is_dated(text)


def is_under_another_time(sentence: Sentence, day: date | None) -> bool:
    """Whether the label that opens the line of a sentence, or the heading over it, is of another time."""
    label, lead = sentence.text[: sentence.body], sentence.lead
    if not (_EXAM.search(lead) or _ADVERB.match(lead) or _DATE_ALONE.fullmatch(without_dates(lead))):
        lead = ""
    if any(is_dated_otherwise(words, day) and not _BORN.search(words) for words in (label, lead)):
        return True
    if sentence.section.kind == "earlier":
        return True
    if _EXAM.search(lead) and EARLIER.search(lead) and not (is_as_before(lead) or is_dated(lead)):
        return True
    heading = sentence.section.heading
    return bool(heading) and _EXAM.search(heading) is not None and is_dated_otherwise(heading, day)


def _is_time_alone(part: str) -> bool:
    """Whether a clause is nothing but a time: `At the time of her infarction in 2018`."""
    words = len(part.split())
    return _ADVERB.match(part) is not None and (words <= 6 or (words <= 9 and _VERB.search(part) is None))


_VERB: Final = re.compile(r"\b(?:is|was|were|has|had|ist|war|hat|hatte|wurde)\b", re.IGNORECASE)
_DATE_ALONE: Final = re.compile(r"[\W\d]*")
_SEEN: Final = re.compile(rf"{_EXAM.pattern}|\b(?:NYHA|(?:LV)?EF)\b", re.IGNORECASE | re.VERBOSE)
"""In a sentence on an examination or its findings."""
_BORN: Final = re.compile(r"\b(?:geb|born|DOB|birth|seit|since)\b|\*", re.IGNORECASE)
"""With a date that is not of what follows."""
_WAS: Final = re.compile(r"\b(?:was|were|war|waren|betrug|lag)\b", re.IGNORECASE)
"""In a sentence that goes on with the time of the one before it."""


_WHEN: Final = re.compile(r"\W*(?:when|als|at which (?:time|point)|wobei damals)\b", re.IGNORECASE)


def _parts(sentence: Sentence, start: int, end: int) -> Iterator[str]:
    at = start
    for mark in sentence.breaks:
        if start <= mark.start() and mark.end() <= end:
            yield sentence.text[at : mark.start()]
            at = mark.end()
    if at < end:
        yield sentence.text[at:end]


def is_denied(before: str) -> bool:
    """Whether what stands before a finding denies it."""
    match = _NOT.search(before)
    return match is not None and _NOT_OF_IT.search(match[0]) is None


def words_after(sentence: Sentence, end: int, limit: int) -> str:
    """What is said of a value after it: up to the end of its clause, with the bracket that follows."""
    text = sentence.text
    stop = min(sentence.clause(end, end)[1], limit)
    own = text[end:stop]
    bracket = re.match(r"\s*[(\[]([^()\[\]]{0,60})[)\]]", text[stop:limit])
    if bracket and not re.search(r"\d\s*%|\b(?:IV|I{1,3})\b|\b[1-4]\Z", bracket[1]):
        own += " " + bracket[1]
    return own


_BRACKET: Final = re.compile(r"\s*[(\[][^()\[\]]*[)\]]")


def shared(gap: str, after: str) -> tuple[str, str]:
    """The words between two values: those said of the first, and those said of the second. `after`: what follows
    the second; where it is followed by its time, the first is too."""
    bracket = _BRACKET.match(gap)
    if bracket is not None:
        return bracket[0], gap[bracket.end() :]
    mark = PIVOT.search(gap)
    if mark is not None:
        return gap[: mark.start()], gap[mark.start() :]
    return (gap, "") if NOW.search(after) or EARLIER.search(after) else ("", gap)


def value_of_the_day(values: list[Value]) -> Value | None:
    """The value of the day of the note."""
    now = next((one for one in values if one.moment > 0), None)
    if now is not None:
        return now
    if values and values[0].moment == 0:
        return values[0]
    undated = [one for one in values if one.moment == 0]
    return undated[0] if len(undated) == 1 else None
