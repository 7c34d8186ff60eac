"""One form for values that are written differently and are the same."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Final

__all__ = ["digits", "folded", "number", "numbers", "plain", "stems", "words"]

_SPACE: Final = re.compile(r"\s+")
_WORD: Final = re.compile(r"[^\W_]+")
_NUMBER: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?\Z")
_NUMBERS: Final = re.compile(r"\d+(?:\.\d+)?")
_MANY: Final = 50_000
_DIGITS: Final = 300


@lru_cache(_MANY)
def folded(text: str) -> str:
    """Without differences of case, compatibility forms and blanks."""
    return _SPACE.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


@lru_cache(_MANY)
def words(text: str) -> tuple[str, ...]:
    """The words and numbers of a text, folded."""
    return tuple(_WORD.findall(folded(text)))


@lru_cache(_MANY)
def plain(text: str) -> str:
    """Letters and digits alone, folded: `NIST-EHR` and `NIST EHR` are the same name."""
    return "".join(words(text))


def digits(text: str) -> str:
    """The digits of a phone number."""
    return "".join(c for c in text if c.isascii() and c.isdigit())


@lru_cache(_MANY)
def number(text: str) -> Decimal | None:
    """The number that the whole text is; None for what only looks like one (`7e48812`)."""
    text = text.strip()
    if not _NUMBER.match(text):
        return None
    try:
        result = Decimal(text)
    except InvalidOperation:
        return None
    return result if abs(result.adjusted()) <= _DIGITS else None


def numbers(text: str) -> list[Decimal]:
    """Every number in a text: `70-80` has two."""
    return [Decimal(item) for item in _NUMBERS.findall(text)]


def stems(text: str) -> frozenset[str]:
    """The beginnings of the longer words: `Environmental Allergy` and `environment` share one."""
    return frozenset(word[:5] for word in words(text) if len(word) >= 5)
