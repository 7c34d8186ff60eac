# ruff: noqa: E501 - lines of YAML are written as they come out
"""The rule of the procedure that the measurements of a wide table were made in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fhir_bridge.workshop.first_mapping.parts import did
from fhir_bridge.workshop.first_mapping.writing import Writer, listed, literal, quoted

__all__ = ["ChartProcedureWriter"]

_RULE: Final = "procedure"


class ChartProcedureWriter(Writer):
    """Writes the procedure of a chart."""

    def _within(self) -> Iterator[str]:
        """The rule of the Procedure."""
        patient, when = self._one("patient-id"), self._one("performed")
        if not self._plan.procedure or patient is None or when is None:
            return
        rows = len(self._sample.rows)
        numbers = [g for g in self._all("event-id") if g.distinct == g.filled == rows]
        yield self._rule(_RULE)
        if when.filled < rows and not numbers:
            yield f"  when: {quoted(self._cell(when))}"
        yield "  as: Procedure"
        yield f"  key: [{quoted(self._cell(patient, 'key'))}, {quoted(self._cell(numbers[0] if numbers else when, 'key'))}]"
        items = []
        for guess in self._all("event-id"):
            value = quoted("=" + self._cell(guess, "Procedure.identifier"))
            items.append(
                f"{{when: {quoted(self._cell(guess))}, system: {self._system(guess, self._label(guess))}, value: {value}}}"
            )
        yield from listed("identifier", items)
        yield "  status: completed"
        yield f"  code: {{text: {quoted(self._plan.procedure)}}}"
        self._ask(
            f"{when.column}: were the measurements made in a procedure that is called {self._plan.procedure!r}, as is assumed, and completed? "
            "Which code has it?"
        )
        yield from self._subject()
        yield from self._visit()
        yield f"  performedDateTime: {quoted('=' + self._date(when, 'Procedure.performedDateTime'))}"
        people = [g for g in self._all("provider", "provider-id") if did(g)]
        yield from listed(
            "performer",
            [
                f"{{when: {quoted(self._cell(g))}, function: {{text: {quoted(g.column)}}}, actor: {self._reference('Procedure.performer', g)}}}"
                for g in people
            ],
        )
        yield from self._texts("reasonCode", "indication", "complaint", of="Procedure.")
        yield from self._texts("bodySite", "body-site", of="Procedure.")
        if not any(g.words for g in self._all("complication")):
            yield from self._texts("complication", "complication", of="Procedure.", without_none=True)

    def _part_of_it(self) -> list[str]:
        """The reference of measurements to it."""
        return [quoted(f"=ref({literal(_RULE)})")] if self._plan.procedure else []
