"""Columns by their role, and the cells of a column."""

from __future__ import annotations

from collections.abc import Iterable

from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.table import Sample

__all__ = ["cells_of", "first_of", "of_roles", "stated_in"]


def of_roles(guesses: Iterable[Guess], *roles: str) -> list[Guess]:
    """The columns of these roles, as they stand."""
    return [guess for guess in guesses if guess.role in roles]


def first_of(guesses: Iterable[Guess], *roles: str) -> Guess | None:
    """The first column of these roles, as they stand."""
    return next((guess for guess in guesses if guess.role in roles), None)


def cells_of(sample: Sample, guess: Guess) -> list[str]:
    """The cells of a column that hold something."""
    return sample.values(sample.columns.index(guess.column))


def stated_in(sample: Sample, guess: Guess) -> list[str]:
    """The same without its words for no value."""
    return [cell for cell in cells_of(sample, guess) if cell not in guess.missing]
