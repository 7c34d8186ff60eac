"""Lines of a kept file at some places, as records that convert to what they would have been stored as."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count, islice, takewhile
from pathlib import Path
from typing import Any

from fhir_bridge.adapters.genomics.allele import Allele, is_dbsnp
from fhir_bridge.adapters.genomics.assembly import BUILDS
from fhir_bridge.adapters.genomics.bcf import bcf_lines, is_bcf
from fhir_bridge.adapters.genomics.block import in_blocks
from fhir_bridge.adapters.genomics.cached_property import cached
from fhir_bridge.adapters.genomics.file import Studied, VcfFile
from fhir_bridge.adapters.genomics.header import HeaderError
from fhir_bridge.adapters.genomics.line_reader import LineReader
from fhir_bridge.adapters.genomics.model import VcfModel
from fhir_bridge.adapters.genomics.options import OptionError, Options
from fhir_bridge.adapters.genomics.plain_lines import PlainLines
from fhir_bridge.adapters.genomics.plain_record import PlainRecord
from fhir_bridge.adapters.genomics.query import Change, Interval, ObservedVariant, merged, reach
from fhir_bridge.adapters.genomics.reader import read_header, read_vcf
from fhir_bridge.adapters.genomics.record import VcfRecord
from fhir_bridge.adapters.genomics.stream import lines
from fhir_bridge.plugins import ReadContext, SourceModel
from fhir_bridge.plugins.extras import require

__all__ = [
    "ENCODING",
    "KeptReader",
    "KeptVcf",
    "ReclassifyingAdapter",
    "TooManyLines",
    "more_than_bases",
    "open_kept",
    "plain_variant",
    "samples_of",
]

MOST_LINES = 20_000
"""Lines of a kept file that one answer is made of."""
ENCODING = "latin-1"
"""Of the lines of an open file, which are its bytes so: what they say their reader decodes, or reports."""
_TOO_MANY = f"more than {MOST_LINES} lines: ask for less at once"


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

    def file(self, head: Iterable[str], samples: tuple[str, ...]) -> VcfFile:
        """The file as these samples of it are read, by its header."""
        stated = dict(self.options)
        somatic = stated.pop("somatic", None)
        # What decides what is stored, and what was studied, is of no concern here.
        for name in ("panel", "stored_regions", "studied_bed", "endless"):
            stated.pop(name, None)
        options = Options.parse({**stated, "samples": samples, "keep": False, "check": False})
        header = read_header(iter([line.encode(ENCODING) for line in head]), options.fileformat)
        build = BUILDS[self.assembly]
        try:
            file = VcfFile(self.name, header, build, options, Studied(), self.id)
        except OptionError:
            # The reference or release that the file was loaded with is gone: what it proved is not stated.
            lasting = replace(options, reference=None, clinvar=None)
            file = VcfFile(self.name, header, build, lasting, Studied(), self.id)
        # As it was when all columns were there: which of several samples is the tumour.
        file.somatic = None if somatic is None else frozenset(somatic)
        return file


def open_kept(kept: KeptVcf) -> Any:
    """The file with its index, to be fetched from (`pysam.TabixFile`); its lines are bytes, decoded as `ENCODING`.

    Raises:
        ValueError: it can't be opened.
    """
    require("vcf")
    import pysam

    try:
        return pysam.TabixFile(str(kept.data), index=str(kept.index), encoding=ENCODING)
    except OSError as error:
        raise ValueError("the kept file can't be opened") from error


class ReclassifyingAdapter:
    """Reads a kept file whole, as it was loaded, but for its classifications, where a release of ClinVar is named.

    Args:
        name, identity: of the file as it came; samples: whose columns are somebody's.
        stored: variants that are stored and stay so (`Options.stored_variants`): one that a release downgrades is there
            all the same.
    """

    name = "vcf"
    title = "A kept VCF, classified anew"
    suffixes: tuple[str, ...] = ()

    def __init__(
        self,
        name: str,
        identity: str,
        options: Mapping[str, Any],
        samples: Sequence[str],
        stored: Sequence[str],
        release: Path | None = None,
    ) -> None:
        self.model: SourceModel = VcfModel()
        self._name = name
        self._identity = identity
        self._options = {
            **options,
            "samples": tuple(samples),
            "stored_variants": tuple(stored),
            "keep": True,
        }
        if release is not None:
            self._options["clinvar"] = release
        self._options.pop("endless", None)
        somatic = self._options.pop("somatic", None)
        self._somatic = None if somatic is None else frozenset(somatic)

    def choose_mapping(self, paths: Sequence[Path]) -> str:  # noqa: ARG002 - the file's own
        """`genomics/vcf`."""
        return "genomics/vcf"

    def shards(self, paths: Sequence[Path], jobs: int) -> list[list[Path]]:  # noqa: ARG002 - a file each
        """A file each."""
        return [[path] for path in paths]

    def read(self, paths: Sequence[Path], context: ReadContext) -> Iterator[VcfRecord]:  # noqa: ARG002 - as it was loaded
        """All records of the file."""
        options = Options.parse(self._options)
        for path in paths:
            yield from read_vcf(path, options, kept=(self._name, self._identity, self._somatic))


class KeptReader:
    """Reads a kept file at one place after the other; its header, and what lines of one kind have in common, once.

    For one thread at a time.
    """

    def __init__(self, kept: KeptVcf) -> None:
        self._kept = kept
        self._file: VcfFile | None = None
        self._plain: PlainLines | None = None
        self._endless: dict[str, list[Interval]] = {}

    def records(
        self,
        places: Sequence[Interval] | None,
        takes: Callable[[str], bool] | None = None,
        changes: Sequence[Change] = (),
        *,
        endless: bool = False,
    ) -> Iterator[VcfRecord]:
        """The lines that lie at places, each once, in the file's order; all lines where no places are given.

        Neighbouring ones of the usual form are one record (`VcfBlock`).

        Args:
            takes: which lines count. Lines that give one variant must count together, as calls of it are numbered.
            changes: are looked for wherever the reference that the file was loaded with says that they may be written.
            endless: structural variants before a place that do not say where they end count too.

        Raises:
            TooManyLines. ValueError: the file can't be read any more.
        """
        with open_kept(self._kept) as tabix:
            if self._file is None or self._plain is None:
                self._file = self._kept.file(tabix.header, (self._kept.sample,))
                self._plain = PlainLines(self._file)
            reader = LineReader(self._file, self._plain)
            if places is not None and changes:
                places = [*places, *self._elsewhere(changes)]
            if places is not None and endless:
                places = [*places, *self._before(tabix, self._file, places)]
            lines_of = _lines(tabix, self._file, places)
            chosen = lines_of if takes is None else filter(takes, lines_of)
            yield from in_blocks(map(reader.read_text, chosen, count(1)))

    def _elsewhere(self, changes: Sequence[Change]) -> list[Interval]:
        reference = None if self._file is None else self._file.reference
        accessions = BUILDS[self._kept.assembly].accessions.values()
        return [
            reach(change, reference)[0]
            for change in changes
            if reference is not None and change.accession in accessions
        ]

    def _before(self, tabix: Any, file: VcfFile, places: Sequence[Interval]) -> list[Interval]:
        """Where the first structural variants without an end lie that begin before the end of a place."""
        results: list[Interval] = []
        for contig in self._kept.options.get("endless", ()):
            accession = file.place(contig).accession
            last = max((place.end for place in places if place.accession == accession), default=None)
            if accession is None or last is None:
                continue
            if contig not in self._endless:
                starts = islice(_endless_on(tabix, file, contig), _MOST_ENDLESS)
                self._endless[contig] = [Interval(accession, start - 1, start) for start in starts]
            results += [each for each in self._endless[contig] if each.start < last]
        return results


def _endless_on(tabix: Any, file: VcfFile, contig: str) -> Iterator[int]:
    """Positions of a contig with a structural variant of the sample that does not say where it ends."""
    if contig not in tabix.contigs:
        return
    reader = LineReader(file)
    for number, line in enumerate(filter(_SPANS.search, tabix.fetch(contig)), 1):
        read = reader.read_text(line, number).line
        alleles = [] if read is None else [each for call in read.calls for each in call.alleles]
        if read is not None and any(isinstance(each, Allele) and each.begins is not None for each in alleles):
            yield read.pos


def _lines(tabix: Any, file: VcfFile, places: Sequence[Interval] | None) -> Iterator[str]:
    if places is None:
        for contig in tabix.contigs:
            yield from tabix.fetch(contig)
        return
    count = 0
    for contig in tabix.contigs:
        accession = file.place(contig).accession
        wanted = merged(place for place in places if place.accession == accession)
        results = _fetched(tabix, contig, wanted) if wanted else []
        count += len(results)
        if count > MOST_LINES:
            raise TooManyLines(_TOO_MANY)
        yield from results


def more_than_bases(line: str) -> bool:
    """Whether a line may give a structural variant: REF and ALT are not all bases."""
    _, _, _, reference, alternate, _ = line.split("\t", 5)
    return _BASES.fullmatch(reference + alternate) is None


_BASES = re.compile("[ACGTNacgtn,]+")
_SPANS = re.compile("<(?:DEL|DUP|INV|CNV)[:>]")
_MOST_ENDLESS = 100
"""Structural variants without an end that are looked at, of a contig: one of them says that there are some."""


class _VariantOfLine(ObservedVariant):
    """The variant of a line of the usual form. Its names are read where somebody asks for them."""

    inner = outer = None
    structural = False
    genes: frozenset[str] = frozenset()
    present = True
    _record: PlainRecord | None = None

    def __init__(self, record: PlainRecord, accession: str) -> None:
        kind = record.kind
        start = record.position - 1
        self.accession = accession
        self.interval = Interval(accession, start, start + 1 + kind.width)
        self.bases = kind.bases
        self._kind = kind
        self._position = record.position
        self._identifier = record.groups[2]
        if kind.named is None and not kind.unnamed:  # of most the line is needed no more
            self._record = record

    @property
    def source_class(self) -> str | None:  # type: ignore[override]
        """As of the allele."""
        stated: str | None = self._kind.allele["source_class"]
        return stated

    @cached
    def names(self) -> frozenset[str]:
        """SPDI, HGVS and dbSNP ids."""
        identifier = (self._identifier,) if is_dbsnp(self._identifier) else ()
        if self._record is None:
            return frozenset((*self._kind.names(self._position), *identifier))
        allele = self._record.line.calls[0].alleles[0]
        assert isinstance(allele, Allele)
        stated = (allele.hgvs_g, allele.spdi, *identifier)
        return frozenset(name for name in stated if name is not None)


def plain_variant(record: object) -> ObservedVariant | None:
    """What the one Observation that the shipped mapping makes of a line of the usual form says of its variant.

    None of another line, or one on a contig without accession: its Observation says it.
    """
    if not isinstance(record, PlainRecord) or not record.shape_of_line.together:
        return None
    accession = record.kind.accession
    return None if accession is None else _VariantOfLine(record, accession)


def samples_of(path: Path) -> tuple[str, ...]:
    """The names of a file's samples; none of one whose header can't be read, which its reader reports."""
    try:
        items = bcf_lines(path) if is_bcf(path) else lines(path)
        return read_header(items, "VCFv4.2").samples
    except (HeaderError, OSError):
        return ()


def _fetched(tabix: Any, contig: str, wanted: Sequence[Interval]) -> list[str]:
    """Lines of a contig at places, with all others that begin where one of them begins: a variant that is called
    twice is numbered by them."""
    if len(wanted) == 1:
        return _at_place(tabix, contig, wanted[0])
    results: dict[str, tuple[int, int]] = {}
    for place in wanted:
        for line in _at_place(tabix, contig, place):
            results.setdefault(line, (_position(line), len(results)))
        if len(results) > MOST_LINES:
            raise TooManyLines(_TOO_MANY)
    return sorted(results, key=results.__getitem__)


def _at_place(tabix: Any, contig: str, place: Interval) -> list[str]:
    """The same of one place, in the file's order."""
    start = max(0, place.start - 1)
    results = list(islice(tabix.fetch(contig, start, place.end + 1), MOST_LINES + 1))
    if len(results) > MOST_LINES:
        raise TooManyLines(_TOO_MANY)
    # Lines that begin before the place come first; others that begin there may end before it.
    before = list(takewhile(start.__ge__, map(_position, results)))
    return [
        *(
            line
            for position in dict.fromkeys(before)
            for line in tabix.fetch(contig, max(0, position - 1), position)
            if _position(line) == position
        ),
        *results[len(before) :],
    ]


def _position(line: str) -> int:
    return int(line.split("\t", 2)[1])
