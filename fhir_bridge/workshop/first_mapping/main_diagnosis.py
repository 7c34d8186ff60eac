# ruff: noqa: E501 - lines of YAML and patterns are written as they come out
"""The diagnoses of a visit: Conditions that its Encounter refers to, the principal one first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.keys import depends_on_all
from fhir_bridge.workshop.first_mapping.lexicon import tokens
from fhir_bridge.workshop.first_mapping.writing import Writer, listed, literal, quoted

__all__ = ["MainDiagnosisWriter"]

_MAIN: Final = re.compile(
    r"\b(hd|hdia|hauptd\w*|principal\w*|primary|primaria|primario|dp|pdx|main|princip\w*|hoofdd\w*)\b"
)
"""Names of columns of the principal diagnosis."""
_OTHER: Final = re.compile(
    r"admi(t|ss)|aufnahm|einweis|ingres|zuweis|refer|opname|secondary|neben|complic|procedure|proced|care|insur|arrival|triage|verwijs|henvis|"
    r"remiss|entrada|inskriv|innlegg|indlaeg|symptom|reason|motiv|grund|working|provisional|presunt|sospech|hipot|suspected|verdacht|differential|history|antecedent"
)
"""Names of columns of other ones: why the patient came, beside it, of what was done."""
_RULE: Final = "main-diagnosis"
_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/condition-category"


class MainDiagnosisWriter(Writer):
    """Writes the diagnoses of visits."""

    def _visit_key(self) -> list[Guess]:
        """What a visit is known by: its number, else its patient and when it began; nothing where neither is known."""
        patient, number, start = (self._one(role) for role in ("patient-id", "encounter-id", "admitted"))
        if self._plan.event != "Encounter" or patient is None:
            return []
        other = number if number is not None else start
        return [patient, other] if other is not None else []

    def _visit_diagnoses(self) -> list[tuple[Guess, str]]:
        """The columns of diagnoses, of their codes, else of their texts, each with its rule; those of which a visit has several are none.

        Where a name says which is the principal one, the others are reasons.
        """
        key = self._visit_key()
        if not key:
            return []
        known = []
        for guess in [*self._codes_of("diagnosis"), *self._all("diagnosis")]:
            if guess.of or _OTHER.search(tokens(guess.name)):
                continue
            if depends_on_all(self._sample, guess, key[-1:] if key[-1].role == "encounter-id" else key):
                known.append(guess)
        main = next((guess for guess in known if _MAIN.search(tokens(guess.name))), None)
        if main is not None:
            return [(main, _RULE)]
        coded = [guess for guess in known if guess.role == "code"]
        return [
            (guess, "diagnosis" if number == 0 else f"diagnosis-{self._label(guess)}")
            for number, guess in enumerate(coded or known)
        ]

    def _diagnosis(self) -> Iterator[str]:
        """The element of the Encounter."""
        items, columns = [], []
        for guess, rule in self._visit_diagnoses():
            is_code = guess.role == "code"
            here = self._cell(guess, "Condition.code.coding" if is_code else "Condition.code.text")
            if is_code and (text := self._text_of([guess])) is not None:
                self._cell(text, "Condition.code.text")
            rank = ", rank: 1" if rule == _RULE else ""
            items.append(f"{{when: {quoted(here)}, condition: {quoted(f'=ref({literal(rule)})')}{rank}}}")
            columns.append(guess.column)
            if rule == _RULE:
                self._ask(
                    f"{guess.column}: is it the principal diagnosis of the visit (a Condition in Encounter.diagnosis), as is assumed, "
                    "or why the patient came (Encounter.reasonCode)?"
                )
                columns = []
        if columns:
            self._ask(
                f"{', '.join(columns)}: is it a diagnosis of the visit (a Condition in Encounter.diagnosis), as is assumed, "
                "or why the patient came (Encounter.reasonCode)?"
            )
        yield from listed("diagnosis", items)

    def _visit_conditions(self) -> Iterator[str]:
        """The rules of the Conditions."""
        patient, other = (self._visit_key() or (None, None))[:2]
        for guess, rule in self._visit_diagnoses():
            if patient is None or other is None:
                return
            is_code = guess.role == "code"
            optional = "?" if other.filled < len(self._sample.rows) or other.local else ""
            yield self._rule(rule)
            yield f"  when: {quoted(self._cell(guess))}"
            yield "  as: Condition"
            yield f"  key: [{quoted(self._cell(patient, 'key'))}, {quoted(self._cell(other, 'key') + optional)}]"
            yield f"  category: [{{coding: [{{system: {_CATEGORY}, code: encounter-diagnosis}}]}}]"
            yield from self._coded(
                "code", [guess] if is_code else [], self._text_of([guess]) if is_code else guess, "Condition."
            )
            yield from self._subject()
            yield from self._visit()
