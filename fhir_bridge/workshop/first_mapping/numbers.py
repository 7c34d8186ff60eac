"""Columns of numbers: measurements by their names, quantities of a role, and numbers of which nothing is known."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from fhir_bridge.workshop.first_mapping import headers
from fhir_bridge.workshop.first_mapping.cells import IDENTIFIERS, all_whole, texts
from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.lexicon import role_named, tokens
from fhir_bridge.workshop.first_mapping.measures import TEXT, Measure, is_one, measures_of, variant_of
from fhir_bridge.workshop.first_mapping.sentinels import NOTHING, number_of, sentinels, words_for_nothing
from fhir_bridge.workshop.first_mapping.values import NumberForm, booleans, number_form, share

__all__ = [
    "as_amount",
    "as_measure",
    "as_plain_number",
    "as_quantity",
    "is_pressure",
    "is_time",
    "likely_unit",
    "numbers_in",
    "states_quantity",
]

_NOT_KNOWN: Final = frozenset(("nk", "n/k", "n.k.", "not known"))
"""What stands for no result, whatever it is a result of."""
_YEARS: Final = (1900, 2100)
"""Between these a whole number of years is a year, not a duration."""


def as_amount(guess: Guess, _fits: Sequence[tuple[float, str]], values: list[str], _: bool | None) -> bool:
    """Values that are two numbers of one measurement: `126/83`."""
    if share(values, is_pressure) < 0.95:
        return False
    guess.role, guess.unit = "blood-pressure", "mm[Hg]"
    guess.evidence.append("two numbers with a slash between, the first above the second")
    return True


def is_pressure(value: str) -> bool:
    """Whether a cell is an upper and a lower pressure: `126/83`."""
    parts = value.split("/")
    if len(parts) != 2 or not all(part.strip().isdigit() for part in parts):
        return False
    upper, lower = (int(part) for part in parts)
    return 20 <= lower < upper <= 300


def states_quantity(name: str, cells: Sequence[str]) -> bool:
    """Whether a name states a unit in brackets or as a ratio, and most cells are numbers, with comparators perhaps."""
    stated = headers.unit_in(name) if headers.is_bracketed(name) else None
    return stated is not None and bool(stated[1]) and number_form(list(cells), least=0.6) is not None


def is_time(name: str) -> bool:
    """Whether the unit that a name states is one of time."""
    stated = headers.unit_in(name)
    return stated is not None and stated[1] in ("s", "min", "h", "d", "wk", "mo", "a", "ms")


def numbers_in(guess: Guess, values: list[str], least: float) -> tuple[list[str], NumberForm] | None:
    """The cells that are numbers, and their form; the column's words for no value and its sentinels are noted."""
    words = words_for_nothing(values, numbers=guess.role != "value")
    cells = [value for value in values if value not in words]
    form = number_form(cells, least=least)
    if form is None:
        return None
    doubtful = [word for word in words if word.casefold() not in NOTHING]
    if doubtful:
        shown = ", ".join(doubtful)
        guess.questions.append(f"{guess.column}: {shown} is taken for no value, not for a finding: is it?")
    guess.missing = tuple(dict.fromkeys((*guess.missing, *words)))
    return cells, form


def as_measure(guess: Guess, fits: Sequence[tuple[float, str]], values: list[str], _: bool | None) -> bool:
    """A measurement that the name is of."""
    whole, whole_share = measures_of(tokens(guess.name))
    bare, bare_share = measures_of(tokens(headers.bare(guess.name)))
    named, explained = (bare, bare_share) if bare_share >= whole_share and bare else (whole, whole_share)
    if not named or explained < 0.6 or (fits and fits[0][0] > explained):
        return False
    units = {variant.unit for group in named for variant in group}
    if TEXT in units and (units == {TEXT} or not numbers_in(guess, values, 0.4)):
        return _as_finding(guess, named, values)
    numbers = numbers_in(guess, values, 0.4)
    if numbers is None:
        return False
    cells, form = numbers
    stated = headers.unit_in(guess.name) if named is not whole or not whole_share > bare_share else None
    unit = stated[1] if stated else ""
    marks = [n for cell in cells if (n := number_of(cell)) is not None]
    if not marks:
        return False
    limit, _ = variant_of(named, unit, min(marks), min(marks))
    wide = [variant for group in named for variant in group if variant.unit != TEXT]
    none = sentinels(
        cells,
        limit.low if limit and limit.unit == unit else min(v.low for v in wide),
        limit.high if limit and limit.unit == unit else max(v.high for v in wide),
    )
    kept = [cell for cell in cells if cell not in none]
    form = number_form(kept, least=0.4) or form
    if not kept or (fits and fits[0][0] >= explained and not _is_measured(fits, kept, stated is not None)):
        return False
    variant, others = variant_of(named, unit, _low(kept, form), _high(kept, form))
    if variant is None and (is_time(guess.name) if unit else not _mostly_in(named, kept)):
        return False  # `ALC days` are no lymphocytes
    guess.role, guess.measure = ("age" if fits and fits[0][1] == "age" else "number"), True
    _note_numbers(guess, kept, form)
    _note_sentinels(guess, none)
    if unit:
        guess.unit = unit if variant is not None else ""
        guess.evidence.append(f"unit {stated[0] if stated else unit} is in the name")
        if variant is None:
            guess.questions.append(
                f"{guess.column}: {stated[0] if stated else unit!r} is no unit of {named[0][0].name}: what is it?"
            )
    elif stated is not None:
        guess.questions.append(f"{guess.column}: what is {stated[0]!r} in UCUM?")
    elif variant is not None and variant.unit:
        guess.unit = variant.unit
        guess.evidence.append(f"unit {variant.unit}: what such measurements have, and its values fit")
        more = ", others fit as well" if others else ""
        if variant.unit not in ("1", "{score}", "{INR}", "[pH]", "{#}"):
            guess.questions.append(
                f"{guess.column}: no unit is stated; is it {variant.unit}, as its values make likely{more}?"
            )
    if variant is None and not unit:
        guess.questions.append(
            f"{guess.column}: its values are no usual ones of {named[0][0].name}: what are they?"
        )
    if variant is not None:
        one = is_one(named, unit, _low(kept, form), _high(kept, form))
        _note_code(guess, variant, explained, ambiguous=not one)
    return True


def likely_unit(guess: Guess, variant: Measure, *, ambiguous: bool) -> None:
    """Give a measurement another unit that its values fit, with the code that it has in that."""
    guess.unit, guess.coding, guess.near = variant.unit, None, ()
    guess.evidence = [e for e in guess.evidence if not re.search(r"^unit |LOINC|^name speaks of ", e)]
    guess.questions = [q for q in guess.questions if not re.search(r"no unit is stated|as is suggested", q)]
    guess.evidence.append(f"unit {variant.unit}: what such measurements have, and its values fit")
    guess.questions.append(
        f"{guess.column}: no unit is stated; is it {variant.unit}, as its values make likely, others fit as well?"
    )
    _note_code(guess, variant, 1.0, ambiguous=ambiguous)


def _is_measured(fits: Sequence[tuple[float, str]], cells: list[str], stated: bool) -> bool:
    """Whether numbers are measured, though the name may be of something else as well: they recur or have decimals."""
    if role_named(fits[0][1]) is None or "num" not in role_named(fits[0][1]).kinds:  # type: ignore[union-attr]
        return True
    return stated or not all_whole(cells) or fits[0][1] not in IDENTIFIERS


def _mostly_in(named: tuple[tuple[Measure, ...], ...], cells: list[str]) -> bool:
    numbers = [n for cell in cells if (n := number_of(cell)) is not None]
    return any(
        sum(1 for n in numbers if v.low <= n <= v.high) >= 0.8 * len(numbers)
        for group in named
        for v in group
    )


def _low(cells: list[str], form: NumberForm) -> float:
    return min((n for cell in cells if (n := number_of(cell)) is not None), default=form.low)


def _high(cells: list[str], form: NumberForm) -> float:
    return max((n for cell in cells if (n := number_of(cell)) is not None), default=form.high)


def _note_code(guess: Guess, variant: Measure, explained: float, *, ambiguous: bool) -> None:
    """The code of a measurement: written where the name says that and nothing else."""
    shown = f"{variant.name} (LOINC {variant.code})" if variant.code else variant.name
    if variant.code and explained >= 0.99 and not ambiguous:
        guess.coding = ("http://loinc.org", variant.code, variant.name, 1.0)
        guess.evidence.append(f"{shown} is suggested")
        guess.questions.append(f"{guess.column}: is it {shown}, as is suggested?")
    else:
        guess.evidence.append(f"name speaks of {variant.name}")
        if variant.code:
            guess.near = (f"{variant.code} {variant.name}",)


def _as_finding(guess: Guess, named: tuple[tuple[Measure, ...], ...], values: list[str]) -> bool:
    """A finding in words that the name is of."""
    variant = next(v for group in named for v in group if v.unit == TEXT)
    pair = booleans(values)
    guess.role, guess.measure = ("boolean" if pair else "category"), True
    if pair:
        guess.words = {"true": pair[0], "false": pair[1]}
        if set(values) <= {"0", "1"}:
            guess.questions.append(f"{guess.column}: does 1 mean yes, as is assumed?")
    elif all_whole(values):
        guess.questions.append(f"{guess.column}: what does each of its {guess.distinct} numbers mean?")
    guess.evidence.append(f"{guess.distinct} different texts")
    _note_code(guess, variant, 1.0, ambiguous=False)
    return True


def _note_numbers(guess: Guess, cells: list[str], form: NumberForm) -> None:
    guess.decimal, guess.group, guess.low, guess.high = form.decimal, form.group, form.low, form.high
    guess.whole = form.whole
    if not form.whole or any("," in cell for cell in cells):
        kind = f"numbers with decimal {'comma' if form.decimal == ',' else 'point'}"
    else:
        kind = "whole numbers"
    guess.evidence.append(f"{kind} from {form.low:g} to {form.high:g}")
    others = sorted({cell for cell in cells if number_form([cell]) is None})
    guess.mixed = bool(others)
    if others:
        guess.questions.append(
            f"{guess.column}: some cells are no numbers ({', '.join(others[:6])}): they are kept as text; "
            "do any of them mean that there is no value?"
        )


def _note_sentinels(guess: Guess, none: tuple[str, ...]) -> None:
    if not none:
        return
    guess.missing = tuple(dict.fromkeys((*guess.missing, *none)))
    shown = ", ".join(none)
    guess.evidence.append(f"{shown} is apart from all other values")
    guess.questions.append(f"{guess.column}: {shown} is taken for no value, not for a measurement: is it?")


def as_quantity(guess: Guess, values: list[str]) -> None:
    """Complete a role whose cells are amounts: form, words for no value, unit."""
    unknown = tuple(sorted({value for value in values if value.casefold() in _NOT_KNOWN}))
    if unknown and guess.role == "value":
        guess.missing = (*guess.missing, *unknown)
        guess.questions.append(
            f"{guess.column}: {', '.join(unknown)} is taken for no value, not for a finding: is it?"
        )
        values = [value for value in values if value not in unknown] or values
    numbers = numbers_in(guess, values, 0.2 if guess.role == "value" else 0.8)
    if numbers is None:
        guess.evidence.append(texts(guess))
        return
    cells, form = numbers
    none = sentinels(cells, 0 if guess.role == "age" else None, 130 if guess.role == "age" else None)
    kept = [cell for cell in cells if cell not in none] or cells
    form = number_form(kept, least=0.2) or form
    _note_numbers(guess, kept, form)
    _note_sentinels(guess, none)
    if guess.role == "value":
        guess.questions = [q for q in guess.questions if "no numbers" not in q]
    stated = headers.unit_in(guess.name)
    if stated is not None and stated[1]:
        guess.unit = stated[1]
    elif guess.role == "age":
        guess.unit = "a"
        guess.coding = ("http://loinc.org", "30525-0", "Age", 1.0)
        guess.evidence.append("unit: years, as nothing else is stated")
        guess.questions.append(f"{guess.column}: is the age in years, as is assumed?")


def as_plain_number(guess: Guess, cells: list[str], form: NumberForm) -> bool:
    """Numbers of which the name says nothing."""
    unnamed = re.fullmatch(r"(column \d+|unnamed.*)|index|x|", guess.column.casefold())
    if unnamed and (_counts(cells) or (unnamed[1] and guess.filled == guess.distinct and _rises(cells))):
        guess.role = "row-id"
        guess.evidence.append("counts the rows")
        return True
    none = sentinels(cells, None, None)
    kept = [cell for cell in cells if cell not in none]
    form = number_form(kept, least=0.6) or form
    guess.role = "number"
    _note_numbers(guess, kept, form)
    _note_sentinels(guess, none)
    stated = headers.unit_in(guess.name)
    if stated is not None and stated[1] == "a" and _YEARS[0] <= form.low <= form.high <= _YEARS[1]:
        guess.evidence.append("years of the calendar")
        return True
    if stated is not None:
        guess.unit = stated[1]
        guess.evidence.append(f"unit {stated[0]} is in the name")
        if not stated[1]:
            guess.questions.append(f"{guess.column}: what is {stated[0]!r} in UCUM?")
        elif not headers.is_bracketed(guess.name):
            guess.questions.append(
                f"{guess.column}: is {stated[0]!r} at its end the unit {stated[1]}, as is assumed?"
            )
    elif form.whole and guess.distinct <= 5 and guess.filled > 10:
        guess.questions.append(
            f"{guess.column}: {guess.distinct} different whole numbers: a count or scale, or codes for something?"
        )
    return True


def _rises(values: Sequence[str]) -> bool:
    """Whether values are whole numbers, each above the one before: what a program numbers rows with, some left out."""
    return len(values) > 2 and all_whole(values) and all(int(a) < int(b) for a, b in pairwise(values))


def _counts(values: Sequence[str]) -> bool:
    """Whether values are consecutive numbers."""
    return all_whole(values) and [int(value) for value in values] == list(
        range(int(values[0]), int(values[0]) + len(values))
    )
