"""VCF files as source records: each call of a variant in a sample, with what its columns and keys mean."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from fhir_bridge.workshop.audit.leaves import ReadOptions, Role, SourceLeaf, SourceRecord, SourceUnit
from fhir_bridge.workshop.normal_forms import number

if TYPE_CHECKING:
    from fhir_bridge.adapters.genomics import VcfRecord

__all__ = ["read_calls"]

_TYPES: Final = frozenset(("Observation", "MolecularSequence"))
_ZYGOSITY: Final = {
    "heterozygous": ("heterozygous", "LA6706-1"),
    "homozygous": ("homozygous", "LA6705-3"),
    "hemizygous": ("hemizygous", "LA6707-9", "homoplasmic", "LA6704-6", "heteroplasmic", "LA6703-8"),
}
"""What engines write for a genotype (LOINC 53034-5)."""

_CHROMOSOMES: Final = dict(
    zip((*map(str, range(1, 23)), "X", "Y"), (f"LA{number}" for number in range(21254, 21278)), strict=True)
)
"""Answers of LOINC 48000-4 by chromosome, without their check digit."""

_SHOWN_SEQUENCE: Final = 60
"""Letters of an allele that HGVS and SPDI write out."""


_OPTIONS: Final = ReadOptions({"assembly": "GRCh38"})
"""A build for files that state none: values are compared whatever it is, it only makes names besides."""


def read_calls(path: Path, relative: str) -> Iterator[SourceRecord]:
    """The calls of a file: a record for each sample that has an ALT of a line; of files without samples one a line."""
    from fhir_bridge.adapters.genomics import VcfAdapter

    first = True
    without = 0
    for line in VcfAdapter().read([path], _OPTIONS):
        if line.line is None or line.outcome == "rejected":
            for issue in line.issues if line.outcome == "rejected" else ():
                yield SourceRecord(relative, f"{line.locator}: {issue.message}")
            continue
        calls = list(_calls(line))
        without += not calls
        for sample, alternates, fields in calls:
            yield _record(relative, line, sample, alternates, fields, with_file=first)
            first = False
    if without:
        yield _without_calls(relative, without)


def _calls(record: VcfRecord) -> Iterator[tuple[str, list[int], dict[str, str]]]:
    """Sample, numbers of the ALTs that it has, and its FORMAT values."""
    line, columns = record.line, record.line.columns if record.line else ()
    assert line is not None
    known = [
        at
        for at, alternate in enumerate(line.alternates, 1)
        if alternate.text not in (".", "<NON_REF>", "<*>")
    ]
    if len(columns) < 10:
        if known:
            yield "", known, {}
        return
    assert record.file is not None
    for sample, text in zip(record.file.header.samples, columns[9:], strict=False):
        fields = dict(zip(columns[8].split(":"), text.split(":"), strict=False))
        genotype = re.split(r"[/|]", fields.get("GT", ""))
        alternates = [at for at in known if str(at) in genotype]
        if alternates or ("GT" not in fields and known and text.strip(".:")):
            yield sample, alternates or known, fields


def _without_calls(relative: str, count: int) -> SourceRecord:
    """Lines on which no sample has a variant: they say nothing that an engine would write, and are counted."""
    record = SourceRecord(relative, f"{relative}: lines without a variant")
    leaf = SourceLeaf("lines", "lines on which no sample has a variant", 0, 0, str(count), Role.STRUCTURE)
    record.units.append(SourceUnit("file", "file", leaves=[leaf] * count))
    return record


def _record(
    relative: str,
    record: VcfRecord,
    sample: str,
    alternates: Sequence[int],
    fields: dict[str, str],
    *,
    with_file: bool,
) -> SourceRecord:
    line = record.line
    assert line is not None
    result = SourceRecord(relative, record.locator + (f" {sample}" if sample else ""))
    result.patients = (sample,) if sample else ()
    text = "\t".join([*line.columns[:8], *([":".join(fields.values())] if fields else [])])
    if sample:
        own = SourceUnit("sample", sample, frozenset(("Patient", "Specimen")), family=0)
        own.leaves.append(SourceLeaf("sample", "sample", 0, 0, sample, Role.ID))
        result.units.append(own)
    for place, alternate in enumerate(alternates, len(result.units)):
        unit = SourceUnit("variant", f"{line.chrom}:{line.pos} ALT {alternate}", _TYPES, family=place)
        reader = _Reader(unit, place, sum(len(each.leaves) for each in result.units))
        reader.variant(record, alternate)
        reader.call(line, alternate, fields)
        if with_file and alternate == alternates[0]:
            reader.file(record)
        result.units.append(unit)
    result.text = dict.fromkeys(range(len(result.units)), text)
    result.derived = tuple(_derived(record, alternates, fields, with_file=with_file))
    return result


def _derived(
    record: VcfRecord, alternates: Sequence[int], fields: dict[str, str], *, with_file: bool
) -> Iterator[str]:
    """Names of the variants, shares of their reads, bounds of imprecise ones; what the header says of the file."""
    line = record.line
    assert line is not None
    assert record.file is not None
    if with_file:
        yield from (str(value) for values in record.file.header.meta.values() for value in values)
    for alternate in alternates:
        yield from _hgvs(record, alternate)
    depths = [int(text) for text in fields.get("AD", "").split(",") if text.isdecimal()]
    total = sum(depths)
    if len(depths) > 1 and total:
        yield from (f"{depth / total:.6f}" for depth in depths)
    end = str(line.raw_info.get("END") or "")
    ends = {"CIPOS": line.pos, "CIEND": int(end) if end.isdecimal() else line.pos}
    for key, place in ends.items():
        yield from (str(place + step) for step in (-1, 1, len(line.ref) - 1, len(line.ref)))
        for bound in str(line.raw_info.get(key) or "").split(","):
            if re.fullmatch(r"-?\d+", bound):
                yield from (str(place + int(bound) + step) for step in (0, 1))


class _Reader:
    """Reads what a line and a sample say of one ALT."""

    def __init__(self, unit: SourceUnit, number_: int, before: int) -> None:
        self._unit, self._number, self._before = unit, number_, before
        self._part = before

    def _add(self, field: str, value: str, role: Role, forms: Sequence[str] = ()) -> None:
        text = unquote(value).strip()
        if text in ("", "."):
            return
        key = field.rpartition("/")[2]
        forms = (*forms, f"{key} {text}")  # `DP=31` in a note
        leaves = self._unit.leaves
        place = self._before + len(leaves)
        leaves.append(SourceLeaf(field, field, self._number, place, text, role, "", place, tuple(forms)))

    def file(self, record: VcfRecord) -> None:
        """What the header says of the file as a whole."""
        assert record.file is not None
        for date in record.file.header.meta.get("fileDate", ())[:1]:
            self._add("##fileDate", str(date), Role.TIME)

    def variant(self, record: VcfRecord, alternate: int) -> None:
        """The columns before the samples."""
        line = record.line
        assert line is not None
        names = _places(line, alternate, _hgvs(record, alternate))
        allele = line.alternates[alternate - 1].text
        chromosome = (line.chromosome or line.chrom).removeprefix("chr")
        answer = _CHROMOSOMES.get(chromosome)
        own = [f"chr{chromosome}", chromosome, f"Chromosome {chromosome}"]
        if answer:
            own.append(f"NC {list(_CHROMOSOMES).index(chromosome) + 1:06}")
        own += [f"{answer}-{digit}" for digit in range(10)] if answer else []
        self._add("CHROM", line.chrom, Role.VARIANT, [*own, *([line.accession] if line.accession else ())])
        self._add("POS", str(line.pos), Role.VARIANT, [str(line.pos - 1), str(line.pos + 1), *names])
        self._add("REF", line.ref, Role.VARIANT, names)
        self._add("ALT", allele, Role.VARIANT, names)
        for identifier in line.identifiers:
            self._add("ID", identifier, Role.ID)
        self._add("QUAL", line.columns[5], Role.NUMBER)
        for name in line.filters:
            self._add("FILTER", name, Role.STRUCTURE if name == "PASS" else Role.TEXT)
        for key, value in line.raw_info.items():
            if value is True:
                self._add(f"INFO/{key}", key, Role.TEXT)
            elif isinstance(value, str):
                definition = line.file.header.info_definition(key)
                self._values(f"INFO/{key}", value, definition, alternate, len(line.alternates))

    def call(self, line: Any, alternate: int, fields: dict[str, str]) -> None:
        """The sample's column."""
        for key, value in fields.items():
            if key == "GT":
                self._add("FORMAT/GT", value, Role.CODE, _zygosity(value))
            else:
                definition = line.file.header.format_definition(key)
                self._values(f"FORMAT/{key}", value, definition, alternate, len(line.alternates))

    def _values(self, field: str, value: str, definition: Any, alternate: int, alternates: int) -> None:
        items = value.split(",")
        whole = (f"{field.rpartition('/')[2]} {value}",) if len(items) > 1 else ()  # `AD=11,13` in a note
        layout = definition.layout if definition is not None else "."
        if layout == "A" and len(items) == alternates:
            items = [items[alternate - 1]]
        elif layout == "R" and len(items) == alternates + 1:
            items = [items[0], items[alternate]]
        for item in items:
            pieces = item.split("|") if "|" in item else [item]
            for position, piece in enumerate(pieces, 1):
                name = f"{field}.{position}" if len(pieces) > 1 else field
                for single in piece.split("&"):
                    role = Role.NUMBER if number(single) is not None else Role.TEXT
                    self._add(name, single, role, whole)


def _zygosity(genotype: str) -> tuple[str, ...]:
    copies = [copy for copy in re.split(r"[/|]", genotype) if copy not in (".", "")]
    if len(copies) == 1:
        return (*_ZYGOSITY["hemizygous"], *_ZYGOSITY["homozygous"])
    return _ZYGOSITY["homozygous" if len(set(copies)) == 1 else "heterozygous"]


def _hgvs(record: VcfRecord, alternate: int) -> list[str]:
    """What the adapter derives as the name of an ALT."""
    assert record.line is not None
    text = record.line.alternates[alternate - 1].text
    names = {
        allele.hgvs_g
        for allele in record.scope("Allele")
        if getattr(allele, "alt", None) == text and getattr(allele, "hgvs_g", None)
    }
    return sorted(name.rpartition(":")[2] for name in names)


def _places(line: Any, alternate: int, names: Sequence[str]) -> list[str]:
    """Forms in which HGVS and SPDI write place and change of an ALT, and so all that CHROM, POS, REF and ALT say."""
    ref, alt, pos = line.ref, line.alternates[alternate - 1].text.upper(), line.pos
    results = [name.removeprefix("g.") for name in names]
    if len(ref) > _SHOWN_SEQUENCE or len(alt) > _SHOWN_SEQUENCE or not re.fullmatch("[ACGTN]+", ref + alt):
        return results
    shared = 0
    while shared < min(len(ref), len(alt)) and ref[shared] == alt[shared]:
        shared += 1
    gone, come, start = ref[shared:], alt[shared:], pos + shared
    end = start + len(gone) - 1
    where = str(start) if len(gone) == 1 else f"{start} {end}"
    if len(gone) == len(come) == 1:
        results.append(f"{start}{gone} {come}")
    elif gone and not come:
        results += [f"{where}del", f"{where}del{gone}"]
    elif come and not gone:
        results += [f"{start - 1} {start}ins{come}", f"{start - len(come)} {start - 1}dup", f"{start - 1}dup"]
    else:
        results.append(f"{where}delins{come}")
    spdi = [(pos - 1, ref, alt), (start - 1, gone, come)]
    return [*results, *(f"{place} {before} {after}" for place, before, after in spdi if before and after)]
