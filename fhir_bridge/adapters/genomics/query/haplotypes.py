"""Names of haplotypes and genotypes: `CYP2C19 *1/*17`, `HLA-B*08:01`, GL strings, and codes for several alleles."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["genes_named", "is_ambiguous", "matches_genotype", "plain_gene"]

_GENE = re.compile(r"(?:HLA-)?([A-Z][A-Z0-9]*)\s*\*(.+)")
_FIRST = re.compile(r"([A-Z][A-Z0-9-]+) \S")
_SEVERAL = re.compile(r"([0-9]+):([A-Z]{2,})")
"""A group with the letters of NMDP's multiple-allele codes: which alleles they mean only their table says."""


def _alleles(text: str) -> Iterator[tuple[str, str]]:
    """Gene and allele of each part of a name; a part without gene has that of the one before."""
    gene = ""
    # GL strings begin with the name space and release of the nomenclature: `hla#3.33.0#`.
    for part in re.split(r"[/+|~^]", text.strip().rpartition("#")[2]):
        plain = part.strip()
        match = _GENE.fullmatch(plain)
        if match is not None:
            gene, allele = match[1], match[2].strip()
        elif plain.startswith("*"):
            allele = plain[1:].strip()
        else:
            continue
        yield gene, allele


def plain_gene(symbol: str) -> str:
    """A symbol as names of alleles have it: HLA-A is A."""
    return symbol.upper().removeprefix("HLA-")


def genes_named(text: str) -> set[str]:
    """The genes of a name's alleles; of one that is not by stars the first word (`VKORC1 rs9923231 variant (T)`)."""
    genes = {gene for gene, _ in _alleles(text) if gene}
    first = _FIRST.match(text.strip())
    return {plain_gene(first[1])} if first is not None and not genes else genes


def is_ambiguous(text: str) -> bool:
    """Whether a name stands for one of several alleles."""
    return any(_SEVERAL.fullmatch(allele) for _, allele in _alleles(text))


def matches_genotype(wanted: str, stored: str) -> bool:
    """Whether a stored genotype or haplotype has the wanted one.

    A haplotype is in each genotype that lists it; one of fewer fields (`HLA-B*08`) is in all that begin with them; a
    code for several alleles of a group may be each of that group.
    """
    asked, known = list(_alleles(wanted)), list(_alleles(stored))
    if not asked or not known:
        return _plain(wanted) == _plain(stored)
    if len(asked) > 1:
        return sorted(asked) == sorted(known)
    gene, allele = asked[0]
    return any(gene == other_gene and _has(allele, other) for other_gene, other in known)


def _has(wanted: str, stored: str) -> bool:
    if wanted == stored or stored.startswith(f"{wanted}:"):
        return True
    several = _SEVERAL.fullmatch(stored)
    return several is not None and wanted.split(":")[0] == several[1]


def _plain(text: str) -> str:
    return re.sub(r"\s+", "", text).upper()
