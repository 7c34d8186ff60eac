# ruff: noqa: E501 - lines of YAML are written as they come out
"""What orders have of their own: who asked for what, when, how urgently, for when and where, and for what reason."""

from __future__ import annotations

from collections.abc import Iterator

from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.parts import ASKED, did, part_of
from fhir_bridge.workshop.first_mapping.statuses import URGENT, by_word
from fhir_bridge.workshop.first_mapping.tables import requester
from fhir_bridge.workshop.first_mapping.writing import Writer, quoted

__all__ = ["OrderWriter"]


class OrderWriter(Writer):
    """Writes the elements of a ServiceRequest."""

    def _ordered(self) -> Iterator[str]:
        """The elements of an order that is what its row is about."""
        of = "ServiceRequest."
        yield "  intent: order"
        if (urgent := self._one("priority")) is not None:
            yield from self._priority(urgent)
        if (ordered := self._one("ordered")) is not None:
            yield f"  authoredOn: {quoted('=' + self._date(ordered, of + 'authoredOn'))}"
        if (due := self._one("scheduled")) is not None:
            yield f"  occurrenceDateTime: {quoted('=' + self._date(due, of + 'occurrenceDateTime'))}"
            self._ask(
                f"{due.column}: is it when it is to be done, as is assumed, or an Appointment of its own?"
            )
        asking = requester(self._readable)
        people = [g for g in self._all("provider", "provider-id") if g is not asking]
        numbers = self._paired([g for g in self._readable if g.role in ("provider", "provider-id")])
        if asking is not None:
            yield f"  requester: {self._person(of + 'requester', asking, numbers)}"
        doing = next(
            (g for g in people if did(g) and part_of(g) != ASKED and g not in numbers.values()), None
        )
        if doing is not None:
            yield f"  performer: [{self._person(of + 'performer', doing, numbers)}]"
            self._ask(f"{doing.column}: is it who is to do it, as is assumed?")
        if (specialty := self._one("specialty")) is not None and specialty is not asking:
            yield f"  performerType: {self._concept(of + 'performerType', specialty)}"
        places = [g for g in self._all("ward") if g is not asking and part_of(g) != ASKED]
        if places:
            yield f"  locationCode: [{self._concept(of + 'locationCode', places[0])}]"
        yield from self._reasons("reasonCode", of, "indication", "complaint", "diagnosis")
        yield from self._texts("bodySite", "body-site", "laterality", of=of)

    def _priority(self, guess: Guess, kind: str = "ServiceRequest") -> Iterator[str]:
        """How urgent an order is, in the words that are known."""
        known = by_word(URGENT)
        words = {v.casefold(): known[v.casefold()] for v in self._values(guess) if v.casefold() in known}
        if not words:
            return
        here = self._cell(guess, f"{kind}.priority")
        cases = ", ".join(f"{quoted(word)}: {code}" for word, code in words.items())
        lacking = dict.fromkeys(v.casefold() for v in self._values(guess) if v.casefold() not in known)
        if lacking:
            self._ask(
                f"{guess.column}: which priority (routine, urgent, asap or stat) does each of these mean: {', '.join([*lacking][:8])}?"
            )
            cases += "".join(f", {quoted(word)}: ~" for word in lacking)
        self._ask(
            f"{guess.column}: do its words mean {', '.join(f'{w} → {c}' for w, c in words.items())}, as is assumed?"
        )
        yield f"  priority: {{match: {quoted(f'lower({here})')}, {cases}, empty: ~, else: flag}}"
