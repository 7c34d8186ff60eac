"""Mutants: valid resources changed in one way each, by seed, each knowing what was done to it."""

from scripts.agreement.mutants import (
    bundles,
    extensions,
    invariants,
    narrative,
    primitives,
    profiles,
    references,
    structure,
    terminology,
    text,
)
from scripts.agreement.mutants.kinds import KINDS, Mutant, draw, mutate

__all__ = ["KINDS", "Mutant", "draw", "mutate"]

_REGISTERED = (
    bundles,
    extensions,
    invariants,
    narrative,
    primitives,
    profiles,
    references,
    structure,
    terminology,
    text,
)
"""The modules whose import registers their kinds."""
