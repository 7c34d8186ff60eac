"""Options of the reader: the mapping's `source:` block, overlaid with `--set`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from fhir_bridge import plugins
from fhir_bridge.adapters.genomics.issues import issue
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.mapping import nearest

__all__ = ["OptionError", "Options"]

REPORTABLE = ("clinvar", "all")
SOURCE_CLASSES = ("germline", "somatic")
PHASING = ("sets", "all", "none")
FILTERED = ("keep", "leave-out")


class OptionError(plugins.OptionError):
    """An option is unknown or wrong; `issue` says which."""

    def __init__(self, result: Issue, option: str = "", advice: str = "") -> None:
        super().__init__(option, result.message, advice)
        self.issue = result


@dataclass(frozen=True, slots=True)
class Options:
    """What a user may set.

    Attributes:
        assembly: the genome build (GRCh37, GRCh38, T2T-CHM13v2.0), where the header doesn't say it.
        check_lengths: refuse a file with a chromosome whose length is of no known build.
        samples: names of the samples to convert; empty takes all.
        studied_genes: gene symbols that the study covers; `##studied_genes` of the header where empty.
        studied_bed: a BED file of the regions that the study covers; gene symbols may be in its fourth column.
        studied_kinds: kinds of variant that the study looks for: `small`, `structural` (copy numbers among them),
            `repeats`; what the file's lines are evidence of where absent.
        source_class: `germline` or `somatic`; `##genomic_source_class` of the header where absent.
        effective: date of the findings (`YYYY`, `YYYY-MM` or `YYYY-MM-DD`); `##fileDate` where absent.
        reportable: what a report lists: `clinvar` (pathogenic and likely pathogenic) or `all`; a panel goes before.
        panel: a file that selects what a report lists (`panel.py`).
        max_findings: findings that a report lists at most.
        restate: whether components state again what the accession, the g.HGVS name and the SPDI of an allele state, and
            the codes that all variants have have a display.
        consequences: whether each annotated allele also gives a molecular consequence.
        transcripts: the transcripts of which an effect is stated: the `chosen` one (MANE first), or `all`.
        homoplasmic: read fraction from which a mitochondrial allele is homoplasmic.
        max_line: bytes that a line may have.
        filtered: what happens to a call that fails a filter (FILTER of its line, or its own FT): `keep` writes it with
            confidence low, `leave-out` does not write it.
        passing: names of filters that count as passed.
        reference: a FASTA file of the reference sequence (with its .fai), to place insertions and deletions.
        fileformat: the version (`VCFv4.2`) by which a file without `##fileformat` is read.
        phasing: which phased calls are related to each other: those of phase `sets` (PS), `all`, or `none`.
        check_sex: a sample whose calls show another sex than the stored Patient's gender is not stored.
        regions: where lines are taken from: a BED file, or `chr1:1000-2000` and whole contigs, separated by commas.
        min_quality, min_genotype_quality, min_depth: a call whose QUAL, GQ or DP is below fails a filter.
        clinvar: a release of ClinVar (its VCF, or variant_summary.txt) that classifies alleles in place of CLNSIG,
            which stays of those that it has not.
        pedigree: a PED file, whose individuals are samples: from which parent an allele comes (`pedigree.py`).
        keep: the file itself is kept by `load`, and only what is reportable, or lies in `stored_regions`, is stored.
        stored_regions: with `keep`, regions (as for `regions`) of which all variants are stored.
        stored_variants: with `keep`, variants (`7:55181378:C:T`) that are stored, since they are already.
        check: read for the syntax alone: no build is needed, and whatever departs from the specification is an error.
    """

    assembly: str | None = None
    check_lengths: bool = True
    samples: tuple[str, ...] = ()
    studied_genes: tuple[str, ...] = ()
    studied_bed: Path | None = None
    studied_kinds: tuple[str, ...] = ()
    source_class: str | None = None
    effective: str | None = None
    reportable: str = "clinvar"
    panel: Path | None = None
    max_findings: int = 200
    consequences: bool = True
    restate: bool = False
    transcripts: str = "chosen"
    homoplasmic: Decimal = Decimal("0.99")
    max_line: int = 1 << 26
    filtered: str = "keep"
    passing: tuple[str, ...] = ()
    reference: Path | None = None
    fileformat: str | None = None
    phasing: str = "sets"
    check_sex: bool = True
    regions: tuple[str, ...] = ()
    min_quality: Decimal | None = None
    min_genotype_quality: Decimal | None = None
    min_depth: Decimal | None = None
    clinvar: Path | None = None
    pedigree: tuple[str, ...] = ()
    keep: bool = False
    stored_regions: tuple[str, ...] = ()
    stored_variants: tuple[str, ...] = ()
    check: bool = False
    ignore: tuple[str, ...] = ()

    @classmethod
    def parse(cls, input_value: Mapping[str, Any]) -> Options:
        """Read options as YAML or `--set` gives them; `adapter` is passed over.

        Raises:
            OptionError: an unknown name, or a value out of its range (FB-VCF-009).
        """
        known = {field.name for field in fields(cls)}
        values: dict[str, Any] = {}
        for name, value in input_value.items():
            if name in ("adapter", "join") or name.startswith("join.") or value is None:
                continue
            if name not in known:
                text = f'option "{name}" is none of {", ".join(sorted(known))}'
                raise OptionError(issue("FB-VCF-009", text), name, nearest(name, sorted(known)))
            try:
                values[name] = _READERS.get(name, str)(value)
            except (ValueError, InvalidOperation):
                text = f"option {name}: the value is not allowed"
                raise OptionError(issue("FB-VCF-009", text), name) from None
        return cls(**values)


def _names(value: Any) -> tuple[str, ...]:
    parts = value if isinstance(value, list | tuple) else str(value).split(",")
    return tuple(str(part).strip() for part in parts if str(part).strip())


def _boolean(value: Any) -> bool:
    if str(value).lower() in ("true", "1", "yes"):
        return True
    if str(value).lower() in ("false", "0", "no"):
        return False
    raise ValueError


def _one_of(*allowed: str) -> Any:
    def read(value: Any) -> str:
        if value not in allowed:
            raise ValueError
        return str(value)

    return read


def _some_of(*allowed: str) -> Any:
    def read(value: Any) -> tuple[str, ...]:
        names = _names(value)
        if not set(names) <= set(allowed):
            raise ValueError
        return names

    return read


def _positive(value: Any) -> int:
    number = int(value)
    if number < 1:
        raise ValueError
    return number


def _threshold(value: Any) -> Decimal:
    number = Decimal(str(value))
    if not (number.is_finite() and number >= 0):
        raise ValueError
    return number


def _fileformat(value: Any) -> str:
    if not re.fullmatch(r"VCFv4\.[0-5]", str(value)):
        raise ValueError
    return str(value)


def _fraction(value: Any) -> Decimal:
    number = Decimal(str(value))
    if not 0 < number <= 1:
        raise ValueError
    return number


def _date(value: Any) -> str:
    text = str(value)
    form = _DATE_FORMS.get(len(text))
    if form is None:
        raise ValueError
    datetime.strptime(text, form)
    return text


_DATE_FORMS = {4: "%Y", 7: "%Y-%m", 10: "%Y-%m-%d"}
_READERS: dict[str, Any] = {
    "samples": _names,
    "studied_genes": _names,
    "studied_bed": Path,
    "studied_kinds": _some_of("small", "structural", "repeats"),
    "reference": Path,
    "panel": Path,
    "effective": _date,
    "source_class": _one_of(*SOURCE_CLASSES),
    "reportable": _one_of(*REPORTABLE),
    "max_findings": _positive,
    "check_lengths": _boolean,
    "consequences": _boolean,
    "restate": _boolean,
    "transcripts": _one_of("chosen", "all"),
    "homoplasmic": _fraction,
    "max_line": _positive,
    "filtered": _one_of(*FILTERED),
    "passing": _names,
    "fileformat": _fileformat,
    "check_sex": _boolean,
    "phasing": _one_of(*PHASING),
    "regions": _names,
    "min_quality": _threshold,
    "min_genotype_quality": _threshold,
    "min_depth": _threshold,
    "clinvar": Path,
    "pedigree": _names,
    "keep": _boolean,
    "stored_regions": _names,
    "stored_variants": _names,
    "check": _boolean,
    "ignore": _names,
}
