"""The grammar of UCUM's case sensitive codes (UCUM §1-§12), as a parser that says where a code breaks.

main-term  = "/" term | term
term       = component {("." | "/") component}
component  = (simple-unit [exponent] | digits | "(" main-term ")") [annotation] | annotation
simple-unit = ATOM | PREFIX METRIC-ATOM
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from fhir_bridge.fhir.ucum_table import BASE, PREFIXES, UNITS

__all__ = ["Factor", "Product", "Term", "UcumError", "Unit", "parse"]

# Codes come from resources and requests: bounds on the recursion, and on the powers of factors.
MAX_LENGTH = 256
MAX_DEPTH = 16
MAX_EXPONENT = 99
MAX_DIGITS = 24

_DIGITS = re.compile(r"[0-9]+")
_EXPONENT = re.compile(r"[+-]?[0-9]+")
_ANNOTATION = re.compile(r"\{[!-z|~]*\}")
_SYMBOL = re.compile(r"10[*^]|(?:\[[!-Z\\^-z|~]*\]|[!#-'*,:-<>-Z\\^-z|~])+")


class UcumError(ValueError):
    """A text that is not a UCUM code; `position` is where it breaks (from 0)."""

    def __init__(self, code: str, position: int, problem: str) -> None:
        super().__init__(f'"{code}" is not UCUM: {problem} at position {position + 1}')
        self.position = position
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit atom, its prefix (empty where it has none) and exponent."""

    prefix: str
    atom: str
    exponent: int


@dataclass(frozen=True, slots=True)
class Factor:
    """A whole number; a lone annotation is the number one."""

    number: int


@dataclass(frozen=True, slots=True)
class Product:
    """Terms with the sign of their exponent: 1 multiplied, -1 divided by."""

    terms: tuple[tuple[Term, int], ...]


Term = Unit | Factor | Product


def parse(code: str) -> Product:
    """The terms of a UCUM code.

    Raises:
        UcumError: it is not one; the message says where and why.
    """
    if not code:
        raise UcumError(code, 0, "nothing there")
    if len(code) > MAX_LENGTH:
        raise UcumError(f"{code[:20]}…", MAX_LENGTH, f"longer than {MAX_LENGTH} characters")
    parser = _Parser(code)
    product = parser.main_term(0)
    if parser.at < len(code):
        raise parser.error(f'"{code[parser.at]}" is not expected')
    return product


class _Parser:
    """Recursive descent over one code."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.at = 0

    def error(self, problem: str, at: int | None = None) -> UcumError:
        return UcumError(self.code, self.at if at is None else at, problem)

    def peek(self) -> str:
        return self.code[self.at] if self.at < len(self.code) else ""

    def take(self, pattern: re.Pattern[str]) -> str:
        result = pattern.match(self.code, self.at)
        if result is None:
            return ""
        self.at = result.end()
        return result.group()

    def main_term(self, depth: int) -> Product:
        if depth > MAX_DEPTH:
            raise self.error("too many parentheses")
        sign = 1
        if self.peek() == "/":
            self.at += 1
            sign = -1
        terms = [(self.component(depth), sign)]
        while self.peek() in (".", "/"):
            sign = 1 if self.peek() == "." else -1
            self.at += 1
            terms.append((self.component(depth), sign))
        return Product(tuple(terms))

    def component(self, depth: int) -> Term:
        start = self.at
        next_character = self.peek()
        term: Term
        if next_character == "":
            raise self.error("a unit is missing")
        if next_character == "{":
            term = Factor(1)
        elif next_character == "(":
            self.at += 1
            term = self.main_term(depth + 1)
            if self.peek() != ")":
                raise self.error('")" is missing')
            self.at += 1
        elif symbol := self.take(_SYMBOL):
            term = self.unit(symbol, start)
        elif digits := self.take(_DIGITS):
            if len(digits) > MAX_DIGITS or not int(digits):
                raise self.error("a number out of range", start)
            term = Factor(int(digits))
        else:
            raise self.error(f'"{next_character}" is not expected')
        if self.peek() == "{" and not self.take(_ANNOTATION):
            raise self.error("an annotation without end, or with a character that it can't have")
        return term

    def unit(self, symbol: str, start: int) -> Unit:
        prefix, atom = self.split(symbol, start)
        text = self.take(_EXPONENT)
        exponent = int(text) if text else 1
        if not exponent or abs(exponent) > MAX_EXPONENT:
            raise self.error(f"an exponent out of range (1 to {MAX_EXPONENT})", start)
        return Unit(prefix, atom, exponent)

    def split(self, symbol: str, start: int) -> tuple[str, str]:
        # Whole symbols before prefixes: `cd` is the candela, not a hundredth of a day.
        if symbol in UNITS or symbol in BASE:
            return "", symbol
        for size in (1, 2):
            prefix, atom = symbol[:size], symbol[size:]
            if prefix in PREFIXES:
                if atom in BASE or (atom in UNITS and UNITS[atom][0]):
                    return prefix, atom
                if atom in UNITS:
                    raise self.error(f'"{atom}" takes no prefix', start)
        raise self.error(f'"{symbol}" is no unit', start)
