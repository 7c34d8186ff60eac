"""Which of two units a laboratory writes, by its other columns: amounts of substance or masses."""

from __future__ import annotations

import re

from fhir_bridge.workshop.first_mapping import headers
from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.lexicon import tokens
from fhir_bridge.workshop.first_mapping.measures import Measure, is_one, measures_of
from fhir_bridge.workshop.first_mapping.numbers import likely_unit

__all__ = ["one_system"]


def one_system(guesses: list[Guess]) -> None:
    """Where all measurements whose unit is sure are of one system, those that fit both are of it, too."""
    sure: dict[str, list[str]] = {}
    open_ones = []
    for guess in guesses:
        variants = _variants(guess)
        if not {"mol", "g"} <= {_system(v.unit) for v in variants}:
            continue
        fitting = [v for v in variants if v.low <= guess.low and guess.high <= v.high]
        systems = {_system(v.unit) for v in fitting}
        stated = not any("no unit is stated" in question for question in guess.questions)
        if (stated or len(systems) == 1) and _system(guess.unit):
            sure.setdefault(_system(guess.unit), []).append(guess.column)
        elif {"mol", "g"} <= systems:
            open_ones.append((guess, fitting))
    if len(sure) != 1:
        return
    [(system, columns)] = sure.items()
    for guess, fitting in open_ones:
        variant = next(v for v in fitting if _system(v.unit) == system)
        if _system(guess.unit) != system:
            named = measures_of(tokens(headers.bare(guess.name)))[0]
            likely_unit(guess, variant, ambiguous=not is_one(named, variant.unit, guess.low, guess.high))
            guess.evidence.append(f"as in {', '.join(columns[:3])}")


def _variants(guess: Guess) -> list[Measure]:
    """The ways in which a measurement of numbers may be written."""
    if not guess.measure or guess.role != "number" or not guess.unit:
        return []
    named, explained = measures_of(tokens(headers.bare(guess.name)))
    return [variant for group in named for variant in group] if explained >= 1 else []


def _system(unit: str) -> str:
    """`mol` for an amount of substance in a litre, `g` for a small mass in a decilitre; nothing for other units."""
    match = re.fullmatch(r"[fpnum]?(mol)/L|[fpnum](g)/dL", unit)
    return (match[1] or match[2]) if match else ""
