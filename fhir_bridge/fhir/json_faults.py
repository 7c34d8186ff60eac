"""Where JSON text breaks a rule that a parser's own error does not place: line, column and element.

Called only when a text was refused, so it is written for clear answers and linear time, not for speed.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

__all__ = ["MAX_DIGITS", "MAX_EXPONENT", "Fault", "find_fault", "number_fault"]

MAX_DIGITS = 4300
"""Digits of a number beyond which it is refused: Python reads no more of a whole number."""

MAX_EXPONENT = 1000
"""Powers of ten beyond which a decimal is refused: doubles end at 308, and arithmetic on 1e999999999 never ends."""

_LEXEME = re.compile(
    r'"[^"\\]*(?:\\.[^"\\]*)*"|-?(?:Infinity|[0-9][0-9.eE+-]*)|NaN|true|false|null|[{}\[\],:]', re.DOTALL
)
_SURROGATES = re.compile(r"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)
_LONGEST = 64


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and where; `line` 0 is nowhere in particular."""

    reason: str
    line: int = 0
    column: int = 0
    expression: str = ""


class _Level:
    """An open object (`keys` seen, the latest of them) or array (`index`)."""

    __slots__ = ("awaits_key", "index", "key", "keys")

    def __init__(self, is_object: bool) -> None:
        self.keys: set[str] | None = set() if is_object else None
        self.key = ""
        self.index = 0
        self.awaits_key = is_object


def number_fault(text: str) -> str:
    """What is wrong with a JSON number; empty where nothing is."""
    digits = sum(character.isdigit() for character in text.lower().partition("e")[0])
    if digits > MAX_DIGITS:
        return f"a number of {digits} digits, at most {MAX_DIGITS} are read"
    if text.lstrip("-").isdigit():
        return ""
    try:
        beyond = abs(Decimal(text).adjusted()) > MAX_EXPONENT
    except InvalidOperation:  # an exponent that no decimal can have
        beyond = True
    return f"the number {text[:_LONGEST]} lies beyond 1e±{MAX_EXPONENT}" if beyond else ""


def find_fault(text: str, max_depth: int) -> Fault | None:
    """The first doubled key, NaN or Infinity, oversized number, half surrogate pair or excess of nesting."""
    stack: list[_Level] = []
    root = ""
    for match in _LEXEME.finditer(text):
        lexeme = match.group()
        reason = ""
        level = stack[-1] if stack else None
        if lexeme in "{[":
            stack.append(_Level(lexeme == "{"))
            if len(stack) > max_depth:
                return _at(text, match.start(), f"nested deeper than {max_depth} levels", root, stack)
        elif lexeme in "}]":
            if stack:
                stack.pop()
        elif lexeme == ",":
            if level is not None:
                level.index += 1
                level.awaits_key = level.keys is not None
        elif lexeme[0] == '"':
            reason = _surrogate_fault(lexeme)
            if level is not None and level.keys is not None and level.awaits_key:
                name = _unescaped(lexeme)
                level.awaits_key = False
                if name in level.keys:
                    reason = f'the key "{name[:_LONGEST]}" occurs twice in one object'
                level.keys.add(name)
                level.key = name
            elif level is not None and len(stack) == 1 and level.key == "resourceType":
                root = lexeme[1:-1][:_LONGEST]
        elif lexeme in ("NaN", "Infinity", "-Infinity"):
            reason = f"{lexeme} is no number of JSON"
        elif lexeme[0] in "-0123456789":
            reason = number_fault(lexeme)
        if reason:
            return _at(text, match.start(), reason, root, stack)
    return None


def _unescaped(lexeme: str) -> str:
    if "\\" not in lexeme:
        return lexeme[1:-1]
    try:
        return str(json.loads(lexeme))
    except ValueError:
        return lexeme[1:-1]


def _surrogate_fault(lexeme: str) -> str:
    """Half a surrogate pair among the escapes of a string, or among its characters."""
    high = -1
    for match in _SURROGATES.finditer(lexeme):
        code = int(match.group(1), 16) if match.group(1) else 0
        if high >= 0 and not (0xDC00 <= code < 0xE000 and match.start() == high):
            break
        if high >= 0:
            high = -1
        elif 0xD800 <= code < 0xDC00:
            high = match.end()
        elif 0xDC00 <= code < 0xE000:
            return f"half a surrogate pair ({match.group()}), which is no character"
    if high >= 0 or (not lexeme.isascii() and any("\ud800" <= character < "\ue000" for character in lexeme)):
        return "half a surrogate pair, which is no character"
    return ""


def _at(text: str, index: int, reason: str, root: str, stack: list[_Level]) -> Fault:
    steps: list[str] = []
    for level in stack:
        if level.keys is not None:
            steps.append(level.key)
        elif steps:
            steps[-1] += f"[{level.index}]"
    path = ".".join(step[:_LONGEST] for step in steps if step)
    if len(path) > 4 * _LONGEST:
        path = path[: 4 * _LONGEST] + "…"
    line = text.count("\n", 0, index) + 1
    column = index - (text.rfind("\n", 0, index) + 1) + 1
    return Fault(reason, line, column, ".".join(part for part in (root, path) if part))
