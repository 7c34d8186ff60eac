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
from scripts.agreement.mutants.registry import MUTATORS, Mutant, draw, mutate

__all__ = ["MUTATORS", "Mutant", "draw", "mutate"]

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
