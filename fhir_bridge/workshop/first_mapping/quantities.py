# ruff: noqa: E501 - lines of YAML and patterns are written as they come out
"""Units that a measurement has where nobody writes them, by its name and by how large its numbers are."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

__all__ = ["MeasuredUnit", "measured"]


class MeasuredUnit(NamedTuple):
    """A unit by convention, with its evidence, and what is to be asked."""

    unit: str
    evidence: str
    question: str = ""


_CONVENTIONS: Final[tuple[tuple[str, float, float, str, bool], ...]] = (
    (r"\b(syst|diast|sist)|sys(tol|\b)|dia(stol|\b)|\b(sbp|dbp|pas|pad)\b|blood pressure|bloodpressure|blutdruck|pression arterielle|presion", 0, 320, "mm[Hg]", False),
    (r"heart ?rate|\b(hr|hf)\b|pulse|puls\b|herzfrequenz|frequence cardiaque|frecuencia cardiaca|frequenza cardiaca|\bfc\b", 10, 320, "/min", False),
    (r"resp(iratory|iration)? ?rate|atemfrequenz", 3, 90, "/min", False),
    (r"\bbmi\b|body mass index", 8, 120, "kg/m2", False),
    (r"\bspo ?2\b|oxygen saturation|sauerstoffsatt", 30, 100, "%", False),
    (r"hba1c", 3, 20, "%", True),
    (r"temp", 30, 45, "Cel", True),
    (r"temp", 86, 113, "[degF]", True),
    (r"height|\bht\b|groesse|taille|altezza|altura|talla", 30, 260, "cm", True),
    (r"height|groesse|taille|altezza|altura|talla", 0.3, 2.6, "m", True),
    (r"weight|\bwt\b|gewicht|poids|peso", 0.3, 350, "kg", True),
    (r"sleep (hours|duration)|hours of sleep", 0, 24, "h", True),
    (r"(survival|follow up)? ?years$", 0, 130, "a", False),
)  # fmt: skip
"""Pattern over the words of the name, lowest and highest value, UCUM, and whether other units are as usual."""


def measured(words: str, low: float, high: float) -> MeasuredUnit | None:
    """The unit that a measurement of this name has by convention; None where there is none."""
    for pattern, least, most, unit, asked in _CONVENTIONS:
        if re.search(pattern, words) and high <= most and (low >= least or low == 0):
            question = f"no unit is stated; is it {unit}, as its values make likely?" if asked else ""
            return MeasuredUnit(
                unit, f"unit {unit}: what such measurements have, and its values fit", question
            )
    return None
