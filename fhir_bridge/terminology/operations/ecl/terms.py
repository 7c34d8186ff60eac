"""How the terms of filters are compared (ECL 5.5, 6.8): case does not count; a letter without accent also stands for
one with an accent, a letter with an accent only for itself."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from fhir_bridge.terminology.folding import plain
from fhir_bridge.terminology.operations.ecl.filter_model import SearchTerm

__all__ = ["matcher", "search_words"]

_WORD = re.compile(r"[^\W_]+")
_SPACES = re.compile(r"\S+")


def matcher(term: SearchTerm, *, fields: bool = False) -> Callable[[str], bool]:
    """A test of texts: the beginnings of words in any order, or the whole text with `*` for any letters.

    Args:
        fields: words end only at spaces, as for codes in the fields of reference sets (`J45.9`).
    """
    if term.wild:
        return _wild(term.text)
    pattern = _SPACES if fields else _WORD
    wanted = [_folded(word) for word in pattern.findall(term.text)]

    def matches(text: str) -> bool:
        results = [_folded(word) for word in pattern.findall(text)]
        return all(any(_begins(word, item) for word in results) for item in wanted)

    return matches


def search_words(term: SearchTerm) -> str | None:
    """Words that a matching text must have, as an index without accents knows them; None where it can't decide."""
    return None if term.wild or not term.text.isascii() or not _WORD.search(term.text) else term.text


def _folded(text: str) -> str:
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text.casefold())


def _begins(word: str, wanted: str) -> bool:
    if word.startswith(wanted):
        return True
    if word.isascii() or len(word) < len(wanted):
        return False
    return all(letter == item or _base(letter) == item for letter, item in zip(word, wanted, strict=False))


def _base(letter: str) -> str:
    """The letter without its accent."""
    return plain(letter) or letter


def _wild(pattern: str) -> Callable[[str], bool]:
    r"""The whole text; `\*`, `\"` and `\\` stand for what is escaped."""
    pieces = [_folded(re.sub(r"\\(.)", r"\1", piece, flags=re.DOTALL)) for piece in _pieces(pattern)]
    accented = any(_base(letter) != letter for piece in pieces for letter in piece)
    first, *middle = pieces
    last = middle.pop() if middle else None

    def matches(text: str) -> bool:
        text = _folded(text) if accented or text.isascii() else plain(text)
        if last is None:
            return text == first
        if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
            return False
        at, end = len(first), len(text) - len(last)
        for piece in middle:
            at = text.find(piece, at, end)
            if at < 0:
                return False
            at += len(piece)
        return True

    return matches


def _pieces(pattern: str) -> list[str]:
    r"""What is between the `*` that are not escaped, escapes kept."""
    pieces = [""]
    for part in re.findall(r"\\.|\*|[^\\*]+|\\", pattern, flags=re.DOTALL):
        if part == "*":
            pieces.append("")
        else:
            pieces[-1] += part
    return pieces
