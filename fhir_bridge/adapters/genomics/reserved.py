"""Keys of INFO and FORMAT that the specification reserves, with Number and Type (VCF 4.3 §1.6, tables 1 and 2)."""

from __future__ import annotations

__all__ = ["FORMAT", "INFO", "NOT_NEGATIVE"]


def _table(text: str) -> dict[str, tuple[str, str]]:
    rows = (row.split() for row in text.split(";"))
    return {key: (number, kind) for key, number, kind in rows}


INFO = _table(
    "AA 1 String; AC A Integer; AD R Integer; ADF R Integer; ADR R Integer; AF A Float; AN 1 Integer; BQ 1 Float; "
    "CIGAR A String; DB 0 Flag; DP 1 Integer; END 1 Integer; H2 0 Flag; H3 0 Flag; MQ 1 Float; MQ0 1 Integer; "
    "NS 1 Integer; SOMATIC 0 Flag; VALIDATED 0 Flag; 1000G 0 Flag"
)
"""Number and Type by key. SB is left out: callers and the specification never agreed on it."""

FORMAT = _table(
    "AD R Integer; ADF R Integer; ADR R Integer; DP 1 Integer; EC A Integer; FT 1 String; GL G Float; GP G Float; "
    "GQ 1 Integer; GT 1 String; HQ 2 Integer; MQ 1 Integer; PL G Integer; PQ 1 Integer; PS 1 Integer"
)

NOT_NEGATIVE = frozenset("AC AD ADF ADR AF AN BQ DP MQ MQ0 NS".split())
"""Counts, depths, frequencies and qualities of INFO: below zero they mean nothing."""
