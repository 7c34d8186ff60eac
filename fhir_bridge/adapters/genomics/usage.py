"""FORMAT keys that the reader computes from. Each is used only as the header declares it (VCF 4.3 §1.4.2, §1.6.2).

A key that a header does not declare has the meaning that the file's version reserves for it, if it reserves one;
`AD` is reserved since 4.3, `AF` and `VAF` in no version. What can't be used is reported and never computed from.
"""

from __future__ import annotations

from typing import NamedTuple

from fhir_bridge.adapters.genomics.header import Header

__all__ = ["FRACTIONS", "Use", "several_alts", "uses"]

_NUMBERS = frozenset(("Integer", "Float"))
_SINGLE = frozenset(("1", "."))


class _Wanted(NamedTuple):
    """What a declaration must say, and what is not stated otherwise."""

    layouts: frozenset[str]
    kinds: frozenset[str]
    stated: str


_WANTED = {
    "AD": _Wanted(frozenset("R"), frozenset(("Integer",)), "an allele's reads and their fraction"),
    "AF": _Wanted(_SINGLE | {"A", "R"}, frozenset(("Float",)), "an allele's fraction"),
    "VAF": _Wanted(_SINGLE | {"A", "R"}, frozenset(("Float",)), "an allele's fraction"),
    "CN": _Wanted(_SINGLE | {"A", "R"}, _NUMBERS, "the copy number"),
    "DP": _Wanted(_SINGLE, frozenset(("Integer",)), "the depth"),
    "GQ": _Wanted(_SINGLE, _NUMBERS, "the genotype's quality"),
    "PS": _Wanted(_SINGLE, frozenset(("Integer", "String")), "the phase set"),
    "FT": _Wanted(_SINGLE, frozenset(("String",)), "the filters of a call"),
}
FRACTIONS = ("AF", "VAF")
"""Keys that hold the fraction of reads with an ALT, the better known first."""


class Use(NamedTuple):
    """How a file lets a key be used.

    Attributes:
        layout: `A` or `R`: a value for each ALT, or for each allele with REF first; `1`: one value; empty: no use.
        problem: why a key has no use, for people; empty where it has one or the file does not know the key.
    """

    layout: str
    problem: str


def uses(header: Header) -> dict[str, Use]:
    """How each key that the reader computes from can be used in a file."""
    return {key: _use(header, key, wanted) for key, wanted in _WANTED.items()}


def _use(header: Header, key: str, wanted: _Wanted) -> Use:
    definition = header.format_definition(key)
    if definition is None:
        reason = f"is not declared, and {header.version} reserves no such key"
    elif definition.kind not in wanted.kinds or definition.layout not in wanted.layouts:
        reason = f"is declared {definition.declaration}"
    else:
        return Use("1" if definition.layout == "." else definition.layout, "")
    return Use("", f"FORMAT/{key} {reason}: {wanted.stated} can't be read from it (VCF 4.3 §1.4.2, §1.6.2)")


def several_alts(key: str, use: Use) -> str:
    """What is wrong with a key on a line with several ALTs; empty where nothing is."""
    if use.layout != "1" or key not in FRACTIONS:
        return ""
    return f"FORMAT/{key} is one value, which is no single ALT's of a line with several (VCF 4.3 §1.4.2)"
