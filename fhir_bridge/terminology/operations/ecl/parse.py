"""ECL text to its parts: recursive descent over the brief syntax, the long keywords `AND OR MINUS` in any case."""

from __future__ import annotations

import re
from typing import Literal

from fhir_bridge.terminology.operations.ecl.model import (
    Attribute,
    AttributeGroup,
    Compound,
    Constraint,
    Dotted,
    Focus,
    Operator,
    Refined,
    Refinement,
    RefinementSet,
)

__all__ = ["MAX_DEPTH", "MAX_LENGTH", "EclError", "parse_ecl"]

MAX_DEPTH = 50
"""Brackets that nest deeper are refused."""

MAX_LENGTH = 20_000
"""A longer expression is refused."""


class EclError(ValueError):
    """Text that is not ECL, or uses a part of it that is not supported; the message says where."""


_SPACE = re.compile(r"(?:\s+|/\*(?:[^*]|\*(?!/))*\*/)*")
_OPERATORS: tuple[Operator, ...] = ("<<!", ">>!", "!!>", "!!<", "<<", ">>", "<!", ">!", "<", ">")
_CODE = re.compile(r"\d{6,18}(?![0-9A-Za-z_\-])|[0-9A-Za-z][0-9A-Za-z_.\-]*")
"""A SNOMED CT id, after which a dot is an operator; or a code of another system, which may hold dots."""
_TERM = re.compile(r"\|[^|]*\|")
_CARDINALITY = re.compile(r"\[\s*(\d{1,9})\s*(?:\.\.|to)\s*(\d{1,9}|\*|many)\s*\]")
_NUMBER = re.compile(r"#[+-]?\d+(?:\.\d+)?")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_COMPARATORS = ("<=", ">=", "!=", "=", "<", ">")


def parse_ecl(text: str) -> Constraint:
    """The expression.

    Raises:
        EclError: as it says.
    """
    if len(text) > MAX_LENGTH:
        raise EclError(f"longer than {MAX_LENGTH} characters")
    return _Parser(text).parse()


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0
        self._skip()

    def parse(self) -> Constraint:
        found = self._expression()
        if self.at < len(self.text):
            raise self._error("an operator or the end")
        return found

    # --- text ---

    def _skip(self) -> None:
        match = _SPACE.match(self.text, self.at)
        self.at = match.end() if match else self.at

    def _error(self, expected: str) -> EclError:
        found = f'"{self.text[self.at]}"' if self.at < len(self.text) else "the end"
        return EclError(f"expected {expected}, found {found} at character {self.at + 1}")

    def _take(self, token: str) -> bool:
        if not self.text.startswith(token, self.at):
            return False
        self.at += len(token)
        self._skip()
        return True

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self.text, self.at)
        if match is not None:
            self.at = match.end()
            self._skip()
        return match

    def _keyword(self, *words: str) -> str | None:
        for word in words:
            end = self.at + len(word)
            if self.text[self.at : end].upper() == word and not self.text[end : end + 1].isalnum():
                self.at = end
                self._skip()
                return word
        return None

    # --- expressions ---

    def _expression(self) -> Constraint:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise EclError(f"nested deeper than {MAX_DEPTH} levels")
        first = self._operand()
        operator: Literal["AND", "OR", "MINUS"] | None = None
        parts = [first]
        while True:
            before = self.at
            word = self._conjunction("AND", "OR", "MINUS")
            if word is None:
                break
            if operator not in (None, word):
                self.at = before
                raise self._error(f"brackets, where {word} stands beside {operator}")
            operator = "MINUS" if word == "MINUS" else "OR" if word == "OR" else "AND"
            parts.append(self._operand())
            if operator == "MINUS" and len(parts) > 2:
                raise self._error("brackets around one MINUS of several")
        self.depth -= 1
        return first if operator is None else Compound(operator, tuple(parts))

    def _conjunction(self, *words: str) -> str | None:
        if self._take(","):
            return "AND"
        return self._keyword(*words)

    def _operand(self) -> Constraint:
        focus = self._dotted()
        if self._take(":"):
            focus = Refined(focus, self._refinement())
        return focus

    def _dotted(self) -> Constraint:
        found: Constraint = self._focus()
        dots = 0
        while self._take("."):
            dots += 1
            if dots > MAX_DEPTH:
                raise EclError(f"more than {MAX_DEPTH} dots")
            found = Dotted(found, self._focus())
        return found

    def _focus(self) -> Focus:
        operator: Operator = ""
        for one in _OPERATORS:
            if self._take(one):
                operator = one
                break
        member = self._take("^")
        if member and self._take("["):
            raise EclError(f"fields of reference sets are not supported, at character {self.at}")
        if self._take("("):
            inner = self._expression()
            if not self._take(")"):
                raise self._error(")")
            self._no_filter()
            return Focus(operator, member, inner)
        if self._take("*"):
            self._no_filter()
            return Focus(operator, member, "*")
        match = self._match(_CODE)
        if match is None:
            raise self._error("a concept, * or (")
        self._match(_TERM)
        self._no_filter()
        return Focus(operator, member, match[0].rstrip("."))

    def _no_filter(self) -> None:
        if self.text.startswith("{{", self.at):
            raise EclError(f"filters {{{{ }}}} are not supported, at character {self.at + 1}")

    # --- refinements ---

    def _refinement(self) -> Refinement:
        first = self._refined_operand()
        parts = [first]
        operator: Literal["AND", "OR"] | None = None
        while True:
            before = self.at
            word = self._conjunction("AND", "OR")
            if word is None:
                break
            if operator not in (None, word):
                self.at = before
                raise self._error(f"brackets, where {word} stands beside {operator}")
            operator = "OR" if word == "OR" else "AND"
            parts.append(self._refined_operand())
        return first if operator is None else RefinementSet(operator, tuple(parts))

    def _refined_operand(self) -> Refinement:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise EclError(f"nested deeper than {MAX_DEPTH} levels")
        low, high = self._cardinality()
        found: Refinement
        if self._take("{"):
            found = AttributeGroup(self._refinement(), low, high)
            if not self._take("}"):
                raise self._error("}")
        elif low is None and self._bracketed_refinement():
            self._take("(")
            found = self._refinement()
            if not self._take(")"):
                raise self._error(")")
        else:
            found = self._attribute(low, high)
        self.depth -= 1
        return found

    def _bracketed_refinement(self) -> bool:
        """Whether the bracket here holds a refinement, not the name of an attribute: a comparator follows a name."""
        if not self.text.startswith("(", self.at):
            return False
        depth, at = 0, self.at
        while at < len(self.text):
            character = self.text[at]
            if character == "|":
                at = self.text.find("|", at + 1)
                if at < 0:
                    return False
            depth += (character == "(") - (character == ")")
            if depth == 0:
                rest = self.text[at + 1 :].lstrip()
                return not rest.startswith(("=", "!=", "<", ">"))
            at += 1
        return False

    def _cardinality(self) -> tuple[int | None, int | None]:
        match = self._match(_CARDINALITY)
        if match is None:
            if self.text.startswith("[", self.at):
                raise self._error("a cardinality as [0..1]")
            return None, None
        return int(match[1]), None if match[2] in ("*", "many") else int(match[2])

    def _attribute(self, low: int | None, high: int | None) -> Attribute:
        reverse = False
        match = re.compile(r"(?:R|reverseOf)(?=[\s<>*(^0-9])").match(self.text, self.at)
        if match is not None:
            self.at = match.end()
            self._skip()
            reverse = True
        name = self._focus()
        comparator = next((one for one in _COMPARATORS if self._take(one)), None)
        if comparator is None:
            raise self._error("= or another comparator")
        concrete = self._match(_NUMBER) or self._match(_STRING)
        value: Constraint | str
        if concrete is not None:
            value = concrete[0]
        elif (word := self._keyword("TRUE", "FALSE")) is not None:
            value = word.lower()
        else:
            if comparator not in ("=", "!="):
                raise self._error("a number after this comparator")
            value = self._value()
        return Attribute(name, _comparator(comparator), value, low, high, reverse)

    def _value(self) -> Constraint:
        """An expression after a comparator; a refinement of its own needs brackets."""
        return self._dotted()


def _comparator(text: str) -> Literal["=", "!=", "<", "<=", ">", ">="]:
    for known in ("=", "!=", "<", "<=", ">", ">="):
        if text == known:
            return known
    raise AssertionError(text)
