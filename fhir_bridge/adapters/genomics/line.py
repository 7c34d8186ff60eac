"""A line and the samples' calls on it. The scopes `Line` and `Sample` of a mapping.

All is read lazily: a line that is only skipped costs its split and its genotypes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from fhir_bridge.adapters.genomics.allele_filters import STATUS, allele_filters
from fhir_bridge.adapters.genomics.alleles import Alternate
from fhir_bridge.adapters.genomics.annotation import Alleles
from fhir_bridge.adapters.genomics.assembly import names_build
from fhir_bridge.adapters.genomics.cached_property import cached
from fhir_bridge.adapters.genomics.file import VcfFile
from fhir_bridge.adapters.genomics.genotype import Genotype
from fhir_bridge.adapters.genomics.local_alleles import local_places
from fhir_bridge.adapters.genomics.tiers import tiered_depths
from fhir_bridge.adapters.genomics.values import Value, decimal, item, whole

__all__ = ["Call", "Earlier", "Layout", "Line", "Spelled", "confidence_of"]

Earlier = dict[tuple[str, str], list[object]]
"""What lines of one position say, by sample and variant: one entry for each different call."""

Spelled = dict[tuple[str, int, str, str], tuple[str, str]]
"""How variants are spelled and called, by sample and by what remains without bases that REF and ALT have in common."""

_EVIDENCE = ("GT", "DP", "GQ", "PS")
_PASSED = frozenset(("PASS", "."))
_SURE, _SURE_SITE = Decimal(20), Decimal(30)
"""GQ, or where there is none QUAL, from which a call that passed is of high confidence: 1 and 0.1 % are wrong."""


class Reads(NamedTuple):
    """How many reads each allele has, REF first, and their share of all; no shares where a number is missing."""

    depths: tuple[int | None, ...]
    shares: tuple[Decimal | None, ...]


@lru_cache(maxsize=1 << 14)
def _reads(text: str) -> Reads:
    """AD; those of a sample are few different ones."""
    depths = tuple(whole(part) for part in text.split(","))
    known = [depth for depth in depths if depth is not None]
    total = sum(known) if len(known) == len(depths) else 0
    shares = tuple(round(Decimal(depth) / total, 4) for depth in known) if total else (None,) * len(depths)
    return Reads(depths, shares)


@lru_cache(maxsize=1 << 10)
def _confidence(passed: bool, quality: str | None, site: str = ".") -> str | None:
    """How sure a call is that fails no filter, by GQ, or by QUAL; None where the one that is given says nothing."""
    number, sure = (decimal(site), _SURE_SITE) if quality is None else (decimal(quality), _SURE)
    if passed:
        if number is None:
            return None if quality is not None else "intermediate"
        return "high" if number >= sure else "intermediate"
    return None if number is None else "intermediate"


def confidence_of(passed: bool, quality: str, site: str) -> str | None:
    """How sure a call is that fails no filter, by GQ, else by QUAL."""
    return _confidence(passed, quality) or _confidence(passed, None, site)


class Layout(NamedTuple):
    """INFO keys and FORMAT of a line, and how many colons a whole sample's column has."""

    info: tuple[str, ...]
    format: str
    width: int


class Line:
    """A record of a VCF (scope `Line`).

    Attributes:
        chromosome: `1` … `22`, `X`, `Y`, `MT`; None on another contig.
        accession: RefSeq accession of the contig, where it has one.
        last_base: of the contig, as far as it is known.
        genomic_reference: the accession, else the contig's name.
        restated: whether components state build and chromosome; the accession of a chromosome states both.
        lost: INFO keys whose value was left out.
        layout: of a line of the usual form (`PlainLines`).
        kept: alleles of it stay in the kept file alone.
        repetition: how many lines before it say the same but for samples.
        earlier: what the lines before at this position say of each sample and variant; None for the first of them.
        near: what lines before say of variants that this one may spell in another way.
        pointed: what BCSQ says on earlier lines to which this one points.
    """

    pointed: Sequence[str] = ()
    near: Spelled | None = None

    def __init__(
        self,
        file: VcfFile,
        number: int,
        columns: Sequence[str],
        position: int,
        alternates: Sequence[Alternate],
        raw_info: dict[str, str | bool],
        lost: Collection[str] = (),
    ) -> None:
        self.file = file
        self.outer = file
        self.number = number
        self.columns = columns
        self.chrom = columns[0]
        location = file.place(columns[0])
        self.chromosome = location.chromosome
        self.accession = location.accession
        self.last_base = location.last
        self.genomic_reference = location.accession or location.name
        self.restated = file.options.restate or not names_build(location.accession)
        self.pos = position
        self.ref = columns[3].upper()
        self.alternates = alternates
        self.__dict__["raw_info"] = raw_info
        self.lost = lost
        self.calls: list[Call] = []
        self.earlier: Earlier | None = None
        self.repetition = 0
        self.kept = False
        self.layout: Layout | None = None

    @cached
    def raw_info(self) -> dict[str, str | bool]:
        """INFO as text by key; a flag is True. Of a line in which nothing of it is left out."""
        text = self.columns[7]
        entries = () if text == "." else (entry.partition("=") for entry in text.split(";"))
        return {key: value if equals else True for key, equals, value in entries}

    @cached
    def twins(self) -> dict[int, Any]:
        """The first allele of each ALT, where there are several samples."""
        return {}

    @property
    def identifiers(self) -> list[str]:
        """ID, split; empty where missing."""
        return [] if self.columns[2] == "." else self.columns[2].split(";")

    @property
    def alt(self) -> list[str]:
        """ALT as written."""
        return [alternate.text for alternate in self.alternates]

    @property
    def qual(self) -> Decimal | None:
        """Phred-scaled quality."""
        return decimal(self.columns[5])

    @property
    def filters(self) -> list[str]:
        """FILTER, split; empty where filters were not applied."""
        return [] if self.columns[6] == "." else self.columns[6].split(";")

    @property
    def failed_filters(self) -> list[str]:
        """Names of the filters of the line that failed; `passing` of the options are none."""
        return self.file.failing(self.columns[6])

    @cached
    def allele_filters(self) -> list[list[str]]:
        """Names of the filters that each ALT fails by itself; empty where the line has none, or not for each ALT."""
        text = self.text(STATUS)
        listed = allele_filters(text, len(self.alternates)) if text else None
        return [self.file.failing(";".join(names)) for names in listed or ()]

    def info(self, key: str, alternate: int | None = None) -> Value | list[Value]:
        """An INFO value in its declared type."""
        value = self.raw_info.get(key)
        if value is None or value is True:
            return value
        assert isinstance(value, str)
        return item(value, self.file.header.info_definition(key), alternate, len(self.alternates))

    def text(self, key: str) -> str | None:
        """An INFO value as written; None where it is missing."""
        value = self.raw_info.get(key)
        return value if isinstance(value, str) and value != "." else None

    def text_of(self, key: str, alternate: int) -> str | None:
        """An INFO value as written, of one ALT where there are several; None where it is missing or not tied to it."""
        text, definition = self.text(key), self.file.header.info_definition(key)
        if text is None or len(self.alternates) == 1 or definition is None or definition.number == "1":
            return text
        parts = text.split(",")
        if definition.number not in ("A", "R") or len(parts) != definition.count(len(self.alternates)):
            return None
        own = parts[alternate - (definition.number == "A")]
        return None if own == "." else own

    @cached
    def end(self) -> int | None:
        """END, the last position of what the line describes; None where it is not declared as one number."""
        definition = self.file.header.info_definition("END")
        if definition is None or definition.kind != "Integer" or definition.number not in ("1", "."):
            return None
        return whole(self.text("END") or "")

    @property
    def outside(self) -> bool:
        """Whether REF is not within the contig's bases: POS 0 and what is beyond the end stand for telomeres."""
        return not self.pos or self.pos + len(self.ref) - 1 > self.last_base

    @cached
    def alleles(self) -> Alleles:
        """What annotations are compared with."""
        return Alleles(self.pos, self.ref, tuple(self.alt))

    @cached
    def spanning(self) -> int | None:
        """Number of the ALT `*`."""
        return next(
            (number for number, entry in enumerate(self.alternates, 1) if entry.kind == "spanning"), None
        )

    @cached
    def keys(self) -> list[str]:
        """FORMAT keys."""
        return self.columns[8].split(":")


class Call:
    """One sample's call at a line (scope `Sample`); `fields` are its FORMAT values as text by key."""

    __slots__ = ("_reads", "alleles", "fields", "file", "genotype", "junctions", "line", "name", "phases")

    def __init__(self, line: Line, name: str, text: str, genotype: Genotype) -> None:
        self.line = line
        self.file = line.file
        self.name = name
        self.genotype = genotype
        self.fields = dict(zip(line.keys, text.split(":"), strict=False))
        self._reads: Reads | bool | None = False
        self.alleles: list[object] = []
        """Objects of the scope `Allele`, which look at their call: for `for: Allele` alone."""
        self.phases: tuple[object, ...] = ()
        self.junctions: tuple[object, ...] = ()
        """Objects of the scopes `Phase` and `Junction`: relations to alleles of earlier lines."""

    @property
    def outer(self) -> Line:
        """The line."""
        return self.line

    @property
    def statement(self) -> object:
        """What the line says of the sample, to be compared."""
        return (*self.line.columns[2:8], *self.fields.items())

    def format(self, key: str, alternate: int | None = None) -> Value | list[Value]:
        """A FORMAT value in its declared type."""
        value = self.fields.get(key)
        if value is None:
            return None
        definition = self.file.header.format_definition(key)
        return item(value, definition, alternate, len(self.line.alternates))

    def _one(self, key: str) -> str:
        """The value of a key that is declared as one value; `.` where it is missing or declared otherwise."""
        return self.fields.get(key, ".") if self.file.uses[key].layout == "1" else "."

    def own(self, key: str, number: int) -> Decimal | None:
        """The number of a key that one ALT has: its own of several, or the only one that there is."""
        layout = self.file.uses[key].layout
        text = self.fields.get(key)
        if not layout or not text:
            return None
        if layout == "1":
            return decimal(text)
        parts = text.split(",")
        offset = layout == "A"
        return (
            decimal(parts[number - offset])
            if len(parts) == len(self.line.alternates) + (not offset)
            else None
        )

    @property
    def copies(self) -> Decimal | None:
        """CN: the sample's copy number, where it is one value."""
        return decimal(self._one("CN"))

    @property
    def phased(self) -> bool:
        """Whether the copies are phased."""
        return self.genotype.phased

    @property
    def phase_set(self) -> str | None:
        """PS of a phased call."""
        value = self._one("PS")
        return value if value != "." and self.genotype.phased else None

    @property
    def depth(self) -> int | None:
        """DP: reads at this position."""
        return whole(self._one("DP"))

    @property
    def quality(self) -> Decimal | None:
        """GQ: conditional genotype quality, Phred-scaled."""
        return decimal(self._one("GQ"))

    @property
    def failed_filters(self) -> list[str]:
        """Names of the filters of the call (FT) that failed; `passing` of the options are none."""
        return self.file.failing(self._one("FT").replace(",", ";")) if "FT" in self.fields else []

    @property
    def filtered(self) -> str | None:
        """What failed, FILTER of the line, FT of the call and the thresholds set, in words; None where nothing did."""
        file = self.file
        if self.line.columns[6] in _PASSED and "FT" not in self.fields and not file.thresholds:
            return None
        line, own = self.line.failed_filters, self.failed_filters
        parts = [f"FILTER {', '.join(line)}"] if line else []
        if own:
            parts.append(f"FT {', '.join(own)}")
        for key, limit in file.thresholds:
            value = self.line.qual if key == "QUAL" else decimal(self._one(key))
            if value is not None and value < limit:
                parts.append(f"{key} {value} is below {limit}")
        return "; ".join(parts) or None

    @property
    def confidence(self) -> str | None:
        """`low` where a filter failed; `high` where filters passed and GQ (else QUAL) is high; else `intermediate`.

        None where neither filters nor qualities are stated.
        """
        if self.filtered:
            return "low"
        passed = self.line.columns[6] == "PASS" or self._one("FT") == "PASS"
        quality = self._one("GQ")
        return confidence_of(passed, quality, self.line.columns[5])

    @property
    def reads(self) -> Reads | None:
        """AD: reads of each allele; None unless it is declared as that. Without AD of local alleles, or of tier 1."""
        if isinstance(self._reads, bool):
            text, file = self.fields.get("AD"), self.file
            if text is None and file.local:
                reads = self._local_reads()
            elif text is None and file.tiers:
                text = tiered_depths(self.fields, file.tiers, self.line.ref, self.line.alternates)
                reads = _reads(text) if text else None
            else:
                reads = _reads(text) if text and file.uses["AD"].layout == "R" else None
            whole_list = reads is not None and len(reads.depths) == len(self.line.alternates) + 1
            self._reads = reads if whole_list else None
        return self._reads

    def _local_reads(self) -> Reads | None:
        """Reads of the local alleles (LAD), of the others none."""
        number = len(self.line.alternates)
        text, places = self.fields.get("LAD"), local_places(self.fields, number)
        local = _reads(text) if text else None
        if local is None or places is None or len(places) != len(local.depths):
            return None
        depths: list[int | None] = [None] * (number + 1)
        shares: list[Decimal | None] = [None] * (number + 1)
        for place, depth, share in zip(places, *local, strict=True):
            depths[place], shares[place] = depth, share
        return Reads(tuple(depths), tuple(shares))

    @property
    def evidence(self) -> str:
        """What the caller wrote, for people: genotype, depths and qualities with their VCF names."""
        fields, columns = self.fields, self.line.columns
        text = "VCF"
        for key in _EVIDENCE:
            if key in fields and (value := fields[key]) != ".":
                text += f" {key}={value}"
        if "GT" not in fields:
            text += " SOMATIC" if self.line.raw_info.get("SOMATIC") is True else ""
            text += " without genotype"
        if columns[5] != ".":
            text += f" QUAL={columns[5]}"
        if columns[6] != ".":
            text += f" FILTER={columns[6]}"
        return text
