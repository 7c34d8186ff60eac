"""Names of haplotypes and genotypes: `CYP2C19 *1/*17`, `HLA-B*08:01`, `DPYD c.1905+1G>A (*2A)/Reference`, GL strings,
and codes for several alleles."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

__all__ = ["genes_named", "is_ambiguous", "matches_genotype", "plain_gene"]

_GENE = re.compile(r"(?:HLA-)?([A-Z][A-Z0-9]*)\s*(\*.+)")
_FIRST = re.compile(r"([A-Z][A-Z0-9-]+)\s+(\S.*)")
_BOTH = re.compile(r"[/|^]")
"""Between the alleles of both chromosomes."""
_ONE = re.compile(r"~|\s\+\s|\+(?=\s*(?:(?:HLA-)?[A-Z][A-Z0-9]*\s*)?\*)")
"""Between alleles of one chromosome, and of GL strings; a `+` of HGVS (`c.1905+1G>A`) is none."""
_ALSO = re.compile(r"(.+?)\s*\((\*[^()]+|reference)\)")
"""A name with another one: `c.1905+1G>A (*2A)`, `B (reference)`."""
_COPIES = re.compile(r"(\*.+?)X(?:≥?[0-9]+|N)")
"""Several copies of an allele: `*1x3`, `*2x≥3`, `*1xN`."""
_SEVERAL = re.compile(r"\*([0-9]+):([A-Z]{2,})")
"""A group with the letters of NMDP's multiple-allele codes: which alleles they mean only their table says."""


class _Allele(NamedTuple):
    """An allele of a gene, empty where none is named, with all its names in capitals, without spaces."""

    gene: str
    names: frozenset[str]


def _chromosomes(text: str) -> list[list[_Allele]]:
    """The alleles of each part of a name; one without gene has that of the one before."""
    gene = ""
    results = []
    # GL strings begin with the name space and release of the nomenclature: `hla#3.33.0#`.
    for chromosome in _BOTH.split(text.strip().rpartition("#")[2]):
        alleles = []
        for part in _ONE.split(chromosome.strip()):
            plain = part.strip().removeprefix("[").removesuffix("]").strip()
            star, named = _GENE.fullmatch(plain), _FIRST.fullmatch(plain)
            if star is not None:
                gene, plain = star[1], star[2]
            elif named is not None and gene in ("", plain_gene(named[1])):
                gene, plain = plain_gene(named[1]), named[2].removeprefix("[")
            elif not plain or (not gene and not plain.startswith("*")):
                continue
            alleles.append(_Allele(gene, frozenset(_names(plain))))
        if alleles:
            results.append(alleles)
    return results


def _names(allele: str) -> Iterator[str]:
    yield _plain(allele)
    match = _ALSO.fullmatch(allele)
    if match is not None:
        yield _plain(match[1])
        if match[2] != "reference":
            yield _plain(match[2])


def _alleles(text: str) -> list[_Allele]:
    return [allele for alleles in _chromosomes(text) for allele in alleles]


def plain_gene(symbol: str) -> str:
    """A symbol as names of alleles have it: HLA-A is A."""
    return symbol.upper().removeprefix("HLA-")


def genes_named(text: str) -> set[str]:
    """The genes of a name's alleles; of one that is not by stars the first word (`VKORC1 rs9923231 variant (T)`)."""
    return {allele.gene for allele in _alleles(text) if allele.gene}


def is_ambiguous(text: str) -> bool:
    """Whether a name stands for one of several alleles."""
    return any(_SEVERAL.fullmatch(name) for allele in _alleles(text) for name in allele.names)


def matches_genotype(wanted: str, stored: str) -> bool:
    """Whether a stored genotype or haplotype has the wanted one.

    A haplotype is in each genotype that lists it, by any of its names; one of fewer fields (`HLA-B*08`) is in all that
    begin with them; one copy (`*1`) is in several (`*1x3`); a code for several alleles of a group may be each of that
    group.
    """
    asked, known = _alleles(wanted), _chromosomes(stored)
    every = [allele for alleles in known for allele in alleles]
    if not asked or not every:
        return _plain(wanted) == _plain(stored)
    if len(asked) > 1:
        return _same(asked, every) or any(_same(asked, alleles) for alleles in known)
    (allele,) = asked
    return any(allele.gene == other.gene and _has(allele.names, other.names) for other in every)


def _same(asked: Sequence[_Allele], known: Sequence[_Allele]) -> bool:
    """Whether these are the same alleles, in any order."""
    left = list(known)
    for allele in asked:
        fitting = next(
            (each for each in left if each.gene == allele.gene and not each.names.isdisjoint(allele.names)),
            None,
        )
        if fitting is None:
            return False
        left.remove(fitting)
    return not left


def _has(wanted: frozenset[str], stored: frozenset[str]) -> bool:
    return any(_is_in(one, other) for one in wanted for other in stored)


def _is_in(wanted: str, stored: str) -> bool:
    copies = _COPIES.fullmatch(stored)
    if wanted == stored or (copies is not None and copies[1] == wanted):
        return True
    if not wanted.startswith("*"):
        return False
    several = _SEVERAL.fullmatch(stored)
    return stored.startswith(f"{wanted}:") or (several is not None and wanted[1:].split(":")[0] == several[1])


def _plain(text: str) -> str:
    return re.sub(r"\s+", "", text).upper()
