"""Index entries: what a search parameter finds in a resource, in the form that an index keeps (R4 search.html)."""

from __future__ import annotations

import hashlib
import unicodedata
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

__all__ = [
    "MAX_INDEXED",
    "PRESENT",
    "BoundedEntries",
    "CompositeEntry",
    "DateEntry",
    "IndexEntry",
    "NumberEntry",
    "QuantityEntry",
    "ReferenceEntry",
    "StringEntry",
    "TokenEntry",
    "TooManyEntries",
    "UriEntry",
    "indexable",
    "is_present",
    "normalise",
]

MAX_INDEXED = 250
"""Characters of a code, string or URI that an index keeps; a B-tree row has a limit."""

PRESENT = ":present"
"""Ends the `parameter` of an entry without a value, which says that its element is there: `code:missing` asks that."""


class TooManyEntries(Exception):
    """A resource has more entries than are wanted of it."""


class BoundedEntries(list[Any]):
    """Entries up to a number."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def append(self, entry: Any) -> None:
        """Add one.

        Raises:
            TooManyEntries: there are as many as may be.
        """
        if len(self) >= self._most:
            raise TooManyEntries
        super().append(entry)


class TokenEntry(NamedTuple):
    """A code, with its system where there is one; `parameter` ends in `:identifier` for Reference.identifier.

    With `:present` the code is empty. With `:of-type` the code is `type|value` of an Identifier and the system that
    of its type.
    """

    parameter: str
    system: str | None
    code: str


class StringEntry(NamedTuple):
    """A text, once normalised for the default match and once as written for `:exact`."""

    parameter: str
    value: str
    exact: str


class DateEntry(NamedTuple):
    """The time that a date, dateTime, instant, Period or Timing covers, in UTC: low inclusive, high exclusive.

    None is an open end.
    """

    parameter: str
    low: datetime | None
    high: datetime | None


class QuantityEntry(NamedTuple):
    """A quantity as the interval of values it may have: one point, or open where a comparator or Range says so.

    None is an open end. `canonical_*` are in UCUM base units where the code is UCUM and can be converted.
    """

    parameter: str
    system: str | None
    code: str | None
    unit: str | None
    low: Decimal | None
    high: Decimal | None
    canonical_code: str | None
    canonical_low: Decimal | None
    canonical_high: Decimal | None


class NumberEntry(NamedTuple):
    """A number as an interval; None is an open end."""

    parameter: str
    low: Decimal | None
    high: Decimal | None


class ReferenceEntry(NamedTuple):
    """A reference: `type` and `id` of a resource on this server, or a `url` of one elsewhere (or a canonical)."""

    parameter: str
    type: str | None
    id: str | None
    url: str | None


class UriEntry(NamedTuple):
    """A URI, compared exactly."""

    parameter: str
    value: str


class CompositeEntry(NamedTuple):
    """Values that occur together: for each component of a composite parameter the entries found at one place.

    A search by the composite matches where every component is matched by one of its entries here. The entries'
    `parameter` is the component's code.
    """

    parameter: str
    components: tuple[tuple[IndexEntry, ...], ...]

    @classmethod
    def of(cls, parameter: str, *components: list[IndexEntry]) -> CompositeEntry:
        """An entry of what each component found, equal entries once."""
        return cls(parameter, tuple(tuple(dict.fromkeys(component)) for component in components))


IndexEntry = TokenEntry | StringEntry | DateEntry | QuantityEntry | NumberEntry | ReferenceEntry | UriEntry


def is_present(entry: IndexEntry) -> bool:
    """Whether the entry has no value, and says only that there is an element (`PRESENT`)."""
    return type(entry) is TokenEntry and not entry.code and entry.parameter.endswith(PRESENT)


def normalise(text: str) -> str:
    """Text as a string search compares it: no case, no accents, one space between words (R4 search.html#string)."""
    # ASCII has no accents and no compatibility forms, and is most of the text.
    if not text.isascii():
        decomposed = unicodedata.normalize("NFKD", text)
        text = "".join(character for character in decomposed if not unicodedata.combining(character))
    return " ".join(text.casefold().split())


def indexable(text: str) -> str:
    """The text, or where it is too long for an index its beginning and a hash of the whole."""
    if len(text) <= MAX_INDEXED:
        return text
    # Leaves place for `#` and the 32 digits of the hash.
    return f"{text[: MAX_INDEXED - 50]}#{hashlib.blake2b(text.encode(), digest_size=16).hexdigest()}"
