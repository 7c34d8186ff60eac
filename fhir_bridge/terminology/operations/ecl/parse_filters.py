"""Filters and supplements of ECL, `{{ … }}`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Literal, TypeVar

from fhir_bridge.terminology.operations.ecl.filter_model import (
    Active,
    Coded,
    ConceptFilter,
    DescriptionFilter,
    Dialect,
    Field,
    Identified,
    Language,
    MemberFilter,
    SearchTerm,
    Term,
    Timed,
)
from fhir_bridge.terminology.operations.ecl.model import Compound, Concept, Constraint, Everything
from fhir_bridge.terminology.operations.ecl.parse_values import FilterValues
from fhir_bridge.terminology.operations.ecl.tokens import Reader, Token

__all__ = ["FilterParser"]

_Condition = TypeVar("_Condition")

_TYPES = {
    "syn": "900000000000013009",
    "synonym": "900000000000013009",
    "fsn": "900000000000003001",
    "fullyspecifiedname": "900000000000003001",
    "def": "900000000000550004",
    "definition": "900000000000550004",
}
_STATUSES = {"primitive": "900000000000074008", "defined": "900000000000073002"}
_SAME_AS = "900000000000527005"
_MODERATE = (_SAME_AS, "900000000000526001", "900000000000528000", "1186924009")
_CONCEPT_WORDS = "definitionStatus, definitionStatusId, moduleId, effectiveTime or active"
_DESCRIPTION_WORDS = "term, language, type, typeId, dialect, dialectId, moduleId, effectiveTime, active or id"


class FilterParser:
    """Reads filters; expressions within them are read by who made this."""

    def __init__(
        self, reader: Reader, sub_expression: Callable[[], Constraint], expression: Callable[[], Constraint]
    ) -> None:
        self._reader, self._sub_expression, self._expression = reader, sub_expression, expression
        self._values = FilterValues(reader, sub_expression)

    # --- {{ … }} ---

    def member_filters(self) -> tuple[MemberFilter, ...]:
        """`{{ M … }}`, as many as there are."""
        results = []
        while self._opens("m"):
            results.append(MemberFilter(self._conditions(self._member_condition)))
        return tuple(results)

    def filters(self) -> tuple[ConceptFilter | DescriptionFilter, ...]:
        """`{{ C … }}` and `{{ D … }}`, as many as there are; without a letter it is D."""
        results: list[ConceptFilter | DescriptionFilter] = []
        while self._reader.next.text == "{{":
            if self._opens("c"):
                results.append(ConceptFilter(self._conditions(self._concept_condition)))
            elif self._opens("d"):
                results.append(DescriptionFilter(self._conditions(self._description_condition)))
            elif self._reader.look().text == "+" or self._lettered("m"):
                break
            else:
                self._reader.advance()
                results.append(DescriptionFilter(self._conditions(self._description_condition)))
        return tuple(results)

    def history(self) -> Constraint | Literal[False] | None:
        """The reference sets of `{{ + HISTORY … }}`, None for all; False where no supplement is to come."""
        reader = self._reader
        if reader.next.text != "{{" or reader.look().text != "+":
            return False
        with reader.nested():
            reader.advance()
            reader.advance()
            word = reader.next
            profile = word.text.upper().replace("_", "-")
            if profile not in ("HISTORY", "HISTORY-MIN", "HISTORY-MOD", "HISTORY-MAX"):
                raise reader.error("HISTORY, HISTORY-MIN, HISTORY-MOD or HISTORY-MAX")
            reader.advance()
            sets: Constraint | None = None
            if profile == "HISTORY-MIN":
                sets = Concept(_SAME_AS)
            elif profile == "HISTORY-MOD":
                sets = Compound("OR", tuple(map(Concept, _MODERATE)))
            elif profile == "HISTORY" and reader.take("("):
                sets = self._expression()
                reader.expect(")")
            reader.expect("}}")
            return None if isinstance(sets, Everything) else sets

    def misplaced(self) -> None:
        """Say why the filter to come can't be here.

        Raises:
            EclError: always.
        """
        if self._lettered("m"):
            raise self._reader.error("{{ M … }} only directly after the reference sets of ^")
        raise self._reader.error("no further filter after a history supplement without brackets around it")

    def _lettered(self, letter: str) -> bool:
        """Whether a filter with this letter is to come; the letter is not the keyword of a condition."""
        reader = self._reader
        return (
            reader.next.text == "{{"
            and reader.look().text.lower() == letter
            and reader.look(2).kind == "word"
            and reader.look(2).text.lower() != "not"
        )

    def _opens(self, letter: str) -> bool:
        if not self._lettered(letter):
            return False
        self._reader.advance()
        self._reader.advance()
        return True

    def _conditions(self, item: Callable[[Token], _Condition]) -> tuple[_Condition, ...]:
        """Conditions with commas between them, up to the end of the filter."""
        reader = self._reader
        results = []
        with reader.nested():
            while True:
                results.append(item(reader.advance()))
                if reader.take("}}"):
                    return tuple(results)
                reader.expect(",", ", or }}")

    # --- conditions ---

    def _concept_condition(self, word: Token) -> Coded | Timed | Active:
        name = word.text.lower()
        if name == "definitionstatus":
            return self._keywords("definitionStatusId", _STATUSES, word)
        if name == "definitionstatusid":
            return self._coded("definitionStatusId", word)
        result = self._common(name, word)
        if result is None:
            raise self._reader.error(_CONCEPT_WORDS, word)
        return result

    def _description_condition(
        self, word: Token
    ) -> Term | Language | Coded | Dialect | Timed | Active | Identified:
        name = word.text.lower()
        if name == "term":
            return Term(self._values.negated(), self._values.terms())
        if name == "language":
            negated = self._values.negated()
            return Language(
                negated, frozenset(item.text.lower() for item in self._values.words("a language, as en"))
            )
        if name == "type":
            return self._keywords("typeId", _TYPES, word)
        if name == "typeid":
            return self._coded("typeId", word)
        if name == "dialect":
            return Dialect(self._values.negated(), self._values.aliases(), word.start)
        if name == "dialectid":
            return Dialect(self._values.negated(), self._values.dialects(), word.start)
        if name == "id":
            negated = self._values.negated()
            ids = self._values.words("the id of a description")
            return Identified(negated, frozenset(item.text for item in ids), word.start)
        result = self._common(name, word)
        if result is None:
            raise self._reader.error(_DESCRIPTION_WORDS, word)
        return result

    def _member_condition(self, word: Token) -> Coded | Timed | Active | Field:
        result = self._common(word.text.lower(), word)
        if result is not None:
            return result
        if word.kind != "word" or not word.text.isalpha():
            raise self._reader.error("the name of a field, moduleId, effectiveTime or active", word)
        how = self._values.comparator()
        reader = self._reader
        value: Constraint | Decimal | tuple[SearchTerm, ...] | tuple[str, ...] | bool
        if reader.next.kind == "number":
            value = Decimal(reader.advance().text[1:])
        elif how not in ("=", "!="):
            value = self._values.times()
        elif self._values.is_term():
            value = self._values.terms()
        elif reader.is_word("true", "false"):
            value = reader.advance().text.lower() == "true"
        else:
            value = self._sub_expression()
        return Field(word.text, how, value, word.start)

    def _common(self, name: str, word: Token) -> Coded | Timed | Active | None:
        """A condition that every kind of filter has; None where the word is none."""
        if name == "moduleid":
            return self._coded("moduleId", word)
        if name == "effectivetime":
            return Timed(self._values.comparator(), self._values.times(), word.start)
        if name == "active":
            negated = self._values.negated()
            reader = self._reader
            if reader.take("*"):
                return Active(None, word.start)
            value = reader.take_word("1", "true", "0", "false")
            if value is None:
                raise reader.error("1, 0, true or false")
            return Active((value.text.lower() in ("1", "true")) != negated, word.start)
        return None

    def _coded(self, field: str, word: Token) -> Coded:
        return Coded(field, self._values.negated(), self._values.concepts(), word.start)

    def _keywords(self, field: str, known: Mapping[str, str], word: Token) -> Coded:
        return Coded(field, self._values.negated(), self._values.keywords(known), word.start)
