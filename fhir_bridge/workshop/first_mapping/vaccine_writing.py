# ruff: noqa: E501 - lines of YAML are written as they come out
"""What the rule of vaccinations says beside the vaccine: who had it recorded, who made, ordered and gave it, what was handed out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from fhir_bridge.workshop.first_mapping.coded_tables import MVX, MVX_LIST, NIP001
from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.lexicon import tokens
from fhir_bridge.workshop.first_mapping.parts import ASKED, part_of
from fhir_bridge.workshop.first_mapping.writing import Writer, literal, quoted

__all__ = ["VaccineWriter"]

_FUNCTION: Final = "http://terminology.hl7.org/CodeSystem/v2-0443"
_NEW: Final = "00"
"""The code of CDC's table NIP001 for a dose that whoever reports it gave; others are of where it is known from."""
_SOURCES: Final = re.compile(r"0\d")
_GIVEN: Final = "administered|new|new immunization|new immunization record|new record|given here|neu|administré|somministrato|administrado|toegediend"
_GAVE: Final = re.compile(
    r"adm[io]n|given|vaccinat|impf|verabreich|gegeben|toegedien|somministr|aplicad|vaccina"
)
"""Names of columns of who gave a dose."""
_KNOWN: Final = re.compile(
    r"(?i)(doc\w* )?histor\w*|transcribed|reported.*|outside.*|extern.*|other provider|parent.*|school.*|anamn.*|histór\w*|stor\w*"
)


class VaccineWriter(Writer):
    """Writes elements of an Immunization."""

    def _immunization_source(self, guess: Guess) -> Iterator[str]:
        """Whether who reports a dose gave it, and from where it is known otherwise."""
        here = self._cell(guess, "Immunization.primarySource")
        values = set(self._values(guess))
        if guess.words:
            true, false = guess.words["true"], guess.words["false"]
            given = bool(re.search(r"primary|administered here|eigen", tokens(guess.name)))
            meant = f"{true} → {str(given).lower()}, {false} → {str(not given).lower()}"
            self._ask(
                f"{guess.column}: does it say that a dose is known from elsewhere, so that primarySource is {meant}, as is assumed?"
            )
            yield f"  primarySource: {{match: {quoted(f'lower({here})')}, {quoted(true)}: {str(given).lower()}, {quoted(false)}: {str(not given).lower()}, empty: ~, else: flag}}"
            return
        if values and all(_SOURCES.fullmatch(value) for value in values):
            self._ask(
                f"{guess.column}: are its codes of CDC's table NIP001 (immunization information source), as is assumed? 00 is taken for "
                "given by who reports it (primarySource), others for known from elsewhere (reportOrigin)"
            )
            yield f"  primarySource: {quoted(f'=({here} == {literal(_NEW)}) if {here} else null')}"
            origin = f"=concept({here}, system={literal(NIP001)}, unknown='local') if {here} != {literal(_NEW)} else null"
            yield f"  reportOrigin: {quoted(origin)}"
            return
        words = {value.casefold() for value in values}
        known = sorted(word for word in words if _KNOWN.fullmatch(word))
        given_words = sorted(words & set(_GIVEN.split("|")))
        if known or given_words:
            shown = [f"{word} → false" for word in known] + [f"{word} → true" for word in given_words]
            self._ask(f"{guess.column}: do its words mean primarySource {', '.join(shown)}, as is assumed?")
            cases = "".join(f"{quoted(word)}: false, " for word in known) + "".join(
                f"{quoted(word)}: true, " for word in given_words
            )
            yield f"  primarySource: {{match: {quoted(f'lower({here})')}, {cases}else: ~}}"
        else:
            self._ask(
                f"{guess.column}: which of its words mean that who reports the dose gave it (primarySource)? They are kept as reportOrigin"
            )
        yield f"  reportOrigin: {{text: {quoted('=' + self._cell(guess, 'Immunization.reportOrigin'))}}}"

    def _maker(self, guess: Guess) -> str:
        """The manufacturer: by its code of CDC's list, where its cells are such codes."""
        values = self._values(guess)
        named = "mvx" in tokens(guess.name).split()
        form = all(re.fullmatch(r"[A-Z]{2,4}", value) for value in values)
        known = sum(1 for value in set(values) if MVX_LIST.has(value))
        if not form or not (named or 2 * known > len(set(values))):
            return self._displayed("Immunization.manufacturer", guess)
        here = self._cell(guess, "Immunization.manufacturer")
        self._ask(f"{guess.column}: are its codes of CDC's list of manufacturers (MVX), as is assumed?")
        return f"{{when: {quoted(here)}, type: Organization, identifier: {{system: {MVX}, value: {quoted('=' + here)}}}, display: {quoted('=' + here)}}}"

    def _against(self) -> str:
        """Against what a dose is, beside its number: a disease in words, which the patient does not have."""
        guess = next((g for g in self._all("diagnosis") if not g.of), None)
        if guess is None:
            return ""
        self._ask(
            f"{guess.column}: is it against what the vaccine is (protocolApplied.targetDisease), as is assumed, or a disease of the patient?"
        )
        return f", targetDisease: [{{text: {quoted('=' + self._cell(guess, 'Immunization.protocolApplied.targetDisease'))}}}]"

    def _vaccinators(self) -> list[str]:
        """Who gave the dose, and who ordered it."""
        people = self._all("provider", "provider-id")
        ordered = [g for g in people if part_of(g) == ASKED][:1]
        gave = [g for g in people if g not in ordered][:1]
        items = []
        for guess, code in [*((g, "AP") for g in gave), *((g, "OP") for g in ordered)]:
            stated = code == "OP" or bool(_GAVE.search(tokens(guess.name)))
            part = f"function: {{coding: [{{system: {_FUNCTION}, code: {code}}}]}}, " if stated else ""
            items.append(
                f"{{when: {quoted(self._cell(guess))}, {part}actor: {self._reference('Immunization.performer', guess)}}}"
            )
        return items

    def _education(self) -> Iterator[str]:
        """The information sheet that was handed out."""
        guess = self._one("vis-date")
        if guess is None:
            return
        shown = bool(re.search(r"present|given|provided|handed", tokens(guess.name)))
        element = "presentationDate" if shown else "publicationDate"
        when = self._date(guess, f"Immunization.education.{element}")
        self._ask(
            f"{guess.column}: is it when the information sheet was "
            + (
                "handed out (education.presentationDate), as is assumed, or published (publicationDate)?"
                if shown
                else "published (education.publicationDate), as is assumed, or handed out (presentationDate)?"
            )
        )
        yield f"  education:\n  - {{when: {quoted(self._cell(guess))}, documentType: Vaccine Information Statement, {element}: {quoted('=' + when)}}}"
