# ruff: noqa: E501 - lines of YAML and patterns are written as they come out
"""The rules of wide tables: a column each measurement."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fhir_bridge.workshop.first_mapping.guessing import Guess
from fhir_bridge.workshop.first_mapping.headers import bare, tokens
from fhir_bridge.workshop.first_mapping.values import LOINC
from fhir_bridge.workshop.first_mapping.writing import VITAL_SIGNS, Writer, cell, quoted

__all__ = ["WideRules"]

_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"


class WideRules(Writer):
    """Writes a rule for measurements, one for findings, one for what is yes or no."""

    def _wide(self) -> Iterator[str]:
        when = self._one("date-time", "date", "start")
        measures = [guess for guess in self._plan.measures if "`" not in guess.column]
        upper, lower = self._side(measures, "systolic|sbp|syst"), self._side(measures, "diastolic|dbp|diast")
        if upper is not None and lower is not None:
            measures = [guess for guess in measures if guess is not upper and guess is not lower]
            yield from self._pressure(cell(upper.column), cell(lower.column), when)
            self.used |= {upper.column, lower.column}
        groups = (
            ("measurement", [g for g in measures if g.role in ("number", "age")]),
            (
                "finding",
                [g for g in measures if g.role not in ("number", "age", "boolean", "blood-pressure")],
            ),
            ("yes-no", [g for g in measures if g.role == "boolean"]),
        )
        for rule, guesses in groups:
            if guesses:
                yield from self._unpivoted(rule, guesses, when)
        for guess in measures:
            if guess.role == "blood-pressure":
                here = self._cell(guess)
                yield from self._pressure(f"split({here}, '/')[0]", f"split({here}, '/')[1]", when, guess)
        if when is None:
            self.questions.append("no column says when the measurements were taken")

    @staticmethod
    def _side(measures: list[Guess], pattern: str) -> Guess | None:
        fitting = [g for g in measures if g.role == "number" and re.search(pattern, tokens(g.column))]
        return fitting[0] if len(fitting) == 1 else None

    def _unpivoted(self, rule: str, guesses: list[Guess], when: Guess | None) -> Iterator[str]:
        yield f"- rule: {rule}"
        yield "  unpivot:"
        complete = when is not None and self._one("patient-id") is not None
        for guess in guesses:
            self.used.add(guess.column)
            yield self._spec(guess, complete=complete)
        yield "  as: Observation"
        yield self._key(self._one("patient-id", "encounter-id"), when, extra="column")
        yield from self._time(when)
        yield self._result_status()
        vital = sorted({g.coding[1] for g in guesses if g.coding is not None and g.coding[1] in VITAL_SIGNS})
        if vital:
            codes = ", ".join(f"'{code}'" for code in vital)
            yield "  category:"
            yield f'  - {{when: "spec.code in [{codes}]", coding: [{{system: {_CATEGORY}, code: vital-signs}}]}}'
        yield "  code:"
        if any(guess.coding for guess in guesses):
            yield '    coding: [{when: "spec.code", system: "=spec.system", code: "=spec.code", display: "=spec.display"}]'
        yield '    text: "=spec.text"'
        yield from self._subject()
        yield from self._visit()
        if when is not None:
            yield f"  effectiveDateTime: {quoted('=' + self._date(when))}"
        yield self._result(rule, guesses)

    def _spec(self, guess: Guess, *, complete: bool) -> str:
        """What is fixed for a column: code, unit, text."""
        parts: list[str] = []
        note = ""
        if guess.coding is not None and guess.coding[1] in VITAL_SIGNS and not complete:
            note = f"  # suggested: LOINC {guess.coding[1]}, once patient and time are known (R4 vital signs)"
            guess.coding = None
        elif guess.coding is not None:
            system, code, display, score = guess.coding
            parts += [f"system: {quoted(system)}", f"code: {quoted(code)}", f"display: {quoted(display)}"]
            note = f"  # suggested, {score:.2f}; check it"
        elif guess.near:
            note = f"  # no code is sure; near: {'; '.join(guess.near)}"
        if guess.unit:
            parts.append(f"unit: {quoted(guess.unit)}")
        elif guess.role == "number":
            self.questions.append(f"{guess.column}: what unit do its numbers have, if any?")
        parts.append(f"text: {quoted(bare(guess.column))}")
        return f"    {quoted(guess.column)}: {{{', '.join(parts)}}}{note}"

    def _result_status(self) -> str:
        return self._status("Observation", "final", "the status of every result is taken for final: is it?")

    @staticmethod
    def _result(rule: str, guesses: list[Guess]) -> str:
        if rule == "measurement":
            unit = "spec.unit" if any(guess.unit for guess in guesses) else "null"
            return f'  valueQuantity: "=value | quantity({unit})"'
        if rule == "finding":
            return '  valueCodeableConcept: {text: "=value"}'
        yes = sorted({guess.words["true"] for guess in guesses})
        no = sorted({guess.words["false"] for guess in guesses})
        cases = ", ".join([f"{quoted('|'.join(yes))}: true", f"{quoted('|'.join(no))}: false"])
        return f'  valueBoolean: {{match: "lower(value)", {cases}, else: flag}}'

    def _pressure(
        self, upper: str, lower: str, when: Guess | None, guess: Guess | None = None
    ) -> Iterator[str]:
        condition = cell(guess.column) if guess is not None else f"{upper} or {lower}"
        complete = when is not None and self._one("patient-id") is not None
        yield "- rule: blood-pressure"
        yield f"  when: {quoted(condition)}"
        yield "  as: Observation"
        yield self._key(self._one("patient-id", "encounter-id"), when, extra="'blood pressure'")
        yield self._result_status()
        if complete:
            yield f"  category:\n  - coding: [{{system: {_CATEGORY}, code: vital-signs}}]"
            panel = f"{{system: {LOINC}, code: 85354-9, display: Blood pressure panel with all children optional}}"
            yield f"  code: {{coding: [{panel}]}}"
        else:
            yield "  code: {text: Blood pressure}  # LOINC 85354-9, once patient and time are known (R4 vital signs)"
        yield from self._subject()
        yield from self._visit()
        if when is not None:
            yield f"  effectiveDateTime: {quoted('=' + self._date(when))}"
        yield "  component:"
        for expression, code, display in (
            (upper, "8480-6", "Systolic blood pressure"),
            (lower, "8462-4", "Diastolic blood pressure"),
        ):
            value = quoted(f"={expression} | quantity('mm[Hg]')")
            yield f"  - code: {{coding: [{{system: {LOINC}, code: {code}, display: {display}}}]}}"
            yield f"    valueQuantity: {value}"
