"""What the cells of a column look like: dates and their format, numbers and their marks, codes, yes and no."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fhir_bridge.mapping.functions.times import parse

__all__ = ["DateForm", "NumberForm", "booleans", "date_form", "number_form", "share"]

LOINC: Final = "http://loinc.org"
SNOMED: Final = "http://snomed.info/sct"
ICD10: Final = "http://hl7.org/fhir/sid/icd-10"
ATC: Final = "http://www.whocc.no/atc"
NDC: Final = "http://hl7.org/fhir/sid/ndc"


def share(values: Sequence[str], test: Callable[[str], object]) -> float:
    """How many of the values meet a test, from 0 to 1."""
    return sum(1 for value in values if test(value)) / len(values) if values else 0.0


@dataclass(frozen=True, slots=True)
class DateForm:
    """How dates are written.

    Attributes:
        format: as the mapping language writes it; nothing for ISO 8601 and HL7, which it reads without.
        has_time: whether there is a time of day in any value.
        zoned: whether values state their zone.
        evidence: what decided, with a value that did.
        question: what the values leave open.
    """

    format: str
    has_time: bool
    zoned: bool
    evidence: str
    question: str = ""


_ISO: Final = re.compile(
    r"\d{4}-\d\d-\d\d(?P<time>[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(?P<zone> ?(Z|[+-]\d\d:?\d\d))?)?\Z"
)
_COMPACT: Final = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?P<time>T?\d{4}(\d\d)?)?\Z")
_COMPACT_CLOCK: Final = re.compile(
    r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?P<mark>[ T])([01]\d|2[0-3]):[0-5]\d(?P<sec>:[0-5]\d)?\Z"
)
_COMPACT_DAY_FIRST: Final = re.compile(r"(0[1-9]|[12]\d|3[01])(0[1-9]|1[0-2])(19|20)\d\d\Z")
_PARTED: Final = re.compile(
    r"(?P<a>\d{1,2})(?P<s>[./-])(?P<b>\d{1,2})(?P=s)(?P<y>\d{4}|\d\d)"
    r"(?P<time>(?P<comma>,?)[ T]+(?P<h>\d{1,2})(?P<c>[:h])(?P<m>\d\d)(?P<sec>:\d\d)?(?P<half> ?[AaPp][Mm])?)?\Z"
)
_NAMED: Final = re.compile(
    r"(?P<d>\d{1,2})(?P<s>[-/ ]|\. ?|)(?P<name>[^\W\d_]{3,9}\.?)(?P<t>[-/ ]|)(?P<y>\d{4}|\d\d)"
    r"(?P<time>(?P<comma>,?)[ T:]+(?P<h>\d{1,2})(?P<c>[:h])(?P<m>\d\d)(?P<sec>:\d\d)?(?P<half> ?[AaPp][Mm])?)?\Z"
)
_YEAR_FIRST: Final = re.compile(
    r"(?P<y>\d{4})(?P<s>[./])(?P<a>\d{1,2})(?P=s)(?P<b>\d{1,2})(?P<time> +\d{1,2}:\d\d(?P<sec>:\d\d)?)?\Z"
)


def date_form(values: Sequence[str], *, day_first: bool | None, named: bool) -> DateForm | None:
    """The form of dates; None where most values are none.

    Args:
        day_first: what the language of the header makes likely; None where it says nothing.
        named: the column's name speaks of a date, which digits alone do not.
    """
    if not values:
        return None
    if share(values, _ISO.match) >= 0.95:
        matches = [match for match in map(_ISO.match, values) if match]
        timed = any(match["time"] for match in matches)
        zoned = timed and all(match["zone"] for match in matches if match["time"])
        return DateForm("", timed, zoned, "ISO 8601")
    if share(values, _COMPACT_CLOCK.match) >= 0.95:
        first = next(match for match in map(_COMPACT_CLOCK.match, values) if match)
        mark = "'T'" if first["mark"] == "T" else " "
        form = f"yyyyMMdd{mark}HH:mm{':ss' if first['sec'] else ''}"
        return DateForm(form, True, False, f"digits of year, month, day, and a time: {form}")
    if (named or share(values, lambda value: "T" in value) == 1.0) and share(values, _COMPACT.match) >= 0.95:
        timed = any(match["time"] for match in map(_COMPACT.match, values) if match)
        return DateForm("", timed, False, "digits of year, month, day")
    if named and share(values, _COMPACT_DAY_FIRST.match) >= 0.95:
        return DateForm("ddMMyyyy", False, False, "digits of day, month, year")
    if not named and share(values, _COMPACT.match) == 1.0 and _of_months(values):
        return DateForm("", any(len(value) > 8 for value in values), False, "digits of year, month, day")
    if named and share(values, re.compile(r"(0[1-9]|1[0-2])/20\d\d\Z").match) >= 0.95:
        return DateForm("MM/yyyy", False, False, "month and year")
    if share(values, _YEAR_FIRST.match) >= 0.95:
        first = next(match for match in map(_YEAR_FIRST.match, values) if match)
        separator = first["s"]
        month, day = ("MM" if len(first["a"]) == 2 else "M"), ("dd" if len(first["b"]) == 2 else "d")
        form = f"yyyy{separator}{month}{separator}{day}"
        timed = any(match["time"] for match in map(_YEAR_FIRST.match, values) if match)
        return DateForm(
            form + (" HH:mm" + (":ss" if first["sec"] else "") if timed else ""), timed, False, form
        )
    if share(values, _NAMED.match) >= 0.95:
        return _with_names([match for match in map(_NAMED.match, values) if match])
    if share(values, _PARTED.match) < 0.95:
        return None
    return _parted([match for match in map(_PARTED.match, values) if match], day_first)


_MONTHS: Final = 4
"""From so many months, of which digits have the form, they are no running numbers of a year."""


def _of_months(values: Sequence[str]) -> bool:
    """Whether digits have days of several months, spread as dates are and running numbers are not."""
    days = {value[:8] for value in values}
    return (
        len({day[:6] for day in days}) >= _MONTHS
        and len(days) >= 2 * _MONTHS
        and len({day[6:] for day in days}) > _MONTHS
    )


def _with_names(matches: list[re.Match[str]]) -> DateForm | None:
    """Dates with the month as a name: `13-Mar-2025`, `13MAR2025`, `3. März 2025`."""
    first = matches[0]
    day = "dd" if all(len(match["d"]) == 2 for match in matches) else "d"
    year = "yyyy" if len(first["y"]) == 4 else "yy"
    form = f"{day}{first['s']}MMM{first['t']}{year}"
    if not all(
        parse(match[0][: match.start("time")] if match["time"] else match[0], form) for match in matches
    ):
        return None
    timed = next((match for match in matches if match["time"]), None)
    if timed is not None:
        form += _clock_form(matches, timed)
    return DateForm(form, timed is not None, False, "the month is written as its name")


def _clock_form(matches: list[re.Match[str]], timed: re.Match[str]) -> str:
    hour = "HH" if all(match["h"] is None or len(match["h"]) == 2 for match in matches) else "H"
    half = f"{' ' if timed['half'].startswith(' ') else ''}a" if timed["half"] else ""
    mark = ":" if timed["c"] == ":" else f"'{timed['c']}'"
    return f"{timed['comma']} {hour}{mark}mm{':ss' if timed['sec'] else ''}{half}"


def _parted(matches: list[re.Match[str]], day_first: bool | None) -> DateForm | None:
    if not any(_exists(match) for match in matches):
        return None
    separator = matches[0]["s"]
    first_over = next((m[0] for m in matches if int(m["a"]) > 12), None)
    second_over = next((m[0] for m in matches if int(m["b"]) > 12), None)
    question = ""
    if first_over and second_over:
        return None
    if first_over or second_over:
        first = first_over is not None
        evidence = (
            f"day first: a value has {first_over.split(separator)[0]} before the month"
            if first_over
            else "month first: a value has a day above 12 in second place"
        )
    elif separator == ".":
        first, evidence = True, "day first: dates with dots are written so"
    else:
        first = day_first is not False
        evidence = f"{'day' if first else 'month'} first is assumed"
        order = "dd/MM" if first else "MM/dd"
        question = f"no value tells day from month (all are 12 or less): is it {order} as assumed?"
    padded = all(len(m["a"]) == len(m["b"]) == 2 for m in matches)
    day, month = ("dd", "MM") if padded else ("d", "M")
    year = "yyyy" if len(matches[0]["y"]) == 4 else "yy"
    form = separator.join((day, month, year) if first else (month, day, year))
    timed = next((m for m in matches if m["time"]), None)
    if timed is not None:
        form += _clock_form(matches, timed)
    return DateForm(form, timed is not None, False, evidence, question)


def _exists(match: re.Match[str]) -> bool:
    for day, month in ((match["a"], match["b"]), (match["b"], match["a"])):
        try:
            datetime(
                int(match["y"]) if len(match["y"]) == 4 else 2000 + int(match["y"]), int(month), int(day)
            )
        except ValueError:
            continue
        return True
    return False


@dataclass(frozen=True, slots=True)
class NumberForm:
    """How numbers are written: the mark before decimals, that of thousands, and whether all are whole."""

    decimal: str
    group: str
    whole: bool
    low: float
    high: float
    marked: bool = False
    """Whether some have a comparator (`<5`)."""


_POINT: Final = re.compile(r"[<>≤≥]?=? ?[+-]?(?=[.\d])(\d+|\d{1,3}(,\d{3})+)?(\.\d+)?([eE][+-]?\d+)?\Z")
_COMMA: Final = re.compile(r"[<>≤≥]?=? ?[+-]?(\d+|\d{1,3}([.'’]\d{3})+)(,\d+)?\Z")


def number_form(values: Sequence[str], *, least: float = 0.95) -> NumberForm | None:
    """The form of numbers; None where too many values are none."""
    if not values:
        return None
    commas = [value for value in values if _COMMA.match(value) and "," in value]
    points = [value for value in values if _POINT.match(value) and any(c.isdigit() for c in value)]
    both = [value for value in values if _COMMA.match(value)]
    comma = (
        len(commas) > 0
        and len(both) >= len(points)
        and not all(re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+", v) for v in commas)
    )
    fitting = both if comma else points
    if len(fitting) < least * len(values):
        return None
    decimal, group = (",", "") if comma else (".", "")
    if comma and any(re.search(r"\d[.'’]\d{3}", value) for value in fitting):
        group = next(m[0] for v in fitting if (m := re.search(r"(?<=\d)[.'’](?=\d{3})", v)))
    elif not comma and any(re.search(r"\d,\d{3}", value) for value in fitting):
        group = ","
    numbers = []
    for value in fitting:
        plain = value.lstrip("<>≤≥= ").replace(group, "") if group else value.lstrip("<>≤≥= ")
        numbers.append(float(plain.replace(decimal, ".")))
    return NumberForm(
        decimal,
        group,
        all(number.is_integer() for number in numbers),
        min(numbers),
        max(numbers),
        any(value[:1] in "<>" for value in fitting),
    )


_YES_NO: Final = (
    ("true", "false"),
    ("yes", "no"),
    ("y", "n"),
    ("t", "f"),
    ("1", "0"),
    ("ja", "nein"),
    ("j", "n"),
    ("oui", "non"),
    ("o", "n"),
    ("si", "no"),
    ("sí", "no"),
    ("s", "n"),
    ("wahr", "falsch"),
    ("vrai", "faux"),
    ("vero", "falso"),
    ("positive", "negative"),
)


def booleans(values: Sequence[str]) -> tuple[str, str] | None:
    """The words for yes and no, where all values are one of a pair; a number before one (`1_yes`) does not count."""
    words = {value.casefold() for value in values}
    if not words or len(words) > 2:
        return None
    for pair in _YES_NO:
        if words <= set(pair):
            return pair
    plain = {re.sub(r"^[01][ _.=:-]+", "", word): word for word in words}
    for pair in _YES_NO:
        if plain.keys() <= set(pair) and len(plain) == len(words) == 2:
            return plain[pair[0]], plain[pair[1]]
    return None
