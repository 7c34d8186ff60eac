"""Reads one piece of a file, and sums up what all of them came to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fhir_bridge.adapters.genomics.accounting import Unread
from fhir_bridge.adapters.genomics.block import in_blocks
from fhir_bridge.adapters.genomics.file import Finding, Study, VcfFile
from fhir_bridge.adapters.genomics.issues import issue
from fhir_bridge.adapters.genomics.line_reader import LineReader
from fhir_bridge.adapters.genomics.options import Options
from fhir_bridge.adapters.genomics.reader import build_of, file_of, read_header, read_lines, summed_up
from fhir_bridge.adapters.genomics.record import VcfRecord
from fhir_bridge.adapters.genomics.region_list import RegionList
from fhir_bridge.adapters.genomics.stream import Break, OverlongLine, lines, lines_from
from fhir_bridge.fhir.issues import Issue

__all__ = ["read_end", "read_piece"]

_COUNTS = (
    "called",
    "written",
    "unbalanced",
    "variants",
    "no_calls",
    "not_reference",
    "left_out",
    "lost_calls",
    "ungenotyped",
    "classified",
    "unclear",
    "unlisted",
    "findings_count",
    "kept",
)
_REASONS = ("not_represented", "withheld")
_REGIONS = ("called_regions", "called_segments", "called_repeats", "uncalled_regions")


def read_piece(
    path: Path,
    piece: Mapping[str, Any],
    options: Options,
    selectors: Iterable[str] | None,
    state: dict[str, Any],
    *,
    blocks: bool = False,
) -> Iterator[VcfRecord]:
    """The records of a piece, the file's samples before those of the first; `state` gets what they came to, as JSON."""
    file = _opened(path, piece, options)
    reader = LineReader(file)
    for number, text in piece.get("before", ()):
        reader.read(text.encode(), number)
    _forget(file, reader)
    if selectors is not None:
        file.account = Unread(file, selectors, options.ignore)
    first = "block" not in piece
    if first and file.subjects:
        yield VcfRecord(file.name, time=file.time, records=0, file=file, own="Subject")
    if first:
        number = file.header.lines
        items = lines(path, options.max_line)
        for _ in range(number):
            next(items)
    else:
        number = piece["number"]
        items = lines_from(path, piece["block"], piece["byte"], options.max_line)
    end, broken = piece["end"], list[Issue]()
    taken = items if end is None else _first(items, end - number)
    records = read_lines(file, reader, taken, number, broken)
    yield from in_blocks(records) if blocks else records
    state |= _state(file, reader, broken)


def read_end(
    path: Path,
    piece: Mapping[str, Any],
    options: Options,
    selectors: Iterable[str] | None,
    states: Sequence[Mapping[str, Any]],
) -> Iterator[VcfRecord]:
    """What the lines of all pieces gave each sample."""
    file = _opened(path, piece, options)
    reader = LineReader(file)
    if selectors is not None:
        file.account = Unread(file, selectors, options.ignore)
    broken: list[Issue] = []
    for state in states:
        _add(file, reader, state, broken)
    yield from summed_up(file, reader, broken)


def _opened(path: Path, piece: Mapping[str, Any], options: Options) -> VcfFile:
    header = read_header(lines(path, options.max_line), options.fileformat)
    file = file_of(path.name, header, build_of(header, options), options, piece["id"])
    file.sexes = piece["sexes"]
    file.origin = file.path = path
    return file


def _first(
    items: Iterator[bytes | OverlongLine | Break], count: int
) -> Iterator[bytes | OverlongLine | Break]:
    for _ in range(count):
        yield next(items)


def _forget(file: VcfFile, reader: LineReader) -> None:
    """Count nothing of the lines that another piece has."""
    file.genotyped = file.lost_lines = file.unplaced = file.outside = reader.somatic = 0
    for place, study in enumerate(file.studies):
        file.studies[place] = file.study_of[study.name] = Study(file, study.name, study.column)


def _state(file: VcfFile, reader: LineReader, broken: Sequence[Issue]) -> dict[str, Any]:
    account = file.account
    return {
        "genotyped": file.genotyped,
        "lost_lines": file.lost_lines,
        "unplaced": file.unplaced,
        "outside": file.outside,
        "cut": file.cut,
        "endless": sorted(file.endless),
        "kinds": sorted(file.kinds),
        "contigs": file.contigs_seen,
        "broken": [[each.code, each.message] for each in broken],
        "undeclared": sorted(reader.undeclared),
        "somatic": reader.somatic,
        "unpaired": sum(len(each.ends) for each in reader.relations),
        "account": None if account is None else account.state,
        "studies": [_study_state(study) for study in file.studies],
    }


def _study_state(study: Study) -> dict[str, Any]:
    regions = {
        name: [[each.contig, each.first, each.last] for each in getattr(study, name).regions]
        for name in _REGIONS
    }
    return {
        **{name: getattr(study, name) for name in _COUNTS},
        **{name: dict(getattr(study, name)) for name in _REASONS},
        **regions,
        "lost_regions": {name: getattr(study, name).left_out for name in _REGIONS},
        "findings": [[each.variant, each.classified, each.text, each.assessed] for each in study.findings],
    }


def _add(file: VcfFile, reader: LineReader, state: Mapping[str, Any], broken: list[Issue]) -> None:
    """Add what a piece came to."""
    file.genotyped += state["genotyped"]
    file.lost_lines += state["lost_lines"]
    file.unplaced += state["unplaced"]
    file.outside += state["outside"]
    file.cut = file.cut or state["cut"]
    file.endless.update(state["endless"])
    file.kinds.update(state["kinds"])
    for contig in state["contigs"]:
        file.place(contig)
    broken += [issue(code, message, file.name) for code, message in state["broken"]]
    reader.undeclared.update(state["undeclared"])
    reader.somatic += state["somatic"]
    reader.unpaired = state["unpaired"]  # the last piece knows all breakends before it
    if file.account is not None and state["account"] is not None:
        file.account.add(state["account"])
    for study, own in zip(file.studies, state["studies"], strict=True):
        for name in _COUNTS:
            setattr(study, name, getattr(study, name) + own[name])
        for name in _REASONS:
            getattr(study, name).update(Counter(own[name]))
        for name in _REGIONS:
            regions: RegionList = getattr(study, name)
            for contig, first, last in own[name]:
                regions.add(contig, first, last)
            regions.left_out += own["lost_regions"][name]
        listed = study.findings + [Finding(*each) for each in own["findings"]]
        study.findings = listed[: file.options.max_findings]
