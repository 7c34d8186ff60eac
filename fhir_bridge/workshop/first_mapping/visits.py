"""Which of the numbers of a table is that of the visit, and which are those of what is in it or around it."""

from __future__ import annotations

import re
from typing import Final

from fhir_bridge.workshop.first_mapping.codes import subject_of
from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.lexicon import tokens
from fhir_bridge.workshop.first_mapping.selecting import first_of
from fhir_bridge.workshop.first_mapping.table import Sample

__all__ = ["numbers_of_visits"]

_VISITING: Final = frozenset("admitted discharged class admit-source disposition".split())


def numbers_of_visits(sample: Sample, guesses: list[Guess]) -> None:
    """One column identifies the visit: the one that no row lacks, of several the finest; others are further numbers."""
    _counts_of_visits(sample, guesses)
    candidates = [guess for guess in guesses if guess.role == "encounter-id"]
    if len(candidates) == 1 or any(_is_case(sample, guesses, guess) for guess in candidates):
        for guess in candidates:
            if _is_case(sample, guesses, guess):
                guess.role = "event-id"
                guess.questions.append(
                    f"{guess.column}: is it the number of the operation, as is assumed, or of the visit?"
                )
        candidates = [guess for guess in guesses if guess.role == "encounter-id"]
    if not candidates:
        _unnamed_number(sample, guesses)
        return
    plain = [g for g in candidates if not re.search(r"\bcase\b", tokens(g.name))] or candidates
    first = max(plain, key=lambda g: (g.filled, g.distinct, -guesses.index(g)))
    for other in candidates:
        if other is first:
            continue
        unique = other.distinct == other.filled == len(sample.rows)
        other.role = "event-id" if unique and first.distinct < other.distinct else "account-id"
        if other.filled < first.filled:
            other.evidence.append(f"not every row has one, but each has {first.column}")
            other.questions.append(
                f"{other.column}: is it a further number of the visit that {first.column} identifies, as is assumed, "
                "or of another visit that this one is part of?"
            )


def _counts_of_visits(sample: Sample, guesses: list[Guess]) -> None:
    """Numbers of visits that several patients share are counts of their visits and identify none."""
    patient = first_of(guesses, "patient-id")
    if patient is None or patient.distinct < 3:
        return
    place = sample.columns.index(patient.column)
    for guess in guesses:
        if guess.role not in ("encounter-id", "account-id"):
            continue
        number = sample.columns.index(guess.column)
        patients: dict[str, set[str]] = {}
        for row in sample.rows:
            if row[number].strip():
                patients.setdefault(row[number].strip(), set()).add(row[place].strip())
        shared = sum(1 for each in patients.values() if len(each) > 1)
        if shared > 0.3 * len(patients):
            guess.role = "administrative"
            guess.evidence.append(
                f"several {patient.column} share a number: it counts visits and identifies none"
            )


def _is_case(sample: Sample, guesses: list[Guess], guess: Guess) -> bool:
    """Whether `case` is an operation: each row its own, in a table of operations."""
    if guess.distinct != guess.filled or guess.filled < len(sample.rows):
        return False
    surgical = {g.role for g in guesses} & {"procedure", "laterality", "anesthesia"} or any(
        g.role == "code" and subject_of(g) == "procedure" for g in guesses
    )
    return bool(surgical) and bool(re.search(r"\b(case|op|surg\w*)\b", tokens(guess.name)))


def _unnamed_number(sample: Sample, guesses: list[Guess]) -> None:
    """In a table of visits a number of unknown meaning that each row has its own of."""
    roles = {guess.role for guess in guesses}
    if len(roles & _VISITING) < 2 or not roles & {"admitted", "discharged"} or "patient-id" not in roles:
        return
    rows = len(sample.rows)
    for guess in guesses:
        numbered = (
            guess.role in ("id", "event-id", "account-id", "order-id") and guess.header != "row-id"
        ) or (
            guess.role == "number"
            and guess.whole
            and guess.low >= 1_000
            and not guess.unit
            and not guess.measure
        )
        if numbered and guess.distinct == guess.filled == rows > 3:
            guess.role = "encounter-id"
            guess.evidence.append("each row of a table of visits has its own")
            guess.questions = [f"{guess.column}: is it the number of the visit, as is assumed?"]
            return
