"""What the guesses of a column have in common: its roles, its texts, whether its cells are whole numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.lexicon import Role, role_named

__all__ = ["CODES", "FEW", "IDENTIFIERS", "all_whole", "first_role", "texts", "zero_led"]

CODES: Final = frozenset("loinc snomed icd atc rxnorm ndc cvx cpt test-code code concept".split())


FEW: Final = 60


IDENTIFIERS: Final = frozenset(
    """patient-id person-id encounter-id account-id order-id provider-id organization-id study-id event-id row-id id
    lot-number insurer device""".split()
)


def first_role(fits: Sequence[tuple[float, str]], *kinds: str) -> Role | None:
    """The best role that may have cells of one of the kinds."""
    for _, name in fits:
        role = role_named(name)
        if role is not None and ("any" in role.kinds or role.kinds & set(kinds)):
            return role
    return None


def all_whole(values: Sequence[str]) -> bool:
    """Whether all values are whole numbers."""
    return all(value.lstrip("-").isdigit() for value in values)


def texts(guess: Guess) -> str:
    """How many texts a column has, in words."""
    if guess.distinct <= max(12, min(FEW, guess.filled // 10)):
        return f"{guess.distinct} different texts in {guess.filled} cells"
    return "values are text"


def zero_led(values: Sequence[str]) -> bool:
    """Whether values are digits with zeros before them, as keys of a list are written and numbers are not: `0107`."""
    led = sum(1 for value in values if re.fullmatch(r"0\d+", value))
    return all_whole(values) and led > 0 and led >= 0.05 * len(values)
