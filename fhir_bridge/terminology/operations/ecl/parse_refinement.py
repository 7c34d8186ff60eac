"""Refinements, what follows `:` in ECL."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Literal

from fhir_bridge.terminology.operations.ecl.model import (
    Attribute,
    AttributeGroup,
    Comparator,
    Constraint,
    Refinement,
    RefinementSet,
)
from fhir_bridge.terminology.operations.ecl.tokens import Reader

__all__ = ["RefinementParser", "comparator", "unescaped"]

_COMPARATORS: dict[str, Comparator] = {
    "=": "=",
    "!=": "!=",
    "<>": "!=",
    "<=": "<=",
    ">=": ">=",
    "<": "<",
    ">": ">",
}
_BOUNDS = re.compile(r"\[\s*(\d+)\D+?(\d+|\*|many)\s*\]", re.IGNORECASE)


def comparator(reader: Reader) -> Comparator | None:
    """The comparator to come, `NOT =` included, taken."""
    if reader.is_word("not") and reader.look().text == "=":
        reader.advance()
        reader.advance()
        return "!="
    if reader.next.kind != "symbol" or reader.next.text not in _COMPARATORS:
        return None
    return _COMPARATORS[reader.advance().text]


def unescaped(quoted: str) -> str:
    r"""The text between quotes, where `\"` and `\\` stand for what is escaped."""
    return re.sub(r"\\(.)", r"\1", quoted[1:-1], flags=re.DOTALL)


class RefinementParser:
    """Reads refinements; expressions within them are read by who made this."""

    def __init__(self, reader: Reader, sub_expression: Callable[[], Constraint]) -> None:
        self._reader, self._sub_expression = reader, sub_expression

    def refinement(self) -> Refinement:
        """Attributes, groups and brackets, joined by one of AND (`,`) and OR."""
        parts = [self._part()]
        operator: Literal["AND", "OR"] | None = None
        while (joining := self._joining()) is not None:
            if operator not in (None, joining):
                raise self._reader.error(f"brackets, where {joining} is beside {operator}")
            operator = joining
            self._reader.advance()
            parts.append(self._part())
        return parts[0] if operator is None else RefinementSet(operator, tuple(parts))

    def _joining(self) -> Literal["AND", "OR"] | None:
        if self._reader.next.text == "," or self._reader.is_word("and"):
            return "AND"
        return "OR" if self._reader.is_word("or") else None

    def _part(self) -> Refinement:
        reader = self._reader
        with reader.nested():
            start = reader.next
            low, high = self._cardinality()
            if reader.take("{"):
                group: Refinement = AttributeGroup(self.refinement(), low, high, start.start)
                reader.expect("}")
            elif start.text == "(" and not self._names_attribute():
                reader.advance()
                group = self.refinement()
                reader.expect(")")
            else:
                group = self._attribute(low, high)
            return group

    def _names_attribute(self) -> bool:
        """Whether the brackets to come hold the name of an attribute, not a refinement: what follows them shows."""
        after = self._reader.after_bracket()
        return after.text in _COMPARATORS or after.text == "{{" or after.text.lower() == "not"

    def _cardinality(self) -> tuple[int, int | None]:
        reader = self._reader
        if reader.next.kind != "cardinality":
            if reader.next.text == "[":
                raise reader.error("a cardinality as [0..1]")
            return 1, None
        token = reader.next
        bounds = _BOUNDS.fullmatch(token.text)
        if bounds is None:
            raise reader.error("a cardinality as [0..1]")
        low, high = int(bounds[1]), int(bounds[2]) if bounds[2].isdigit() else None
        if high is not None and low > high:
            raise reader.error("a cardinality whose minimum is not above its maximum")
        reader.advance()
        return low, high

    def _attribute(self, low: int, high: int | None) -> Attribute:
        reader = self._reader
        reverse = self._is_reverse()
        if reverse:
            reader.advance()
        name = self._sub_expression()
        result = comparator(reader)
        if result is None:
            raise reader.error("= or another comparator")
        return Attribute(name, result, self._value(result), low, high, reverse)

    def _is_reverse(self) -> bool:
        """Whether `R` or `reverseOf` is to come, not an attribute of that name: another name follows."""
        reader = self._reader
        if reader.next.text != "R" and not reader.is_word("reverseof"):
            return False
        after = reader.look()
        return (after.kind == "word" and after.text.lower() != "not") or after.text in _BEFORE_NAMES

    def _value(self, result: Comparator) -> Constraint | Decimal | tuple[str, ...] | bool:
        reader = self._reader
        if reader.next.kind == "number":
            return Decimal(reader.advance().text[1:])
        if result not in ("=", "!="):
            raise reader.error("a number as #10 after this comparator")
        if reader.next.kind == "string":
            return (unescaped(reader.advance().text),)
        if reader.next.text == "(" and reader.look().kind == "string":
            return self._strings()
        if reader.is_word("true", "false"):
            return reader.advance().text.lower() == "true"
        return self._sub_expression()

    def _strings(self) -> tuple[str, ...]:
        reader = self._reader
        reader.expect("(")
        results = []
        while reader.next.kind == "string":
            results.append(unescaped(reader.advance().text))
        reader.expect(")", "a text in quotes, or )")
        return tuple(results)


_BEFORE_NAMES = ("(", "*", "^", "<<", "<<!", "<!", ">>", ">>!", ">!", "!!>", "!!<", "<", ">")
