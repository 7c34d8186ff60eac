"""Which ALT a consequence annotation speaks of: by its own Allele, as VEP and SnpEff write it.

A line with one ALT may have had several (`bcftools norm -m -` leaves CSQ and ANN as they are): what is said there of
the other alleles is not said of this one. Numbers of ALTs (ALLELE_NUM) are those of the line that was annotated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from fhir_bridge.adapters.genomics.hgvs import trim

__all__ = ["Alleles", "changes", "is_plainly_for", "of_allele"]

_BASES = re.compile(r"[ACGTUNRYKMSWBDHV]+|-", re.IGNORECASE)
_DELETED = re.compile(r"[cn]\.\*?([0-9]+)(?:_\*?([0-9]+))?del[ACGT]*")
"""A deletion within an exon, of which the name says how many bases it has."""
_VEP_KINDS = {"DEL": "deletion", "DUP": "duplication", "INS": "insertion", "INV": "inversion"}
_KINDS = {
    **{name: (kind,) for kind, name in _VEP_KINDS.items()},
    **{kind.lower(): (kind,) for kind in _VEP_KINDS},
    "tandem_duplication": ("DUP",),
    "copy_number_variation": ("CNV", "DEL", "DUP"),
}
"""Symbolic alleles in words, and of which kinds of ALT they can be said."""


class Alleles(NamedTuple):
    """What an annotation is compared with: POS, REF in upper case, and the ALTs as written."""

    position: int
    reference: str
    alternates: tuple[str, ...]


def of_allele(
    entries: Sequence[Mapping[str, str]], alleles: Alleles, number: int, *, verbatim: bool
) -> list[Mapping[str, str]]:
    """Of what an annotation says of a line, what it says of ALT `number` (from 1).

    `verbatim`: it writes ALTs as the line does (SnpEff), or their numbers.
    """
    if len(alleles.alternates) > 1:
        return [entry for entry in entries if _is_one_of_several(entry, alleles, number, verbatim)]
    text = alleles.alternates[0]
    named = {entry["allele"].upper() for entry in entries if entry.get("allele")}
    numbered = {entry["allele_num"] for entry in entries if entry.get("allele_num")}
    own = _own_forms(alleles.reference, text, verbatim, frozenset(named))
    split = len(named) > 1
    results = []
    for entry in entries:
        allele = entry.get("allele", "").upper()
        if entry.get("dna_change"):
            taken = changes(entry, alleles, 1)
        elif not allele or (verbatim and allele.isdecimal()):
            numbers = {allele, *named} if allele else numbered
            taken = numbers <= {"1"}
        else:
            taken = (
                allele in own
                and _has_reference(entry, alleles.reference, text)
                and not (split and allele == "-" and _deletes_others(entry, alleles.reference, text))
            )
        if taken:
            results.append(entry)
    return results


def changes(entry: Mapping[str, str], alleles: Alleles, number: int) -> bool:
    """Whether the change that BCSQ states, of one variant or of several joined by `+`, has this ALT."""
    own = f"{alleles.position}{alleles.reference}>{alleles.alternates[number - 1]}".upper()
    return own in entry.get("dna_change", "").upper().split("+")


def is_plainly_for(written: str, reference: str, alternate: str, *, verbatim: bool) -> bool:
    """Whether an annotation that names this allele alone is of the only ALT of a line, as annotators write most."""
    return written == alternate or (
        not verbatim
        and len(reference) != len(alternate)
        and reference[0] == alternate[0]
        and written == (alternate[1:] or "-")
    )


def _is_one_of_several(entry: Mapping[str, str], alleles: Alleles, number: int, verbatim: bool) -> bool:
    reference, alternates = alleles.reference, alleles.alternates
    allele = entry.get("allele")
    if entry.get("allele_num"):
        if entry["allele_num"] != str(number):
            return False
        # Lines that were joined after they were annotated have numbers that are not theirs.
        others = (text for place, text in enumerate(alternates, 1) if place != number)
        forms = _forms(reference, alternates[number - 1])
        return not allele or allele in forms or not any(allele in _forms(reference, text) for text in others)
    if not allele:
        return changes(entry, alleles, number)
    if verbatim:
        return allele == alternates[number - 1] or allele == str(number)
    return allele in _vep_alleles(reference, alternates, number)


@lru_cache(maxsize=4096)
def _own_forms(reference: str, alternate: str, verbatim: bool, named: frozenset[str]) -> frozenset[str]:
    """Which of the alleles that are named on a line with one ALT is that one; none where more than one may be."""
    if alternate[:1] == "<" or not _BASES.fullmatch(alternate):
        return frozenset(each for each in named if _is_symbolic(each, alternate))
    own = alternate.upper()
    if verbatim:
        return frozenset((own,))
    trimmed = (alternate[1:].upper() or "-") if reference[:1] == own[:1] else own
    if reference[1:] in named and trimmed != own and len(named) > 1:
        # What is named beside it is REF as it would be written so: the line was aligned anew.
        return frozenset((own,)) & named
    fitting = named & {own, trimmed}
    if not fitting and len(named) == 1:
        fitting = named & _forms(reference, alternate)
    return fitting if len(fitting) == 1 else frozenset()


def _is_symbolic(written: str, alternate: str) -> bool:
    text = alternate.upper()
    if written in (text, text[1:-1]):
        return True
    if written[:1] == "<" or _BASES.fullmatch(written):
        return False
    kinds = _KINDS.get(written.lower())
    return kinds is None or text[1:4] in kinds or text[1:3] == "CN"


@lru_cache(maxsize=4096)
def _forms(reference: str, alternate: str) -> frozenset[str]:
    """All ways in which VEP writes an ALT: in full, without the first base, without all that REF has (--minimal)."""
    if alternate[:1] == "<":
        return frozenset(_symbolic_names(alternate))
    own = alternate.upper()
    forms = {alternate, own}
    if reference[:1] == own[:1]:
        forms |= {own[1:] or "-", trim(1, reference, own)[2] or "-"}
    return frozenset(forms)


def _has_reference(entry: Mapping[str, str], reference: str, alternate: str) -> bool:
    """Whether what the annotation says of REF (VEP's GIVEN_REF), if anything, can be said of this one."""
    given = entry.get("given_ref", "").upper()
    return not given or alternate[:1] == "<" or given in _forms(alternate.upper(), reference) | {reference}


def _deletes_others(entry: Mapping[str, str], reference: str, alternate: str) -> bool:
    """Whether the c. name is that of a deletion of another number of bases than this one's."""
    _, old, new = trim(1, reference, alternate.upper())
    match = _DELETED.fullmatch(entry.get("hgvs_c", "").rpartition(":")[2])
    if match is None or new:
        return False
    return int(match[2] or match[1]) - int(match[1]) + 1 != len(old)


def _vep_alleles(reference: str, alternates: tuple[str, ...], number: int) -> tuple[str, ...]:
    """The ways VEP writes one of several ALTs: verbatim, or without the first base where all alleles of an indel share
    it."""
    text = alternates[number - 1]
    if text.startswith("<"):
        return _symbolic_names(text)
    bases = [allele for allele in alternates if allele[:1] not in "<*"]
    indel = any(len(allele) != len(reference) for allele in bases)
    if indel and all(allele[:1] == reference[:1] for allele in bases):
        return (text, text[1:] or "-")
    return (text,)


def _symbolic_names(text: str) -> tuple[str, ...]:
    return (text, text[1:-1], _VEP_KINDS.get(text[1:4], text))
