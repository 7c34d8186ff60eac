"""What each column of a sample is: role, type, format, unit, code system, with the evidence for it."""

from __future__ import annotations

import re
from typing import Final

from fhir_bridge.workshop.first_mapping import headers
from fhir_bridge.workshop.first_mapping.counts import as_count
from fhir_bridge.workshop.first_mapping.dates import as_clock, as_date
from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.lexicon import Role, fitting_roles, role_named, slots, tokens
from fhir_bridge.workshop.first_mapping.named import (
    DURATIONS,
    QUANTITIES,
    as_blood_group,
    as_boolean,
    as_code,
    as_gestation,
    as_person,
    as_role,
    as_sex,
    as_stage,
)
from fhir_bridge.workshop.first_mapping.numbers import as_amount, as_measure, is_time, states_quantity
from fhir_bridge.workshop.first_mapping.phases import of_measurement
from fhir_bridge.workshop.first_mapping.relations import relate
from fhir_bridge.workshop.first_mapping.sentinels import words_for_nothing
from fhir_bridge.workshop.first_mapping.spoken import spoken
from fhir_bridge.workshop.first_mapping.table import Sample
from fhir_bridge.workshop.first_mapping.unnamed import as_anything

__all__ = ["Guess", "guess_columns", "one_guess"]


def guess_columns(sample: Sample) -> list[Guess]:
    """A guess for each column, in order."""
    day_first = None if headers.language_of(sample.columns) == "en" else True
    guesses = [one_guess(sample, number, day_first) for number in range(len(sample.columns))]
    _order_of_days(sample, guesses)
    relate(sample, guesses)
    return guesses


_TESTS: Final = (
    as_date, as_clock, as_sex, as_code, as_amount, as_blood_group, as_gestation, as_stage, as_measure, as_count,
    as_person, as_boolean, as_role,
)  # fmt: skip
"""What a column may be, each tried on its cells and name in turn."""
_OPEN: Final = "tells day from month"


_DAY_OR_MONTH: Final = re.compile(r"(dd?|MM?)([/-])(dd?|MM?)\2")


def _order_of_days(sample: Sample, guesses: list[Guess]) -> None:
    """Day or month first, where no cell of a column tells: as in the columns of the table that do tell."""
    decided, open_ones = {}, []
    for number, guess in enumerate(guesses):
        if not _DAY_OR_MONTH.match(guess.format):
            continue
        if any(_OPEN in question for question in guess.questions):
            open_ones.append(number)
        else:
            decided[guess.format[0] == "d"] = guess.column
    if len(decided) != 1:
        return
    [(day_first, column)] = decided.items()
    for number in open_ones:
        guess = guesses[number] = one_guess(sample, number, day_first)
        guess.evidence.append(f"as in {column}")
        guess.questions = [question for question in guess.questions if _OPEN not in question]


def one_guess(sample: Sample, number: int, day_first: bool | None) -> Guess:
    """A guess from the column alone."""
    column = sample.columns[number]
    cells = sample.values(number)
    guess = Guess(column, "text", name=spoken(sample.columns)[number])
    guess.name, guess.phase = of_measurement(guess.name, cells)
    fits = _fits(guess.name)
    if states_quantity(
        guess.name, cells
    ):  # a number in a unit is nothing else, whatever its name's words may be
        fits = tuple(
            fit for fit in fits if fit[1] in QUANTITIES - (set() if is_time(guess.name) else DURATIONS)
        )
    plain = words_for_nothing(cells, numbers=False)
    if fits and fits[0][1] == "flag":
        plain = tuple(word for word in plain if word.strip("-") or _lettered(cells))
    values = [cell for cell in cells if cell not in plain]
    guess.missing = plain
    guess.filled, guess.distinct = len(values), len(set(values))
    if not values:
        guess.role = "empty"
        guess.evidence = ["no cell holds anything"]
        guess.questions = [f"what is {column!r}? The sample has no value of it"]
        return guess
    for test in _TESTS:
        if test(guess, fits, values, day_first):
            break
    else:
        as_anything(guess, values)
    if guess.role == "status":
        guess.missing = tuple(word for word in guess.missing if not _DENIAL.match(word))
    names = role_named(fits[0][1]) if fits else None
    guess.header = fits[0][1] if fits else ""
    if names is not None and (guess.role == names.name or not guess.measure):
        guess.evidence.insert(0, f"name speaks of {_spoken_of(guess, names)}")
    elif not guess.measure:
        guess.evidence.insert(0, "name says nothing known")
    return guess


def _spoken_of(guess: Guess, names: Role) -> str:
    """What a name speaks of: whom, where the cells are names and not the identifiers that the role has by its name."""
    of_people = {("provider", "provider-id"): "a provider", ("name", "patient-id"): "the patient"}
    return of_people.get((guess.role, names.name), names.what)


def _lettered(cells: list[str]) -> bool:
    """Whether a column of flags has letters, beside which a minus is none."""
    return any(character.isalpha() for cell in cells for character in cell)


_DENIAL: Final = re.compile(r"(?i)(not|nicht|non|no) ")
"""How words begin that say of an event that it was not."""


_TWO: Final = 2
_WHO_AND_WHERE: Final = frozenset(
    "provider provider-id gp ward organization organization-id device insurer specialty".split()
)
"""Roles of people and places, whose time is none of them."""


def _fits(column: str) -> tuple[tuple[float, str], ...]:
    whole = fitting_roles(tokens(column))
    bare = fitting_roles(tokens(headers.bare(column)))
    if is_time(column):  # `Physician minutes` are no physician
        bare = tuple(fit for fit in bare if fit[1] not in _WHO_AND_WHERE)
    best = whole if whole and (not bare or whole[0][0] >= bare[0][0]) else bare
    if best and best[0][1] != "encounter-id" and _numbers_visits(column):
        return (best[0][0], "encounter-id"), *best
    return best


_OF_VISITS: Final = frozenset(("encounter", "admission"))
_NUMBER: Final = re.compile(r"(nr|no|num|nbr|id|nummer|number|csn|key)$")


def _numbers_visits(column: str) -> bool:
    """Whether a place stands before the identifier of a visit: `ICU Admission ID`; `Admission Ward ID` is a place's."""
    parts = slots(tokens(column))
    last = parts[-1] if parts else None
    if last is None or not parts[0].concepts & {"ward", "organization", "specialty"}:
        return False
    if last.concepts & _OF_VISITS:
        return len(parts) == _TWO and bool(_NUMBER.search(last.text))
    return len(parts) == _TWO + 1 and "id" in last.concepts and bool(parts[1].concepts & _OF_VISITS)
