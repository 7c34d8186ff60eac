"""Rows of results whose columns have no known names: the value beside its unit, the test of one unit, its code."""

from __future__ import annotations

import re
from typing import Final

from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.lexicon import slots, tokens
from fhir_bridge.workshop.first_mapping.numbers import as_quantity
from fhir_bridge.workshop.first_mapping.people import depends_on
from fhir_bridge.workshop.first_mapping.selecting import first_of, of_roles, stated_in
from fhir_bridge.workshop.first_mapping.table import Sample
from fhir_bridge.workshop.first_mapping.values import share

__all__ = ["rows_of_results"]

_AROUND: Final = frozenset("range range-low range-high flag".split())
"""Roles of columns that stand beside results alone."""
_OF_TESTS: Final = ("test", "code", "test-code", "display")
_TEXTS: Final = frozenset("category text name-of display".split())
_NEAR: Final = 3
_OTHERS: Final = frozenset(
    "drug vaccine procedure diagnosis allergy dose quantity strength form admitted".split()
)
"""Roles of what rows of results are not about."""


def rows_of_results(sample: Sample, guesses: list[Guess]) -> None:
    """The result, the test and its code in a table that has a result a row, by what stands beside them."""
    roles = {guess.role for guess in guesses}
    if roles & _OTHERS or first_of(guesses, "unit", "unit-of") is None:
        return
    value = first_of(guesses, "value", "value-number") or _value(sample, guesses)
    if value is None:
        return
    test = _test(sample, guesses, value)
    if test is not None:
        _number(sample, guesses, test)


def _value(sample: Sample, guesses: list[Guess]) -> Guess | None:
    """Beside a test, the column of numbers right before its unit, or named after a result, is the result."""
    roles = {guess.role for guess in guesses}
    unit = first_of(guesses, "unit", "unit-of")
    if unit is None or not roles & {"test", "test-code", "code"} or len(set(stated_in(sample, unit))) < 2:
        return None
    place = guesses.index(unit)
    numbers = [
        g for g in guesses
        if g.role in ("number", "text", "category") and not g.measure and not g.unit and not g.of
        and share(stated_in(sample, g), lambda v: re.match(r"[<>]?=? ?[-+]?\d", v)) >= 0.5
    ]  # fmt: skip
    named = [g for g in numbers if any("value" in part.concepts for part in slots(tokens(g.name)))]
    before = [g for g in numbers if guesses.index(g) == place - 1 and (roles & _AROUND or "test" in roles)]
    chosen = next(iter(named or before), None)
    if chosen is None:
        return None
    chosen.role, chosen.questions = "value", []
    as_quantity(chosen, stated_in(sample, chosen))
    chosen.evidence.append(f"beside {unit.column} in a table of tests: the result")
    chosen.questions.append(f"{chosen.column}: is it the result of the test, as is assumed?")
    return chosen


def _test(sample: Sample, guesses: list[Guess], value: Guess) -> Guess | None:
    """Beside a result, the text that recurs and has one unit each is what was tested."""
    if first_of(guesses, "test") is not None:
        return None
    panel = first_of(guesses, "panel")
    if panel is not None and not any(g.role in _OF_TESTS and not g.of for g in guesses):
        panel.role = "test"
        panel.evidence.append("beside a result, and nothing else says of what it is")
        panel.questions.append(f"{panel.column}: is it what was measured, as is assumed?")
        return panel
    if any(g.role in _OF_TESTS and not g.of and g.distinct > 1 for g in guesses):
        return None
    units = [g for g in of_roles(guesses, "unit", "unit-of") if len(set(stated_in(sample, g))) > 1]
    place = guesses.index(value)
    for guess in sorted(guesses, key=lambda g: abs(guesses.index(g) - place)):
        if guess.role not in _TEXTS or guess.measure or guess.of or not 1 < guess.distinct < guess.filled:
            continue
        cells = stated_in(sample, guess)
        if guess.filled < 0.9 * len(sample.rows) or share(cells, lambda v: re.search(r"[^\W\d_]{2}", v)) < 1:
            continue
        if units and all(depends_on(sample, unit, guess, blanks=False) for unit in units):
            guess.role, guess.questions = "test", []
            guess.evidence.append(f"each has one {units[0].column}: what the result is of")
            guess.questions = [f"{guess.column}: is it what was measured, as is assumed?"]
            return guess
    return None


def _number(sample: Sample, guesses: list[Guess], test: Guess) -> None:
    """A number near a test, one for each, is its code."""
    place = guesses.index(test)
    for guess in guesses:
        plain = guess.role in ("number", "category", "id", "row-id") and not guess.measure and not guess.unit
        if not plain or guess.of or abs(guesses.index(guess) - place) > _NEAR:
            continue
        if guess.distinct != test.distinct or guess.distinct < _NEAR:
            continue
        if depends_on(sample, guess, test) and depends_on(sample, test, guess):
            guess.role, guess.decimal, guess.subject = "code", "", "test"
            guess.evidence.append(f"one for each {test.column}: its code")
            guess.questions = [
                f"{guess.column}: which code system are these codes of? They are kept as local codes"
            ]
            return
