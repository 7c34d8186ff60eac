"""The grammar of c., n. and p. names (HGVS nomenclature 21.0): only what follows it is coded."""

from __future__ import annotations

import re

__all__ = ["coding_name", "protein_name"]

_TRANSCRIPT = r"(?:[NX][MR]_[0-9]+(?:\.[0-9]+)?|ENS[A-Z]*T[0-9]+(?:\.[0-9]+)?|LRG_[0-9]+t[0-9]+)"
_PROTEIN = r"(?:[NXY]P_[0-9]+(?:\.[0-9]+)?|ENS[A-Z]*P[0-9]+(?:\.[0-9]+)?|LRG_[0-9]+p[0-9]+)"
_PLACE = r"[-*]?[0-9]+(?:[-+][0-9]+)?"
_CHANGE = (
    r"(?:[ACGTN]+>[ACGTN]+|del[ACGTN]*(?:ins(?:[ACGTN]+|[0-9]+))?|delins(?:[ACGTN]+|[0-9]+)|dup[ACGTN]*"
    r"|ins(?:[ACGTN]+|[0-9]+)|inv|=|\[[0-9]+\])"
)
_CODING = re.compile(rf"{_TRANSCRIPT}(?:\([A-Za-z0-9_.-]+\))?:[cn]\.{_PLACE}(?:_{_PLACE})?{_CHANGE}")
_AMINO = (
    r"(?:Ala|Arg|Asn|Asp|Cys|Gln|Glu|Gly|His|Ile|Leu|Lys|Met|Phe|Pro|Ser|Thr|Trp|Tyr|Val|Sec|Pyl|Xaa|Ter"
    r"|[ACDEFGHIKLMNPQRSTVWYUX*])"
)
_CHANGED = (
    rf"(?:{_AMINO}|=|\?|del|dup|ins{_AMINO}+|delins{_AMINO}+|{_AMINO}?fs(?:(?:Ter|\*|X)(?:[0-9]+|\?))?"
    rf"|{_AMINO}?ext(?:(?:Ter|\*|-)?(?:[0-9]+|\?))?)"
)
_EFFECT = rf"(?:=|\?|0\??|{_AMINO}[0-9]+(?:_{_AMINO}[0-9]+)?{_CHANGED})"
_PROTEIN_NAME = re.compile(rf"{_PROTEIN}(?:\([A-Za-z0-9_.-]+\))?:p\.(?:{_EFFECT}|\({_EFFECT}\))")


def coding_name(text: str) -> bool:
    """Whether a text is a c. or n. name with the accession of its transcript."""
    return _CODING.fullmatch(text) is not None


def protein_name(text: str) -> bool:
    """Whether a text is a p. name with the accession of its protein."""
    return _PROTEIN_NAME.fullmatch(text) is not None
