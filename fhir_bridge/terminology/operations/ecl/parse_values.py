"""Values within ECL's filters: keywords, concepts, times, terms and dialects."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from fhir_bridge.terminology.dialects import DIALECTS, reference_sets_of
from fhir_bridge.terminology.operations.ecl.filter_model import Acceptance, SearchTerm
from fhir_bridge.terminology.operations.ecl.model import Compound, Concept, Constraint
from fhir_bridge.terminology.operations.ecl.parse_refinement import comparator, unescaped
from fhir_bridge.terminology.operations.ecl.tokens import Reader, Token

__all__ = ["FilterValues", "any_of"]

_ACCEPTABILITIES = {
    "prefer": "900000000000548007",
    "preferred": "900000000000548007",
    "accept": "900000000000549004",
    "acceptable": "900000000000549004",
}
_DAY = re.compile(r'"(?:[1-9]\d{3}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))?"', re.ASCII)


def any_of(codes: list[str]) -> Constraint:
    """One of these concepts."""
    return Concept(codes[0]) if len(codes) == 1 else Compound("OR", tuple(map(Concept, codes)))


class FilterValues:
    """Reads comparators and values; expressions among them are read by who made this."""

    def __init__(self, reader: Reader, sub_expression: Callable[[], Constraint]) -> None:
        self._reader, self._sub_expression = reader, sub_expression

    # --- comparators, keywords and concepts ---

    def comparator(self) -> str:
        """A comparator.

        Raises:
            EclError: there is none.
        """
        result = comparator(self._reader)
        if result is None:
            raise self._reader.error("= or another comparator")
        return result

    def negated(self) -> bool:
        """Whether it is `!=`; only `=` may be there otherwise."""
        where = self._reader.next
        result = self.comparator()
        if result not in ("=", "!="):
            raise self._reader.error("= or !=", where)
        return result == "!="

    def keywords(self, known: Mapping[str, str]) -> Constraint:
        """Keywords, as the concepts that they stand for."""
        return any_of([self._known(word, known) for word in self.words(" or ".join(known))])

    def _known(self, token: Token, known: Mapping[str, str]) -> str:
        code = known.get(token.text.lower())
        if code is None:
            raise self._reader.error(" or ".join(known), token)
        return code

    def words(self, expected: str) -> list[Token]:
        """A word, or several in brackets."""
        reader = self._reader
        bracket = reader.take("(")
        tokens = []
        while reader.next.kind == "word":
            tokens.append(reader.advance())
            if not bracket:
                return tokens
        if not tokens or not bracket:
            raise reader.error(expected)
        reader.expect(")", f"{expected}, or )")
        return tokens

    def concepts(self) -> Constraint:
        """An expression, or several concepts in brackets without operators between them."""
        return any_of(self._reference_set()) if self._is_reference_set() else self._sub_expression()

    def _is_reference_set(self) -> bool:
        """Whether two concepts, each perhaps with its term, follow the bracket to come."""
        reader = self._reader
        if reader.next.text != "(" or reader.look().kind != "word":
            return False
        after = reader.look(3) if reader.look(2).kind == "term" else reader.look(2)
        return after.kind == "word" and after.text.lower() not in ("and", "or", "minus")

    def _reference_set(self) -> list[str]:
        reader = self._reader
        reader.expect("(")
        results = []
        while reader.next.kind == "word":
            results.append(self._reference())
        reader.expect(")", "a concept, or )")
        return results

    def _reference(self) -> str:
        code = self._reader.advance().text
        if self._reader.next.kind == "term":
            self._reader.advance()
        return code

    def times(self) -> tuple[str, ...]:
        """`"20260131"`, or several in brackets; `""` is no time."""
        reader = self._reader
        bracket = reader.take("(")
        results = []
        while reader.next.kind == "string":
            if not _DAY.fullmatch(reader.next.text):
                break
            results.append(reader.advance().text[1:-1])
            if not bracket:
                return tuple(results)
        if not results or not bracket:
            raise reader.error('a day as "20260131"')
        reader.expect(")", 'a day as "20260131", or )')
        return tuple(results)

    # --- terms ---

    def terms(self) -> tuple[SearchTerm, ...]:
        """A term, or several in brackets."""
        reader = self._reader
        if not reader.take("("):
            return (self._term(),)
        results = [self._term()]
        while not reader.take(")"):
            results.append(self._term())
        return tuple(results)

    def is_term(self) -> bool:
        """Whether `match:`, `wild:` or a bracket with terms is to come."""
        reader = self._reader
        ahead = 1 if reader.next.text == "(" else 0
        first = reader.look(ahead)
        if first.text.lower() in ("match", "wild"):
            return reader.look(ahead + 1).text == ":"
        return first.kind == "string"

    def _term(self) -> SearchTerm:
        reader = self._reader
        how = reader.take_word("match", "wild")
        if how is not None:
            reader.expect(":")
        token = reader.next
        wild = how is not None and how.text.lower() == "wild"
        text = token.text[1:-1] if wild else unescaped(token.text) if token.kind == "string" else ""
        if token.kind != "string" or not text.strip():
            raise reader.error('a term in quotes, as "heart att"')
        reader.advance()
        return SearchTerm(text, wild)

    # --- dialects ---

    def aliases(self) -> tuple[Acceptance, ...]:
        """`en-us (prefer)`, or several in brackets with an acceptability each or all."""
        return self._accepted(self._alias)

    def dialects(self) -> tuple[Acceptance, ...]:
        """An expression, or several reference sets in brackets, with their acceptability."""
        reader = self._reader
        after = reader.look(3) if reader.look(2).kind == "term" else reader.look(2)
        listed = reader.next.text == "(" and reader.look().kind == "word"
        if listed and (after.kind == "word" or after.text in ("(", ")")) and not self._joins(after):
            return self._accepted(lambda: Concept(self._reference()))
        result = self._sub_expression()
        return (Acceptance(result, self._acceptability()),)

    @staticmethod
    def _joins(token: Token) -> bool:
        return token.text.lower() in ("and", "or", "minus")

    def _accepted(self, item: Callable[[], Constraint]) -> tuple[Acceptance, ...]:
        reader = self._reader
        if not reader.take("("):
            return (Acceptance(item(), self._acceptability()),)
        results = []
        while reader.next.kind == "word":
            results.append((item(), self._acceptability()))
        reader.expect(")", "a dialect, or )")
        for_all = self._acceptability()
        if not results:
            raise reader.error("a dialect, as en-us")
        return tuple(Acceptance(sets, own or for_all) for sets, own in results)

    def _alias(self) -> Constraint:
        token = self._reader.next
        codes = reference_sets_of(token.text)
        if not codes:
            known = ", ".join(sorted({tag.lower() for tag in DIALECTS.values()}))
            raise self._reader.error(f"a dialect ({known}) or dialectId with its reference set")
        self._reader.advance()
        return any_of(codes)

    def _acceptability(self) -> frozenset[str] | None:
        """`(prefer)`, `(900000000000548007 |Preferred|)`; None where there is none."""
        reader = self._reader
        if not reader.take("("):
            return None
        results = []
        while reader.next.kind == "word":
            token = reader.next
            code = self._reference()
            results.append(code if code.isdigit() else self._known(token, _ACCEPTABILITIES))
        if not results:
            raise reader.error("prefer or accept")
        reader.expect(")", "prefer, accept or )")
        return frozenset(results)
