# ruff: noqa: E501 - lists of words are written as they come out
"""What the guesses of a column have in common: its roles, its texts, whether its cells are whole numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.lexicon import Role, role_named

__all__ = ["CODES", "FEW", "IDENTIFIERS", "all_whole", "first_role", "is_site", "texts", "zero_led"]

CODES: Final = frozenset("loinc snomed icd atc rxnorm ndc cvx cpt read test-code code concept".split())


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


SITES: Final = frozenset(
    """oral temporal axillary axilla tympanic rectal ear forehead skin bladder esophageal core sublingual axillaire
    axillaer buccal tympanique rektal ohr stirn achsel left right arm leg wrist finger thigh radial femoral brachial jugular jugulaire
    subclavian ulnar radialis femoralis femorale radiale humeral omeral deltoid chest abdomen neck sacrum heel shin foot ankle knee hip back hand elbow shoulder
    deltoides deltoide deltoideo oberarm oberarme bovenarm bras braccio brazo muslo cuisse coscia dij gluteo fesse oberschenkel
    spine lumbar thoracic cervical pelvis breast lung prostate knees shoulders wrists wirbelsaeule lws bws hws schulter hand handgelenk arm bein brust
    calf toe buttock coccyx trochanter ischium ferse kreuzbein fuss knie talon sacro tallone tobillo talon rodilla genou cheville""".split()
)
"""Words for places of the body."""


def is_site(values: Sequence[str]) -> bool:
    """Whether most cells have a place of the body: `radial re`, `L heel`."""
    words = [set(re.split(r"[\W_]+", value.casefold())) for value in values]
    return bool(words) and sum(1 for each in words if each & SITES) >= 0.7 * len(words)


def zero_led(values: Sequence[str]) -> bool:
    """Whether values are digits with zeros before them, as keys of a list are written and numbers are not: `0107`."""
    led = sum(1 for value in values if re.fullmatch(r"0\d+", value))
    return all_whole(values) and led > 0 and led >= 0.05 * len(values)
