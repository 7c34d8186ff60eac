"""Whether the drugs of a table are what patients take, or what they don't tolerate: never the one for the other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.lexicon import slots, tokens

__all__ = ["weigh_allergies"]

_DOSED: Final = frozenset(
    """dose dose-unit dose-part route frequency quantity refills sig dispensed administered form strength prn duration
    product-id dose-ordered rate substitution""".split()
)
"""Roles of columns that only medication has which is ordered, given or taken."""
_ALLERGIC: Final = re.compile(r"al+erg|intoler|unvertraeglich|overgevoelig")
_GRADED: Final = frozenset(("severity", "certainty"))


def weigh_allergies(
    words: str, guesses: Sequence[Guess], votes: dict[str, float], why: dict[str, list[str]]
) -> str:
    """Give the votes for medication to allergies, where rows say what was not tolerated; a question where both are.

    Args:
        words: of the file's name.
        votes: by resource type, which are changed; `why` has the columns that speak for each.
    """
    if "MedicationRequest" not in votes:
        return ""
    roles = {guess.role for guess in guesses}
    sure = [g.column for g in guesses if g.role == "allergy-kind" or _numbers_allergies(g)]
    sure += [g.column for g in guesses if g.role == "allergy" and _is_name_of_drug(guesses, g)]
    if _ALLERGIC.search(words):
        sure.append("the file's name")
    reactions = [g.column for g in guesses if g.role == "reaction"]
    if not sure and (not reactions or roles & _DOSED):
        return ""
    dosed = [g.column for g in guesses if g.role in _DOSED]
    if dosed or (not sure and not roles & _GRADED):
        of_medication = ", ".join(dosed or why["MedicationRequest"])
        return (
            f"what are the rows about: medication, as {of_medication} say, or what patients don't tolerate "
            f"(AllergyIntolerance), as {', '.join([*sure, *reactions])} say? Neither is made"
        )
    votes["AllergyIntolerance"] = votes.get("AllergyIntolerance", 0.0) + votes.pop("MedicationRequest")
    why.setdefault("AllergyIntolerance", []).extend([*why["MedicationRequest"], *sure, *reactions])
    return ""


def _numbers_allergies(guess: Guess) -> bool:
    """Whether a column is the number of an allergy, by its name and cells."""
    concepts = frozenset[str]().union(*(part.concepts for part in slots(tokens(guess.name))))
    return guess.role in ("event-id", "id") and bool(concepts & {"allergy", "reaction"})


def _is_name_of_drug(guesses: Sequence[Guess], allergen: Guess) -> bool:
    """Whether what a patient is allergic to is what a code of drugs is of, and no other column has a drug."""
    coded = any(g.role == "code" and g.column == allergen.of for g in guesses)
    return coded or not any(g.role == "drug" for g in guesses)
