"""The file as a whole (scope `File`), its samples before the lines (`Subject`), and what the lines gave (`Study`)."""

from __future__ import annotations

import re
from base64 import b64encode
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from fhir_bridge.adapters.genomics.acmg import CLASS_KEYS, CRITERIA_KEYS
from fhir_bridge.adapters.genomics.allele_filters import STATUS
from fhir_bridge.adapters.genomics.annotation import ConsequenceFormat, consequence_formats
from fhir_bridge.adapters.genomics.assembly import Build, Contig, accession, chromosome, contig_length
from fhir_bridge.adapters.genomics.block_lengths import has_block_lengths
from fhir_bridge.adapters.genomics.clinvar_release import open_release
from fhir_bridge.adapters.genomics.definition import CheckedKey
from fhir_bridge.adapters.genomics.delivery import begin_digest, somatic_samples
from fhir_bridge.adapters.genomics.file_text import FileText
from fhir_bridge.adapters.genomics.genes import gene
from fhir_bridge.adapters.genomics.header import Header
from fhir_bridge.adapters.genomics.local_alleles import has_local_reads
from fhir_bridge.adapters.genomics.options import SOURCE_CLASSES, Options
from fhir_bridge.adapters.genomics.panel import Panel, read_panel
from fhir_bridge.adapters.genomics.pedigree import read_pedigree
from fhir_bridge.adapters.genomics.reference import open_reference
from fhir_bridge.adapters.genomics.region_list import RegionList
from fhir_bridge.adapters.genomics.regions import Regions
from fhir_bridge.adapters.genomics.term import Term
from fhir_bridge.adapters.genomics.tiers import tiers
from fhir_bridge.adapters.genomics.usage import uses
from fhir_bridge.adapters.genomics.variant_kinds import KINDS, change_types, declared_kinds
from fhir_bridge.fhir.datatypes import Code, DateTime
from fhir_bridge.fhir.issues import Issue

__all__ = ["Finding", "Studied", "Study", "Subject", "VcfFile"]

_DATE = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})")


@dataclass(frozen=True, slots=True)
class Studied:
    """What the study covers: genes by symbol, a sentence on its regions, these as BED in base64, and their bases."""

    genes: tuple[str, ...] = ()
    description: str | None = None
    bed: str | None = None
    bases: int | None = None


class Place(NamedTuple):
    """A contig: its name, the chromosome it stands for, its RefSeq accession, and its last base as far as known."""

    name: str
    chromosome: str | None
    accession: Code | None
    last: int


class LineAccount(Protocol):
    """Counts what a file's lines say that no rule represents (`accounting.Unread`)."""

    def count(self, line: Any, /) -> None:
        """Count what is left of a line."""

    def count_text(self, layout: Any, text: str, identifiers: str, /) -> bool:
        """The same by the text of a line of the usual form; False of one that has to be read for that."""
        ...

    def issues(self) -> Iterator[Issue]:
        """What was counted."""
        ...

    @property
    def state(self) -> dict[str, Any]:
        """What was counted, as JSON."""
        ...

    def add(self, state: Mapping[str, Any]) -> None:
        """Add what another one counted of the same file."""
        ...


class VcfFile:
    """A file that is being read (scope `File`): what its header and the options say.

    Attributes:
        path: where it is; None of a stream, and of a BCF, which is no text. origin: None of a stream alone.
        id: hash of what it says, in digits. It is what the file is, whatever it is called.
        somatic: the samples of which INFO/SOMATIC speaks; None where that is not stated.
        lost_lines: lines that could not be read; outside: lines in none of the regions asked for.
        unplaced: lines of which something is lost and that do not say how far they reach.
        sexes: `female` or `male` by sample, where the calls show it.
        blocks: a block of a gVCF has been read: its regions are noted.
        kinds: the kinds of variant that its lines are evidence of.
        limited: not all lines were taken, by `--limit`.
        by_allele: the header declares filters of each ALT.
        tiers, local: FORMAT keys of reads by tier that can be used; whether there are reads of local alleles (LAD).
        block_lengths: samples have the length of their own block (LEN).
        has_dbsnp: INFO/RS is the number of a dbSNP id.
        assessed: the header declares keys of ACMG/AMP classes or criteria.
        returned: places that the file comes back to, after lines of others.
        cut: the text ended before the file did; how much is lost can't be known.
        endless: contigs with structural variants that stay in the kept file and do not say where they end.
        account: counts what no rule represents; None where nobody asks.
    """

    def __init__(
        self,
        name: str,
        header: Header,
        build: Build,
        options: Options,
        studied: Studied,
        identity: str = "",
    ) -> None:
        self.account: LineAccount | None = None
        self.name = name
        self.path: Path | None = None
        self._text: FileText | None = None
        self.id = identity or begin_digest(header).hexdigest()
        self.header = header
        self.build = build
        self.options = options
        self.studied = studied
        self.assembly = build.name
        self.source_class = options.source_class or self._declared_class()
        self.somatic = somatic_samples(header)
        wanted = set(options.samples)
        self.columns = [
            (column, sample)
            for column, sample in enumerate(header.samples, 9)
            if not wanted or sample in wanted
        ]
        self.all_columns = len(self.columns) == len(header.samples)
        self.genotyped = 0
        self.lost_lines = 0
        self.unplaced = 0
        self.cut = False
        self.endless: set[str] = set()
        # Every value of the first lines is checked, called or not: a program's faults show there.
        self.checked_to = (
            1 << 62 if options.check else header.lines + max(1, 2000 // max(1, len(self.columns)))
        )
        self.uses = uses(header)
        self.tiers = tiers(header)
        self.local = has_local_reads(header)
        self.block_lengths = has_block_lengths(header)
        self.by_allele = STATUS in header.info
        self.patterns: dict[tuple[str, int], re.Pattern[str] | None] = {}
        self.checked_keys: dict[tuple[str, int], list[CheckedKey]] = {}
        self.misdeclared: dict[tuple[str, bool], tuple[tuple[str, str], ...]] = {}
        limits = (options.min_quality, options.min_genotype_quality, options.min_depth)
        self.thresholds = [
            (key, limit) for key, limit in zip(("QUAL", "GQ", "DP"), limits, strict=True) if limit
        ]
        self.reference = open_reference(options.reference)
        self.sexes: Mapping[str, str] = {}
        self.blocks = False
        self.kinds: set[str] = set()
        self.panel: Panel | None = read_panel(options.panel) if options.panel else None
        self.pedigree = read_pedigree(options.pedigree, header)
        self.regions = Regions(options.regions) if options.regions else None
        self.release = open_release(options.clinvar, build.name)
        self.stored_variants = frozenset(options.stored_variants)
        self.stored_regions = Regions(options.stored_regions) if options.stored_regions else None
        self.outside = 0
        self.limited = False
        self.origin: Path | None = None
        self.returned: Collection[tuple[str, int]] = ()
        declared = header.info.get("RS")
        # RS is reserved by no version: it is dbSNP's where the header says so.
        self.has_dbsnp = declared is not None and "dbsnp" in declared.description.lower()
        self.assessed = not header.info.keys().isdisjoint((*CLASS_KEYS, *CRITERIA_KEYS))
        self._failing: dict[str, list[str]] = {}
        self.subjects = [Subject(self, sample) for _, sample in self.columns]
        self.studies = [Study(self, sample, column + 1) for column, sample in self.columns]
        self.study_of = {study.name: study for study in self.studies}
        self._places: dict[str, Place] = {}
        self.outer = None

    @property
    def text(self) -> FileText | None:
        """The bytes of the file, as unpacked; None where it has none."""
        if self._text is None and self.path is not None:
            self._text = FileText(self.path)
        return self._text

    @property
    def file(self) -> VcfFile:
        """Itself, so that `file.` reads the same in every scope."""
        return self

    def _declared_class(self) -> str | None:
        declared = self._meta("genomic_source_class")
        return declared if declared in SOURCE_CLASSES else None

    def _meta(self, key: str) -> str | None:
        values = self.header.meta.get(key)
        return values[0].strip() if values and values[0].strip() else None

    @property
    def keeps(self) -> bool:
        """Whether the file itself is to be kept."""
        return self.options.keep

    def write_kept(self, target: Path, parts: Collection[str]) -> tuple[Path, Path]:
        """Write the file for keeping, with the columns of these samples; gives it and its index.

        Raises:
            ValueError: it can't be; the message says why.
        """
        from fhir_bridge.adapters.genomics.kept_writing import write_kept

        if self.origin is None:
            raise ValueError("a stream can't be kept: give a file")
        if self.cut:
            raise ValueError("the file is damaged: it can't be kept")
        whole = set(parts) >= set(self.header.samples)
        return write_kept(self.origin, target, parts, whole=whole, longest=self.options.max_line)

    @property
    def kept_options(self) -> dict[str, Any]:
        """What the kept file is to be read with, in JSON: without files that may be gone by then."""
        from fhir_bridge.adapters.genomics.kept_writing import lasting

        somatic = None if self.somatic is None else sorted(self.somatic)
        endless = {"endless": sorted(self.endless)} if self.endless else {}
        return {**lasting(self.options), "somatic": somatic, **endless}

    @property
    def kept_counts(self) -> Mapping[str, int]:
        """How many alleles of each sample stay in the file."""
        return {study.name: study.kept for study in self.studies}

    @property
    def states_regions(self) -> bool:
        """Whether it says where samples were studied: what is lost there was not called."""
        return self.blocks or self.studied.bed is not None

    @property
    def complete(self) -> bool:
        """Whether all that the file says could be read, so that what it does not name is not in it."""
        return not (self.cut or self.lost_lines or self.limited) and all(
            study.complete for study in self.studies
        )

    @cached_property
    def date(self) -> DateTime | None:
        """`effective`, else `##fileDate`, as a FHIR date; None where the header has none or another form."""
        if self.options.effective:
            return DateTime(self.options.effective)
        match = _DATE.fullmatch(self._meta("fileDate") or "")
        if not match:
            return None
        text = "-".join(match.groups())
        try:
            datetime.strptime(text, "%Y-%m-%d")
        except ValueError:
            return None
        return DateTime(text)

    @cached_property
    def time(self) -> datetime | None:
        """Business time of all that the file says: its day, without zone; None where it has only month or year."""
        return datetime.fromisoformat(self.date) if self.date and len(self.date) == 10 else None

    @property
    def caller(self) -> str | None:
        """`##source`: the program that made the calls."""
        return self._meta("source")

    @property
    def note(self) -> str | None:
        """`##note`: what the file says of itself in words."""
        return self._meta("note")

    @cached_property
    def consequences(self) -> tuple[ConsequenceFormat, ...]:
        """The readers of CSQ, ANN and BCSQ, in the order in which they count."""
        return consequence_formats(self.header)

    def failing(self, filters: str) -> list[str]:
        """Which of the filters (FILTER or FT as written) failed; `passing` of the options are none."""
        entry = self._failing.get(filters)
        if entry is None:
            passed = {"PASS", ".", "", *self.options.passing}
            entry = [name for name in filters.split(";") if name not in passed]
            if len(self._failing) < 4096:
                self._failing[filters] = entry
        return entry

    def unmatched(self) -> Iterator[tuple[str, list[str]]]:
        """Settings with regions, and their contigs that are neither chromosomes nor in the file."""
        contigs = (*self.header.contigs, *self._places)
        for option, regions in (
            ("panel", self.panel),
            ("regions", self.regions),
            ("stored_regions", self.stored_regions),
        ):
            if regions is not None and (names := regions.unknown(contigs)):
                yield option, names
        if self.options.studied_bed is not None and self.studied.bases == 0:
            yield "studied_bed", ["any contig: it has no regions"]

    @property
    def contigs_seen(self) -> list[str]:
        """Contigs of the lines that were read."""
        return list(self._places)

    def place(self, contig: str) -> Place:
        """What a contig stands for in this file's build."""
        entry = self._places.get(contig)
        if entry is None:
            declared = self.header.contigs.get(contig) or Contig(contig)
            known = accession(self.build, declared)
            name = chromosome(contig)
            length = declared.length or contig_length(self.build, name, known)
            entry = Place(contig, name, Code(known) if known else None, length or 1 << 60)
            self._places[contig] = entry
        return entry


class Subject:
    """A sample of the header, before any line is read (scope `Subject`)."""

    __slots__ = ("file", "name")

    def __init__(self, file: VcfFile, name: str) -> None:
        self.file = file
        self.name = name

    @property
    def outer(self) -> VcfFile:
        """The file."""
        return self.file


@dataclass(frozen=True, slots=True)
class Finding:
    """A reportable allele, kept for the report: what its Observations' ids are built from, and a line for people.

    `classified` by ClinVar; `assessed` by the laboratory (ACMG).
    """

    variant: str
    classified: bool
    text: str
    assessed: bool = False


@dataclass(slots=True)
class Study:
    """What the lines gave for one sample (scope `Study`), filled while they are read.

    Attributes:
        column: of the sample, from 1.
        called: ALTs in its genotypes; not_represented: those that became no allele, by issue code; written: alleles
            whose resource was written; withheld: those whose resource was made or tried and not written, by code.
        unbalanced: homozygous calls of which less than 0.6 of the reads have the allele.
        variants: alleles called; no_calls: lines so called; not_reference: lines not called as reference.
        ungenotyped: lines with an ALT and without GT that state nothing of the sample.
        left_out: calls with an ALT that the setting `filtered` left out; lost_calls: genotypes that could not be read.
        classified: alleles with CLNSIG; unclear: those that may be pathogenic, and can't be read or distinguished.
        unlisted: alleles that the laboratory (ACMG) calls pathogenic or likely pathogenic, and ClinVar does not.
        block_end: contig and last position of the sample's last block (LEN).
        kept: alleles that stay in the kept file alone.
        findings: reportable alleles, at most `max_findings`; `findings_count` counts all.
    """

    file: VcfFile
    name: str
    column: int = 0
    called: int = 0
    written: int = 0
    unbalanced: int = 0
    not_represented: Counter[str] = field(default_factory=Counter)
    withheld: Counter[str] = field(default_factory=Counter)
    variants: int = 0
    no_calls: int = 0
    not_reference: int = 0
    left_out: int = 0
    lost_calls: int = 0
    ungenotyped: int = 0
    classified: int = 0
    unclear: int = 0
    unlisted: int = 0
    findings_count: int = 0
    kept: int = 0
    block_end: tuple[str, int] = ("", 0)
    called_regions: RegionList = field(default_factory=RegionList)
    called_segments: RegionList = field(default_factory=RegionList)
    called_repeats: RegionList = field(default_factory=RegionList)
    uncalled_regions: RegionList = field(default_factory=RegionList)
    findings: list[Finding] = field(default_factory=list)

    @property
    def outer(self) -> VcfFile:
        """The file."""
        return self.file

    @property
    def reference(self) -> int:
        """Lines called as reference."""
        return self.file.genotyped - self.not_reference

    @property
    def genes(self) -> list[Term]:
        """The genes that the study covers, as coded terms."""
        return [gene(symbol) for symbol in self.file.studied.genes]

    @property
    def regions(self) -> str | None:
        """The regions that the study covers, in words; None where neither header nor options say."""
        return self.file.studied.description

    @property
    def complete(self) -> bool:
        """Whether all that the file says of the sample could be read."""
        file = self.file
        return not (file.cut or file.lost_lines or file.limited or self.lost_calls or self.ungenotyped)

    @property
    def studied_bed(self) -> str | None:
        """The regions that the study covers, as BED in base64.

        None where no BED file says them, or too many; and where nobody knows at which places calls were lost.
        """
        file = self.file
        lost = file.cut or file.limited or file.unplaced or self.uncalled_regions.left_out
        return None if lost else file.studied.bed

    @property
    def called_bed(self) -> str | None:
        """The regions that a gVCF calls, as BED in base64; with their kind of variant where there are several."""
        lists = {kind: self.called_of(kind) for kind in KINDS if self.called_of(kind).regions}
        if not lists or any(each.left_out for each in lists.values()):
            return None
        if self.kinds == frozenset(lists):
            lists = {kind if len(lists) > 1 else "": each for kind, each in lists.items()}
        return b64encode("".join(each.lines(kind) for kind, each in lists.items()).encode()).decode()

    def called_of(self, kind: str) -> RegionList:
        """The regions that are called for a kind of variant."""
        if kind == "small":
            return self.called_regions
        return self.called_segments if kind == "structural" else self.called_repeats

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of variant that the study looked for: by setting, else by its lines, else by its header."""
        file = self.file
        return frozenset(file.options.studied_kinds or file.kinds or declared_kinds(file.header))

    @property
    def change_types(self) -> list[Term]:
        """The same as coded terms."""
        return change_types(self.kinds)

    @property
    def kept_calls(self) -> int | None:
        """How many of the sample's calls stay in the kept file; None where it is not kept."""
        return self.kept if self.file.options.keep else None

    @property
    def uncalled_bed(self) -> str | None:
        """The regions that a gVCF has and could not call, and places of lost calls, as BED in base64."""
        return self.uncalled_regions.bed

    def lose(self, code: str) -> None:
        """Count a genotype that can't be read as a call that is not represented."""
        self.lost_calls += 1
        self.called += 1
        self.not_represented[code] += 1

    @property
    def account(self) -> dict[str, Any]:
        """called = written + withheld + not represented + kept in the file, of the sample's calls (sample x ALT)."""
        left = self.called - self.written - self.withheld.total() - self.not_represented.total() - self.kept
        not_represented = self.not_represented + Counter({"not taken": left})
        return {
            "source": self.file.name,
            "column": self.column,
            "called": self.called,
            "written": self.written,
            "withheld": dict(sorted(self.withheld.items())),
            "not_represented": dict(sorted(not_represented.items())),
            "kept_in_file": self.kept,
            "homozygous_below_0.6": self.unbalanced,
            "sex": self.file.sexes.get(self.name),
        }

    @property
    def conclusion(self) -> str:
        """What was found, in words, with what was studied, and what could not be read."""
        unclear = (
            f"ClinVar's classification of {self.unclear} alleles can't be read or conflicts"
            if self.unclear
            else ""
        )
        if self.findings_count:
            listed = "; ".join(finding.text for finding in self.findings[:20])
            by = f" by the panel {self.file.panel.name}" if self.file.panel is not None else ""
            result = f"{self.findings_count} reportable{by}: {listed}" + (
                "; …" if self.findings_count > 20 else ""
            )
            result += f". {unclear}" if unclear else ""
        elif self.file.panel is not None:
            result = f"No variant that the panel {self.file.panel.name} selects"
            result += f". {unclear}" if unclear else ""
        elif unclear:
            result = f"{unclear}; of the others it classifies none as pathogenic or likely pathogenic"
        elif "CLNSIG" in self.file.header.info or self.classified or self.file.release is not None:
            result = "No variant that ClinVar classifies as pathogenic or likely pathogenic"
        else:
            result = "The file classifies no variant"
        if self.unlisted:
            words = "that the laboratory classifies as pathogenic or likely pathogenic"
            result += f". Not among them: {self.unlisted} {words}"
        if missing := self._missing():
            result = f"{missing}. {result}"
        genes = self.file.studied.genes
        scope = (
            f"Genes studied: {', '.join(genes)}"
            if genes
            else "The file does not say which genes were studied"
        )
        called = f"{self.variants} variant alleles called against {self.file.assembly}"
        if self.file.outside:
            called += (
                f"; {self.file.outside} lines outside of the regions asked for were left out by a setting"
            )
        if self.left_out:
            called += f"; {self.left_out} calls that fail a filter were left out by a setting"
        if self.kept:
            called += f"; {self.kept} of them stay in the kept file and are not stored one by one"
        return f"{result}. {called}. {scope}."

    def _missing(self) -> str:
        """What could not be read, in words."""
        lost = []
        if self.file.cut:
            lost.append("the file is damaged or cut short, and all that follows the break is missing")
        if self.file.limited:
            lost.append("only the first lines of the file were taken")
        if self.file.lost_lines:
            lost.append(f"{self.file.lost_lines} lines can't be read")
        if self.lost_calls:
            lost.append(f"{self.lost_calls} genotypes of the sample can't be read")
        if self.ungenotyped:
            lost.append(f"{self.ungenotyped} lines have no genotype (GT) and do not say what the sample has")
        return f"Incomplete: {'; '.join(lost)}" if lost else ""
