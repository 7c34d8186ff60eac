# ruff: noqa: E501 - lines of YAML and patterns are written as they come out
"""What the rules of a first mapping have in common: keys and codes, beside cells, dates, statuses and references."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from fhir_bridge.workshop.first_mapping.cell_writing import cell, concepts_of, either, listed, literal, quoted
from fhir_bridge.workshop.first_mapping.cells import IDENTIFIERS
from fhir_bridge.workshop.first_mapping.codes import subject_of
from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.keys import (
    counts_rows,
    distinguish,
    distinguishing,
    examination_numbers,
    own_number,
    tie_breakers,
)
from fhir_bridge.workshop.first_mapping.lexicon import tokens
from fhir_bridge.workshop.first_mapping.reference_writing import ReferenceWriter
from fhir_bridge.workshop.first_mapping.spans import DATES
from fhir_bridge.workshop.first_mapping.values import LOINC

__all__ = [
    "VITAL_SIGNS",
    "Writer",
    "cell",
    "concepts_of",
    "either",
    "listed",
    "literal",
    "quoted",
]

VITAL_SIGNS = frozenset(
    "85353-1 9279-1 8867-4 2708-6 59408-5 8310-5 8302-2 9843-4 29463-7 39156-5 85354-9 8480-6 8462-4 8478-0".split()
)
"""Codes for which R4 asks for the form of a vital sign (R4 observation-vitalsigns.html): category, subject, time, unit."""
_OWN_DATES: Final = DATES - frozenset("scheduled updated recorded expires vis-date".split())
"""Dates that an event has of its own, not its record."""
_CHANGES: Final = frozenset(
    "value value-number status status-of flag issued updated reviewed inactive verified".split()
)
"""Roles of what a correction changes."""
_THING: Final = {
    "Observation": "test", "Condition": "diagnosis", "Procedure": "procedure", "AllergyIntolerance": "allergy",
    "MedicationRequest": "drug", "MedicationStatement": "drug", "MedicationAdministration": "drug", "MedicationDispense": "drug",
    "Immunization": "vaccine", "ServiceRequest": "procedure",
}  # fmt: skip
"""Roles of what rows are about, whose further codes and names tell rows apart where one code doesn't."""
_OTHER: Final = re.compile(
    r"type|status|unit|value|operator|modifier|qualifier|route|race|gender|visit|class|admitted|discharged"
)
"""Names of OMOP's concepts of something else than what a row is about."""


class Writer(ReferenceWriter):
    """Writes rules of a plan."""

    def _notes(self, of: str, *more: Guess) -> Iterator[str]:
        notes = [
            g for g in [*(self._all("note") or self._all("note-of")[:1]), *more] if not set(g.uses) - {"key"}
        ]
        items = [f"{{text: {quoted('=' + self._cell(g, of + 'note'))}}}" for g in notes]
        yield from listed("note", items)

    def _key(
        self,
        *guesses: Guess | None,
        extra: Sequence[str] = (),
        always: Guess | None = None,
        action: Guess | None = None,
    ) -> str:
        """What distinguishes the resources of rows: the row's own number, else whose, of which visit, order and time.

        Dates, times and numbers of examinations count though the sample can be told apart without them.
        """
        own = own_number(self._readable, len(self._sample.rows), self._plan.event or "Observation")
        chosen = [own] if own is not None else self._distinguishing(guesses, action)
        if own is not None and counts_rows(self._sample, own):  # which another export may count anew
            chosen = [own, *(g for g in self._distinguishing(guesses, action) if g is not own)]
        if chosen:
            parts = [
                self._cell(part, "key") + ("?" if part.filled < len(self._sample.rows) or part.local else "")
                for part in chosen
            ]
        else:
            filled = [g for g in self._readable if g.role != "empty"]
            columns = [
                g
                for g in filled
                if not self._read or g.column in self._read or g.role in _OWN_DATES | IDENTIFIERS
            ]
            stable = [g for g in columns if g.role not in _CHANGES]
            if distinguish(self._sample, [g.column for g in stable]):
                columns = stable  # what is corrected is the same as before
            columns = distinguishing(self._sample, columns, filled)  # else two rows would be one, unseen
            parts = [f"join([{', '.join(self._cell(g, 'key') for g in columns)}], '|')"]
            self._ask("no column or few columns tell the rows apart: the key is the whole row")
        repeated = len(self._sample.rows) - len(set(self._sample.rows))
        if repeated:
            self._ask(
                f"{repeated} rows are in all columns as another row: each becomes one with it; is that right?"
            )
        if always is not None and not any(cell(always.column) in part for part in parts):
            optional = "?" if always.filled < len(self._sample.rows) or always.local else ""
            parts.append(self._cell(always, "key") + optional)
        parts.extend(extra)
        return f"  key: [{', '.join(quoted(part) for part in parts)}]"

    def _distinguishing(self, guesses: Sequence[Guess | None], action: Guess | None) -> list[Guess]:
        """The columns of a key; none where they don't tell rows apart, or nobody says whose they are."""
        patient = self._one("patient-id")
        if patient is None:
            return []
        numbers = [g for g in examination_numbers(self._readable) if g.column not in self._plan.varying]
        listed_ones = [*(g for g in guesses if g is not None), *numbers]
        chosen: list[Guess] = []
        for guess in listed_ones:
            for each in (guess, guess.clock):
                if each is not None and each not in chosen:
                    chosen.append(each)
        if action is not None and action not in chosen:
            chosen.append(action)
        things = [
            g
            for g in self._readable
            if g.role == "code" and subject_of(g) in (_THING.get(self._plan.event, "-"), "")
        ]
        things += [g for g in self._readable if g.role == _THING.get(self._plan.event)]
        whole = [g for g in things if g.filled == len(self._sample.rows) and not g.local]
        for more in [
            *sorted(things, key=lambda g: g not in whole),
            *tie_breakers(self._readable, self._plan.event),
        ]:
            if distinguish(self._sample, [g.column for g in chosen]):
                break
            if more not in chosen:
                chosen.append(more)
        if not distinguish(self._sample, [g.column for g in chosen]):
            return []
        dated = any(guess.format or guess.timed or guess.role in DATES for guess in chosen)
        if not dated and not numbers:
            self._ask(
                f"nothing but {' and '.join(g.column for g in chosen)} distinguishes the rows: a second row of a patient would "
                "replace the first; is there a date, or the number of the examination?"
            )
        return chosen

    def _codes_of(self, *subjects: str, lists: bool = False) -> list[Guess]:
        """The columns of codes of a subject, those of a standard system first; with `lists` also those of several in a cell."""
        fitting = [
            g
            for g in self._all("code")
            if subject_of(g) in subjects
            and (lists or not g.separator)
            and not (g.system == "OMOP" and _OTHER.search(tokens(g.name)))
        ]
        return sorted(fitting, key=lambda g: (not g.system, g.system == "OMOP"))

    def _coded(
        self,
        element: str,
        codes: list[Guess],
        text: Guess | None,
        of: str = "",
        more: Sequence[Guess] = (),
        extra: str = "",
        shown: Guess | None = None,
    ) -> Iterator[str]:
        """A CodeableConcept of columns of codes and a text, with what more the text says; `shown` is what its code is of."""
        yield f"  {element}:"
        codings = [
            *([extra] if extra else []),
            *(self._coding(code, text, of + element, shown) for code in codes),
        ]
        if codings:
            yield f"    coding: [{', '.join(codings)}]"
        if text is not None and more:
            words = [
                self._cell(g, of + element + ".text")
                for guess in (text, *more)
                for g in (guess, self._unit_of(guess))
                if g
            ]
            joined = ", ".join(words)
            yield f"    text: {quoted(f'=join([{joined}])')}"
        elif text is not None:
            yield f"    text: {quoted('=' + self._cell(text, of + element + '.text'))}"

    def _coding(self, code: Guess, text: Guess | None, element: str, shown_by: Guess | None = None) -> str:
        here = self._cell(code, f"{element}.coding")
        if code.systems:
            stated = next(g for g in self._guesses if g.role == "code-system" and g.of == code.column)
            cases = ", ".join(f"{quoted(word)}: {quoted(system)}" for word, system in code.systems.items())
            local = quoted(f"{self._authority}:{self._label(code)}")
            match = quoted(self._cell(stated, f"{element}.coding.system"))
            return f"{{system: {{match: {match}, {cases}, else: {local}}}, code: {quoted('=' + here)}}}"
        known = bool(code.system) and code.system != "OMOP"
        system = quoted(code.system if known else f"{self._authority}:{self._label(code)}")
        if code.system == LOINC and any("are not of" in question for question in code.questions):
            system = quoted(
                f"={literal(LOINC)} if matches({here}, '[0-9]+-[0-9]') else {literal(self._authority + ':code')}"
            )
        if shown_by is not None and shown_by.of == code.column:
            text, known = shown_by, False
        shown = (
            f", display: {quoted('=' + self._cell(text, element + '.display'))}"
            if text is not None and not known
            else ""
        )
        return f"{{system: {system}, code: {quoted('=' + here)}{shown}}}"

    def _text_of(self, codes: list[Guess], *roles: str) -> Guess | None:
        """The column that is the text of codes, else one of the roles that is the text of no other code."""
        names = {code.column for code in codes}
        texts = [
            g
            for g in self._guesses
            if g.of in names and g.role not in ("unit", "time-of-day", "code-system") and "`" not in g.column
        ]
        return next(iter(texts), None) or next(
            (g for g in self._all(*roles) if not g.of or g.of in names), None
        )

    def _reasons(self, element: str, of: str, *texts: str) -> Iterator[str]:
        """Reasons: codes of diagnoses, each with its text, and texts alone."""
        items = []
        for code in self._codes_of("indication", "diagnosis", lists=True):
            if set(code.uses) - {"key"}:
                continue
            if code.separator:
                here = self._cell(code, of + element)
                items.append(
                    f"{{for: {quoted(f'piece in split({here}, {literal(code.separator)})')}, "
                    f"coding: [{{system: {quoted(code.system)}, code: {quoted('=trim(piece)')}}}]}}"
                )
                continue
            text = self._text_of([code])
            more = (
                f", text: {quoted('=' + self._cell(text, of + element + '.text'))}"
                if text is not None
                else ""
            )
            items.append(f"{{coding: [{self._coding(code, text, of + element)}]{more}}}")
        items += [
            f"{{text: {quoted('=' + self._cell(guess, of + element))}}}"
            for guess in self._all(*texts)
            if not set(guess.uses) - {"key"}
        ]
        yield from listed(element, items)
