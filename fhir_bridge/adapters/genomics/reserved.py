"""Keys of INFO and FORMAT that the specification reserves, with Number and Type, by version of VCF.

VCF 4.1 and 4.2 §1.4 and §3–4, 4.3 §1.6 (tables 1 and 2) and §3–4, 4.5 §1.6 and §3–4. Versions 4.1 and 4.2 write the
definitions of §1.4 in words; Number and Type are those that the words say.
"""

from __future__ import annotations

from functools import lru_cache

from fhir_bridge.adapters.genomics.definition import Definition

__all__ = ["DEPTHS", "FORMAT", "INFO", "NOT_NEGATIVE", "reserved_format", "reserved_info"]

Table = dict[str, tuple[str, str]]


def _table(text: str) -> Table:
    rows = (row.split() for row in text.split(";"))
    return {key: (number, kind) for key, number, kind in rows}


_INFO = _table(
    "AA 1 String; AC A Integer; AF A Float; AN 1 Integer; BQ 1 Float; CIGAR A String; DB 0 Flag; DP 1 Integer; "
    "END 1 Integer; H2 0 Flag; H3 0 Flag; MQ 1 Float; MQ0 1 Integer; NS 1 Integer; SOMATIC 0 Flag; "
    "VALIDATED 0 Flag; 1000G 0 Flag"
)
_FORMAT = _table(
    "DP 1 Integer; EC A Integer; FT 1 String; GL G Float; GP G Float; GQ 1 Integer; GT 1 String; HQ 2 Integer; "
    "MQ 1 Integer; PL G Integer; PQ 1 Integer; PS 1 Integer"
)
DEPTHS = _table("AD R Integer; ADF R Integer; ADR R Integer")
"""Reserved since 4.3."""
INFO = _INFO | DEPTHS
"""Number and Type by key. SB is left out: callers and the specification never agreed on it."""
FORMAT = _FORMAT | DEPTHS
"""Number and Type by key, as of 4.3."""
_STRUCTURAL = _table(
    "IMPRECISE 0 Flag; NOVEL 0 Flag; SVTYPE 1 String; SVLEN . Integer; CIPOS 2 Integer; CIEND 2 Integer; "
    "CILEN 2 Integer; CN 1 Integer; CICN 2 Integer"
)
"""INFO of structural variants (§3) until 4.3. SVLEN has "one value for each ALT allele" in words."""
_STRUCTURAL_4_4 = _table(
    "IMPRECISE 0 Flag; NOVEL 0 Flag; SVTYPE 1 String; SVLEN A Integer; CIPOS . Integer; CIEND . Integer; "
    "CILEN . Integer; CN A Float; CICN . Float; RN A Integer; RUS . String; RUC . Float"
)
"""The same since 4.4: CIPOS, CIEND, CILEN and CICN are a pair for each ALT."""
NOT_NEGATIVE = frozenset("AC AD ADF ADR AF AN BQ DP GQ MQ MQ0 NS".split())
"""Counts, depths, frequencies and qualities of INFO and FORMAT: below zero they mean nothing."""


@lru_cache(maxsize=16)
def reserved_info(version: str) -> dict[str, Definition]:
    """What the version (`VCFv4.2`) says of INFO keys that a header need not declare."""
    depths = DEPTHS if version >= "VCFv4.3" else {}
    return _definitions(_INFO | depths | (_STRUCTURAL_4_4 if version >= "VCFv4.4" else _STRUCTURAL))


@lru_cache(maxsize=16)
def reserved_format(version: str) -> dict[str, Definition]:
    """What the version says of FORMAT keys that a header need not declare."""
    number = {"CN": ("1", "Float" if version >= "VCFv4.4" else "Integer")}
    return _definitions(_FORMAT | (DEPTHS if version >= "VCFv4.3" else {}) | number)


def _definitions(table: Table) -> dict[str, Definition]:
    return {key: Definition(key, number, kind, "") for key, (number, kind) in table.items()}
