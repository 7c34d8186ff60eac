# ruff: noqa: E501 - lines of YAML and patterns are written as they come out
"""The rule of tables with a result in each row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from fhir_bridge.workshop.first_mapping.guessing import Guess
from fhir_bridge.workshop.first_mapping.headers import language_of
from fhir_bridge.workshop.first_mapping.lexicon import slots, tokens
from fhir_bridge.workshop.first_mapping.measures import Measure
from fhir_bridge.workshop.first_mapping.names_of_tests import codes_of_names
from fhir_bridge.workshop.first_mapping.numbers import is_pressure
from fhir_bridge.workshop.first_mapping.parts import TOOK, VALIDATED, part_of
from fhir_bridge.workshop.first_mapping.pressures import is_elsewhere
from fhir_bridge.workshop.first_mapping.selecting import cells_of
from fhir_bridge.workshop.first_mapping.statuses import by_word
from fhir_bridge.workshop.first_mapping.values import LOINC, share
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

_PAIR: Final = "[0-9]{2,3} ?/ ?[0-9]{2,3}"
"""An upper and a lower pressure, as an expression of the language."""
_MOST: Final = 0.8
_LETTERS: Final = frozenset("h l hh ll a aa n".split())
"""Letters of HL7's table 0078 that results have: a table that has one may have the others in another export."""


_SIGNED: Final = re.compile(r"\bauthori[sz]ed")
"""Names of columns of who let a result out; who orders drugs is called so as well."""


def _as_a_set(words: Iterable[str], language: str) -> dict[str, str]:
    """What letters mean beside one another: `A` and `B` are alto and basso, and beside H a B or a T is low; empty for nothing known."""
    letters = {word for word in words if len(word) == 1 and word.isalpha()}
    romance = language in ("it", "es", "fr")
    if "b" in letters and "h" not in letters and "l" not in letters and "a" in letters:
        return {"a": "H", "b": "L"} if romance else {"a": "", "b": ""}
    if romance and letters & {"a", "b"} and not letters & {"h", "l"}:
        return {"a": "", "b": ""}  # alto, or abnormal
    return {letter: "L" for letter in letters & {"b", "t"} if "h" in letters and "l" not in letters}


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
        paired = self._pressures(text, value) if timed else []
        yield from self._category(codes, text, by_name, value, paired)
        if named:
            extra = [self._by_name(text, by_name, value), self._panel(text, value, paired)]
            shown = ", ".join(each for each in extra if each)
            yield from self._coded("code", codes, text, "Observation.", extra=shown)
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
            yield from self._value(value, unit, text, paired)
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

    def _pressures(self, text: Guess | None, value: Guess | None) -> list[str]:
        """The names of tests whose results are an upper and a lower pressure of the body: `126/83`."""
        if text is None or value is None:
            return []
        names, results = (self._sample.columns.index(g.column) for g in (text, value))
        cells: dict[str, list[str]] = {}
        for row in self._sample.rows:
            if row[results].strip() and row[results].strip() not in value.missing:
                cells.setdefault(row[names].strip(), []).append(row[results].strip())
        paired = [name for name, each in cells.items() if name and share(each, is_pressure) >= _MOST]
        paired = [name for name in paired if not is_elsewhere(name)]
        if paired:
            shown = ", ".join(paired)
            self._ask(
                f"{text.column}: is {shown} the blood pressure of the body (LOINC 85354-9), as is assumed?"
            )
        return paired

    def _is_paired(self, text: Guess, value: Guess, paired: Sequence[str]) -> str:
        """The condition of rows whose result is two pressures."""
        known = ", ".join(map(literal, paired))
        return f"{self._cell(text)} in [{known}] and matches({self._cell(value)}, '{_PAIR}')"

    def _panel(self, text: Guess | None, value: Guess | None, paired: list[str]) -> str:
        """The coding of a blood pressure."""
        if text is None or value is None or not paired:
            return ""
        display = "Blood pressure panel with all children optional"
        return f"{{when: {quoted(self._is_paired(text, value, paired))}, system: {LOINC}, code: 85354-9, display: {display}}}"

    def _by_name(self, text: Guess | None, measures: dict[str, Measure], value: Guess | None) -> str:
        """The coding of LOINC that the names of tests mean, which is asked; R4 asks of vital signs that they have a number."""
        if text is None or not measures:
            return ""
        shown = "; ".join(f"{name} {each.name} (LOINC {each.code})" for name, each in measures.items())
        self._ask(f"{text.column}: are the codes right that are suggested: {shown}?")
        cases = ", ".join(
            f"{quoted(name)}: {{system: {LOINC}, code: {each.code}, display: {quoted(each.name)}}}"
            for name, each in measures.items()
        )
        here = self._cell(text)
        vital = [name for name, each in measures.items() if each.code in VITAL_SIGNS]
        if value is not None and vital:
            known = ", ".join(map(literal, vital))
            here = (
                f"(null if {here} in [{known}] and not matches({self._cell(value)}, '{NUMBER}') else {here})"
            )
        return f"{{match: {quoted(here)}, {cases}, else: ~}}"

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

    def _category(
        self,
        codes: list[Guess],
        text: Guess | None,
        by_name: dict[str, Measure],
        value: Guess | None,
        paired: list[str],
    ) -> Iterator[str]:
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
            number = f" and matches({self._cell(value)}, '{NUMBER}')" if value is not None else ""
            condition = quoted(f"{self._cell(text)} in [{known}]{number}")
            entries.append(f"{{when: {condition}, coding: [{{system: {CATEGORY}, code: vital-signs}}]}}")
        if text is not None and value is not None and paired:
            condition = quoted(self._is_paired(text, value, paired))
            entries.append(f"{{when: {condition}, coding: [{{system: {CATEGORY}, code: vital-signs}}]}}")
        yield from listed("category", entries)

    def _value(
        self, value: Guess, unit: Guess | None, text: Guess | None = None, paired: Sequence[str] = ()
    ) -> Iterator[str]:
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
        if value.decimal or paired:
            number = f"matches({here}, '{NUMBER}')"
            other = f"({self._is_paired(text, value, paired)})" if text is not None and paired else ""
            yield f"  valueQuantity: {quoted(f'=quantity({here}, {stated}) if {number} else null')}"
            but = f" and not {other}" if other else ""
            yield f"  valueString: {quoted(f'={here} if not {number}{but} else null')}"
            if other:
                yield "  component:"
                for place, code, display in (
                    (0, "8480-6", "Systolic blood pressure"),
                    (1, "8462-4", "Diastolic blood pressure"),
                ):
                    part = f"split({here}, '/')[{place}] | quantity('mm[Hg]')"
                    yield f"  - when: {quoted(other)}"
                    yield f"    code: {{coding: [{{system: {LOINC}, code: {code}, display: {display}}}]}}"
                    yield f"    valueQuantity: {quoted('=' + part)}"
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
        meant = _as_a_set(words, language_of(self._sample.columns))
        if (
            not guess.words and "a" not in meant and set(words) & (_LETTERS - {"n"})
        ):  # other exports have letters that no row here has
            words |= dict.fromkeys(sorted(_LETTERS))
        for word in words:
            code = meant.get(word, known.get(word)) or None
            if guess.words:
                code = "A" if word == guess.words["true"] else "N"
            if code is None:
                lacking.append(word)
            else:
                cases.append(f"{quoted(word)}: {{coding: [{{system: {_INTERPRETATION}, code: {code}}}]}}")
                seen = any(word == v.casefold() for v in values)
                if seen and (
                    not word.isalpha()
                    or word in ("a", "n")
                    or word in meant
                    or code in ("HH", "LL", "AA")
                    or guess.words
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
