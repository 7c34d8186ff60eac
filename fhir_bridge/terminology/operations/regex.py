"""Regular expressions of value-set filters, matched in linear time whatever the expression is.

An expression comes from a request, so a backtracking matcher is out of the question: `(a+)+` would stop the server. RE2
matches instead; back references and look-around, which it doesn't have, are refused. An expression matches the whole
text, as ValueSet.compose.include.filter asks.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import re2

__all__ = ["Regex", "RegexError", "compile_regex"]

MAX_LENGTH = 5_000
"""Characters of an expression."""

_OPTIONS = re2.Options()
# RE2 would write each wrong expression of a request to the error output.
_OPTIONS.log_errors = False

_PIECE = re.compile(
    r"\\u(?P<hex>[0-9A-Fa-f]{4})|(?P<escape>\\.)|(?P<least>\{,(?=\d+\}))|(?P<open>\[\^?\]?)|.", re.S
)
_WITHIN = {r"\d": r"\p{Nd}", r"\D": r"\P{Nd}", r"\w": r"\p{L}\p{N}_"}
"""Classes that know all of Unicode, as RE2's do not, within a set of characters."""
_ALONE = {**_WITHIN, r"\w": r"[\p{L}\p{N}_]", r"\W": r"[^\p{L}\p{N}_]", r"\Z": r"\z"}


class RegexError(ValueError):
    """An expression that can't be read, or is too large."""


class Regex:
    """A compiled expression."""

    def __init__(self, compiled: Any) -> None:
        self._match = compiled.fullmatch

    def matches(self, text: str) -> bool:
        """Whether the whole text matches."""
        return self._match(text.encode(errors="replace")) is not None


@lru_cache(maxsize=256)
def compile_regex(expression: str) -> Regex:
    """The compiled expression.

    Raises:
        RegexError: it is not a regular expression, uses what RE2 doesn't have, or is too large.
    """
    if len(expression) > MAX_LENGTH:
        raise RegexError(f"{len(expression)} characters, at most {MAX_LENGTH} are read")
    try:
        return Regex(re2.compile(_as_re2_writes_it(expression), _OPTIONS))
    except (re2.error, UnicodeEncodeError) as error:
        message = error.args[0] if error.args else ""
        raise RegexError(
            message.decode() if isinstance(message, bytes) else "it holds no Unicode text"
        ) from error


def _as_re2_writes_it(expression: str) -> str:
    """Classes for all of Unicode, `\\uXXXX`, `\\Z` and `{,n}` in the terms of RE2."""
    written: list[str] = []
    within = False
    for piece in _PIECE.finditer(expression):
        if piece["hex"]:
            written.append(f"\\x{{{piece['hex']}}}")
        elif piece["escape"]:
            written.append((_WITHIN if within else _ALONE).get(piece["escape"], piece["escape"]))
        elif piece["least"] and not within:
            written.append("{0,")
        else:
            within = bool(piece["open"]) or (within and piece.group() != "]")
            written.append(piece.group())
    return "".join(written)
