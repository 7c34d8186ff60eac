"""Columns that say again what another one says: a date beside the same with a time of day, a result as a number."""

from __future__ import annotations

import re
from typing import Final

from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.selecting import first_of
from fhir_bridge.workshop.first_mapping.table import Sample
from fhir_bridge.workshop.first_mapping.values import LOINC

__all__ = ["repeats"]

_VAGUE: Final = frozenset("category text number id display other-date name-of value-number code".split())
"""Roles of which little is known: such a column with the cells of another is that again."""
_LEAST: Final = 3


def repeats(sample: Sample, guesses: list[Guess]) -> None:
    """Note which columns have the cells of another one of the same role, or are of no role of their own."""
    _results(sample, guesses)
    _codes_of_measures(sample, guesses)
    for number, guess in enumerate(guesses):
        if guess.role in ("empty", "again") or guess.distinct < _LEAST:
            continue
        for place, other in enumerate(guesses):
            if (
                place == number
                or other.role in ("empty", "again")
                or guess.of == other.column
                or other.of == guess.column
            ):
                continue
            dated = bool(guess.plain and other.plain and guess.role == other.role)
            vague = guess.role in _VAGUE and not guess.measure and not guess.system
            if not dated and not (
                vague and (other.role not in _VAGUE or (place < number and guess.role == other.role))
            ):
                continue
            if _is_again(sample, number, place, dated=dated):
                guess.role, guess.of, guess.questions = "again", other.column, []
                guess.evidence.append(f"its cells are those of {other.column}")
                break


def _is_again(sample: Sample, number: int, place: int, *, dated: bool) -> bool:
    """Whether each cell is that of the other column, or the day of its time; of two that are equal the first stays."""
    equal = True
    for row in sample.rows:
        cell, other = row[number].strip(), row[place].strip()
        if cell == other:
            continue
        equal = False
        if not dated or not cell or not re.match(re.escape(cell) + r"[T ]", other):
            return False
    return not equal or place < number


def _results(sample: Sample, guesses: list[Guess]) -> None:
    """A result as a number, beside the result as it was written."""
    value = first_of(guesses, "value")
    if value is None:
        return
    place = sample.columns.index(value.column)
    for number, guess in enumerate(guesses):
        if guess.role != "value-number":
            continue
        pairs = [(row[place].strip(), row[number].strip()) for row in sample.rows if row[number].strip()]
        pairs = [pair for pair in pairs if re.fullmatch(r"[<>=≤≥ ]*-?[\d.,]+", pair[0])]
        if pairs and all(_same_number(written, as_number) for written, as_number in pairs):
            guess.role, guess.of, guess.questions = "again", value.column, []
            for other in guesses:
                if other.of == guess.column:
                    other.of = value.column


def _codes_of_measures(sample: Sample, guesses: list[Guess]) -> None:
    """A column of one LOINC code in every row, which is what another column measures."""
    measured = {
        g.coding[1]: g for g in guesses if g.measure and g.coding is not None and g.coding[0] == LOINC
    }
    for number, guess in enumerate(guesses):
        if guess.role != "code" or guess.system != LOINC or guess.distinct != 1 or guess.separator:
            continue
        [code] = {value for value in sample.values(number) if value not in guess.missing}
        if code in measured:
            guess.role, guess.of, guess.questions = "again", measured[code].column, []
            guess.evidence.append(f"its one code is that of what {guess.of} measures")


def _same_number(written: str, number: str) -> bool:
    try:
        return float(written.lstrip("<>=≤≥ ").replace(",", ".")) == float(number.replace(",", "."))
    except ValueError:
        return False
