"""Two columns that have one value for each of the other's are the code and the name of one thing."""

from __future__ import annotations

import re
from typing import Final

from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.lexicon import slots, tokens
from fhir_bridge.workshop.first_mapping.people import depends_on
from fhir_bridge.workshop.first_mapping.selecting import cells_of
from fhir_bridge.workshop.first_mapping.table import Sample
from fhir_bridge.workshop.first_mapping.values import share

__all__ = ["codes_of_names", "codes_of_things"]

_NAMED: Final = frozenset(
    "organism antibiotic specimen ward specialty organization body-site route priority".split()
)
"""Roles of columns that are written by code and by name side by side."""
_MAY_BE: Final = (
    frozenset("code category text display test number id ward specialty organization".split()) | _NAMED
)
_THINGS: Final = frozenset("test drug procedure diagnosis vaccine allergy panel".split())
_LEAST: Final = 2
_RECUR: Final = 3
"""From so many pairs it is no accident that each has one value of the other's."""
_SHORT: Final = 12
"""Letters that a code has at most."""
_MOST: Final = 0.6
"""From this share of names with a code a column has their codes."""


def _words(guess: Guess) -> frozenset[str]:
    """What a name is about, without the words for a code, a number or a name."""
    parts = slots(tokens(guess.name))
    texts = [part.text for part in parts if not part.concepts & {"code", "id", "label", "name", "order"}]
    return frozenset(" ".join(texts).split())


def _is_code(guess: Guess) -> bool:
    concepts = frozenset[str]().union(*(part.concepts for part in slots(tokens(guess.name))))
    return bool(concepts & {"code", "id"})


_BED: Final = re.compile(
    r"\b(bed|bett|lit|letto|cama|bed ?no|zimmer|chambre|stanza|habitacion|camera|kamer|room|bettplatz)\b"
)
"""Names of columns of a bed or a room, which is a part of the ward beside it."""


def _is_bed(guess: Guess) -> bool:
    return bool(_BED.search(tokens(guess.name)))


def _length(sample: Sample, guess: Guess) -> float:
    values = cells_of(sample, guess)
    return sum(map(len, values)) / len(values) if values else 0.0


def codes_of_names(sample: Sample, guesses: list[Guess]) -> None:
    """Note on each name the column that has its code, where nothing else did; the code is of what its name is of."""
    for name in guesses:
        if name.role not in _NAMED or name.of or name.distinct < _LEAST:
            continue
        place = guesses.index(name)
        for code in sorted(guesses, key=lambda g: abs(guesses.index(g) - place)):
            if code is name or code.of or code.role not in _MAY_BE or code.system or code.measure:
                continue
            if any(g.of == code.column for g in guesses) or code.distinct < _MOST * name.distinct:
                continue
            alike = code.role == name.role or (_is_code(code) and bool(_words(code) & _words(name)))
            shorter = _length(sample, code) < _length(sample, name) or (_is_code(code) and not _is_code(name))
            if not alike or not shorter or _is_code(name):
                continue
            if name.role == code.role == "ward" and _is_bed(name) != _is_bed(code):
                continue  # the bed of a ward, which has one in a short sample
            if depends_on(sample, code, name) and depends_on(sample, name, code):
                name.of, code.role, code.separator = code.column, name.role, ""
                code.evidence.append(f"the code of {name.column}: each has one value for each of the other's")
                code.questions = [
                    f"{code.column}: which code system are these codes of? They are kept as local codes"
                ]
                break


def codes_of_things(sample: Sample, guesses: list[Guess]) -> None:
    """Of two texts of one thing, one of each for each of the other, the short one is its code: `NA`, `Natrium`."""
    for short in guesses:
        named = frozenset[str]().union(*(part.concepts for part in slots(tokens(short.name))))
        coded = short.role in ("category", "text") and "code" in named
        if (short.role not in _THINGS and not coded) or short.of or short.distinct < _RECUR:
            continue
        values = cells_of(sample, short)
        if named & {"name", "label"}:
            continue  # a name is none, however short it is
        if share(values, lambda v: " " not in v and len(v) <= _SHORT) < 0.9:
            continue
        place = guesses.index(short)
        for long in sorted(guesses, key=lambda g: abs(guesses.index(g) - place)):
            if (
                long is short
                or long.role not in (*(_THINGS if coded else (short.role,)), "display")
                or long.of
                or long.distinct < _RECUR
            ):
                continue
            if abs(guesses.index(long) - place) > _NEAR or _length(sample, short) > _SHORTER * _length(
                sample, long
            ):
                continue
            if long.filled < short.filled or short.distinct == short.filled:
                continue
            if depends_on(sample, long, short) and depends_on(sample, short, long):
                if coded and long.role == "display":
                    continue
                if not coded:
                    long.role = short.role if short.role != "panel" else long.role
                short.subject, short.role = long.role, "code"
                short.evidence.append(
                    f"shorter than {long.column}, and each has one value for each of the other's: its code"
                )
                short.questions = [
                    f"{short.column}: which code system are these codes of? They are kept as local codes"
                ]
                break


_NEAR: Final = 3
_SHORTER: Final = 0.7
"""Letters of a code beside those of its name, at most, and how many columns are between them."""
