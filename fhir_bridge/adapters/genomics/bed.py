"""The regions that a study covers, from a BED file (BED v1.0), and their sum in words."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from pathlib import Path

from fhir_bridge.adapters.genomics.assembly import chromosome
from fhir_bridge.adapters.genomics.file import Studied
from fhir_bridge.adapters.genomics.genes import HGNC
from fhir_bridge.adapters.genomics.header import Header
from fhir_bridge.adapters.genomics.issues import issue
from fhir_bridge.adapters.genomics.options import OptionError, Options
from fhir_bridge.adapters.genomics.regions import bed_lines

__all__ = ["read_studied"]


def read_studied(header: Header, options: Options) -> Studied:
    """What the study covers: options before the header's `##studied_genes` and `##studied_regions`.

    Raises:
        OptionError: the BED file can't be read, or a line of it is wrong (FB-VCF-009).
    """
    declared = ",".join(header.meta.get("studied_genes", []))
    genes = options.studied_genes or tuple(name.strip() for name in declared.split(",") if name.strip())
    description = "; ".join(header.meta.get("studied_regions", [])) or None
    if options.studied_bed is None:
        return Studied(genes, description)
    named, description, bed = _read_bed(options.studied_bed)
    return Studied(genes or named, description, bed)


_MOST = 300_000
"""Regions that are stated one by one: an exome has some 200,000."""


def _read_bed(path: Path) -> tuple[tuple[str, ...], str, str | None]:
    regions = bases = 0
    every: list[tuple[str, int, int]] = []
    genes: dict[str, None] = {}
    for contig, start, end, further in bed_lines(path, "studied_bed"):
        if chromosome(contig) is None:
            message = f"option studied_bed: {path.name} has a line whose contig is no chromosome"
            raise OptionError(issue("FB-VCF-009", message, path.name))
        regions += 1
        every.append((contig, start, end))
        bases += end - start
        if further and further[0] in HGNC:
            genes[further[0]] = None
    merged = _merged(every)
    text = "".join(f"{contig}\t{start}\t{end}\n" for contig, start, end in merged)
    bed = b64encode(text.encode()).decode() if 0 < len(merged) <= _MOST else None
    return tuple(genes), f"{regions} regions of {path.name}, {bases} bases", bed


def _merged(regions: Iterable[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    """The same bases in as few regions as there can be."""
    results: list[tuple[str, int, int]] = []
    for contig, start, end in sorted(regions):
        if results and results[-1][0] == contig and start <= results[-1][2]:
            results[-1] = (contig, results[-1][1], max(end, results[-1][2]))
        else:
            results.append((contig, start, end))
    return results
