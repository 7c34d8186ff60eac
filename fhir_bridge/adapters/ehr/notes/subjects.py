"""Words of what the rules know: a text without any of them has no fact, and its rules are not even loaded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from fhir_bridge.adapters.ehr.notes.conditions import WORDS

__all__ = ["EJECTION", "FAMILY_HISTORY", "NYHA", "SMOKING", "SUBJECTS", "has"]

EJECTION: Final = (
    "lvef",
    "ef ",
    "ef:",
    "ef=",
    "ef(",
    "ef~",
    "ef≈",
    "ef-",
    "ef\n",
    "ef,",
    "fra",
    "auswurf",
    "pumpf",
    "function",
)
"""A text without any of these, in small letters, states no ejection fraction."""
NYHA: Final = ("nyha", "nhya", "nyah", "nyh ", "new york heart")
"""A text without any of these, in small letters, states no class."""
SMOKING: Final = (
    "smok", "smk", "nonsm", "rauch", "rauht", "rauhct", "nikotin", "nicotin", "f17.", "tob", "tabak", "cigar",
    "cigs", "zigar", "zig", "nr",
    "pack", "pk", "py", "p.y", "p. y", "cut down", "cut back", "quit",
)  # fmt: skip
"""A text without any of these, in small letters, states nothing of smoking."""

FAMILY_HISTORY: Final = (
    "famil", "fam", "fh", "fmhx", "fa:", "fa ", "relative", "verwandt", "angehörig", "kin ", "kin.", " side",
    "autop", "obduktion", "mortem", "necropsy", "coroner", "sektion",
    *dict.fromkeys(WORDS.lower().split("|")),
)  # fmt: skip
"""A text without any of these, in small letters and outside of a section on it, states nothing of relatives."""

SUBJECTS: Final = (*EJECTION, *NYHA, *SMOKING, *FAMILY_HISTORY)


def has(small: str, words: Iterable[str]) -> bool:
    """Whether a text in small letters has one of some words."""
    for word in words:  # noqa: SIM110 - the plain loop is twice as fast, and runs for each sentence
        if word in small:
            return True
    return False
