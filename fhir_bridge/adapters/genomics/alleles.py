"""The alternate alleles of a line: bases, symbolic, breakend, spanning deletion, gVCF (VCF 4.3 §1.6.1, §3, §5)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from fhir_bridge.adapters.genomics.hgvs import trim

__all__ = ["Alternate", "breakend_mate", "change_type", "parse_alternate"]

_BASES = re.compile(r"[ACGTNacgtn]+")
_SYMBOL = re.compile(r"<([^\s,<>]+)>")
_BREAKEND = re.compile(
    r"(?P<before>[ACGTNacgtn]+|\.)?(?P<mark>[\[\]])(?:(?P<chrom>[^\s\[\]]+):(?P<pos>[0-9]+)|<[^\s<>]+>:[0-9]+)(?P=mark)"
    r"(?P<after>[ACGTNacgtn]+|\.)?"
)
_MATE = re.compile(r"([\[\]])([^\s\[\]]+):([0-9]+)[\[\]]")
_SINGLE = re.compile(r"\.[ACGTNacgtn]+|[ACGTNacgtn]+\.")
_NOT_CALLED = frozenset(("NON_REF", "*"))


@dataclass(frozen=True, slots=True)
class Alternate:
    """One ALT.

    Attributes:
        text: as written.
        kind: `bases`, `symbolic`, `breakend`, `spanning` (`*`), `unknown` (`<NON_REF>`, `<*>`), `missing` (`.`) or
            `invalid` (one of several ALTs of a line that can't be read).
        symbol: the words of a symbolic allele: `("DUP", "TANDEM")`.
    """

    text: str
    kind: str
    symbol: tuple[str, ...] = ()


@lru_cache(maxsize=65536)
def parse_alternate(text: str) -> Alternate | None:
    """Parse an ALT; None where it is none of the allowed forms."""
    if _BASES.fullmatch(text):
        return Alternate(text, "bases")
    if text == "*":
        return Alternate(text, "spanning")
    if text == ".":
        return Alternate(text, "missing")
    symbol = _SYMBOL.fullmatch(text)
    if symbol:
        name = symbol[1]
        if name in _NOT_CALLED:
            return Alternate(text, "unknown")
        # <CN0>, <CN2>: 1000 Genomes' copy number alleles
        numbered = name[:2] == "CN" and name[2:].isdigit()
        if numbered:
            return Alternate(text, "symbolic", ("CNV", name))
        # <STR12>: ExpansionHunter's, with the count of repeats
        if name[:3] == "STR" and name[3:].isdigit():
            return Alternate(text, "symbolic", ("STR", name))
        return Alternate(text, "symbolic", tuple(name.split(":")))
    breakend = _BREAKEND.fullmatch(text)
    if (breakend and bool(breakend["before"]) != bool(breakend["after"])) or _SINGLE.fullmatch(text):
        return Alternate(text, "breakend")
    return None


class Mate(NamedTuple):
    """The other end of a breakend: contig and position; `side`: which sequence at it is joined."""

    contig: str
    position: int
    side: str


def breakend_mate(text: str) -> Mate | None:
    """The mate that a breakend's ALT names (VCF 4.3 §5.4); None of a single breakend and of an assembled contig."""
    match = _MATE.search(text)
    if match is None or match[2].startswith("<"):
        return None
    return Mate(match[2], int(match[3]), "following" if match[1] == "[" else "preceding")


def change_type(reference: str, alternate: Alternate) -> str | None:
    """The change in the words of the mapping: `SNV`, `MNV`, `insertion`, `deletion`, `delins`, `duplication`,
    `tandem_duplication`, `inversion`, `copy_number_variation`, `tandem_repeat`, `breakend`;
    None for another symbolic allele."""
    if alternate.kind == "bases":
        new = alternate.text.upper()
        if len(reference) == len(new) == 1:
            return "SNV"
        _, old, new = trim(1, reference, new)
        if len(old) == len(new):
            return "SNV" if len(old) == 1 else "MNV"
        if not old:
            return "insertion"
        return "delins" if new else "deletion"
    if alternate.kind == "breakend":
        return "breakend"
    match alternate.symbol:
        case ("DEL", *_):
            return "deletion"
        case ("INS", *_):
            return "insertion"
        case ("DUP", "TANDEM", *_):
            return "tandem_duplication"
        case ("DUP", *_):
            return "duplication"
        case ("INV", *_):
            return "inversion"
        case ("STR", *_) | ("CNV", "TR", *_):
            return "tandem_repeat"
        case ("CNV", *_):
            return "copy_number_variation"
        case _:
            return None
