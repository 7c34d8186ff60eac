# ruff: noqa: E501 - lines of YAML and patterns are written as they come out
"""The rule that makes Patients."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fhir_bridge.workshop.first_mapping.guessing import Guess
from fhir_bridge.workshop.first_mapping.writing import Writer, cell, quoted

__all__ = ["PatientRule"]


class PatientRule(Writer):
    """Writes the rule of a table of people."""

    def _patient(self) -> Iterator[str]:
        key = self._one("patient-id")
        assert key is not None
        yield "- rule: patient"
        yield "  as: Patient"
        yield f"  key: {quoted(f'=patient({self._cell(key)})')}"
        yield "  identifier:"
        yield f"  - {{system: {quoted(self._authority + ':patient')}, value: {quoted('=' + self._cell(key))}}}"
        for other in self._guesses:
            if other.role == "id" and other is not key and "`" not in other.column and other.filled:
                label = re.sub(r"[^a-z0-9]+", "-", other.column.casefold()).strip("-") or "id"
                system = quoted(f"{self._authority}:{label}")
                yield (
                    f"  - {{when: {quoted(self._cell(other))}, system: {system}, "
                    f"value: {quoted('=' + cell(other.column))}}}"
                )
        self.questions.append(f"{key.column}: which system (assigning authority) are these numbers of?")
        yield from self._name()
        if sex := self._one("sex"):
            yield from self._sex(sex)
        if born := self._one("birth-date"):
            yield f"  birthDate: {quoted('=' + self._date(born, day=True))}"
        if died := self._one("death-date"):
            yield f"  deceasedDateTime: {quoted('=' + self._date(died))}"
        if marital := self._one("marital"):
            yield f"  maritalStatus: {{when: {quoted(self._cell(marital))}, text: {quoted('=' + cell(marital.column))}}}"
        if language := self._one("language"):
            here = quoted("=" + self._cell(language))
            yield f"  communication:\n  - {{when: {quoted(cell(language.column))}, language: {{text: {here}}}}}"
        yield from self._contact()

    def _name(self) -> Iterator[str]:
        parts = {role: self._one(role) for role in ("family", "given", "prefix", "suffix", "name", "maiden")}
        known = {role: guess for role, guess in parts.items() if guess is not None}
        if not known:
            return
        yield "  name:"
        main = [
            (role, known[role]) for role in ("name", "family", "given", "prefix", "suffix") if role in known
        ]
        if main:
            items = []
            middle = self._one("middle")
            for role, guess in main:
                value = quoted("=" + self._cell(guess))
                if role == "given" and middle is not None:
                    value += f", {quoted('=' + self._cell(middle))}"
                items.append(
                    f"{'text' if role == 'name' else role}: {value if role in ('name', 'family') else f'[{value}]'}"
                )
            yield f"  - {{{', '.join(items)}}}"
        if maiden := known.get("maiden"):
            yield f"  - {{when: {quoted(self._cell(maiden))}, use: maiden, family: {quoted('=' + cell(maiden.column))}}}"

    def _sex(self, guess: Guess) -> Iterator[str]:
        if not guess.words:
            return
        cases = ", ".join(f"{quoted(word)}: {code}" for word, code in guess.words.items())
        yield f"  gender: {{match: {quoted(self._cell(guess))}, {cases}, empty: ~, else: flag}}"

    def _contact(self) -> Iterator[str]:
        telecom = [
            (system, guess)
            for system, role in (("phone", "phone"), ("email", "email"))
            if (guess := self._one(role))
        ]
        if telecom:
            yield "  telecom:"
            for system, guess in telecom:
                yield f"  - {{when: {quoted(self._cell(guess))}, system: {system}, value: {quoted('=' + cell(guess.column))}}}"
        parts = [
            (element, guess)
            for element, role in (
                ("line", "address"),
                ("city", "city"),
                ("district", "county"),
                ("state", "state"),
                ("postalCode", "postal-code"),
                ("country", "country"),
            )
            if (guess := self._one(role))
        ]
        if parts:
            items = [
                f"{element}: {f'[{value}]' if element == 'line' else value}"
                for element, guess in parts
                for value in (quoted("=" + self._cell(guess)),)
            ]
            yield f"  address:\n  - {{{', '.join(items)}}}"
