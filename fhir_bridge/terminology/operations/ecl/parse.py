"""ECL text to its parts, by the brief and the long syntax of ECL 2.2: recursive descent with one look ahead."""

from __future__ import annotations

from typing import Literal

from fhir_bridge.terminology.operations.ecl.errors import EclError
from fhir_bridge.terminology.operations.ecl.filter_model import MemberFilter
from fhir_bridge.terminology.operations.ecl.model import (
    Compound,
    Concept,
    Constraint,
    Dotted,
    Everything,
    Filtered,
    MembersOf,
    Operator,
    ReferenceSetsOf,
    Refined,
    Related,
    Supplemented,
)
from fhir_bridge.terminology.operations.ecl.parse_filters import FilterParser
from fhir_bridge.terminology.operations.ecl.parse_refinement import RefinementParser
from fhir_bridge.terminology.operations.ecl.tokens import MAX_DEPTH, Reader

__all__ = ["parse_ecl"]

_OPERATORS: dict[str, Operator] = {
    "descendantof": "<",
    "descendantorselfof": "<<",
    "childof": "<!",
    "childorselfof": "<<!",
    "ancestorof": ">",
    "ancestororselfof": ">>",
    "parentof": ">!",
    "parentorselfof": ">>!",
    "top": "!!>",
    "bottom": "!!<",
}
_Joining = Literal["AND", "OR", "MINUS"]


def parse_ecl(text: str) -> Constraint:
    """The expression.

    Raises:
        EclError: the text is not ECL, or uses a part of it that is not supported.
    """
    return _Parser(Reader(text)).parse()


class _Parser:
    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._filters = FilterParser(reader, self.sub_expression, self.expression)
        self._refinements = RefinementParser(reader, self.sub_expression)

    def parse(self) -> Constraint:
        expression = self.expression()
        if self._reader.next.kind != "end":
            raise self._reader.error("an operator or the end")
        return expression

    def expression(self) -> Constraint:
        """A simple, compound, refined or dotted expression."""
        reader = self._reader
        with reader.nested():
            first = self.sub_expression()
            if reader.take(":"):
                constraint: Constraint = Refined(first, self._refinements.refinement())
                self._no_mixture("a refinement")
                return constraint
            if reader.next.text == ".":
                constraint = self._dotted(first)
                self._no_mixture("dots")
                return constraint
            return self._compound(first)

    def _no_mixture(self, what: str) -> None:
        """Operators and refinements bind to nothing that has no brackets (ECL 5.4)."""
        if self._joining() is not None or self._reader.next.text in (":", "."):
            raise self._reader.error(f"brackets around the expression with {what}")

    def _dotted(self, constraint: Constraint) -> Constraint:
        dots = 0
        while dot := self._reader.take("."):
            dots += 1
            if dots > MAX_DEPTH:
                raise EclError(f"more than {MAX_DEPTH} dots", dot.start)
            constraint = Dotted(constraint, self.sub_expression())
        return constraint

    def _compound(self, first: Constraint) -> Constraint:
        operator: _Joining | None = None
        parts = [first]
        while (joining := self._joining()) is not None:
            if operator not in (None, joining):
                raise self._reader.error(f"brackets, where {joining} is beside {operator}")
            # ECL's grammar has exactly two operands of MINUS.
            if operator == "MINUS":
                raise self._reader.error("brackets around one MINUS of several")
            operator = joining
            self._reader.advance()
            parts.append(self.sub_expression())
        if operator is not None and self._reader.next.text in (":", "."):
            raise self._reader.error("brackets around the expression before it")
        return first if operator is None else Compound(operator, tuple(parts))

    def _joining(self) -> _Joining | None:
        """The operator to come."""
        reader = self._reader
        if reader.next.text == "," or reader.is_word("and"):
            return "AND"
        if reader.is_word("or"):
            return "OR"
        return "MINUS" if reader.is_word("minus") else None

    # --- one operand ---

    def sub_expression(self) -> Constraint:
        """A concept, `*`, or brackets, with the operators before and the filters behind it."""
        operator = self._operator()
        focus = self._focus()
        if operator is not None:
            focus = Related(operator, focus)
        filters = self._filters.filters()
        if filters:
            focus = Filtered(focus, filters)
        start = self._reader.next.start
        sets = self._filters.history()
        if sets is not False:
            focus = Supplemented(focus, sets, start)
        if self._reader.next.text == "{{":
            self._filters.misplaced()
        return focus

    def _operator(self) -> Operator | None:
        reader = self._reader
        text = reader.next.text
        for operator in _OPERATORS.values():
            if text == operator and reader.next.kind == "symbol":
                reader.advance()
                return operator
        word = text.lower()
        if reader.next.kind == "word" and word in _OPERATORS and _begins_operand(reader):
            reader.advance()
            return _OPERATORS[word]
        return None

    def _focus(self) -> Constraint:
        reader = self._reader
        mark = reader.next
        if reader.take("^"):
            after = reader.next
            # Only where it is joined to `^`: behind a space, R is a code.
            if after.text == "R" and after.start == mark.end:
                reader.advance()
                return ReferenceSetsOf(self._operand())
        elif _named(reader, "memberof"):
            reader.advance()
        elif _named(reader, "refsetcontainingany"):
            reader.advance()
            return ReferenceSetsOf(self._operand())
        else:
            return self._operand()
        field = self._field()
        of = self._operand()
        members: tuple[MemberFilter, ...] = self._filters.member_filters()
        return MembersOf(of, field, members, mark.start)

    def _field(self) -> str | None:
        """`[targetComponentId]` after `^`."""
        reader = self._reader
        if not reader.take("["):
            return None
        name = reader.next
        if name.text == "*" or reader.look().text == ",":
            raise EclError("several fields of a reference set are not supported", name.start)
        if name.kind != "word":
            raise reader.error("the name of a field, as [targetComponentId]")
        reader.advance()
        reader.expect("]")
        return None if name.text.lower() == "referencedcomponentid" else name.text

    def _operand(self) -> Constraint:
        reader = self._reader
        if reader.take("("):
            inner = self.expression()
            reader.expect(")")
            return inner
        if reader.take("*") or reader.take_word("any"):
            return Everything()
        return self._concept()

    def _concept(self) -> Concept:
        reader = self._reader
        token = reader.next
        if token.kind == "alternate" or (token.kind == "string" and "#" in token.text):
            raise EclError("alternate identifiers (scheme#code) are not supported", token.start)
        if token.kind != "word":
            raise reader.error("a concept, * or (")
        reader.advance()
        if reader.next.kind == "term":
            reader.advance()
        return Concept(token.text)


def _named(reader: Reader, word: str) -> bool:
    return reader.is_word(word) and (_begins_operand(reader) or reader.look().text == "[")


def _begins_operand(reader: Reader) -> bool:
    """Whether an operand follows the word to come, which makes it an operator of the long syntax."""
    after = reader.look()
    if after.kind == "word":
        return after.text.lower() not in ("and", "or", "minus")
    return after.text in ("(", "*", "^")
