"""ECL text as tokens, read one after the other with a look at the next."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from fhir_bridge.terminology.operations.ecl.errors import EclError

__all__ = ["MAX_DEPTH", "MAX_LENGTH", "Reader", "Token"]

MAX_DEPTH = 50
"""Brackets that nest deeper are refused."""

MAX_LENGTH = 20_000
"""A longer expression is refused."""


class Token(NamedTuple):
    """`kind` is `cardinality`, `number`, `string`, `term`, `alternate`, `word`, `symbol` or `end`."""

    kind: str
    text: str
    start: int
    end: int


_TOKEN = re.compile(
    r"(?P<cardinality>\[\s*\d{1,9}(?:\s*\.\.\s*|\s+to\s+)(?:\d{1,9}|\*|many)\s*\])"
    r"|(?P<number>\#[+-]?\d+(?:\.\d+)?)"
    r'|(?P<string>"(?:[^"\\]|\\.)*")'
    r"|(?P<term>\|[^|]+\|)"
    r"|(?P<alternate>[A-Za-z][0-9A-Za-z\-]*\#[0-9A-Za-z._\-]+)"
    r"|(?P<word>\d{6,18}(?![0-9A-Za-z_\-])|[0-9A-Za-z](?:[0-9A-Za-z_.\-]*[0-9A-Za-z_\-])?)"
    r"|(?P<symbol><<!|>>!|!!>|!!<|<<|>>|<!|>!|<=|>=|<>|!=|\{\{|\}\}|[<>=^*().,:{}\[\]+])",
    re.IGNORECASE | re.DOTALL | re.ASCII,
)
"""Words are SNOMED CT ids, after which a dot is an operator; codes of other systems, which may hold dots; keywords."""

_SPACE = re.compile(r"\s+")


class Reader:
    """The tokens of an expression.

    Attributes:
        next: the token to come.
    """

    def __init__(self, text: str) -> None:
        """Read the text.

        Raises:
            EclError: it is too long, or holds what no token begins with.
        """
        if len(text) > MAX_LENGTH:
            raise EclError(f"longer than {MAX_LENGTH} characters")
        self._tokens = list(_tokens(text))
        self._closing = _brackets(self._tokens)
        self._at = 0
        self._depth = 0
        self.next = self._tokens[0]

    def advance(self) -> Token:
        """Take the token to come."""
        taken = self.next
        if taken.kind != "end":
            self._at += 1
            self.next = self._tokens[self._at]
        return taken

    def look(self, ahead: int = 1) -> Token:
        """A token after the one to come."""
        return self._tokens[min(self._at + ahead, len(self._tokens) - 1)]

    def after_bracket(self) -> Token:
        """The token after the bracket that closes the one to come; the end where none does."""
        closing = self._closing.get(self._at)
        return self._tokens[-1] if closing is None else self._tokens[closing + 1]

    def take(self, *symbols: str) -> Token | None:
        """The token to come, if it is one of these symbols."""
        return self.advance() if self.next.kind == "symbol" and self.next.text in symbols else None

    def take_word(self, *words: str) -> Token | None:
        """The token to come, if it is one of these words; they are in lower case, and case does not count."""
        return self.advance() if self.is_word(*words) else None

    def is_word(self, *words: str) -> bool:
        """Whether the token to come is one of these words."""
        return self.next.kind == "word" and self.next.text.lower() in words

    def expect(self, symbol: str, what: str | None = None) -> Token:
        """Take a symbol.

        Raises:
            EclError: something else is there.
        """
        token = self.take(symbol)
        if token is None:
            raise self.error(what or symbol)
        return token

    def error(self, expected: str, token: Token | None = None) -> EclError:
        """What is wrong at the token to come, or at another."""
        at = token or self.next
        result = "the end" if at.kind == "end" else f'"{at.text[:40]}"'
        return EclError(f"expected {expected}, found {result}", at.start)

    @contextmanager
    def nested(self) -> Iterator[None]:
        """One level deeper.

        Raises:
            EclError: too deep.
        """
        if self._depth >= MAX_DEPTH:
            raise EclError(f"nested deeper than {MAX_DEPTH} levels", self.next.start)
        self._depth += 1
        yield
        self._depth -= 1


def _tokens(text: str) -> Iterator[Token]:
    at = _skipped(text, 0)
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise EclError(f'expected no "{text[at]}" here', at)
        yield Token(str(match.lastgroup), match[0], at, match.end())
        at = _skipped(text, match.end())
    yield Token("end", "", len(text), len(text))


def _skipped(text: str, at: int) -> int:
    """Where the next token begins, after space and comments."""
    while at < len(text):
        space = _SPACE.match(text, at)
        if space is not None:
            at = space.end()
        elif text.startswith("/*", at):
            end = text.find("*/", at + 2)
            if end < 0:
                raise EclError("expected */ after this comment, found the end", at)
            at = end + 2
        else:
            break
    return at


def _brackets(tokens: list[Token]) -> dict[int, int]:
    """For each opening round bracket, the place of the one that closes it."""
    results: dict[int, int] = {}
    waiting: list[int] = []
    for location, token in enumerate(tokens):
        if token.text == "(" and token.kind == "symbol":
            waiting.append(location)
        elif token.text == ")" and token.kind == "symbol" and waiting:
            results[waiting.pop()] = location
    return results
