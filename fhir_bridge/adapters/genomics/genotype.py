"""Genotypes: the GT field (VCF 4.3 §1.6.2, 4.4 §1.6.2) and what it says of an allele."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

__all__ = ["Genotype", "allelic_state", "parse_genotype"]

_SHAPE = re.compile(r"[/|]?(?:\.|[0-9]{1,4})(?:[/|](?:\.|[0-9]{1,4}))*")
_SEPARATOR = re.compile(r"[/|]")


@dataclass(frozen=True, slots=True)
class Genotype:
    """A parsed GT.

    Attributes:
        text: as written.
        alleles: allele number of each copy, None where missing.
        phased: whether all copies are phased (`|`).
        alternates: the distinct ALT numbers called, ascending.
        highest: the highest allele number, 0 where none is called.
        missing: how many copies are missing.
    """

    text: str
    alleles: tuple[int | None, ...]
    phased: bool
    alternates: tuple[int, ...]
    highest: int
    missing: int

    @property
    def no_call(self) -> bool:
        """Nothing is known of this sample here."""
        return self.missing == len(self.alleles)

    @property
    def half_call(self) -> bool:
        """Some copies are known and some are not."""
        return 0 < self.missing < len(self.alleles)


def parse_genotype(text: str) -> Genotype | None:
    """Parse a GT such as `0/1`, `1|.`, `2`, `0|1|1`; None where it is none."""
    if not _SHAPE.fullmatch(text):
        return None
    bare = text.lstrip("/|")
    alleles = tuple(None if part == "." else int(part) for part in _SEPARATOR.split(bare))
    called = {allele for allele in alleles if allele}
    phased = len(alleles) > 1 and "/" not in text
    missing = sum(allele is None for allele in alleles)
    return Genotype(text, alleles, phased, tuple(sorted(called)), max(called, default=0), missing)


def allelic_state(
    genotype: Genotype,
    alternate: int,
    chromosome: str | None,
    *,
    spanning: int | None = None,
    fraction: Decimal | None = None,
    homoplasmic: Decimal = Decimal("0.99"),
    diploid: bool = False,
) -> str | None:
    """The allelic state of one ALT: `homozygous`, `heterozygous`, `hemizygous`, `heteroplasmic`, `homoplasmic`.

    None where it can't be determined: a half call, one copy outside X and Y, a mitochondrial call without
    reads of the ALT.

    Args:
        genotype: the sample's call.
        alternate: the ALT's number, from 1.
        chromosome: `1` … `22`, `X`, `Y`, `MT`, or None for another contig.
        spanning: number of the ALT `*`, where the line has one: that copy is deleted, so the other occurs alone.
        fraction: fraction of reads with this ALT.
        diploid: the position is in a pseudoautosomal region, of which everybody has two copies.
        homoplasmic: fraction from which a mitochondrial ALT is homoplasmic.
    """
    copies = genotype.alleles
    if chromosome == "MT":
        # A genotype of two copies says nothing of a cell's many mitochondria: only reads do.
        if not fraction:
            return None
        return "homoplasmic" if fraction >= homoplasmic else "heteroplasmic"
    if genotype.missing:
        return None
    if len(copies) == 1:
        return "hemizygous" if chromosome in ("X", "Y") and not diploid else None
    if all(copy == alternate for copy in copies):
        return "homozygous"
    if spanning is not None and len(copies) == 2 and spanning in copies:
        return "hemizygous"
    return "heterozygous"
