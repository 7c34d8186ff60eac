# ruff: noqa: E501 - patterns are written as they come out
"""Columns that say how many there were of something: `num_medications`, `number_inpatient`, `anzahl_stents`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from fhir_bridge.workshop.first_mapping.cells import all_whole
from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.lexicon import tokens

__all__ = ["as_count", "is_count"]

_BEGINNING: Final = re.compile(
    r"(num|number|no|nr|n|nb|count|total|anzahl|antal|antall|aantal|nombre|numero|qtd|qtde|cantidad|cant)( of| de| d| di| total)? (?=[a-z])"
)
"""How names of counts begin; what ends in such a word is the number of one thing: `visit number`."""
_SEVERAL: Final = re.compile(r"(?<!s)s$|(?<=[a-z]{4})(en|er|i)$|patient$|emergency$|outpatient$|urgent$")
"""How the last word of a name ends that speaks of several."""
_CLEAR: Final = re.compile(
    r"(count|total|anzahl|antal|antall|aantal|cantidad|qtde?)( of| de)? |(num|number|no|n|nb) (of|de) "
)
"""Beginnings of names that are of counts and never of numbers of things."""
_ENDING: Final = re.compile(r" (count|anzahl|antal|aantal|cnt)$")
_WHOLE: Final = 0.99
_HOW_MANY: Final = "name says how many"
_MANY: Final = 500
"""More than so many are no count of what one patient has."""


def as_count(guess: Guess, fits: Sequence[tuple[float, str]], values: list[str], _: bool | None) -> bool:
    """Whole small numbers in a column that is named after several things."""
    words = tokens(guess.name)
    if fits and fits[0][1] == "quantity" and fits[0][0] >= _WHOLE:
        return False
    begun = _BEGINNING.match(words)
    several = begun is not None and bool(_SEVERAL.search(words) or _CLEAR.match(words))
    if not (several or _ENDING.search(words)) or not _are_few(values):
        return False
    guess.role, guess.whole, guess.decimal = "count", True, "."
    numbers = [int(value) for value in values]
    guess.low, guess.high = min(numbers), max(numbers)
    guess.evidence.append(f"{_HOW_MANY}; whole numbers from {guess.low:g} to {guess.high:g}")
    return True


def is_count(guess: Guess) -> bool:
    """Whether numbers say how many there were of something, so that they have no unit."""
    return any(evidence.startswith(_HOW_MANY) for evidence in guess.evidence)


def _are_few(values: Sequence[str]) -> bool:
    return all_whole(values) and all(0 <= int(value) <= _MANY for value in values)
