"""FHIRPath's tokens (FHIRPath N1 2.0, appendix grammar)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fhir_bridge.fhir.fhirpath.errors import FHIRPathError

__all__ = ["MAX_LENGTH", "Token", "tokens"]

MAX_LENGTH = 65_536
"""Characters of an expression; the longest in R4 has 2,700."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token. `kind`: name, quoted (a delimited identifier), string, number, date, dateTime, time, mark, end."""

    kind: str
    text: str
    position: int


# Dates before times and numbers: `@2015-02` begins like all of them.
_TOKEN = re.compile(
    r"""
    (?P<space>\s+|//[^\n\r]*|/\*.*?\*/)
  | (?P<datetime>@[0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2})?)?
        (?P<clock>T(?:[0-9]{2}(?::[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)?(?:Z|[+-][0-9]{2}:[0-9]{2})?)?)?)
  | (?P<time>@T[0-9]{2}(?::[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)?)
  | (?P<number>[0-9]+(?:\.[0-9]+)?)
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<string>'(?:[^'\\]|\\.)*')
  | (?P<quoted>`(?:[^`\\]|\\.)*`)
  | (?P<mark><=|>=|!=|!~|\$(?:this|index|total)\b|[-+*/&|<>=~.,()\[\]{}%])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_ESCAPED = {"r": "\r", "n": "\n", "t": "\t", "f": "\f"} | {c: c for c in "'\"`\\/"}


def tokens(expression: str) -> list[Token]:
    """The tokens of an expression, the last one of kind `end`; comments and white space are left out.

    Raises:
        FHIRPathError: it is too long, or a character begins no token.
    """
    if len(expression) > MAX_LENGTH:
        raise FHIRPathError(f"the expression has {len(expression)} characters, at most {MAX_LENGTH} are read")
    results: list[Token] = []
    position = 0
    while position < len(expression):
        match = _TOKEN.match(expression, position)
        # A comment without end must not be read as an operator.
        if match is None or (expression.startswith("/*", position) and match.lastgroup == "mark"):
            raise FHIRPathError(_unreadable(expression[position]), position, expression)
        kind = match.lastgroup or ""
        text = match.group()
        if kind in ("string", "quoted"):
            text = _unescaped(text[1:-1], position + 1, expression)
        elif kind == "datetime":
            kind, text = ("dateTime" if match.group("clock") else "date"), text[1:]
        elif kind == "time":
            text = text[1:]
        if kind != "space":
            results.append(Token(kind, text, position))
        position = match.end()
    results.append(Token("end", "", position))
    return results


def _unreadable(character: str) -> str:
    named = {
        "'": "a string without end",
        "`": "a delimited identifier without end",
        "/": "a comment without end",
    }
    return named.get(character, f"{character!r} begins nothing that FHIRPath knows")


def _unescaped(text: str, position: int, expression: str) -> str:
    if "\\" not in text:
        return text

    def plain(match: re.Match[str]) -> str:
        code = match.group(1)
        if len(code) == 5:
            return chr(int(code[1:], 16))
        if code not in _ESCAPED:
            raise FHIRPathError(
                f"\\{code} is no escape in a FHIRPath string; a backslash itself is written \\\\",
                position + match.start(),
                expression,
            )
        return _ESCAPED[code]

    result = _ESCAPE.sub(plain, text)
    # `\ud83d\ude00` is one character in two escapes.
    if any("\ud800" <= character <= "\udfff" for character in result):
        try:
            return result.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError as error:
            raise FHIRPathError("half of a surrogate pair is no character", position, expression) from error
    return result
