"""How search values are written in a URL: lists, escapes, prefixes, tokens (R4 search.html)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

from fhir_bridge.fhir.search.values import date_range
from fhir_bridge.storage.errors import BadSearch

__all__ = [
    "DateValue",
    "NumberValue",
    "date_value",
    "number_value",
    "prefixed",
    "split_composite",
    "split_list",
    "split_token",
    "unescaped",
]

_BEYOND_ZONES = re.compile(r"T.*[+-](?:1[5-9]|[2-9]\d|14:(?!00)|\d\d:[6-9])")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,6})?")
# A prefix needs a number behind it: `section` is no `se` of something.
_PREFIX = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)(?=[\d+\-.])")


def _split(text: str, mark: str) -> list[str]:
    """Split at a mark that no backslash escapes; escapes of other marks are left for later."""
    parts, part, position = [], "", 0
    while position < len(text):
        character = text[position]
        # Kept with its backslash: the text is split at "," first and at "|" later, and unescaped once.
        if character == "\\" and position + 1 < len(text):
            part += text[position : position + 2]
            position += 2
            continue
        if character == mark:
            parts.append(part)
            part = ""
        else:
            part += character
        position += 1
    return [*parts, part]


def _unescape(text: str) -> str:
    return re.sub(r"\\([,|$\\])", r"\1", text) if "\\" in text else text


def split_list(text: str) -> list[str]:
    """The values of an OR list, escapes still in them; empty ones are left out."""
    # Most values have no comma: a loop over characters in Python costs more than the test.
    if "," not in text:
        return [text] if text else []
    return [part for part in _split(text, ",") if part]


def unescaped(text: str) -> str:
    """A value in which no mark divides but the comma of the list it was in (R4 search.html#escaping)."""
    return _unescape(text)


def split_composite(text: str) -> list[str]:
    """The parts of a composite value, escapes still in them."""
    return _split(text, "$")


def split_token(text: str) -> tuple[str, ...]:
    """The parts between bars, unescaped."""
    return tuple(_unescape(part) for part in (_split(text, "|") if "|" in text else (text,)))


def prefixed(text: str) -> tuple[str, str]:
    """The comparison prefix (`eq` where none is written) and the value after it (R4 search.html#prefix)."""
    match = _PREFIX.match(text)
    return (match.group(1), text[2:]) if match else ("eq", text)


@dataclass(frozen=True, slots=True)
class DateValue:
    """A searched date: prefix, start, end (exclusive, None where beyond the calendar)."""

    prefix: str
    low: datetime
    high: datetime | None

    def approximate(self) -> tuple[datetime, datetime]:
        """The range that `ap` accepts: a tenth of the distance to the present on both sides."""
        present = datetime.now(UTC)
        # R4 search.html#prefix recommends a tenth; a day at least, for dates near the present.
        slack = max(abs(present - self.low) / 10, timedelta(days=1))
        first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
        high = self.high or last
        # Each end stays within the calendar of Python.
        return (
            self.low - slack if self.low - first > slack else first,
            high + slack if last - high > slack else last,
        )


def _date_range(text: str) -> tuple[datetime, datetime | None]:
    # What is stored is taken as its source has it.
    if _BEYOND_ZONES.search(text):
        raise ValueError("R4 datatypes.html#dateTime: a zone is up to 14:00")
    return date_range(text)


def date_value(parameter: str, text: str) -> DateValue:
    """A date with its prefix.

    Raises:
        BadSearch: not a date.
    """
    prefix, value = prefixed(text)
    try:
        low, high = _date_range(value.replace(" ", "+"))  # a "+" that was not encoded arrives as a space
    except ValueError as error:
        raise BadSearch(
            f"{parameter}: {value!r} is not a date (YYYY, YYYY-MM, YYYY-MM-DD, or with a time and a zone up to 14:00)"
        ) from error
    return DateValue(prefix, low, high)


@dataclass(frozen=True, slots=True)
class NumberValue:
    """A searched number: prefix, value, and the interval that its digits imply (R4 search.html#number)."""

    prefix: str
    value: Decimal
    low: Decimal
    high: Decimal


def number_value(parameter: str, text: str) -> NumberValue:
    """A number with its prefix.

    Raises:
        BadSearch: not a number.
    """
    prefix, digits = prefixed(text)
    if (
        _NUMBER.fullmatch(digits) is None
    ):  # Python reads more than R4 writes: NaN, 1_000, digits of other scripts
        raise BadSearch(f"{parameter}: {digits[:80]!r} is not a number")
    try:
        value = Decimal(digits)
    except InvalidOperation as error:
        raise BadSearch(f"{parameter}: {digits[:80]!r} is not a number") from error
    # Python computes with any exponent, and PostgreSQL's numeric has 131072 digits: 400
    # is beyond all that is measured.
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or abs(exponent) > 400 or value.adjusted() > 400:
        raise BadSearch(f"{parameter}: {digits!r} is not a number")
    # R4 search.html#number: 100 means [99.5, 100.5), half a unit of the last digit on both sides.
    half = abs(value) / 10 if prefix == "ap" else Decimal(5).scaleb(exponent - 1)
    return NumberValue(prefix, value, value - half, value + half)
