"""Where in a VCF the values are that a rule reads: columns, INFO keys, FORMAT keys of a sample, lines of the header."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from fhir_bridge.adapters.genomics.allele import Allele, Effect
from fhir_bridge.adapters.genomics.definition import Definition
from fhir_bridge.adapters.genomics.file import VcfFile
from fhir_bridge.adapters.genomics.line import Call, Line
from fhir_bridge.mapping import Passage, Span

__all__ = ["header_passages", "line_passage", "spans_of"]

_COLUMNS: Final = ("CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT")
_VARIANT: Final = ("CHROM", "POS", "REF", "ALT")
_EXTENT: Final = ("POS", "REF", "INFO.END", "INFO.SVLEN")
_BOUNDS: Final = ("POS", "INFO.END", "INFO.CIPOS", "INFO.CIEND")
_EVIDENCE: Final = ("FORMAT.GT", "FORMAT.DP", "FORMAT.GQ", "FORMAT.PS", "QUAL", "FILTER")

_DERIVED: Final[dict[str, tuple[str, ...]]] = {
    "line.chromosome": ("CHROM",),
    "line.genomic_reference": ("CHROM",),
    "line.accession": ("CHROM",),
    "line.end": ("INFO.END",),
    "line.failed_filters": ("FILTER",),
    "call.genotype": ("FORMAT.GT",),
    "call.phased": ("FORMAT.GT",),
    "call.phase_set": ("FORMAT.PS",),
    "call.depth": ("FORMAT.DP",),
    "call.quality": ("FORMAT.GQ",),
    "call.evidence": _EVIDENCE,
    "call.failed_filters": ("FORMAT.FT",),
    "call.filtered": ("FILTER", "FORMAT.FT", "INFO.AS_FilterStatus"),
    "call.allelic_state": ("FORMAT.GT",),
    "call.allele_depth": ("FORMAT.AD",),
    "call.fraction": ("FORMAT.AF", "FORMAT.VAF", "FORMAT.AD"),
    "call.copy_number": ("FORMAT.CN",),
    "variant.alt": ("ALT",),
    "variant.change_type": ("REF", "ALT"),
    "variant.end": ("INFO.END", "INFO.SVLEN"),
    "variant.first": _EXTENT,
    "variant.last": _EXTENT,
    "variant.frequencies": (
        "consequence",
        "INFO.AF_EXAC",
        "INFO.AF_TGP",
        "INFO.AF_ESP",
        "INFO.gnomAD_AF",
        "INFO.gnomADe_AF",
        "INFO.gnomADg_AF",
    ),
    "variant.gene": ("consequence", "INFO.GENEINFO"),
    "variant.other_genes": ("consequence", "INFO.GENEINFO"),
    "variant.hgvs_g": _VARIANT,
    "variant.identifiers": ("ID", "INFO.RS"),
    "variant.inner": _BOUNDS,
    "variant.outermost": _BOUNDS,
    "variant.begins": _BOUNDS,
    "variant.key": (*_VARIANT, "INFO.END", "INFO.SVLEN"),
    "variant.length": ("INFO.SVLEN",),
    "variant.spdi": _VARIANT,
    "variant.repeats": ("ALT", "INFO.RU", "INFO.RN", "INFO.RUS", "INFO.RUC"),
    "phase.first": _VARIANT,
    "phase.second": _VARIANT,
    "phase.relation": ("FORMAT.GT", "FORMAT.PS"),
    "phase.set": ("FORMAT.PS",),
    "phase.note": ("FORMAT.GT", "FORMAT.PS"),
    "variant.inheritance": ("FORMAT.GT",),
    "junction.first": _VARIANT,
    "junction.second": _VARIANT,
    "junction.text": ("CHROM", "POS", "ALT"),
    "junction.chromosomes": ("CHROM", "ALT"),
    "junction.genes": ("consequence",),
    "junction.fusion": ("consequence",),
    "variant.source_class": ("INFO.SOMATIC",),
    "variant.symbolic": ("ALT",),
    "clinvar.classification": ("INFO.CLNSIG",),
    "clinvar.significance": ("INFO.CLNSIG",),
    "clinvar.reportable": ("INFO.CLNSIG",),
    "clinvar.conditions": ("INFO.CLNDN", "INFO.CLNDISDB"),
    "clinvar.review_status": ("INFO.CLNREVSTAT",),
    "clinvar.stars": ("INFO.CLNREVSTAT",),
    "clinvar.variation": ("INFO.CLNVID",),
    "sample.name": ("header.sample",),
    "file.date": ("header.fileDate",),
    "file.caller": ("header.source",),
    "file.source_class": ("header.genomic_source_class",),
    "file.assembly": ("header.reference", "header.assembly"),
}
"""What derived values come from; those of a study come from all lines of its sample, and are not listed."""


class _Value(NamedTuple):
    """A value of a line: its name, and its characters in the line."""

    label: str
    start: int
    end: int


def spans_of(scope: Any, selector: str) -> list[Span]:
    """Where the values are that a selector reads from an object of a scope."""
    if isinstance(scope, Effect):
        scope = scope.outer
    call: Call | None = scope if isinstance(scope, Call) else getattr(scope, "call", None)
    line: Line | None = scope if isinstance(scope, Line) else call.line if call else None
    number = scope.number if isinstance(scope, Allele) else None
    spans: list[Span] = []
    for name in _names(scope.file, selector):
        if name.startswith("header."):
            spans += _of_header(scope.file, name[7:], call.name if call else getattr(scope, "name", ""))
        elif line is not None:
            spans += _of_line(line, call, number, name)
    return spans


def _names(file: VcfFile, selector: str) -> Iterator[str]:
    if selector.startswith("consequence."):
        selector = "consequence"
    for name in _DERIVED.get(selector, (selector,)):
        if name != "consequence":
            yield name
        else:
            yield from (f"INFO.{each.key}" for each in file.consequences)


def _of_line(line: Line, call: Call | None, number: int | None, name: str) -> Iterator[Span]:
    group, _, key = name.partition(".")
    definition: Definition | None = None
    if group == "INFO" and key:
        values, definition = _info(line), line.file.header.info_definition(key)
    elif group == "FORMAT" and key:
        values, definition = (
            (_format(line, call) if call else iter(())),
            line.file.header.format_definition(key),
        )
    else:
        values = _fixed(line)
    for value in values:
        if value.label.partition(" (")[0] != name:
            continue
        parts = list(_parts(line, value))
        per = {"A": number, "R": number + 1 if number else None}
        own = number if name == "ALT" else per.get(definition.number) if definition and number else None
        if own is not None and len(parts) >= own > 0 and (name == "ALT" or len(parts) > 1):
            yield _span(line, parts[own - 1])
        else:
            yield _span(line, value)


def _parts(line: Line, value: _Value) -> Iterator[_Value]:
    """The parts that commas divide."""
    text = "\t".join(line.columns)
    start = value.start
    pieces = text[value.start : value.end].split(",")
    for number, piece in enumerate(pieces, 1):
        label, _, sample = value.label.partition(" (")
        named = f"{label}[{number}]" if len(pieces) > 1 else label
        yield _Value(f"{named} ({sample}" if sample else named, start, start + len(piece))
        start += len(piece) + 1


def _begins(line: Line) -> list[int]:
    """Where the columns begin, in characters."""
    begins = [0]
    for column in line.columns:
        begins.append(begins[-1] + len(column) + 1)
    return begins


def _fixed(line: Line) -> Iterator[_Value]:
    begins = _begins(line)
    for number, name in enumerate(_COLUMNS[:7]):
        text = line.columns[number]
        if text not in (".", ""):
            yield _Value(name, begins[number], begins[number] + len(text))


def _info(line: Line) -> Iterator[_Value]:
    start = _begins(line)[7]
    if line.columns[7] == ".":
        return
    for entry in line.columns[7].split(";"):
        key, equals, value = entry.partition("=")
        begin = start + (len(key) + 1 if equals else 0)
        if entry and value != ".":
            yield _Value(f"INFO.{key}", begin, start + len(entry))
        start += len(entry) + 1


def _format(line: Line, call: Call) -> Iterator[_Value]:
    column = next((column for column, name in line.file.columns if name == call.name), None)
    if column is not None:
        yield from _sample(line, column, call.name)


def _sample(line: Line, column: int, name: str) -> Iterator[_Value]:
    start = _begins(line)[column]
    for key, text in zip(line.keys, line.columns[column].split(":"), strict=False):
        if text not in (".", ""):
            yield _Value(f"FORMAT.{key} ({name})", start, start + len(text))
        start += len(text) + 1


def _span(line: Line, value: _Value) -> Span:
    text = "\t".join(line.columns)
    begin = line.file.text.offset(line.number) if line.file.text else -1
    bytes_before = len(text[: value.start].encode())
    length = len(text[value.start : value.end].encode())
    shown = text[value.start : value.end]
    if begin < 0:
        return Span(line.file.name, value.label, -1, -1, line.number, shown)
    start = begin + bytes_before
    return Span(line.file.name, value.label, start, start + length, line.number, shown)


def line_passage(line: Line) -> Passage:
    """A line with its values: fixed columns, INFO keys, and the FORMAT keys of the samples that are read."""
    values = [*_fixed(line), *_info(line)]
    if len(line.columns) > 9:
        for column, name in line.file.columns:
            values += _sample(line, column, name)
    begin = line.file.text.offset(line.number) if line.file.text else -1
    raw = "\t".join(line.columns).encode()
    spans = tuple(_span(line, value) for value in values)
    return Passage(line.file.name, f"line {line.number}", begin, line.number, spans, raw)


def header_passages(file: VcfFile) -> list[Passage]:
    """The lines of the header; a value of each is what follows `=`, of the column line the samples' names."""
    return [passage for passage, _ in _header(file)]


def _header(file: VcfFile) -> Iterator[tuple[Passage, str]]:
    text = file.text
    if text is None:
        return
    offset = 0
    for number, raw in enumerate(text.header(file.header.lines), 1):
        line = raw.rstrip(b"\r\n")
        leaves: list[Span] = []
        name = ""
        if line.startswith(b"##"):
            key, equals, value = line.partition(b"=")
            name = key[2:].decode(errors="replace")
            if equals and value:
                start = offset + len(key) + 1
                leaves.append(
                    Span(
                        file.name,
                        f"##{name}",
                        start,
                        start + len(value),
                        number,
                        value.decode(errors="replace"),
                    )
                )
        else:
            start = offset
            for column, part in enumerate(line.split(b"\t")):
                if column > 8:
                    sample = part.decode(errors="replace")
                    leaves.append(
                        Span(file.name, f"sample {sample}", start, start + len(part), number, sample)
                    )
                start += len(part) + 1
        yield Passage(file.name, f"line {number}", offset, number, tuple(leaves), line), name
        offset += len(raw)


def _of_header(file: VcfFile, name: str, sample: str) -> Iterator[Span]:
    for passage, key in _header(file):
        for leaf in passage.leaves:
            if key == name or (name == "sample" and leaf.label == f"sample {sample}"):
                yield leaf
