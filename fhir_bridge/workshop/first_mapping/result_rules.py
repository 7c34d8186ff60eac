# ruff: noqa: E501 - lines of YAML and patterns are written as they come out
"""The rule of tables with a result in each row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from fhir_bridge.workshop.first_mapping.guessing import Guess
from fhir_bridge.workshop.first_mapping.lexicon import slots, tokens
from fhir_bridge.workshop.first_mapping.measures import Measure
from fhir_bridge.workshop.first_mapping.names_of_tests import codes_of_names
from fhir_bridge.workshop.first_mapping.parts import TOOK, VALIDATED, part_of
from fhir_bridge.workshop.first_mapping.selecting import cells_of
from fhir_bridge.workshop.first_mapping.statuses import by_word
from fhir_bridge.workshop.first_mapping.values import LOINC
from fhir_bridge.workshop.first_mapping.writing import VITAL_SIGNS, Writer, cell, listed, literal, quoted

__all__ = ["NUMBER", "ResultRules"]

NUMBER: Final = "[<>≤≥]?=? ?[-+]?[0-9]*([., ]?[0-9]+)+"
"""What is written as a number, as an expression of the language."""
CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
_INTERPRETATION: Final = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
_CATEGORIES: Final = frozenset(
    "social-history vital-signs imaging laboratory procedure survey exam therapy activity".split()
)
_FLAGS: Final = {
    "H": "h|high|+|hoch|erhöht|elevated|above|above range|haut|élevé|alto|elevato|*h|(h)|↑|above high normal|hi",
    "L": "l|low|-|niedrig|erniedrigt|below|below range|bas|abaissé|basso|bajo|*l|(l)|↓|below low normal|lo|tief",
    "HH": "hh|high panic|critical high|panic high|++|+++|crit high|kritisch hoch|high critical|h!|hh!|c-high|h*|h**|hh*|h!!",
    "LL": "ll|low panic|critical low|panic low|--|---|crit low|kritisch niedrig|low critical|l!|ll!|c-low|l*|l**|ll*|l!!",
    "N": "n|normal|unauffällig|within range|norm|in range|i.o.|o.b.|negative flag|ok|normale",
    "A": "a|abnormal|auffällig|pathologisch|*|abn|anormal|anomalo|patholog.|abnorm|!|anormale",
    "S": "s|susceptible|sensibel|sensible|sensibile|empfindlich",
    "I": "i|intermediate|intermediär|intermédiaire|intermedio",
    "R": "r|resistant|résistant|resistente",
    "AA": "aa|critical|critical abnormal|panic|kritisch|**|crit|critique|critico|abnormal panic",
}

_LETTERS: Final = frozenset("h l hh ll a aa n".split())
"""Letters of HL7's table 0078 that results have: a table that has one may have the others in another export."""


_SIGNED: Final = re.compile(r"\bauthori[sz]ed")
"""Names of columns of who let a result out; who orders drugs is called so as well."""


class ResultRules(Writer):
    """Writes the rule of results."""

    def _observation(self) -> Iterator[str]:
        value, unit = self._one("value"), self._one("unit")
        codes = [
            g
            for g in self._codes_of("test", "")
            if g.header not in ("flag", "specimen", "concept") or g.system
        ]
        if not codes:
            codes = self._codes_of("test", "", "drug", "vaccine", "procedure", "diagnosis", "allergy")[:1]
        text = self._text_of(codes, "test", "display")
        when = self._when("Observation")
        yield self._rule("result")
        named = [g for g in (*codes, text) if g is not None]
        if named and all(g.filled < len(self._sample.rows) for g in named):
            yield f"  when: {quoted(' or '.join(self._cell(g) for g in named))}"
            self._ask(f"{', '.join(g.column for g in named)}: rows without it make no result: what are they?")
        yield "  as: Observation"
        complete = [g for g in named if g.filled == len(self._sample.rows) and not g.local]
        what = next(iter(complete), codes[0] if codes else text)
        phases = self._all("measured-when")
        yield self._key(self._one("patient-id"), self._one("encounter-id"), when, what, *phases, always=what)
        yield from self._time(when)
        yield from self._identifiers("Observation.", "event-id", *self._own_role())
        yield from self._order()
        yield self._status("Observation", "final", "the status of every result is taken for final: is it?")
        by_name = (
            codes_of_names(self._sample, text, value, unit) if text is not None and value is not None else {}
        )
        timed = (
            self._one("patient-id") is not None and when is not None and when.filled == len(self._sample.rows)
        )
        if any(code.system == LOINC for code in codes):
            by_name = {}
        elif not timed:  # what R4 asks of vital signs
            by_name = {name: each for name, each in by_name.items() if each.code not in VITAL_SIGNS}
        yield from self._category(codes, text, by_name)
        if named:
            yield from self._coded("code", codes, text, "Observation.", extra=self._by_name(text, by_name))
        else:
            yield f"  code: {{text: {quoted(value.column if value is not None else 'result')}}}"
            self._ask("no column says what was measured: what is it?")
        yield from self._subject()
        yield from self._visit()
        if when is not None:
            yield f"  effectiveDateTime: {quoted('=' + self._date(when, 'Observation.effectiveDateTime'))}"
        else:
            self._ask("no column says when the results were taken: the effective time is left out")
        issued = self._reported()
        if issued is not None:
            yield f"  issued: {quoted('=' + self._instant(issued, 'Observation.issued'))}"
        yield from self._place()
        yield from self._performers()
        if value is not None:
            yield from self._value(value, unit)
        else:
            yield from self._no_value()
        yield from self._interpretation()
        yield from self._notes("Observation.", *phases)
        yield from self._text("bodySite", "body-site", "laterality", of="Observation.")
        yield from self._text("method", "method", of="Observation.")
        yield from self._of_sample()
        if device := self._device("Observation.device"):
            yield f"  device: {device}"
        yield from self._range(
            unit if unit is not None and unit.of == (value.column if value else "") else None, value
        )

    def _by_name(self, text: Guess | None, measures: dict[str, Measure]) -> str:
        """The coding of LOINC that the names of tests mean, which is asked."""
        if text is None or not measures:
            return ""
        shown = "; ".join(f"{name} {each.name} (LOINC {each.code})" for name, each in measures.items())
        self._ask(f"{text.column}: are the codes right that are suggested: {shown}?")
        cases = ", ".join(
            f"{quoted(name)}: {{system: {LOINC}, code: {each.code}, display: {quoted(each.name)}}}"
            for name, each in measures.items()
        )
        return f"{{match: {quoted(self._cell(text))}, {cases}, else: ~}}"

    def _no_value(self) -> Iterator[str]:
        """What stands for a result that no column is known to hold."""
        perhaps = [g.column for g in self._guesses if g.role == "number" and "`" not in g.column]
        shown = f": is it {', '.join(perhaps[:4])}?" if perhaps else ""
        self.questions.insert(
            0,
            f"no column holds the result{shown}; until one does, these Observations have no value: don't load them",
        )
        absent = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
        yield f"  dataAbsentReason: {{coding: [{{system: {absent}, code: unknown}}]}}"

    def _performers(self) -> Iterator[str]:
        """The laboratory; a provider of unknown part is none."""
        items = []
        for guess in self._all("organization", "provider", "provider-id"):
            concepts = frozenset[str]().union(*(part.concepts for part in slots(tokens(guess.name))))
            if (
                part_of(guess) in (VALIDATED, TOOK)
                or _SIGNED.search(tokens(guess.name))
                or concepts
                & {
                    "laboratory",
                    "perform",
                    "issue",
                    "verified",
                    "collect",
                    "administer",
                }
            ):
                items.append(self._reference("Observation.performer", guess))
        yield from listed("performer", items)

    def _category(self, codes: list[Guess], text: Guess | None, by_name: dict[str, Measure]) -> Iterator[str]:
        """The category: of a column that has R4's codes, and of vital signs, for which R4 asks."""
        entries = []
        for guess in self._guesses:
            place = self._sample.columns.index(guess.column)
            fitting = guess.role in ("category", "panel") and "`" not in guess.column
            words = sorted(set(self._sample.values(place)) & _CATEGORIES) if fitting else []
            if words:
                known = ", ".join(literal(word) for word in words)
                here = self._cell(guess, "Observation.category")
                entries.append(
                    f"{{when: {quoted(f'{here} in [{known}]')}, coding: [{{system: {CATEGORY}, code: {quoted('=' + here)}}}]}}"
                )
        loinc = next((code for code in codes if code.system == LOINC), None)
        if not entries and loinc is not None:
            values = set(cells_of(self._sample, loinc))
            vital = sorted(values & VITAL_SIGNS)
            if vital:
                known = ", ".join(literal(word) for word in vital)
                condition = quoted(f"{self._cell(loinc)} in [{known}]")
                entries.append(f"{{when: {condition}, coding: [{{system: {CATEGORY}, code: vital-signs}}]}}")
        named = sorted(name for name, each in by_name.items() if each.code in VITAL_SIGNS)
        if not entries and named and text is not None:
            known = ", ".join(literal(name) for name in named)
            condition = quoted(f"{self._cell(text)} in [{known}]")
            entries.append(f"{{when: {condition}, coding: [{{system: {CATEGORY}, code: vital-signs}}]}}")
        yield from listed("category", entries)

    def _value(self, value: Guess, unit: Guess | None) -> Iterator[str]:
        stated = (
            self._cell(unit, "Observation.value.unit")
            if unit is not None
            else literal(value.unit)
            if value.unit
            else "null"
        )
        if unit is None and not value.unit:
            self.questions.append(f"{value.column}: what unit do the values have?")
        here = self._cell(value, "Observation.value")
        cells = cells_of(self._sample, value)
        if value.decimal:
            number = f"matches({here}, '{NUMBER}')"
            yield f"  valueQuantity: {quoted(f'=quantity({here}, {stated}) if {number} else null')}"
            yield f"  valueString: {quoted(f'={here} if not {number} else null')}"
        elif any(any(c.isdigit() for c in v) for v in cells) or len(set(cells)) > 12:
            yield f"  valueString: {quoted('=' + here)}"
        else:
            yield f"  valueCodeableConcept: {{text: {quoted('=' + here)}}}"

    def _interpretation(self) -> Iterator[str]:
        guess = self._one("flag")
        if guess is None:
            return
        known = by_word(_FLAGS)
        here = self._cell(guess, "Observation.interpretation")
        cases, lacking, assumed = [], [], []
        values = self._values(guess)
        words = dict.fromkeys(v.casefold() for v in values)
        if not guess.words and set(words) & (
            _LETTERS - {"n"}
        ):  # other exports have letters that no row here has
            words |= dict.fromkeys(sorted(_LETTERS))
        for word in words:
            code = known.get(word)
            if guess.words:
                code = "A" if word == guess.words["true"] else "N"
            if code is None:
                lacking.append(word)
            else:
                cases.append(f"{quoted(word)}: {{coding: [{{system: {_INTERPRETATION}, code: {code}}}]}}")
                seen = any(word == v.casefold() for v in values)
                if seen and (
                    not word.isalpha() or word in ("a", "n") or code in ("HH", "LL", "AA") or guess.words
                ):
                    assumed.append(f"{word!r} → {code}")
        if assumed:
            self._ask(
                f"{guess.column}: do its words mean HL7's codes of an interpretation, as is assumed: {', '.join(assumed)}?"
            )
        if lacking:
            self._ask(
                f"{guess.column}: which interpretation does each of these mean: {', '.join(lacking[:8])}? They are kept as text"
            )
        rest = f"else: {{text: {quoted('=' + here)}}}"
        yield f"  interpretation:\n  - {{match: {quoted(f'lower({here})')}, {', '.join([*cases, 'empty: ~', rest])}}}"

    def _range(self, unit: Guess | None, value: Guess | None) -> Iterator[str]:
        low, high, text = self._one("range-low"), self._one("range-high"), self._one("range")
        stated = (
            self._cell(unit, "Observation.referenceRange")
            if unit is not None
            else literal(value.unit)
            if value is not None and value.unit
            else "null"
        )
        parts, given = [], []
        for element, guess in (("low", low), ("high", high)):
            if guess is not None and guess.decimal:
                limit = f"=quantity({self._cell(guess, 'Observation.referenceRange')}, {stated})"
                parts.append(f"{element}: {quoted(limit)}")
                given.append(guess)
        if text is not None:
            parts.append(f"text: {quoted('=' + self._cell(text, 'Observation.referenceRange'))}")
            given.append(text)
        if parts:
            yield f"  referenceRange:\n  - {{when: {quoted(' or '.join(cell(g.column) for g in given))}, {', '.join(parts)}}}"
