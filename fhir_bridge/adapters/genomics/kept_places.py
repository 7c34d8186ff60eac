"""Which places a kept file has lines for: those of an older file of its samples that are stored, and go by it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from fhir_bridge.adapters.genomics.alleles import parse_alternate
from fhir_bridge.adapters.genomics.delivery import place_of
from fhir_bridge.adapters.genomics.file import VcfFile
from fhir_bridge.adapters.genomics.kept_reading import ENCODING, KeptVcf, open_kept
from fhir_bridge.adapters.genomics.line_reader import LineReader
from fhir_bridge.adapters.genomics.values import whole

__all__ = ["kept_places"]


def kept_places(kept: KeptVcf, samples: tuple[str, ...], wanted: Sequence[int]) -> Iterator[int]:
    """Of these places, sorted, those that a line of the file speaks of; one that can't be read does not.

    Raises:
        ValueError: the file can't be read any more.
    """
    with open_kept(kept) as tabix:
        file = kept.file(tabix.header, samples)
        reader = LineReader(file)
        for contig in tabix.contigs:
            for number, line in enumerate(tabix.fetch(contig), 1):
                place = _place(file, line)
                if place is None:
                    continue
                index = bisect_left(wanted, place)
                asked = index < len(wanted) and wanted[index] == place
                if asked and reader.read(line.encode(ENCODING), number).is_taken:
                    yield place


def _place(file: VcfFile, line: str) -> int | None:
    """What a line speaks of (`VcfRecord.place`), by its first columns."""
    contig, position, _, reference, alternates, _ = line.split("\t", 5)
    number = whole(position)
    parsed = [parse_alternate(each) for each in alternates.split(",")]
    kinds = {each.kind for each in parsed if each is not None}
    if number is None:
        return None
    name = file.place(contig).chromosome or contig
    return place_of(file.assembly, name, number, reference.upper(), kinds)
