# ruff: noqa: E501 - lines of YAML are written as they come out
"""What rules of allergies have of their own: that none is known, type, category, reaction, who recorded them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.meanings import ALLERGENS, ALLERGY_TYPES, SEVERITY, no_allergy
from fhir_bridge.workshop.first_mapping.parts import ATTENDED, RECORDED, did, part_of
from fhir_bridge.workshop.first_mapping.selecting import cells_of
from fhir_bridge.workshop.first_mapping.statuses import NO_ALLERGY, NOTHING_THERE, by_word
from fhir_bridge.workshop.first_mapping.values import SNOMED
from fhir_bridge.workshop.first_mapping.writing import Writer, quoted

__all__ = ["AllergyRules"]

_KINDS: Final = ("allergy-kind", "category", "drug-class", "diagnosis-kind", "status-of")
"""Roles of columns whose words may say what sort of allergy it is, whatever they are called."""


class AllergyRules(Writer):
    """Writes what an AllergyIntolerance has."""

    def _meanings(self, guess: Guess, codes: Mapping[str, str], how: str) -> dict[str, str]:
        """The codes of a column's words in small letters; those that `codes` has not are asked about."""
        known = by_word(codes)
        words = dict.fromkeys(v.casefold() for v in cells_of(self._sample, guess))
        lacking = [word for word in words if word not in known]
        if lacking:
            self._ask(f"{guess.column}: {how} does each of these mean: {', '.join(lacking[:8])}?")
        return {word: known[word] for word in words if word in known}

    def _left_out(self, guess: Guess, meant: Mapping[str, str]) -> str:
        """The cases of a column's words that mean nothing that is known: they are left out, which is asked."""
        words = dict.fromkeys(v.casefold() for v in cells_of(self._sample, guess))
        return "".join(f", {quoted(word)}: ~" for word in words if word not in meant)

    def _allergens(self, codes: list[Guess], text: Guess) -> Iterator[str]:
        """What a patient is allergic to; that no allergy is known is a code of its own."""
        none = {
            word: code
            for word in sorted({v.casefold() for v in self._values(text)})
            if (code := no_allergy(word, NO_ALLERGY)) is not None
        }
        if not none:
            yield from self._coded("code", codes, text, "AllergyIntolerance.")
            return
        here = self._cell(text, "AllergyIntolerance.code.text")
        shown = f"text: {quoted('=' + here)}"
        cases = "".join(
            f"{quoted(word)}: {{coding: [{{system: {SNOMED}, code: '{code}', display: {name}}}], {shown}}}, "
            for word, (code, name) in none.items()
        )
        codings = ", ".join(self._coding(code, text, "AllergyIntolerance.code") for code in codes)
        coded = f"coding: [{codings}], " if codings else ""
        yield f"  code: {{match: {quoted(f'lower({here})')}, {cases}empty: {{{coded}{shown}}}, else: {{{coded}{shown}}}}}"
        stated = "; ".join(f"{word} for {name} (SNOMED CT {code})" for word, (code, name) in none.items())
        self._ask(f"{text.column}: {stated} is taken: is that right?")

    def _allergy(self, when: Guess | None) -> Iterator[str]:
        if when is not None:
            yield f"  onsetDateTime: {quoted('=' + self._date(when, 'AllergyIntolerance.onsetDateTime'))}"
        recorded = self._one("recorded", "date")
        if recorded is not None:
            yield f"  recordedDate: {quoted('=' + self._date(recorded, 'AllergyIntolerance.recordedDate'))}"
        people = [g for g in self._all("provider", "provider-id") if part_of(g) == RECORDED or did(g)]
        people.sort(key=lambda g: part_of(g) != RECORDED)
        if people and part_of(people[0]) != ATTENDED:
            yield f"  recorder: {self._reference('AllergyIntolerance.recorder', people[0])}"
            if part_of(people[0]) != RECORDED:
                self._ask(
                    f"{people[0].column}: is it who recorded the allergy (recorder), as is assumed, or who stated it (asserter)?"
                )
        yield from self._allergy_kinds()
        reaction, severity = self._one("reaction"), self._one("severity")
        if reaction is None:
            return
        here = self._cell(reaction, "AllergyIntolerance.reaction")
        parts = [f"manifestation: [{{text: {quoted('=' + here)}}}]"]
        if severity is not None:
            severities = self._meanings(severity, SEVERITY, "how severe")
            cases = ", ".join(f"{quoted(word)}: {code}" for word, code in severities.items())
            if cases:
                here_severity = quoted(
                    f"lower({self._cell(severity, 'AllergyIntolerance.reaction.severity')})"
                )
                parts.append(
                    f"severity: {{match: {here_severity}, {cases}{self._left_out(severity, severities)}, empty: ~, else: flag}}"
                )
        only = quoted(self._is_stated(reaction, NOTHING_THERE) or here)
        yield f"  reaction:\n  - {{when: {only}, {', '.join(parts)}}}"

    def _allergy_kinds(self) -> Iterator[str]:
        """Whether it is an allergy, and to what sort of thing: of columns whose words say so."""
        sorts, types = by_word(ALLERGENS), by_word(ALLERGY_TYPES)
        written: set[str] = set()
        for guess in self._all(*_KINDS):
            words = sorted({value.casefold() for value in self._values(guess)})
            for element, known, form in (("category", sorts, "[{}]"), ("type", types, "{}")):
                meant = {word: known[word] for word in words if word in known}
                if (
                    element in written
                    or set(guess.uses) - {"key"}
                    or not meant
                    or 2 * len(meant) < len(words)
                ):
                    continue
                written.add(element)
                lacking = [word for word in words if word not in meant]
                if lacking:
                    self._ask(
                        f"{guess.column}: which {element} of an allergy does each of these mean: {', '.join(lacking[:8])}? It is left out"
                    )
                here = quoted(f"lower({self._cell(guess, f'AllergyIntolerance.{element}')})")
                cases = ", ".join(f"{quoted(word)}: {code}" for word, code in meant.items())
                cases += self._left_out(guess, meant)
                yield f"  {element}: {form.format(f'{{match: {here}, {cases}, empty: ~, else: flag}}')}"
