"""Words of a name: folded (case, accents, plural) so that names of several languages and hands can be compared."""

from __future__ import annotations

import re
from functools import lru_cache

from fhir_bridge.terminology.folding import plain

__all__ = ["close", "fold", "words"]

_WORD = re.compile(r"[^\W_]+\+*")
_SAID_OTHERWISE = (
    ("not specified", "unspecified"),
    ("uncomplicated", "without complication"),
    ("&", " and "),
    ("haem", "hem"),
    ("aemia", "emia"),
)


def fold(text: str) -> str:
    """Lower case without accents; British spelling as American."""
    folded = plain(text)
    for said, otherwise in _SAID_OTHERWISE:
        folded = folded.replace(said, otherwise)
    return folded


@lru_cache(65536)
def words(text: str) -> tuple[str, ...]:
    """The folded words in their order; an English plural counts as its singular, a charge (`k+`) stays."""
    return tuple(_singular(word) for word in _WORD.findall(fold(text)))


def _singular(word: str) -> str:
    return (
        word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word
    )


def close(one: str, other: str) -> float:
    """How near two folded words are: 1 the same, 0.7 to 0.85 an abbreviation or a slip of the pen, else 0."""
    if one == other:
        return 1.0
    short, long = sorted((one, other), key=len)
    if len(short) >= 3 and long.startswith(short) and short.isalpha():
        return 0.85 if len(short) * 2 > len(long) else 0.7
    return 0.8 if len(short) >= 5 and len(long) - len(short) <= 1 and _one_edit(short, long) else 0.0


def _one_edit(short: str, long: str) -> bool:
    """Whether one letter changed, added, or two neighbours interchanged make the words the same."""
    start = 0
    while start < len(short) and short[start] == long[start]:
        start += 1
    if len(short) < len(long):
        return short[start:] == long[start + 1 :]
    rest = start + 1
    swapped = short[start : start + 2] == long[start : start + 2][::-1]
    return short[rest:] == long[rest:] or (swapped and short[start + 2 :] == long[start + 2 :])
