# ruff: noqa: E501 - lines of YAML and patterns are written as they come out
"""What the rules of a first mapping have in common: cells in expressions, keys, dates, codes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from fhir_bridge.workshop.first_mapping.guessing import Guess
from fhir_bridge.workshop.first_mapping.headers import bare, role_in, tokens
from fhir_bridge.workshop.first_mapping.statuses import status_codes, unknown_status
from fhir_bridge.workshop.first_mapping.table import Sample
from fhir_bridge.workshop.first_mapping.tables import Plan
from fhir_bridge.workshop.first_mapping.values import LOINC

__all__ = ["VITAL_SIGNS", "Writer", "cell", "either", "literal", "quoted"]

VITAL_SIGNS = frozenset(
    "85353-1 9279-1 8867-4 2708-6 59408-5 8310-5 8302-2 9843-4 29463-7 39156-5 85354-9 8480-6 8462-4 8478-0".split()
)
"""Codes for which R4 asks for the form of a vital sign (R4 observation-vitalsigns.html): category, subject, time, unit."""


_REFUSED = r"refus|declin|not (given|done)|abgelehnt|verweigert|nicht geimpft|rifiut|rechaz"
"""Names of columns that say of a vaccine that it was not given."""


def cell(column: str) -> str:
    """A column in an expression."""
    return f"row.{column}" if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", column) else f"row.`{column}`"


def quoted(text: str) -> str:
    """A YAML scalar."""
    return json.dumps(text, ensure_ascii=False)


def literal(text: str) -> str:
    """A text inside an expression."""
    return "'" + text.replace("'", "''") + "'"


def either(condition: str, yes: str, no: str) -> str:
    """One code or the other."""
    return quoted(f"={literal(yes)} if {condition} else {literal(no)}")


class Writer:
    """Writes rules of a plan.

    Attributes:
        used: the columns that the rules read so far.
        questions: what the rules assume.
    """

    def __init__(self, name: str, sample: Sample, guesses: list[Guess], plan: Plan) -> None:
        self._sample, self._guesses, self._plan = sample, guesses, plan
        self.used: set[str] = set()
        self.questions: list[str] = []
        self._authority = f"urn:x-local:{name}"

    def _one(self, *roles: str) -> Guess | None:
        """The first column of a role, in the order of the roles."""
        for role in roles:
            for guess in self._guesses:
                if guess.role == role and "`" not in guess.column:
                    return guess
        return None

    def _cell(self, guess: Guess) -> str:
        self.used.add(guess.column)
        return cell(guess.column)

    def _date(self, guess: Guess, *, day: bool = False) -> str:
        """The expression of a date or time."""
        form = f", format={literal(guess.format)}" if guess.format else ""
        if guess.clock is not None and not day:
            return self._moment(guess, guess.clock, form)
        if day and not guess.timed:
            return f"date({self._cell(guess)}{form})"
        if day:
            return (
                f"datetime({self._cell(guess)}{form}) | date()"
                if not form
                else f"date({self._cell(guess)}{form})"
            )
        return f"datetime({self._cell(guess)}{form})"

    def _moment(self, guess: Guess, clock: Guess, form: str) -> str:
        """A date and the time of day of another column."""
        timed = f", format={literal(f'{guess.plain} {clock.format}')}"
        whole = f"datetime({self._cell(guess)} + ' ' + {self._cell(clock)}{timed})"
        if clock.filled == guess.filled:
            return whole
        return f"{whole} if {cell(clock.column)} else datetime({cell(guess.column)}{form})"

    @property
    def date_format(self) -> str:
        """The format that the source block states: that of the dates that are the time of rows."""
        when = self._one("date-time", "date", "start")
        return when.format if when is not None else ""

    def _time(self, guess: Guess | None) -> Iterator[str]:
        """The business time of a row's resources."""
        if guess is not None and guess.clock is None and guess.format in ("", self.date_format):
            yield f"  time: {quoted(self._cell(guess))}"

    def _status_cases(self, kind: str) -> tuple[str, dict[str, str]] | None:
        """The expression that says the status of rows, and the code of each of its words; None where no column does."""
        for guess in self._guesses:
            values = self._sample.values(self._sample.columns.index(guess.column))
            if "`" in guess.column or guess.role not in ("status", "boolean"):
                continue
            if guess.role == "boolean":
                if kind != "Immunization" or not re.search(_REFUSED, tokens(guess.column)):
                    continue
                return f"lower({self._cell(guess)})", {
                    guess.words["true"]: "not-done",
                    guess.words["false"]: "completed",
                }
            codes = status_codes(kind, values)
            lacking = [word for word, code in codes.items() if not code]
            if len(lacking) == len(codes) or (lacking and not unknown_status(kind)):
                continue
            if lacking:
                self._ask(f"{guess.column}: which status does each of these mean: {', '.join(lacking)}?")
            return f"lower({self._cell(guess)})", {
                word: code or unknown_status(kind) for word, code in codes.items()
            }
        return None

    def _status(self, kind: str, assumed: str, question: str) -> str:
        """The element `status`: of the column that says it, else what is assumed, which is asked."""
        stated = self._status_cases(kind)
        if stated is None:
            self._ask(question)
            return f"  status: {assumed}"
        expression, codes = stated
        cases = ", ".join(f"{quoted(word)}: {code}" for word, code in codes.items())
        empty = f"empty: {unknown_status(kind)}, " if unknown_status(kind) else ""
        return f"  status: {{match: {quoted(expression)}, {cases}, {empty}else: flag}}"

    def _ask(self, question: str) -> None:
        if question not in self.questions:
            self.questions.append(question)

    def _subject(self, element: str = "subject") -> Iterator[str]:
        patient = self._one("patient-id")
        if patient is None:
            self.questions.append(
                "no column identifies the patient: whose are these rows? The subject is left out"
            )
            return
        yield f"  {element}: {quoted(f'=patient({self._cell(patient)})')}"

    def _key(self, *guesses: Guess | None, extra: str = "") -> str:
        """What distinguishes the resources of rows."""
        guesses = tuple(
            each for guess in guesses if guess for each in (guess, guess.clock) if each is not None
        )
        row = next((guess for guess in self._guesses if self._is_key(guess)), None)
        parts = (
            [self._cell(row)]
            if row is not None
            else [
                f"{self._cell(g)}?" if g.filled < len(self._sample.rows) else self._cell(g)
                for g in guesses
                if g is not None
            ]
        )
        if row is None and (not parts or not self._distinguishes([g for g in guesses if g is not None])):
            columns = [g for g in self._guesses if g.role != "empty" and "`" not in g.column]
            parts = [f"join([{', '.join(self._cell(g) for g in columns)}], '|')"]
            self.questions.append(
                "no column or pair of columns tells the rows apart: the key is the whole row"
            )
        if extra:
            parts.append(extra)
        return f"  key: [{', '.join(quoted(part) for part in parts)}]"

    def _is_key(self, guess: Guess) -> bool:
        """Whether a column is the key of the table: unique, and called so or the first."""
        unique = guess.role == "id" and guess.distinct == guess.filled == len(self._sample.rows)
        first = guess is self._guesses[0]
        return unique and (first or role_in(guess.column) == "row-id") and "`" not in guess.column

    def _distinguishes(self, guesses: list[Guess]) -> bool:
        places = [self._sample.columns.index(guess.column) for guess in guesses]
        seen = {tuple(row[place] for place in places) for row in self._sample.rows}
        return len(seen) >= 0.999 * len(self._sample.rows)

    def _coded(self, element: str, code: Guess) -> Iterator[str]:
        """A CodeableConcept of a code column and its text."""
        text = next(
            (g for g in self._guesses if g.role == "display" and g.of == code.column and "`" not in g.column),
            None,
        )
        system = (
            quoted(code.system)
            if code.system and code.system != "OMOP"
            else quoted(f"{self._authority}:{bare(code.column).lower()}".replace(" ", "-"))
        )
        if code.system == LOINC and code.questions:
            system = quoted(
                f"={literal(LOINC)} if matches({cell(code.column)}, '[0-9]+-[0-9]') else {literal(self._authority + ':code')}"
            )
        shown = f", display: {quoted('=' + self._cell(text))}" if text is not None else ""
        yield f"  {element}:"
        yield f"    coding: [{{when: {quoted(self._cell(code))}, system: {system}, code: {quoted('=' + cell(code.column))}{shown}}}]"
        if text is not None:
            yield f"    text: {quoted('=' + cell(text.column))}"

    def _visit(self) -> Iterator[str]:
        visit = self._one("encounter-id")
        if visit is not None:
            value = quoted("=" + self._cell(visit))
            yield f"  encounter: {{when: {quoted(cell(visit.column))}, type: Encounter, identifier: {{system: {quoted(self._authority + ':encounter')}, value: {value}}}}}"

    def _stamp(self, guess: Guess) -> str:
        return self._date(guess) if guess.format or guess.timed else self._cell(guess)
