"""Which number each column of units is the unit of: by role, by words that both names share, by standing beside it."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from fhir_bridge.workshop.first_mapping import headers
from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.lexicon import slots, tokens
from fhir_bridge.workshop.first_mapping.measures import is_measure_word
from fhir_bridge.workshop.first_mapping.selecting import stated_in
from fhir_bridge.workshop.first_mapping.table import Sample

__all__ = ["UNIT_ROLES", "units", "units_of_siblings"]

UNIT_ROLES: Final = frozenset(
    "unit dose-unit quantity-unit duration-unit rate-unit strength-unit unit-of".split()
)
_AMOUNTS: Final = {
    "unit": ("value", "value-number"), "dose-unit": ("dose",), "quantity-unit": ("quantity",),
    "duration-unit": ("duration",), "rate-unit": ("rate",), "strength-unit": ("strength",), "unit-of": (),
}  # fmt: skip
_NAMED: Final = frozenset(
    "value value-number dose quantity duration rate strength dose-ordered los age".split()
)
_TAKEN_FOR: Final = {"dose-unit": "dose", "rate-unit": "rate"}
"""The role of a number that is not known, by that of its unit."""
_LEAST: Final = 2.0


def units(sample: Sample, guesses: list[Guess]) -> None:
    """Note on each column of units the number that it belongs to; `UNIT` with `4W` is a ward."""
    for before, guess in pairwise(guesses):  # `UM` is a ward in France, and a unit of measure in Italy
        cells = set(sample.values(guesses.index(guess)))
        if guess.role == "ward" and tokens(guess.name) == "um" and before.decimal and before.role in _NAMED:
            known = [cell for cell in cells if headers.ucum(cell)]
            if cells and 2 * len(known) >= len(cells):
                guess.role = "unit"
                guess.evidence.append("its cells are units of measure")
    amounts = any(g.role in ("value", "dose", "quantity", "rate") for g in guesses)
    for number, guess in enumerate(guesses):
        written = {v for v in sample.values(number) if v not in guess.missing}
        named = guess.role == "unit" and tokens(guess.name) == "unit" and not amounts
        if named and written and not any(headers.ucum(v) for v in written):
            guess.role = "ward"
            guess.evidence.append("none of its cells is a unit of measure: a ward")
    pairs = sorted(
        (
            (_closeness(guesses, unit, amount), -guesses.index(unit), -guesses.index(amount), unit, amount)
            for unit in guesses
            if unit.role in UNIT_ROLES
            for amount in guesses
            if _is_amount(amount)
        ),
        key=lambda pair: pair[:3],
        reverse=True,
    )
    joined: set[str] = set()
    for score, _, _, unit, amount in pairs:
        if score < _LEAST or unit.of or amount.column in joined:
            continue
        joined.add(amount.column)
        _join(sample, unit, amount)


def units_of_siblings(guesses: list[Guess]) -> None:
    """A number without a unit has that of columns named alike whose values it is among: a target among weights."""
    for guess in guesses:
        if guess.role != "number" or guess.unit or guess.measure or not guess.decimal or guess.of:
            continue
        alike = [
            g
            for g in guesses
            if g.role == "number" and g.unit and g.high > 0 and _named_alike(guess, g)
            and guess.low <= g.high and g.low <= guess.high and guess.high <= 2 * g.high
        ]  # fmt: skip
        if alike and len({g.unit for g in alike}) == 1:
            guess.unit = alike[0].unit
            shown = ", ".join(g.column for g in alike)
            guess.evidence.append(f"named as {shown}, and its values are among theirs")
            guess.questions = [q for q in guess.questions if "unit" not in q]
            guess.questions.append(f"{guess.column}: is its unit {guess.unit}, as that of {shown}?")


def _named_alike(guess: Guess, other: Guess) -> bool:
    """Whether a word of a name is, or ends as, the beginning of what the other measures: `Streefgew.` and `Gewicht`.

    `Fick` of `CO Fick`, and `mean`, are of measurements in other units as well.
    """
    words = tokens(headers.bare(guess.name)).split()
    spoken = tokens(headers.bare(other.name)).split()
    others = [word for word in spoken if len(word) > 3 and (is_measure_word(word) or len(spoken) == 1)]
    return any(
        word == long or any(long.startswith(word[at:]) for at in range(len(word) - 2) if len(word) - at >= 3)
        for word in words if len(word) >= 3
        for long in others
    )  # fmt: skip


def _is_amount(guess: Guess) -> bool:
    return guess.role in _NAMED or guess.role == "number" or (guess.role == "sig" and bool(guess.decimal))


def _closeness(guesses: list[Guess], unit: Guess, amount: Guess) -> float:
    """How much speaks for it that a unit is that of a number."""
    place = guesses.index(unit) - guesses.index(amount)
    score = {1: 2.0, 2: 0.8, -1: 0.6}.get(place, 0.0)
    roles = {guess.role for guess in guesses}
    if amount.role in _AMOUNTS[unit.role] or (
        unit.role == "unit" and amount.role == "dose" and "value" not in roles
    ):
        score += 3.0
    elif amount.role == "dose-ordered" and "dose" in roles:
        return 0.0
    elif amount.role in _NAMED and _AMOUNTS[unit.role]:
        score -= 2.0
    words = [part.text for part in slots(tokens(unit.name)) if "unit" not in part.concepts]
    others = tokens(headers.bare(amount.name)).split()
    shared = [word for word in words if any(_same(word, other) for other in others)]
    score += 2.0 * len(shared)
    if words and not shared and unit.role == "unit-of":
        score -= 1.0
    return score


def _same(first: str, second: str) -> bool:
    """Whether two words are one, or one the beginning of the other: `inf` and `infusion`."""
    short, long = sorted((first.replace(" ", ""), second), key=len)
    return short == long or (len(short) >= 3 and long.startswith(short))


def _join(sample: Sample, unit: Guess, amount: Guess) -> None:
    unit.of = amount.column
    unit.evidence.append(f"the unit of {amount.column}")
    if unit.role in ("unit", "unit-of") and f"{amount.role}-unit" in UNIT_ROLES:
        unit.role = f"{amount.role}-unit"
    if amount.role in ("number", "sig") and unit.role in _TAKEN_FOR and amount.decimal and not amount.measure:
        amount.role = _TAKEN_FOR[unit.role]
        amount.evidence.append(f"its unit is in {unit.column}")
        amount.questions = [question for question in amount.questions if "numbers mean" not in question]
    if amount.role != "number":
        return
    written = set(stated_in(sample, unit))
    code = headers.ucum(next(iter(written))) if len(written) == 1 else ""
    if code:
        amount.unit, unit.uses = code, [f"Observation ({amount.column}), its unit"]
        amount.questions = [question for question in amount.questions if "unit" not in question]
        amount.evidence.append(f"unit {code} is in {unit.column}")
    else:
        unit.of = ""
