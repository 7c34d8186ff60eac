# ruff: noqa: E501 - lines of YAML are written as they come out
"""The rules of samples and of the organisms in them: each organism, and what it is susceptible to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fhir_bridge.workshop.first_mapping.guessing import Guess
from fhir_bridge.workshop.first_mapping.headers import bare
from fhir_bridge.workshop.first_mapping.keys import depends_on_all
from fhir_bridge.workshop.first_mapping.result_rules import ResultRules
from fhir_bridge.workshop.first_mapping.writing import listed, quoted

__all__ = ["OrganismRules"]

_SAMPLE: Final = ("specimen-id", "specimen", "body-site")


class OrganismRules(ResultRules):
    """Writes the rules of specimens, organisms and their susceptibility."""

    def _specimen(self) -> Iterator[str]:
        """The sample of results, where something is known of it that a result has no element for: when it was received."""
        received, patient = self._one("received"), self._one("patient-id")
        kinds, number = self._all("specimen"), self._one("specimen-id")
        if patient is None or self._plan.event not in ("", "Observation"):
            return
        if number is None and (received is None or not kinds):
            return
        if not self._plan.event and not self._plan.measures:
            return
        collected = self._when("Observation")
        own = self._sample_key(collected)
        if received is not None and not depends_on_all(self._sample, received, own):
            if number is None:
                return
            received = None
        kinds = [g for g in kinds if depends_on_all(self._sample, g, own)]
        self._sampled = True
        yield self._rule("specimen")
        yield f"  when: {quoted(' or '.join(self._cell(g) for g in (*kinds, received, number) if g))}"
        yield "  as: Specimen"
        yield f"  key: [{', '.join(self._optional(g) for g in own)}]"
        yield from self._identifiers("Specimen.", "specimen-id")
        if kinds:
            yield f"  type: {self._concept('Specimen.type', kinds[0])}"
        yield from self._subject()
        if received is not None:
            yield f"  receivedTime: {quoted('=' + self._date(received, 'Specimen.receivedTime'))}"
        parts = []
        if collected is not None and collected.role == "collected":
            parts.append(
                f"collectedDateTime: {quoted('=' + self._date(collected, 'Specimen.collection.collectedDateTime'))}"
            )
        if (site := self._one("body-site")) is not None:
            parts.append(f"bodySite: {self._concept('Specimen.collection.bodySite', site)}")
        if parts:
            yield f"  collection: {{{', '.join(parts)}}}"

    def _sample_key(self, collected: Guess | None) -> list[Guess]:
        """What tells samples apart: whose, of which order, when and what was taken, where."""
        parts_of = [self._one("patient-id"), self._one("order-id"), collected]
        dates = [collected.clock] if collected is not None else []
        parts = [*parts_of, *dates, *(self._one(role) for role in _SAMPLE)]
        return [g for g in parts if g is not None]

    def _optional(self, guess: Guess) -> str:
        """A part of a key; one that some rows lack may be absent."""
        lacking = guess.filled < len(self._sample.rows) or guess.missing
        return quoted(self._cell(guess, "key") + ("?" if lacking else ""))

    def _organisms(self) -> Iterator[str]:
        """An Observation for each organism of a sample, and one for each antibiotic that it was tested against.

        Without its organism a susceptibility says nothing: it is a part of it, beside the reference to the organism's own.
        """
        organism = self._one("organism")
        assert organism is not None
        name = self._name_of(organism)
        when = self._when("Observation")
        own = [*self._sample_key(when), organism, *([name] if name is not None else [])]
        known = " or ".join(self._cell(g) for g in (organism, name) if g is not None)
        yield self._rule("organism")
        yield f"  when: {quoted(known)}"
        yield "  as: Observation"
        yield f"  key: [{', '.join(self._optional(g) for g in own)}]"
        yield from self._culture(when, own)
        yield "  code: {text: Organism}"
        self._ask(f"{organism.column}: which code has the culture that found it, or did not (LOINC)?")
        yield f"  valueCodeableConcept: {self._concept('Observation.value (organism)', organism)}"
        more = [
            g
            for g in (*self._all("category", "boolean", "text", "note-of", "quantity"),)
            if not g.of and not set(g.uses) - {"key"} and depends_on_all(self._sample, g, own)
        ]
        yield from listed("component", [self._component(g) for g in more])
        for guess in more:
            self._ask(f"{guess.column}: is it a finding of the culture, as is assumed?")
        tested = self._one("antibiotic") or self._one("test", "display")
        if tested is None:
            self._ask("no column says which antibiotic was tested: susceptibility is left out")
            return
        named = [g for g in (tested, self._name_of(tested)) if g is not None]
        yield self._rule("susceptibility")
        yield f"  when: {quoted(f'({known}) and ({chr(32).join(self._either(named))})')}"
        yield "  as: Observation"
        yield f"  key: [{', '.join(self._optional(g) for g in (*own, *named))}]"
        yield from self._culture(when, [*own, *named])
        yield f"  code: {self._concept('Observation.code', tested)}"
        yield "  derivedFrom: [\"=ref('organism')\"]"
        value = self._one("value") or self._one("number")
        if value is not None:
            yield from self._value(value, self._one("unit"))
        yield from self._interpretation()
        yield f"  component:\n  - {{code: {{text: Organism}}, valueCodeableConcept: {self._concept('Observation.component (organism)', organism)}}}"
        yield from self._text("method", "method", of="Observation.")

    def _either(self, guesses: list[Guess]) -> list[str]:
        return [" or ".join(self._cell(g) for g in guesses)]

    def _culture(self, when: Guess | None, own: list[Guess]) -> Iterator[str]:
        """What an organism and its susceptibility have in common."""
        yield from self._time(when)
        yield from self._order()
        yield self._status("Observation", "final", "the status of every result is taken for final: is it?")
        yield "  category: [{coding: [{system: http://terminology.hl7.org/CodeSystem/observation-category, code: laboratory}]}]"
        yield from self._subject()
        yield from self._visit()
        if when is not None:
            yield f"  effectiveDateTime: {quoted('=' + self._date(when, 'Observation.effectiveDateTime'))}"
        issued = self._reported()
        if issued is not None and depends_on_all(self._sample, issued, own):
            yield f"  issued: {quoted('=' + self._instant(issued, 'Observation.issued'))}"
        yield from self._performers()
        yield from self._of_sample()
        notes = [g for g in self._all("note") if depends_on_all(self._sample, g, own)]
        yield from listed(
            "note", [f"{{text: {quoted('=' + self._cell(g, 'Observation.note'))}}}" for g in notes]
        )

    def _component(self, guess: Guess) -> str:
        here = self._cell(guess, f"Observation.component ({bare(guess.column)})")
        head = f"{{when: {quoted(self._cell(guess))}, code: {{text: {quoted(bare(guess.column))}}}, "
        if guess.words:
            cases = f"{quoted(guess.words['true'])}: true, {quoted(guess.words['false'])}: false"
            return f"{head}valueBoolean: {{match: {quoted(f'lower({here})')}, {cases}, else: flag}}}}"
        return f"{head}valueString: {quoted('=' + here)}}}"
