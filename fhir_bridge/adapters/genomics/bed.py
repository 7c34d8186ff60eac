"""The regions that a study covers, from a BED file (BED v1.0), and their sum in words."""

from __future__ import annotations

from pathlib import Path

from fhir_bridge.adapters.genomics.assembly import chromosome
from fhir_bridge.adapters.genomics.file import Studied
from fhir_bridge.adapters.genomics.genes import HGNC
from fhir_bridge.adapters.genomics.header import Header
from fhir_bridge.adapters.genomics.issues import issue
from fhir_bridge.adapters.genomics.options import OptionError, Options
from fhir_bridge.adapters.genomics.region_list import RegionList
from fhir_bridge.adapters.genomics.regions import Regions, bed_lines

__all__ = ["read_studied"]


def read_studied(header: Header, options: Options) -> Studied:
    """What the study covers: options before the header's `##studied_genes` and `##studied_regions`.

    Of a BED file what lines are taken from (`regions`): a place elsewhere was not looked at here.

    Raises:
        OptionError: the BED file can't be read, or a line of it is wrong (FB-VCF-009).
    """
    declared = ",".join(header.meta.get("studied_genes", []))
    genes = options.studied_genes or tuple(name.strip() for name in declared.split(",") if name.strip())
    description = "; ".join(header.meta.get("studied_regions", [])) or None
    if options.studied_bed is None:
        return Studied(genes, description)
    named, description, bed, bases = _read_bed(
        options.studied_bed, Regions(options.regions) if options.regions else None
    )
    return Studied(genes or named, description, bed, bases)


_MOST = 300_000
"""Regions that are stated one by one: an exome has some 200,000."""


def _read_bed(path: Path, taken: Regions | None) -> tuple[tuple[str, ...], str, str | None, int]:
    bases = 0
    every: list[tuple[str, int, int]] = []
    genes: dict[str, None] = {}
    for contig, start, end, further in bed_lines(path, "studied_bed"):
        if chromosome(contig) is None:
            message = f"option studied_bed: {path.name} has a line whose contig is no chromosome"
            raise OptionError(issue("FB-VCF-009", message, path.name))
        every.append((contig, start, end))
        bases += end - start
        if further and further[0] in HGNC:
            genes[further[0]] = None
    joined = RegionList(_MOST)
    for contig, start, end in sorted(every):
        for first, last in [(start + 1, end)] if taken is None else taken.common(contig, start + 1, end):
            joined.add(contig, first, last)
    return tuple(genes), f"{len(every)} regions of {path.name}, {bases} bases", joined.bed, bases
