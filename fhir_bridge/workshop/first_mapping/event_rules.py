# ruff: noqa: E501 - lines of YAML and patterns are written as they come out
"""The rules of tables whose rows have a code, or are visits."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fhir_bridge.workshop.first_mapping.guessing import Guess
from fhir_bridge.workshop.first_mapping.tables import main_code
from fhir_bridge.workshop.first_mapping.values import ICD10, LOINC
from fhir_bridge.workshop.first_mapping.writing import VITAL_SIGNS, Writer, cell, either, literal, quoted

__all__ = ["EventRules"]

_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
_CATEGORIES = frozenset(
    "social-history vital-signs imaging laboratory procedure survey exam therapy activity".split()
)
_CLASSES = {
    "AMB": r"amb|outpatient|office|wellness|poli",
    "EMER": r"emer|urgent|notfall|urgenc|urgenz|pronto",
    "IMP": r"inp|station|hospital|ward|ricover|ingres",
    "HH": r"home",
    "VR": r"virt|tele",
}


class EventRules(Writer):
    """Writes the rule of what a row is about."""

    def _observation(self) -> Iterator[str]:
        code, value, unit = main_code(self._guesses), self._one("value"), self._one("unit")
        text = self._one("display") if code is None else None
        when = self._one("date-time", "date", "start")
        yield "- rule: result"
        yield "  as: Observation"
        yield self._key(self._one("patient-id"), self._one("encounter-id"), when, code or text)
        yield from self._time(when)
        yield self._status("Observation", "final", "the status of every result is taken for final: is it?")
        yield from self._category(code)
        if code is not None:
            yield from self._coded("code", code)
        elif text is not None:
            yield f"  code: {{text: {quoted('=' + self._cell(text))}}}"
        yield from self._subject()
        yield from self._visit()
        if when is not None:
            yield f"  effectiveDateTime: {quoted('=' + self._date(when))}"
        if value is not None:
            yield from self._value(value, unit)
        yield from self._range()

    def _category(self, code: Guess | None) -> Iterator[str]:
        """The category: of a column that has R4's codes, and of vital signs, for which R4 asks."""
        entries = []
        for guess in self._guesses:
            place = self._sample.columns.index(guess.column)
            words = sorted(set(self._sample.values(place)) & _CATEGORIES) if guess.role == "category" else []
            if words and "`" not in guess.column:
                known = ", ".join(literal(word) for word in words)
                here = self._cell(guess)
                entries.append(
                    f"  - {{when: {quoted(f'{here} in [{known}]')}, "
                    f"coding: [{{system: {_CATEGORY}, code: {quoted('=' + here)}}}]}}"
                )
        if not entries and code is not None and code.system == LOINC:
            values = set(self._sample.values(self._sample.columns.index(code.column)))
            vital = sorted(values & VITAL_SIGNS)
            if vital:
                known = ", ".join(literal(word) for word in vital)
                condition = quoted(f"{self._cell(code)} in [{known}]")
                entries.append(
                    f"  - {{when: {condition}, coding: [{{system: {_CATEGORY}, code: vital-signs}}]}}"
                )
        if entries:
            yield "  category:"
            yield from entries

    def _value(self, value: Guess, unit: Guess | None) -> Iterator[str]:
        stated = self._cell(unit) if unit is not None else literal(value.unit) if value.unit else "null"
        if unit is None and not value.unit:
            self.questions.append(f"{value.column}: what unit do the values have?")
        here = self._cell(value)
        if value.decimal:
            number = f"matches({here}, '[<>]?=? ?[-+]?[0-9]+([., ][0-9]+)*')"
            yield f"  valueQuantity: {quoted(f'={here} | quantity({stated}) if {number} else null')}"
            yield f"  valueString: {quoted(f'={here} if not {number} else null')}"
        else:
            yield f"  valueString: {quoted('=' + here)}"

    def _range(self) -> Iterator[str]:
        low, high, text = self._one("range-low"), self._one("range-high"), self._one("range")
        if low is None and high is None and text is None:
            return
        parts = []
        for element, guess in (("low", low), ("high", high)):
            if guess is not None and guess.decimal:
                parts.append(f"{element}: {quoted(f'=quantity({self._cell(guess)}, null)')}")
        if text is not None:
            parts.append(f"text: {quoted('=' + self._cell(text))}")
        if parts:
            given = [g for g in (low, high, text) if g is not None and g.column in self.used]
            yield f"  referenceRange:\n  - {{when: {quoted(' or '.join(cell(g.column) for g in given))}, {', '.join(parts)}}}"

    def _encounter(self) -> Iterator[str]:
        start, end, kind, code = (
            self._one("start", "date-time", "date"),
            self._one("end"),
            None,
            main_code(self._guesses),
        )
        for guess in self._guesses:
            if guess.role == "category" and re.search(r"class|type|art|kind", guess.column.casefold()):
                kind = guess
                break
        number = self._one("encounter-id", "id")
        yield "- rule: encounter"
        yield "  as: Encounter"
        yield self._key(number or self._one("patient-id"), None if number else start)
        yield from self._time(start)
        if number is not None:
            yield f"  identifier:\n  - {{system: {quoted(self._authority + ':encounter')}, value: {quoted('=' + self._cell(number))}}}"
        if end is not None and self._status_cases("Encounter") is None:
            yield f"  status: {either(self._cell(end), 'finished', 'in-progress')}"
        else:
            question = "the status of every visit is taken for finished: is it?"
            yield self._status("Encounter", "finished", question)
        yield from self._class(kind)
        if code is not None:
            element = "reasonCode" if code.system == ICD10 else "type"
            yield from self._listed(self._coded(element, code))
        yield from self._subject()
        if start is not None:
            ending = f", {self._stamp(end)}" if end is not None else ", null"
            yield f"  period: {quoted(f'=period({self._stamp(start)}{ending})')}"

    def _class(self, kind: Guess | None) -> Iterator[str]:
        system = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
        if kind is None:
            self.questions.append("the class of every visit is taken for ambulatory (AMB): is it?")
            yield f"  class: {{system: {system}, code: AMB}}"
            return
        place = self._sample.columns.index(kind.column)
        yield f"  class:\n    match: {quoted(self._cell(kind))}"
        for word in dict.fromkeys(self._sample.values(place)):
            code = next(
                (code for code, pattern in _CLASSES.items() if re.search(pattern, word.casefold())), "AMB"
            )
            if not re.search(_CLASSES[code], word.casefold()):
                self.questions.append(f"{kind.column}: {word!r} is taken for ambulatory (AMB): is it?")
            yield f"    {quoted(word)}: {{system: {system}, code: {code}}}"
        yield f"    empty: {{system: {system}, code: AMB}}\n    else: flag"

    @staticmethod
    def _listed(lines: Iterator[str]) -> Iterator[str]:
        """An object as the one item of a list."""
        head, *rest = lines
        yield head
        for number, line in enumerate(rest):
            yield ("  - " if number == 0 else "    ") + line.strip()

    def _event(self) -> Iterator[str]:
        kind = self._plan.event
        code = main_code(self._guesses)
        assert code is not None
        start, end = self._one("start", "date-time", "date"), self._one("end")
        yield f"- rule: {re.sub('(?<=[a-z])(?=[A-Z])', '-', kind).lower()}"
        yield f"  as: {kind}"
        yield self._key(self._one("patient-id"), self._one("encounter-id"), code, start)
        yield from self._time(start)
        if kind in ("Condition", "AllergyIntolerance"):
            yield from self._clinical(kind, end)
        else:
            status = {"MedicationStatement": "active", "Immunization": "completed", "Procedure": "completed"}[
                kind
            ]
            if kind == "MedicationStatement" and end is not None and self._status_cases(kind) is None:
                yield f"  status: {either(self._cell(end), 'completed', 'active')}"
            else:
                question = f"the status of every {kind} is taken for {status}: is it?"
                yield self._status(kind, status, question)
        element = {"MedicationStatement": "medicationCodeableConcept", "Immunization": "vaccineCode"}.get(
            kind, "code"
        )
        yield from self._coded(element, code)
        yield from self._subject("patient" if kind in ("Immunization", "AllergyIntolerance") else "subject")
        if kind == "MedicationStatement":
            yield from self._context()
        else:
            yield from self._visit()
        yield from self._times(kind, start, end)

    def _context(self) -> Iterator[str]:
        yield from (line.replace("  encounter:", "  context:", 1) for line in self._visit())

    def _clinical(self, kind: str, end: Guess | None) -> Iterator[str]:
        system = f"http://terminology.hl7.org/CodeSystem/{'condition-clinical' if kind == 'Condition' else 'allergyintolerance-clinical'}"
        stated = self._status_cases(kind)
        if stated is not None:
            expression, codes = stated
            cases = ", ".join(
                f"{quoted(word)}: {{coding: [{{system: {system}, code: {code}}}]}}"
                for word, code in codes.items()
            )
            yield f"  clinicalStatus: {{match: {quoted(expression)}, {cases}, else: flag}}"
            return
        code = either(self._cell(end), "resolved", "active") if end is not None else "active"
        yield f"  clinicalStatus: {{coding: [{{system: {system}, code: {code}}}]}}"
        if end is None:
            self.questions.append(f"every {kind} is taken for active: is it?")

    def _times(self, kind: str, start: Guess | None, end: Guess | None) -> Iterator[str]:
        if kind == "Immunization":
            if start is not None:
                yield f"  occurrenceDateTime: {quoted('=' + self._date(start))}"
            else:
                yield "  occurrenceString: unknown"
                self.questions.append("no column says when the vaccine was given")
        elif kind == "Condition":
            if start is not None:
                yield f"  onsetDateTime: {quoted('=' + self._date(start))}"
            if end is not None:
                yield f"  abatementDateTime: {quoted('=' + self._date(end))}"
        elif kind == "AllergyIntolerance":
            if start is not None:
                yield f"  recordedDate: {quoted('=' + self._date(start))}"
        elif start is not None:
            element = "effectivePeriod" if kind == "MedicationStatement" else "performedPeriod"
            ending = self._stamp(end) if end is not None else "null"
            yield f"  {element}: {quoted(f'=period({self._stamp(start)}, {ending})')}"
