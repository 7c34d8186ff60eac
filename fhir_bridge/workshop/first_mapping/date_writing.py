# ruff: noqa: E501 - patterns and lines of YAML are written as they come out
"""Dates and times in rules: which column says when it was, and how it is read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from fhir_bridge.workshop.first_mapping.cell_writing import CellWriter, cell, literal, quoted
from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.lexicon import tokens
from fhir_bridge.workshop.first_mapping.spans import latest

__all__ = ["DateWriter"]

_WHEN: Final = {
    "Observation": ("collected", "performed", "administered", "date", "start"),
    "Condition": ("start", "diagnosed", "date"),
    "Procedure": ("performed", "start", "collected", "date"),
    "Immunization": ("administered", "performed", "collected", "start", "date"),
    "MedicationRequest": ("start",),
    "MedicationStatement": ("start", "date"),
    "MedicationDispense": ("dispensed",),
    "ServiceRequest": ("ordered", "received", "scheduled"),
    "MedicationAdministration": ("administered", "start", "performed", "collected", "date"),
    "AllergyIntolerance": ("start", "diagnosed"),
    "Encounter": ("admitted", "start", "collected", "performed", "date", "scheduled"),
}
"""The roles of the date that says when it was, by resource type, the surest first."""
_PERHAPS: Final = {
    "Observation": ("recorded", "received", "other-date"),
    "Procedure": ("other-date",),
    "Condition": ("other-date",),
    "Immunization": ("other-date",),
    "MedicationAdministration": ("scheduled", "other-date"),
    "MedicationStatement": ("other-date",),
}
"""Roles of a date that may say so, which is then asked."""


_OF_RESULT: Final = re.compile(
    r"(date )?(of |du |de |del |da |der |des )?(lab |test )?(result|ergebnis|esito|uitslag|svar)"
)
"""Names of dates of results, which are rarely more than when they were known."""


class DateWriter(CellWriter):
    """Writes dates of a plan's rules."""

    def _when(self, kind: str) -> Guess | None:
        """The date that says when it was; what is not sure is asked."""
        sure = self._one(*_WHEN[kind])
        if sure is not None:
            same = self._all(sure.role)  # of a date and a time for the same, the time
            sure = next((g for g in same if g.timed or g.clock), sure)
        if sure is not None:
            if sure.role in ("date", "collected", "performed", "start", "diagnosed"):
                others = [g.column for g in self._all("date", "other-date") if g is not sure]
                if sure.role == "date" and others:
                    self._ask(
                        f"{sure.column}: it is taken for the time of the {kind}; or is that {', '.join(others)}?"
                    )
            return sure
        unsure = self._all(*_PERHAPS.get(kind, ()))
        if kind == "Observation" and not unsure:  # `result date`, which no other date says better
            dates = [g for g in self._all("issued") if not g.timed and not g.clock]
            unsure = [g for g in dates if _OF_RESULT.match(tokens(g.name))]
        unknown = [g for g in unsure if g.role == "other-date"]
        if len(unknown) > 1:
            last = latest(self._sample, unknown)
            unsure = [g for g in unsure if g.role != "other-date" or g is last]
        unsure = [
            g for g in unsure if g.role != "scheduled"
        ] or unsure  # what was planned says least when it was
        perhaps = unsure[0] if unsure else None
        if perhaps is not None:
            self._ask(
                f"{perhaps.column}: is it when the {kind} was, as is assumed? It looks like {perhaps.what}"
            )
        return perhaps

    def _date(self, guess: Guess, element: str = "", *, day: bool = False) -> str:
        """The expression of a date or time."""
        form = f", format={literal(guess.format)}" if guess.format else ""
        here = self._cell(guess, element)
        if guess.format == "MM/yyyy":
            return f"date(split({here}, '/')[1] + '-' + split({here}, '/')[0])"
        if guess.clock is not None and not day:
            return self._moment(guess, guess.clock, form, element)
        if day and not guess.timed:
            return f"date({here}{form})"
        if day:
            return f"datetime({here}{form}) | date()" if not form else f"date({here}{form})"
        return f"datetime({here}{form})"

    def _moment(self, guess: Guess, clock: Guess, form: str, element: str = "") -> str:
        """A date and the time of day of another column."""
        timed = f", format={literal(f'{guess.plain} {clock.format}')}"
        whole = f"datetime({self._cell(guess, element)} + ' ' + {self._cell(clock, element)}{timed})"
        if clock.filled == guess.filled:
            return whole
        return f"{whole} if {cell(clock.column)} else datetime({cell(guess.column)}{form})"

    def _reported(self) -> Guess | None:
        """The column of when results were reported: an instant has a time of day."""
        reported = next((g for g in self._all("issued") if g.timed or g.clock), None)
        recorded = next((g for g in self._all("recorded") if g.timed or g.clock), None)
        if reported is not None or recorded is None or self._plan.event != "Observation":
            return reported
        self._ask(
            f"{recorded.column}: is it when the result was made available (Observation.issued), as is assumed, or only when "
            "the record was written (Provenance.recorded)?"
        )
        return recorded

    def _instant(self, guess: Guess, element: str) -> str:
        """The expression of an instant, which needs a zone."""
        form = f", format={literal(guess.format)}" if guess.format else ""
        if guess.clock is not None:
            form = f", format={literal(f'{guess.plain} {guess.clock.format}')}"
            here = f"{self._cell(guess, element)} + ' ' + {self._cell(guess.clock, element)}"
        else:
            here = self._cell(guess, element)
        text = f"instant({here}{form})"
        return text if guess.zoned else f"{text} if site.zone else null"

    def _stamp(self, guess: Guess, element: str = "") -> str:
        return (
            self._date(guess, element)
            if guess.format or guess.timed or guess.clock
            else self._cell(guess, element)
        )

    def _end_of(self, start: Guess | None, end: Guess | None, element: str = "") -> str:
        """The expression of an end: of a column, or of a second time of day of the same date; empty without."""
        if end is not None:
            return self._stamp(end, element)
        if start is None or start.until is None or start.clock is None:
            return ""
        clock, here = start.until, self._cell(start.until, element)
        form = literal(f"{start.plain} {clock.format}")
        ended = f"datetime({self._cell(start)} + ' ' + {here}, format={form})"
        first, last = self._cell(start.clock), here
        if clock.format == "H:mm":
            first, last = (f"decimal(replace({each}, ':', '.'))" for each in (first, last))
        return f"({ended} if {here} and {last} >= {first} else null)"  # an end before it is on the next day

    def _moment_of(self, start: Guess, end: Guess | None, *, after: str) -> str:
        """When a measurement was made: where `after` holds at the end of what its row is about, whose day is known at least."""
        began = self._date(start, "Observation.effectiveDateTime")
        ended = self._end_of(start, end, "Observation.effectiveDateTime") if after else ""
        if not ended:
            return began
        day = self._date(start, day=True)
        return f"coalesce({ended}, {day}) if {after} else {began}"

    @property
    def date_format(self) -> str:
        """The format that the source block states: that of the dates that are the time of rows."""
        kind = self._plan.event if self._plan.event in _WHEN else "Observation"
        when = self._when(kind)
        return when.format if when is not None else ""

    def _time(self, guess: Guess | None) -> Iterator[str]:
        """The business time of a row's resources."""
        if guess is not None and guess.clock is None and guess.format in ("", self.date_format):
            yield f"  time: {quoted(self._cell(guess))}"
