# ruff: noqa: E501 - lists are written as they come out
"""Which columns make the key of the resources of rows: what a second event of the same patient has of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.lexicon import slots, tokens
from fhir_bridge.workshop.first_mapping.table import Sample

__all__ = [
    "counts_rows",
    "depends_on_all",
    "distinguish",
    "distinguishing",
    "examination_numbers",
    "own_number",
    "tie_breakers",
]

_OWN: Final = {
    "Observation": frozenset("value test collect".split()),
    "MedicationAdministration": frozenset(("administer",)),
    "MedicationRequest": frozenset("drug order ordered dispense sig".split()),
    "MedicationStatement": frozenset("drug order".split()),
    "MedicationDispense": frozenset(("dispense",)),
    "Immunization": frozenset("vaccine administer".split()),
    "ServiceRequest": frozenset("order referral".split()),
    "Procedure": frozenset("procedure perform".split()),
    "Condition": frozenset(("diagnosis",)),
    "AllergyIntolerance": frozenset("allergy reaction".split()),
    "Encounter": frozenset("encounter admission".split()),
}
"""Concepts of names that make an identifier that of the event itself, by resource type."""
_GENERAL: Final = re.compile(
    r"(row |record |event |line |entry )?(id|uid|uuid|guid|key|pk|sk|no|nr|num|number|seq|identifier)"
    r"|row|event|objectid|index"
)
"""Names of a row's own number that say nothing else."""
_NUMBERS: Final = frozenset("order-id study-id event-id account-id id".split())


def _concepts(guess: Guess) -> frozenset[str]:
    return frozenset[str]().union(*(part.concepts for part in slots(tokens(guess.name))))


def own_number(guesses: Sequence[Guess], rows: int, event: str) -> Guess | None:
    """The column that by its name is the number of the row's event and of nothing else, and does so for every row.

    That an identifier is unique in a sample is no proof: that of a patient or of an order is so, too, in a short one.
    """
    for guess in guesses:
        if not guess.distinct == guess.filled == rows > 1 or "`" in guess.column:
            continue
        general = bool(_GENERAL.fullmatch(tokens(guess.name)))
        if general and guess.role in ("id", "row-id", "event-id") and guess.header != "patient-id":
            if guess.role != "row-id":
                return guess
        elif guess.role in ("event-id", "order-id") and _is_own(guess, event):
            return guess
    return None


def _is_own(guess: Guess, event: str) -> bool:
    concepts = _concepts(guess)
    own = _OWN.get(event, frozenset())
    if event == "MedicationAdministration":
        return "administer" in concepts and "order" not in concepts
    if "order" in concepts and "order" not in own:
        return False
    return bool(concepts & own)


def counts_rows(sample: Sample, guess: Guess) -> bool:
    """Whether numbers count the rows from 0 or 1, as an export may do anew each time."""
    cells = [row[sample.columns.index(guess.column)].strip() for row in sample.rows]
    if not all(cell.isdigit() for cell in cells) or cells[0] not in ("0", "1"):
        return False
    first = int(cells[0])
    return [int(cell) for cell in cells] == list(range(first, first + len(cells)))


def examination_numbers(guesses: Sequence[Guess]) -> list[Guess]:
    """The numbers of orders, examinations and of what is not known, which a second event may have of its own."""
    visit = any(guess.role == "encounter-id" for guess in guesses)
    return [
        g
        for g in guesses
        if g.role in _NUMBERS and g.distinct > 1 and not g.of and not (visit and g.role == "account-id")
    ]


def distinguish(sample: Sample, columns: Iterable[str]) -> bool:
    """Whether the columns differ wherever rows do."""
    places = [sample.columns.index(column) for column in columns]
    seen = {tuple(row[place] for place in places) for row in sample.rows}
    return len(seen) >= len({tuple(row) for row in sample.rows})


def depends_on_all(sample: Sample, column: Guess, keys: Iterable[Guess]) -> bool:
    """Whether a column has one value for each combination of the values of others."""
    places = [sample.columns.index(key.column) for key in keys]
    one = sample.columns.index(column.column)
    seen: dict[tuple[str, ...], str] = {}
    return all(seen.setdefault(tuple(row[p] for p in places), row[one]) == row[one] for row in sample.rows)


def distinguishing(sample: Sample, chosen: list[Guess], others: Iterable[Guess]) -> list[Guess]:
    """Columns of a key with as many more as it takes that no two rows which differ are one; those with most values first."""
    result = list(chosen)
    for guess in sorted(others, key=lambda g: -g.distinct):
        if distinguish(sample, [g.column for g in result]):
            break
        if guess not in result:
            result.append(guess)
    return result


def tie_breakers(guesses: Sequence[Guess], event: str) -> list[Guess]:
    """Columns that may differ between two rows of one time: the number of the row, what was done, where."""
    roles = ["row-id", "dose-number", "diagnosis-kind", "body-site", "laterality", "specimen", "reaction"]
    if event.startswith("Medication"):
        roles += ["route", "dose", "frequency"]
    return [g for role in roles for g in guesses if g.role == role]
