# ruff: noqa: E501 - questions are written as they come out
"""Numbers of medicines: a national one, or the list's of this site, that a table of medication has instead of a name."""

from __future__ import annotations

import re
from typing import Final

from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.lexicon import slots, tokens
from fhir_bridge.workshop.first_mapping.people import depends_on
from fhir_bridge.workshop.first_mapping.selecting import of_roles
from fhir_bridge.workshop.first_mapping.spans import concepts_of
from fhir_bridge.workshop.first_mapping.table import Sample
from fhir_bridge.workshop.first_mapping.values import share

__all__ = ["codes_of_medicines", "drugs", "names_drug", "numbers_of_medicines", "packages", "vaccines"]

_SEVERAL: Final = 3
"""From so many values it is no accident that each has one of another column."""


def codes_of_medicines(sample: Sample, guesses: list[Guess]) -> None:
    """A national number that rows share, one for each medicine and one medicine for each, is the medicine's code."""
    for number, guess in enumerate(guesses):
        if (
            guess.role not in ("nationality", "person-id", "patient-id", "id")
            or guess.distinct == guess.filled
        ):
            continue
        if not concepts_of(guess) & {"nationality", "national"} or guess.distinct < _SEVERAL:
            continue
        values = [v for v in sample.values(number) if v not in guess.missing]
        pairs = [
            g
            for g in of_roles(guesses, "drug", "vaccine", "display")
            if g.distinct == guess.distinct and depends_on(sample, g, guess) and depends_on(sample, guess, g)
        ]
        if pairs and share(values, lambda v: re.fullmatch(r"\d{5,8}(\.\d)?", v)) == 1.0:
            guess.role, guess.system = "code", ""
            guess.subject = pairs[0].role if pairs[0].role == "vaccine" else "drug"
            guess.evidence.append(f"each has one value for each of {pairs[0].column}: the medicine's code")
            guess.questions = [
                f"{guess.column}: which code system are these codes of medicines of? They are kept as local codes"
            ]


def names_drug(guess: Guess) -> bool:
    """Whether a column is named after a drug or a class of drugs, and nothing else."""
    parts = slots(tokens(guess.name))
    named = [part for part in parts if "ingredient" in part.concepts]
    return bool(named) and all(part.concepts & _BESIDE for part in parts)


_BESIDE: Final = frozenset("ingredient drug flag dose status end start".split())
"""What the name of a column may say beside a drug."""
_VACCINE: Final = re.compile(
    r"\b(vaccin\w*|mmrv?|dtap|dtp|tdap|td|tetanus\w*|ipv|opv|hib|hpv|varicella|zoster|rotavirus|mening\w*|pneumoco\w*|pcv ?\d*|ppsv ?\d*|"
    r"hep(atitis)? ?[ab]|influenza|bcg|rabies|typhoid|yellow fever|(c19|covid)\w*)\b"
)
"""Words for vaccines, of which many are those for what they are against, in small letters."""
_SURELY: Final = re.compile(r"\b(vaccin\w*|mmrv?|dtap|dtp|tdap|ipv|opv|hib|pcv ?\d*|ppsv ?\d*)\b")
"""Of these, those that are no diseases."""
_MOSTLY: Final = 0.8


def vaccines(sample: Sample, guesses: list[Guess]) -> None:
    """A column of texts that are all names of vaccines, in a table of nothing else, says which was given."""
    if any(g.role in ("vaccine", "drug", "value", "test", "diagnosis", "organism") for g in guesses):
        return
    for guess in of_roles(guesses, "display", "text", "category"):
        texts = {value.casefold() for value in sample.values(sample.columns.index(guess.column))}
        sure = sum(1 for text in texts if _SURELY.search(text)) >= _ENOUGH
        if sure and len(texts) > _SEVERAL and share([*texts], _VACCINE.search) >= _MOSTLY:
            guess.role, guess.questions = "vaccine", []
            guess.evidence.append("its cells are names of vaccines")
            return


_PACKED: Final = re.compile(r"[^\W\d_]{4,}.*\b\d+([.,]\d+)? ?(mg|mcg|µg|ug|g|ml|ui|iu|ie|%)(?![a-z])")
"""How products are called: a name, and how much of it is in one, in small letters."""


def drugs(sample: Sample, guesses: list[Guess]) -> None:
    """A column of texts that are names of products with their strength says which drug it is, where no other does."""
    roles = {guess.role for guess in guesses}
    if roles & {"drug", "vaccine", "value"} or not roles & _OF_PRESCRIBING:
        return
    infused = {"rate", "rate-unit"} <= roles or {"dose", "dose-unit", "route"} <= roles
    for guess in of_roles(guesses, "display", "text", "category", "specimen", "name-of", "test"):
        texts = {value.casefold() for value in sample.values(sample.columns.index(guess.column))}
        named = guess.role in ("test", "display") and infused
        if guess.measure or len(texts) < _SEVERAL:
            continue
        if share([*texts], _PACKED.search) < _MOSTLY and not (named and share([*texts], _WORDY.search) == 1):
            continue
        guess.role, guess.questions = "drug", []
        guess.evidence.append("its cells are names of drugs, beside how they are given")
        guess.questions = [f"{guess.column}: is it the drug, as is assumed?"] if named else []
        _number_of(sample, guesses, guess)
        return


def _number_of(sample: Sample, guesses: list[Guess], drug: Guess) -> None:
    """A whole number right beside a drug, one for each, is its code."""
    place = guesses.index(drug)
    for guess in guesses[max(0, place - 1) : place + 2]:
        plain = guess.role in ("test", "number", "id", "code", "specimen", "test-code") and not guess.system
        if guess is drug or not plain or guess.measure or guess.distinct != drug.distinct:
            continue
        values = sample.values(sample.columns.index(guess.column))
        if share(values, str.isdigit) == 1.0 and depends_on(sample, guess, drug):
            guess.role, guess.decimal, guess.subject = "code", "", "drug"
            guess.evidence.append(f"one for each {drug.column}: its code")
            guess.questions = [
                f"{guess.column}: which code system are these codes of? They are kept as local codes"
            ]
            return


_WORDY: Final = re.compile(r"[^\W\d_]{4}")


_OF_PRESCRIBING: Final = frozenset(
    "sig dose refills frequency prn quantity route ordered administered dispensed order-id start".split()
)


def packages(guesses: list[Guess]) -> None:
    """Beside a drug a whole number that is called a number of, and no more, is how many were supplied."""
    if not of_roles(guesses, "drug") or of_roles(guesses, "quantity"):
        return
    for guess in of_roles(guesses, "number", "count", "category"):
        parts = slots(tokens(guess.name))
        alone = bool(parts) and all(part.concepts & {"count", "quantity"} for part in parts)
        if alone and not guess.measure and guess.whole:
            guess.role, guess.questions = "quantity", []
            guess.evidence.append("a number of beside a drug: how many were supplied")
            guess.questions = [f"{guess.column}: is it how many were supplied, as is assumed?"]
            return


_OF_MEDICATION: Final = frozenset(
    "sig dose refills frequency prn quantity route duration administered dispensed strength".split()
)
"""Roles of columns that a table of medication has."""
_ENOUGH: Final = 2


def numbers_of_medicines(sample: Sample, guesses: list[Guess]) -> None:
    """In a table of medication without a name of a drug, the number of the drug, not of the row, is its local code."""
    roles = {guess.role for guess in guesses}
    if "drug" in roles or len(roles & _OF_MEDICATION) < _ENOUGH:
        return
    own = any(g.role in ("order-id", "event-id") and "drug" not in concepts_of(g) for g in guesses)
    for guess in of_roles(guesses, "event-id"):
        concepts = concepts_of(guess)
        if "drug" not in concepts or not concepts <= {"drug", "id", "code"} or not own:
            continue
        guess.role, guess.subject = "code", "drug"
        guess.evidence.append(
            f"{len(sample.rows)} rows of medication, and no other column says of which drug"
        )
        guess.questions = [
            f"{guess.column}: is it the number of the drug in a list of this site, as is assumed, or of the row? "
            "It is kept as a local code, without a name of the drug"
        ]
        return
