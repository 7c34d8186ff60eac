"""Codes for the measurements of a wide table, from the names of its columns."""

from __future__ import annotations

from collections.abc import Iterable

from fhir_bridge.fhir import ucum
from fhir_bridge.terminology import get_terminology
from fhir_bridge.terminology.suggest import LocalTerm, Suggester
from fhir_bridge.workshop.first_mapping.guessing import Guess
from fhir_bridge.workshop.first_mapping.headers import bare
from fhir_bridge.workshop.first_mapping.lexicon import tokens
from fhir_bridge.workshop.first_mapping.pressures import SYSTEMIC, is_elsewhere
from fhir_bridge.workshop.first_mapping.values import LOINC

__all__ = ["suggest_codes"]

SURE = 0.8
"""From this score a code is written, to be checked; below, it is named in a comment."""


def suggest_codes(guesses: Iterable[Guess], language: str) -> None:
    """Note on each measurement the code that its name means, or what is near."""
    terminology = get_terminology()
    contents = list(terminology.contents(LOINC))
    if not contents:
        return
    suggester = Suggester(contents, terminology)
    for guess in guesses:
        if guess.role not in ("number", "age"):
            continue
        name = tokens(bare(guess.column)) or guess.column
        result = suggester.suggest(LocalTerm(name, guess.unit, language=language), 3)
        displays = {item.code: item.display for item in reversed(result.suggestions) if item.display}
        named = [(item, displays.get(item.code, "")) for item in result.suggestions]
        if is_elsewhere(guess.column):  # the pressure in a vessel is not that of the body
            named = [each for each in named if each[0].code not in SYSTEMIC]
        best, display = next((each for each in named if _fits(guess.unit, each[1])), (None, ""))
        if best is not None and best.score >= SURE and guess.unit:
            guess.coding = (LOINC, best.code, display, best.score)  # a supplement's names are LOINC's codes
            shown = f"{display} (LOINC {best.code})" if display else f"LOINC {best.code}"
            guess.evidence.append(f"{shown} is suggested, {best.score:.2f}")
            guess.questions.append(f"{guess.column}: is it {shown}, as is suggested?")
        else:
            guess.near = tuple(f"{item.code} {item.display}" for item, _ in named[:2] if item.score >= 0.6)


def _fits(unit: str, display: str) -> bool:
    """Whether a code of a mass concentration has not a unit of an amount of substance, nor the other way round."""
    if unit == "mmol/mol" and "A1c" in display:
        return "IFCC" in display
    for measured, other in (("g/L", "[Moles/volume]"), ("mol/L", "[Mass/volume]")):
        try:
            if unit and ucum.commensurable(unit, measured) and other in display:
                return False
        except ucum.UcumError:
            return True
    return True
