"""Tokens of the expression language. Its grammar is in `grammar.ebnf`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["KEYWORDS", "ExpressionError", "Token", "tokenize"]

KEYWORDS = frozenset({"and", "or", "not", "in", "if", "else", "true", "false", "null"})

_FIXED = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<text>'(?:[^']|'')*')
  | (?P<number>0x[0-9A-Fa-f]+|\d+(?:\.\d+)?)(?![A-Za-z_0-9])
  | (?P<quoted>`[^`\n]+`)
  | (?P<name>[A-Za-z_]\w*)
  | (?P<operator>==|!=|<=|>=|<|>|=|\||\+|-|\*|/|\(|\)|\[|\]|,|\.)
    """,
    re.VERBOSE,
)
_COMPONENT = re.compile(r"\d+")


class ExpressionError(ValueError):
    """An expression can't be read or compiled.

    Attributes:
        offset: the character, from 0.
        kind: the issue code.
    """

    def __init__(self, message: str, offset: int, suggestion: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.suggestion = suggestion
        self.kind = "FB-MAP-004"


@dataclass(frozen=True, slots=True)
class Token:
    """A token: `kind` is text, number, name, quoted (a name in backticks), selector, component, operator or end."""

    kind: str
    text: str
    start: int
    end: int


@lru_cache(maxsize=64)
def _selector_pattern(pattern: str) -> re.Pattern[str] | None:
    return re.compile(pattern) if pattern else None


def tokenize(text: str, selector: str = "") -> list[Token]:
    """Split an expression.

    Args:
        text: the expression, without its leading `=`.
        selector: the source model's regular expression of selector tokens; it goes before all else but texts.

    Raises:
        ExpressionError: a character that belongs to nothing, or an open quote.
    """
    own = _selector_pattern(selector)
    tokens: list[Token] = []
    location = 0
    while location < len(text):
        before = tokens[-1] if tokens else None
        adjacent = before is not None and before.end == location
        if before is not None and adjacent and before.text == "." and before.kind == "operator":
            component = _COMPONENT.match(text, location)
            if component:
                tokens.append(Token("component", component.group(), location, component.end()))
                location = component.end()
                continue
        if own is not None and not (
            location and (text[location - 1].isalnum() or text[location - 1] in "_`'")
        ):
            result = own.match(text, location)
            if result and result.end() > location and not _continues(text, result.end()):
                tokens.append(Token("selector", result.group(), location, result.end()))
                location = result.end()
                continue
        match = _FIXED.match(text, location)
        if match is None:
            raise _unreadable(text, location)
        kind = match.lastgroup or ""
        if kind != "space":
            tokens.append(Token(kind, match.group(), location, match.end()))
        location = match.end()
    tokens.append(Token("end", "", len(text), len(text)))
    return tokens


def _continues(text: str, end: int) -> bool:
    return end < len(text) and (text[end].isalnum() or text[end] == "_")


def _unreadable(text: str, position: int) -> ExpressionError:
    character = text[position]
    if character == "'":
        return ExpressionError("a text without its closing quote", position)
    if character == '"':
        return ExpressionError(
            "texts are in single quotes", position, "write 'text'; a quote in it is doubled: ''"
        )
    if character == "`":
        return ExpressionError("a name without its closing backtick", position)
    if character.isdigit():
        return ExpressionError("a number that runs into a name", position, "put the name in backticks")
    if character == "$":
        return ExpressionError("names have no $", position)
    if character in "!&":
        return ExpressionError(f"{character} is not an operator", position, "write `not`, `and`, `or`, `!=`")
    return ExpressionError(f"{character!r} has no meaning here", position)
