"""Columns about another person than the patient: a mother and her child, a donor and who receives."""

from __future__ import annotations

import re
from typing import Final

from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.lexicon import tokens

__all__ = ["other_persons"]

_PERSONS: Final = {
    "mother": r"mutter|mother|maternal|mere|madre|mamma|mae",
    "child": r"kind|kindes|child|baby|newborn|infant|neonat\w*|enfant|nouveau ne|bebe|hijo|bambino|neugebor\w*|"
    r"foetus|fetus|fetal",
    "donor": r"donor|spender|donneur|donante|donatore",
    "father": r"father|vater|pere|padre|paternal",
    "partner": r"spouse|partner|ehepartner|conjoint|coniuge",
}
_OF_PEOPLE: Final = frozenset(
    """patient-id person-id birth-date birth-year death-date sex age given family name middle maiden race ethnicity
    phone email address number category boolean text code id date other-date""".split()
)


_BORN: Final = re.compile(r"geb|birth|nasc|naiss|nac")


def _person(guess: Guess) -> str:
    words = tokens(guess.name)
    return next((who for who, pattern in _PERSONS.items() if re.search(rf"\b({pattern})\b", words)), "")


def other_persons(guesses: list[Guess]) -> None:
    """Note which columns are about somebody else, by their names: they are never the patient's own.

    The patient is the person of the column that is called their number, where that says of whom it is; else whom no
    column names.
    """
    named = {guess.column: _person(guess) for guess in guesses}
    if not any(named.values()):
        return
    number = next((g for g in guesses if g.role == "patient-id" and named[g.column]), None)
    owner = named[number.column] if number is not None else ""
    if number is None:
        number = next((g for g in guesses if g.role == "number" and named[g.column] and _is_number(g)), None)
        if number is not None and not any(g.role == "patient-id" for g in guesses):
            owner, number.role = named[number.column], "patient-id"
            number.evidence.append("the number of a person by its name")
            number.questions = [f"{number.column}: does it identify the patient, as is assumed?"]
    for guess in guesses:
        who = named[guess.column]
        if who and who != owner and guess.role in _OF_PEOPLE:
            guess.header = guess.header or guess.role
            guess.role, guess.measure, guess.coding = "other-person", False, None
            guess.evidence.append(f"its name speaks of the {who}")
            guess.questions = []
        elif (
            who
            and who == owner
            and guess.role == "other-date"
            and re.search(r"geb|birth|nasc|naiss|nac", tokens(guess.name))
        ):
            guess.role = "birth-date"


def _is_number(guess: Guess) -> bool:
    return bool(re.search(r"nr\b|no\b|num|id\b|mrn|ipp|nhc", tokens(guess.name)))
