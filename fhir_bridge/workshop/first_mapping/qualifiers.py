"""Columns that qualify the measurements of their row: before or after something, where and how it was measured."""

from __future__ import annotations

import re
from typing import Final

from fhir_bridge.workshop.first_mapping import headers
from fhir_bridge.workshop.first_mapping.cells import SITES
from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.lexicon import tokens
from fhir_bridge.workshop.first_mapping.measures import measures_of
from fhir_bridge.workshop.first_mapping.table import Sample
from fhir_bridge.workshop.first_mapping.values import share

__all__ = ["QUALIFIERS", "measured_by", "qualifiers"]

QUALIFIERS: Final = ("measured-when", "measured-where", "measured-how", "measured-position")
"""Roles of columns that say when, where, how and in what position the measurements of their row were made."""
_PHASES: Final = re.compile(
    r"(pre|post|before|after|vor|nach|avant|apres|antes|despues|prima|dopo|baseline|basal|basale)\b.*|(pre|post)(bd|op|dose|dialysis)?"
)
"""Words for before and after something."""
_SPEAKS: Final = (
    ("measured-position", r"position|pos|posture|lage|lagerung|posicion|posizione"),
    ("measured-where", r"site|side|seite|location|loc|ort|lieu|sitio|sede|lugar|cote|lado|lato|arm|cuff"),
    ("measured-how", r"src|source|method|methode|metodo|technique|technik|mode|route|via|quelle|type|art"),
)
"""Last words of names that begin as that of a measurement."""
_MAY_BE: Final = frozenset(
    "category text display historical route body-site laterality method body-position specimen code-system".split()
)


def qualifiers(sample: Sample, guesses: list[Guess]) -> None:
    """Note which columns of words qualify measurements beside them; `of` is the first that they are of."""
    measured = [g for g in guesses if g.measure]
    if not measured and not any(g.role == "value" for g in guesses):
        return
    for number, guess in enumerate(guesses):
        if guess.role not in _MAY_BE or guess.measure or guess.of or not 0 < guess.distinct <= 12:
            continue
        words = [tokens(value) for value in sample.values(number) if value not in guess.missing]
        if share(words, _PHASES.fullmatch) == 1.0:
            guess.role, guess.questions = "measured-when", []
            guess.evidence.append("words for before and after something")
            guess.questions.append(
                f"{guess.column}: does it hold for all measurements of its row, as is assumed?"
            )
            continue
        role, named = _spoken(guess, measured)
        if not named:
            continue
        if role == "measured-how" and share(words, lambda v: set(v.split()) <= SITES) == 1.0:
            role = "measured-where"
        guess.role, guess.of = role, named[0].column
        shown = ", ".join(g.column for g in named)
        guess.evidence.append(f"name speaks of how {shown} was measured")
        guess.questions = [f"{guess.column}: does it say where or how {shown} was measured, as is assumed?"]


def measured_by(guess: Guess, measures: list[Guess]) -> list[Guess]:
    """The measurements that a column qualifies; all where its name speaks of none."""
    return _spoken(guess, measures)[1] or ([] if guess.of else measures)


def _spoken(guess: Guess, measures: list[Guess]) -> tuple[str, list[Guess]]:
    """The role that the end of a name gives, and the measurements that its beginning speaks of."""
    head, _, last = tokens(guess.name).rpartition(" ")
    role = next((role for role, pattern in _SPEAKS if re.fullmatch(pattern, last)), "")
    if not role or not head:
        return "", []
    meant = set(measures_of(head)[0])
    named = [
        g for g in measures
        if meant & set(measures_of(tokens(headers.bare(g.name)))[0]) or tokens(g.name).split()[0] == head
        or (head in ("bp", "nibp", "rr") and g.coding is not None and g.coding[1] in ("8480-6", "8462-4"))
    ]  # fmt: skip
    return role, named
