"""Text as names are compared and found by: case and accents don't count."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["MAX_INDEXED", "plain", "words"]

MAX_INDEXED = 400
"""So many different words of a concept can be found by a text index."""

_WORD = re.compile(r"[^\W_]+")
_IDEOGRAPHS = re.compile("([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff])")
_GREEK = {
    "α": "alpha",
    "β": "beta",
    "γ": "gamma",
    "δ": "delta",
    "ε": "epsilon",
    "κ": "kappa",
    "λ": "lambda",
    "μ": "micro",
    "ω": "omega",
}
_MAX_LETTERS = 64


def plain(text: str) -> str:
    """Lower case (Unicode case folding) without accents and other combining signs."""
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    return "".join(sign for sign in decomposed if not unicodedata.combining(sign))


def words(text: str) -> list[str]:
    """The words of a text, folded: case, accents and punctuation don't count; Chinese and Japanese signs are words.

    A Greek letter that occurs alone becomes its name (`β-globulin` is found as "beta globulin").
    """
    if text.isascii():
        return [word[:_MAX_LETTERS] for word in _WORD.findall(text.lower())]
    result = _WORD.findall(_IDEOGRAPHS.sub(r" \1 ", plain(text)))
    return [_GREEK.get(word, word)[:_MAX_LETTERS] for word in result]
