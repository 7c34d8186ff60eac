# ruff: noqa: E501 - patterns are written as they come out
"""Columns about another person than the patient: a mother and her child, a donor and who receives."""

from __future__ import annotations

import re
from typing import Final

from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.lexicon import tokens
from fhir_bridge.workshop.first_mapping.selecting import cells_of
from fhir_bridge.workshop.first_mapping.table import Sample

__all__ = ["PERSONS", "are_relatives", "other_persons"]

PERSONS: Final = {
    "mother": r"(mutter|mother|mere|madre|moeder|mum|mom)s?|maternal|mamma|mae",
    "child": r"kind|kindes|childs?|babys?|newborn|infant|neonat\w*|enfant|nouveau ne|bebe|hijo|bambino|neugebor\w*|"
    r"foetus|fetus|fetal",
    "donor": r"(donor|spender|donneur|donante|donatore)s?",
    "father": r"(father|vater|pere|padre|vader)s?|paternal",
    "partner": r"(spouse|partner|ehepartner|conjoint|coniuge|husband|wife|ehemann|ehefrau|marito|moglie|marido|esposa|epouse|echtgenoot)s?",
    "sibling": r"(sister|brother|sibling|schwester|bruder|frere|soeur|hermano|hermana|fratello|sorella)s?",
}
"""Words for other persons than a patient, with the letter of a possessive; a plural of children is a count of them."""
_OF_PEOPLE: Final = frozenset(
    """patient-id person-id birth-date birth-year death-date sex age given family name middle maiden race ethnicity
    phone phone-home phone-mobile phone-work fax email address postal-code city county state country birth-place birth-part deceased
    prefix family-prefix suffix nationality marital religion occupation language gp
    number category boolean text code id date other-date disposition status blood-group""".split()
)


_NUMBERS: Final = frozenset("number id row-id event-id".split())
"""Roles of numbers that may be a person's, where a name says whose."""
_NEWBORN: Final = re.compile(
    r"\bapgar|birth ?w|\bbirthwt|geburtsgew|geburtslaenge|kopfumfang|poids (de )?naiss|peso (al )?n[ac]|geboortegew|"
    r"\bcord\b|nabelschnur|nabel|umbilic|cordon|ombelic|funicol|navelstreng|\bnsph\b|ph (ns|na)\b|head circ|"
    r"birth (length|outcome)|outcome of birth|neonat"
)
"""What is measured of a newborn, and never of who bore it."""
_ALIVE: Final = re.compile(
    r"live ?b|still ?b|lebend|totgeb|n[eé]e? vivant|mort[- ]n|nato (vivo|morto)|nacido (vivo|muerto)|vivo|muerto|levend|dood|"
    r"nnd|iud|lb|sb"
)
"""Words for how a birth ended, of the child."""
_BEARING: Final = re.compile(
    r"gravid|\bparit|\bpara\b|gestit|labou?r\b|geburtsmodus|entbind|accouch|parto\b|perine|deliver|episio|bevalling"
)
"""Names of columns of who gives birth."""


_RELATIVES: Final = re.compile(
    r"(?i)(half[- ]|step|gross|groß|grand|maternal |paternal |older |younger )*(mother|father|sister|brother|aunt|uncle|cousin|grandmother|grandfather|son|daughter|mutter|vater|schwester|"
    r"bruder|tante|onkel|oma|opa|grossmutter|großmutter|grossvater|großvater|sohn|tochter|mere|mère|pere|père|soeur|sœur|frere|frère|oncle|"
    r"madre|padre|hermano|hermana|abuelo|abuela|tio|tía|tia|hijo|hija|sorella|fratello|nonno|nonna|zio|zia|figlio|figlia|moeder|vader|zus|broer|oom|"
    r"mor|far|søster|bror|syster|mae|mãe|pai|irmao|irmão|irma|irmã|avo|avô|avó)s?( \(.*\)| maternal| paternal| materna| paterna)?"
)
"""Words for relatives by blood, as cells have them."""
_MOSTLY: Final = 0.8


def are_relatives(sample: Sample, guesses: list[Guess]) -> Guess | None:
    """The column that says of which relative of the patient a row is; None in a table of patients, who may name whom to call."""
    for guess in guesses:
        if guess.role not in ("contact-relationship", "category", "text", "contact-name", "display"):
            continue
        cells = [cell for cell in cells_of(sample, guess) if cell not in guess.missing]
        if len(set(cells)) > 1 and 2 * len(cells) > len(sample.rows):
            known = sum(1 for cell in cells if _RELATIVES.fullmatch(cell.strip()))
            if known >= _MOSTLY * len(cells):
                return guess
    return None


def _person(guess: Guess) -> str:
    words = tokens(guess.name)
    return next((who for who, pattern in PERSONS.items() if re.search(rf"\b({pattern})\b", words)), "")


def other_persons(sample: Sample, guesses: list[Guess]) -> None:
    """Note which columns are about somebody else, by their names: they are never the patient's own.

    The patient is the person of the column that is called their number, where that says of whom it is; else whom no
    column names.
    """
    named = {guess.column: _person(guess) for guess in guesses}
    bearing = "child" in named.values() or any(_BEARING.search(tokens(g.column)) for g in guesses)
    bearing = bearing and (
        "child" in named.values() or "mother" not in named.values()
    )  # else the row is the child's
    newborn = [g for g in guesses if bearing and not named[g.column] and _is_of_newborn(sample, g)]
    for guess in newborn:
        named[guess.column] = "child"
    if not any(named.values()):
        return
    number = next((g for g in guesses if g.role == "patient-id" and named[g.column]), None)
    owner = named[number.column] if number is not None else ""
    if number is None:
        number = next((g for g in guesses if g.role in _NUMBERS and named[g.column] and _is_number(g)), None)
        if number is not None and not any(g.role == "patient-id" for g in guesses):
            owner, number.role = named[number.column], "patient-id"
            number.evidence.append("the number of a person by its name")
            number.questions = [f"{number.column}: does it identify the patient, as is assumed?"]
    for guess in guesses:
        who = named[guess.column]
        if who and who != owner and guess.role in _OF_PEOPLE:
            guess.header = guess.header or guess.role
            guess.role, guess.measure, guess.coding = "other-person", False, None
            guess.evidence.append(
                f"its name speaks of the {who}"
                if guess not in newborn
                else "it is of the newborn, and the row's patient gave birth"
            )
            guess.questions = []
        elif (
            who
            and who == owner
            and guess.role == "other-date"
            and re.search(r"geb|birth|nasc|naiss|nac", tokens(guess.name))
        ):
            guess.role = "birth-date"


def _is_of_newborn(sample: Sample, guess: Guess) -> bool:
    """Whether a column is of a newborn by its name, or by words for how a birth ended."""
    if _NEWBORN.search(tokens(guess.column)):
        return guess.role not in ("birth-date", "empty")
    words = {value.casefold() for value in cells_of(sample, guess)}
    return 0 < len(words) <= 8 and all(_ALIVE.match(word) for word in words)


def _is_number(guess: Guess) -> bool:
    return bool(re.search(r"nr\b|no\b|num|id\b|mrn|ipp|nhc", tokens(guess.name)))
