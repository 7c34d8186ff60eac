# ruff: noqa: E501 - lines of YAML and patterns are written as they come out
"""The principal diagnosis of a visit: a Condition that its Encounter refers to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.lexicon import tokens
from fhir_bridge.workshop.first_mapping.people import depends_on
from fhir_bridge.workshop.first_mapping.writing import Writer, listed, literal, quoted

__all__ = ["MainDiagnosisWriter"]

_MAIN: Final = re.compile(
    r"\b(hd|hdia|hauptd\w*|principal\w*|primary|primaria|primario|dp|pdx|main|princip\w*|hoofdd\w*)\b"
)
"""Names of columns of the principal diagnosis."""
_OTHER: Final = re.compile(
    r"admi(t|ss)|aufnahm|einweis|ingres|zuweis|refer|opname|secondary|neben|complic|procedure|proced|care|insur"
)
"""Names of columns of other ones: why the patient came, beside it, of what was done."""
_RULE: Final = "main-diagnosis"
_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/condition-category"


class MainDiagnosisWriter(Writer):
    """Writes the principal diagnosis of visits."""

    def _main_diagnosis(self) -> list[Guess]:
        """The columns of the principal diagnosis: of its code, else of its text; none where a visit has several of it."""
        number = self._one("encounter-id")
        if self._plan.event != "Encounter" or number is None or self._one("patient-id") is None:
            return []
        codes = [g for g in self._codes_of("diagnosis") if not g.of]
        texts = [g for g in self._all("diagnosis") if not g.of]
        for guess in [*codes, *texts]:
            words = tokens(guess.name)
            if _MAIN.search(words) and not _OTHER.search(words) and depends_on(self._sample, guess, number):
                return [guess]
        return []

    def _diagnosis(self) -> Iterator[str]:
        """The element of the Encounter."""
        for guess in self._main_diagnosis():
            is_code = guess.role == "code"
            here = self._cell(guess, "Condition.code.coding" if is_code else "Condition.code.text")
            if is_code and (text := self._text_of([guess])) is not None:
                self._cell(text, "Condition.code.text")
            reference = f"=ref({literal(_RULE)})"
            yield from listed(
                "diagnosis", [f"{{when: {quoted(here)}, condition: {quoted(reference)}, rank: 1}}"]
            )
            self._ask(
                f"{guess.column}: is it the principal diagnosis of the visit (a Condition in Encounter.diagnosis), as is assumed, "
                "or why the patient came (Encounter.reasonCode)?"
            )

    def _main_condition(self) -> Iterator[str]:
        """The rule of the Condition."""
        for guess in self._main_diagnosis():
            number, patient = self._one("encounter-id"), self._one("patient-id")
            if number is None or patient is None:
                return
            is_code = guess.role == "code"
            yield self._rule(_RULE)
            yield f"  when: {quoted(self._cell(guess))}"
            yield "  as: Condition"
            yield f"  key: [{quoted(self._cell(patient, 'key'))}, {quoted(self._cell(number, 'key') + ('?' if number.filled < len(self._sample.rows) or number.local else ''))}]"
            yield f"  category: [{{coding: [{{system: {_CATEGORY}, code: encounter-diagnosis}}]}}]"
            yield from self._coded(
                "code", [guess] if is_code else [], self._text_of([guess]) if is_code else guess, "Condition."
            )
            yield from self._subject()
            yield from self._visit()
