# ruff: noqa: E501 - lines of YAML and patterns are written as they come out
"""The rules of wide tables: a column each measurement."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from fhir_bridge.workshop.first_mapping.chart_procedure import ChartProcedureWriter
from fhir_bridge.workshop.first_mapping.counts import is_count
from fhir_bridge.workshop.first_mapping.guessing import Guess
from fhir_bridge.workshop.first_mapping.headers import bare
from fhir_bridge.workshop.first_mapping.lexicon import tokens
from fhir_bridge.workshop.first_mapping.parts import did
from fhir_bridge.workshop.first_mapping.phases import AFTER
from fhir_bridge.workshop.first_mapping.pressures import PRESSURES
from fhir_bridge.workshop.first_mapping.qualifiers import QUALIFIERS, measured_by
from fhir_bridge.workshop.first_mapping.result_rules import CATEGORY, NUMBER
from fhir_bridge.workshop.first_mapping.statuses import NOTHING_THERE
from fhir_bridge.workshop.first_mapping.tables import requester
from fhir_bridge.workshop.first_mapping.values import LOINC
from fhir_bridge.workshop.first_mapping.writing import (
    VITAL_SIGNS,
    cell,
    concepts_of,
    listed,
    literal,
    quoted,
)

__all__ = ["WideRules"]

_BODILY: Final = [
    ("85354-9", "Blood pressure panel with all children optional"),
    ("8480-6", "Systolic blood pressure"),
    ("8462-4", "Diastolic blood pressure"),
]
"""Codes of LOINC for the blood pressure of the body and its components."""
_GENERAL: Final = ("body-site", "laterality", "method", "body-position")
_ENTRY: Final = re.compile(
    r"access|zugang|punction|punktion|puncture|punction|acceso|accesso|abord|approach|inject|injektion|einstich|incision|insert|cannul|katheter|catheter"
)
"""Names of columns of the place where a needle or a catheter went in."""
_ELEMENTS: Final = {
    "measured-where": "bodySite", "measured-how": "method", "body-site": "bodySite", "laterality": "bodySite", "method": "method",
}  # fmt: skip
"""Where what qualifies measurements goes; a position of the body has an extension."""


class WideRules(ChartProcedureWriter):
    """Writes a rule for measurements, one for findings, one for what is yes or no."""

    def _wide(self) -> Iterator[str]:
        event = self._plan.event
        inside = self._one("performed", "collected") if event == "Encounter" else None  # within the stay
        when = inside or self._when(event if event in ("Procedure", "Encounter") else "Observation")
        if when is not None and when.role == "admitted":
            self._ask(f"{when.column}: were the measurements taken then, as is assumed?")
        measures = [g for g in self._plan.measures if "`" not in g.column]
        bodily = [g for g in measures if not g.place]
        upper, lower = self._side(bodily, "8480-6"), self._side(bodily, "8462-4")
        if upper is not None and lower is not None and upper is not lower:
            measures = [guess for guess in measures if guess is not upper and guess is not lower]
            yield from self._pressure(upper, lower, when, "Blood pressure")
        numbers = [g for g in measures if g.role in ("number", "age")]
        pressures = [g for g in measures if g.role == "blood-pressure"]
        yes_no = [g for g in measures if g.words and g not in numbers]
        dated = [g for g in measures if g.role == "finding-date"]
        known = (*numbers, *pressures, *yes_no, *dated)
        groups = (
            ("measurement", numbers),
            ("finding", [g for g in measures if g not in known]),
            ("yes-no", yes_no),
            *((f"date of {bare(g.column)}", [g]) for g in dated),
        )
        for rule, guesses in groups:
            if guesses:
                yield from self._unpivoted(rule, guesses, when)
        for guess in pressures:
            one = len(pressures) == 1 and upper is lower and not guess.phase
            yield from self._pressure(guess, guess, when, "Blood pressure" if one else bare(guess.column))
        if when is None:
            self._ask("no column says when the measurements were taken")

    def _timed(self, when: Guess | None) -> str:
        """The condition of rows that have a time, without which R4 has no vital sign; empty where all have one."""
        if when is None or (when.filled == len(self._sample.rows) and not when.missing):
            return ""
        return self._cell(when)

    @staticmethod
    def _side(measures: list[Guess], code: str) -> Guess | None:
        fitting = [
            g for g in measures
            if g.role == "number" and ((g.coding and g.coding[1] == code) or any(near.startswith(code) for near in g.near))
        ]  # fmt: skip
        return fitting[0] if len(fitting) == 1 else None

    def _unpivoted(self, rule: str, guesses: list[Guess], when: Guess | None) -> Iterator[str]:
        yield self._rule(re.sub(r"\W+", "-", rule.casefold()).strip("-"))
        yield "  unpivot:"
        complete = when is not None and self._one("patient-id") is not None
        for guess in guesses:
            self.used.add(guess.column)
            guess.uses.append(f"Observation ({bare(guess.column)})")
            yield self._spec(guess, complete=complete)
        if any(self._unstated(guess) for guess in guesses):
            yield '  when: "not (value in spec.missing)"'
        yield "  as: Observation"
        yield self._qualified_key(guesses, when, "column")
        yield from self._time(when)
        yield self._result_status()
        coded = "spec.code"
        vital = sorted({g.coding[1] for g in guesses if g.coding is not None and g.coding[1] in VITAL_SIGNS})
        if vital:
            codes = ", ".join(f"'{code}'" for code in vital)
            dated = f"{self._timed(when)} and " if self._timed(when) else ""
            yield "  category:"
            yield f"  - {{when: {quoted(f'{dated}spec.code in [{codes}]')}, coding: [{{system: {CATEGORY}, code: vital-signs}}]}}"
            if dated:
                coded = f"spec.code and ({self._timed(when)} or not (spec.code in [{codes}]))"
        yield "  code:"
        if any(guess.coding for guess in guesses):
            yield f'    coding: [{{when: {quoted(coded)}, system: "=spec.system", code: "=spec.code", display: "=spec.display"}}]'
        yield '    text: "=spec.text"'
        yield from self._common(when, guesses)
        yield from self._qualified(guesses)
        yield from self._result(rule, guesses)

    def _common(self, when: Guess | None, guesses: list[Guess]) -> Iterator[str]:
        """What all results of a row have in common."""
        yield from self._subject()
        yield from self._visit()
        yield from self._measured_at(when, guesses)
        if self._plan.event:
            return
        issued = self._reported()
        if issued is not None:
            yield f"  issued: {quoted('=' + self._instant(issued, 'Observation.issued'))}"
        yield from self._order()
        lying = [
            (guess, f"{self._cell(guess)} and {only}" if only else self._cell(guess))
            for guess, only in self._qualifying(guesses)
            if guess.role == "measured-position"
        ]
        yield from self._place([self._in_position(guess, condition) for guess, condition in lying])
        people = [
            g for g in self._all("provider", "provider-id") if g is not requester(self._readable) and did(g)
        ]
        numbers = self._paired(people)
        yield from listed(
            "performer",
            [self._person("Observation.performer", g, numbers) for g in people if g not in numbers.values()],
        )
        studies = self._part_of_it()
        procedures = [g for g in self._all("event-id") if "procedure" in concepts_of(g)]
        for guess in [*self._all("study-id"), *procedures]:
            value = f"identifier: {{system: {quoted(f'{self._authority}:{self._label(guess)}')}, value: {quoted('=' + self._cell(guess, 'Observation.partOf'))}}}"
            target = (
                "ImagingStudy" if re.search(r"uid|dicom|image|scan", guess.column.casefold()) else "Procedure"
            )
            studies.append(f"{{when: {quoted(self._cell(guess))}, type: {target}, {value}}}")
        yield from listed("partOf", studies)
        yield from self._of_sample()
        if device := self._device("Observation.device"):
            self._ask(
                f"{', '.join(g.column for g in self._all('device') if g.uses)}: is it what all of its row was measured with, as is assumed?"
            )
            yield f"  device: {device}"
        notes = [
            f"{{text: {quoted('=' + self._cell(g, 'Observation.note'))}}}"
            for g in self._all("note")
            if g not in self._plan.measures
        ]
        for guess in self._all("measured-when"):
            here = self._cell(guess, "Observation.note")
            shown = quoted(f"={literal(bare(guess.column) + ': ')} + {here}")
            notes.append(f"{{when: {quoted(here)}, text: {shown}}}")
        yield from listed("note", notes)

    def _measured_at(self, when: Guess | None, guesses: list[Guess]) -> Iterator[str]:
        """When it was: at the start of what the row is about, at its end what names say was measured after it."""
        if when is None:
            return
        after = [guess for guess in guesses if guess.phase == AFTER]
        end = self._one("discharged" if when.role == "admitted" else "end")
        if len(after) == len(guesses):
            condition = "true"
        else:
            condition = f"column in [{', '.join(literal(g.column) for g in after)}]" if after else ""
        if after and not self._end_of(when, end):
            self._ask(
                f"{', '.join(g.column for g in after)}: measured after what {when.column} is the time of; when? "
                f"{when.column} is taken, as nothing else is known"
            )
        time = self._moment_of(when, end, after=condition)
        yield f"  effectiveDateTime: {quoted('=' + time)}"

    def _qualifying(self, guesses: list[Guess]) -> list[tuple[Guess, str]]:
        """The columns that say where and how measurements were made, each with the condition of those that it is of."""
        items: list[tuple[Guess, str]] = []
        for role in QUALIFIERS[1:] + _GENERAL:
            for guess in self._all(role) if not self._plan.event else []:
                named = measured_by(guess, guesses) if role in QUALIFIERS else guesses
                if guess in self._plan.measures or not named:
                    continue
                if role == "body-site" and _ENTRY.search(tokens(guess.name)):
                    continue  # where something was put in, not what was measured
                columns = ", ".join(literal(g.column) for g in named)
                only = "" if len(named) == len(guesses) else f"column in [{columns}]"
                items.append((guess, only))
        return items

    def _qualified_key(self, guesses: list[Guess], when: Guess | None, what: str) -> str:
        """The key of measurements, with what qualifies them."""
        phases = self._all("measured-when") if not self._plan.event else []
        parts = [
            f"({self._cell(guess, 'key')} if {only} else null)?" if only else f"{self._cell(guess, 'key')}?"
            for guess, only in self._qualifying(guesses)
        ]
        return self._key(
            self._one("patient-id"), self._one("encounter-id"), when, *phases, extra=[what, *parts]
        )

    def _qualified(self, guesses: list[Guess]) -> Iterator[str]:
        """Where and how measurements were made."""
        written = set[str]()
        for guess, only in self._qualifying(guesses):
            element = _ELEMENTS.get(guess.role, "")
            if element in written or not element:
                continue
            written.add(element)
            if guess.role not in QUALIFIERS:
                self._ask(f"{guess.column}: does it hold for all measurements of its row, as is assumed?")
            here = self._cell(guess, f"Observation.{element}")
            condition = quoted(f"{here} and {only}" if only else here)
            yield f"  {element}: {{when: {condition}, text: {quoted('=' + here)}}}"

    def _spec(self, guess: Guess, *, complete: bool) -> str:
        """What is fixed for a column: code, unit, text."""
        parts: list[str] = []
        note = ""
        if guess.coding is not None and guess.coding[1] in VITAL_SIGNS and not (complete and guess.unit):
            note = f"  # suggested: LOINC {guess.coding[1]}, once patient, time and unit are known (R4 vital signs)"
            guess.coding = None
        elif guess.coding is not None:
            system, code, display, _ = guess.coding
            parts += [f"system: {quoted(system)}", f"code: {quoted(code)}", f"display: {quoted(display)}"]
            note = "  # suggested; check it"
        elif guess.near:
            note = f"  # no code is sure; near: {'; '.join(guess.near)}"
        if guess.unit and guess.role in ("number", "age"):
            parts.append(f"unit: {quoted(guess.unit)}")
        elif (
            guess.role == "number"
            and not is_count(guess)
            and not any("unit" in q or "UCUM" in q for q in guess.questions)
        ):
            self.questions.append(f"{guess.column}: what unit do its numbers have, if any?")
        parts.append(f"text: {quoted(bare(guess.column))}")
        if unstated := self._unstated(guess):
            parts.append(f"missing: [{', '.join(map(quoted, unstated))}]")
        return f"    {quoted(guess.column)}: {{{', '.join(parts)}}}{note}"

    def _unstated(self, guess: Guess) -> list[str]:
        """The cells of a column that state no finding: its words for no value, and for that there was no complication, which is asked."""
        if guess.role not in ("complication", "reaction") or guess.words:
            return [*guess.local]
        none = sorted({value for value in self._values(guess) if value.casefold() in NOTHING_THERE})
        if none:
            self._ask(
                f"{guess.column}: {', '.join(none)} is taken for that there is none: is it, and should that be stated?"
            )
        return [*guess.local, *none]

    def _result_status(self) -> str:
        if self._plan.event:
            self._ask("the status of every measurement is taken for final: is it?")
            return self._unless_voided("Observation", "  status: final")
        return self._status("Observation", "final", "the status of every result is taken for final: is it?")

    @staticmethod
    def _result(rule: str, guesses: list[Guess]) -> Iterator[str]:
        if rule == "measurement":
            unit = "spec.unit" if any(guess.unit for guess in guesses) else "null"
            if any(guess.mixed for guess in guesses):
                number = f"matches(value, '{NUMBER}')"
                yield f'  valueQuantity: "=quantity(value, {unit}) if {number} else null"'
                yield f'  valueString: "=value if not {number} else null"'
            else:
                yield f'  valueQuantity: "=value | quantity({unit})"'
        elif rule.startswith("date of"):
            form = f", format={literal(guesses[0].format)}" if guesses[0].format else ""
            yield f"  valueDateTime: {quoted(f'=datetime(value{form})')}"
        elif rule == "finding":
            if all(guess.role in ("note", "text") for guess in guesses):
                yield '  valueString: "=value"'
            else:
                yield '  valueCodeableConcept: {text: "=value"}'
        else:
            yes = sorted({guess.words["true"] for guess in guesses})
            no = sorted({guess.words["false"] for guess in guesses})
            cases = ", ".join([f"{quoted('|'.join(yes))}: true", f"{quoted('|'.join(no))}: false"])
            yield f'  valueBoolean: {{match: "lower(value)", {cases}, else: flag}}'

    def _pressure(self, first: Guess, second: Guess, when: Guess | None, text: str) -> Iterator[str]:
        if first is second:
            here = self._cell(first, "Observation (blood pressure)")
            upper, lower, condition = f"split({here}, '/')[0]", f"split({here}, '/')[1]", cell(first.column)
        else:
            upper = self._cell(first, "Observation.component (systolic)")
            lower = self._cell(second, "Observation.component (diastolic)")
            condition = f"{upper} or {lower}"
        complete = when is not None and self._one("patient-id") is not None
        other = PRESSURES.get(first.place, {})
        codes = [other.get(part) for part in ("", "systolic", "diastolic")] if first.place else _BODILY
        yield self._rule("blood-pressure")
        yield f"  when: {quoted(condition)}"
        yield "  as: Observation"
        yield self._qualified_key([first, second], when, literal(text.casefold()))
        yield from self._time(when)
        yield self._result_status()
        if complete:
            dated = f"when: {quoted(self._timed(when))}, " if self._timed(when) else ""
            yield f"  category:\n  - {{{dated}coding: [{{system: {CATEGORY}, code: vital-signs}}]}}"
            if codes[0] is not None:
                panel = f"{{{dated}system: {LOINC}, code: {codes[0][0]}, display: {codes[0][1]}}}"
                yield f"  code: {{coding: [{panel}], text: {quoted(text)}}}"
            else:
                yield f"  code: {{text: {quoted(text)}}}"
        else:
            later = (
                f"  # LOINC {codes[0][0]}, once patient and time are known (R4 vital signs)"
                if codes[0]
                else ""
            )
            yield f"  code: {{text: {quoted(text)}}}{later}"
        yield from self._common(when, [first, second])
        yield from self._qualified([first, second])
        absent = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
        yield "  component:"
        for expression, code, guess in ((upper, codes[1], first), (lower, codes[2], second)):
            value = f"={expression} | quantity({literal(guess.unit or 'mm[Hg]')})"
            if guess.mixed:
                value = f"=quantity({expression}, {literal(guess.unit or 'mm[Hg]')}) if matches({expression}, '{NUMBER}') else null"
            if code is not None:
                yield f"  - code: {{coding: [{{system: {LOINC}, code: {code[0]}, display: {code[1]}}}]}}"
            else:
                yield f"  - code: {{text: {'systolic' if guess is first and expression == upper else 'diastolic'}}}"
            yield f"    valueQuantity: {quoted(value)}"
            if first is not second:
                yield f"    dataAbsentReason: {{when: {quoted(f'not {expression}')}, coding: [{{system: {absent}, code: unknown}}]}}"
