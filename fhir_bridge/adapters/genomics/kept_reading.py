"""Lines of a kept file at some places, as records that convert to what they would have been stored as."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from fhir_bridge.adapters.genomics.assembly import BUILDS
from fhir_bridge.adapters.genomics.file import Studied, VcfFile
from fhir_bridge.adapters.genomics.line_reader import LineReader
from fhir_bridge.adapters.genomics.options import OptionError, Options
from fhir_bridge.adapters.genomics.query import Interval
from fhir_bridge.adapters.genomics.reader import read_header
from fhir_bridge.adapters.genomics.record import VcfRecord
from fhir_bridge.plugins.extras import require

__all__ = ["KeptVcf", "TooManyLines", "kept_records"]

MOST_LINES = 20_000
"""Lines of a kept file that one answer is made of."""


class TooManyLines(ValueError):
    """The places hold more lines than one answer is made of."""


@dataclass(frozen=True, slots=True)
class KeptVcf:
    """A kept file.

    Attributes:
        id: hash of what the file said when it was loaded; ids of its variants are built from it.
        data, index: where it is.
        assembly: name of its build.
        options: as it was loaded with.
        sample: the one that is looked at.
    """

    id: str
    name: str
    data: Path
    index: Path
    assembly: str
    options: Mapping[str, Any]
    sample: str


class _KnownDigest:
    """Stands for the hash of a content that was another one once: a sample's column may be gone."""

    def __init__(self, text: str) -> None:
        self._text = text

    def hexdigest(self) -> str:
        return self._text

    def copy(self) -> blake2b:
        return blake2b(self._text.encode(), digest_size=16)


def kept_records(kept: KeptVcf, places: Sequence[Interval] | None) -> Iterator[VcfRecord]:
    """The lines that lie at places, each once, in the file's order; all lines where no places are given.

    Raises:
        TooManyLines. ValueError: the file can't be read any more.
    """
    require("vcf")
    import pysam

    try:
        tabix = pysam.TabixFile(str(kept.data), index=str(kept.index))
    except OSError as error:
        raise ValueError("the kept file can't be opened") from error
    with tabix:
        file = _file(kept, tabix.header)
        reader = LineReader(file)
        if places is None:
            for contig in tabix.contigs:
                for number, line in enumerate(tabix.fetch(contig), 1):
                    yield reader.read(line.encode(), number)
            return
        number = 0
        for contig in tabix.contigs:
            accession = file.place(contig).accession
            wanted = [place for place in places if place.accession == accession]
            for line in _fetched(tabix, contig, wanted):
                number += 1
                if number > MOST_LINES:
                    raise TooManyLines(f"more than {MOST_LINES} lines: ask for less at once")
                yield reader.read(line.encode(), number)


def _fetched(tabix: Any, contig: str, wanted: Iterable[Interval]) -> list[str]:
    """Lines of a contig at places, with all others that begin where one of them begins: a variant that is called
    twice is numbered by them."""
    found: dict[str, tuple[int, int]] = {}
    for place in wanted:
        start = max(0, place.start - 1)
        for line in tabix.fetch(contig, start, place.end + 1):
            found.setdefault(line, (_position(line), len(found)))
            if len(found) > MOST_LINES:
                raise TooManyLines(f"more than {MOST_LINES} lines: ask for less at once")
    results: dict[str, tuple[int, int]] = {}
    for position in sorted({position for position, _ in found.values()}):
        here = tabix.fetch(contig, max(0, position - 1), position)
        for line in here:
            if _position(line) == position:
                results.setdefault(line, (position, len(results)))
    return sorted(results, key=lambda line: results[line])


def _position(line: str) -> int:
    return int(line.split("\t", 2)[1])


def _file(kept: KeptVcf, head: Iterable[str]) -> VcfFile:
    stated = dict(kept.options)
    somatic = stated.pop("somatic", None)
    options = Options.parse({**stated, "samples": (kept.sample,), "keep": False, "check": False})
    options = replace(options, stored_regions=(), studied_bed=None)
    header = read_header(iter([line.encode() for line in head]), options.fileformat)
    digest: Any = _KnownDigest(kept.id)
    build = BUILDS[kept.assembly]
    try:
        file = VcfFile(kept.name, header, build, options, Studied(), digest)
    except OptionError:
        # The reference that the file was loaded with is gone: names that it proved are not stated.
        file = VcfFile(kept.name, header, build, replace(options, reference=None), Studied(), digest)
    # As it was when all columns were there: which of several samples is the tumour.
    file.somatic = None if somatic is None else frozenset(somatic)
    return file
