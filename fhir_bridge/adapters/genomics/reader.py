"""Reads a VCF in one pass: the samples, every line with its account, and what the lines gave each sample."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

from fhir_bridge.adapters.genomics.assembly import UNSTATED, Build, UnknownBuild, detect
from fhir_bridge.adapters.genomics.bcf import bcf_lines, is_bcf
from fhir_bridge.adapters.genomics.bed import read_studied
from fhir_bridge.adapters.genomics.calls import read_calls
from fhir_bridge.adapters.genomics.checks import (
    LineError,
    alternates,
    check_end,
    check_fixed,
    check_format,
    check_info,
    position,
)
from fhir_bridge.adapters.genomics.file import VcfFile
from fhir_bridge.adapters.genomics.header import Header, HeaderError, HeaderParser
from fhir_bridge.adapters.genomics.issues import issue
from fhir_bridge.adapters.genomics.lazy import lazy
from fhir_bridge.adapters.genomics.line import Line
from fhir_bridge.adapters.genomics.options import OptionError, Options
from fhir_bridge.adapters.genomics.stream import Break, OverlongLine, lines
from fhir_bridge.adapters.genomics.strict import SYNTAX, StrictCheck
from fhir_bridge.adapters.genomics.structural import check_distinct
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.mapping import Record
from fhir_bridge.plugins import RecordOutcome

__all__ = ["VcfRecord", "read_header", "read_vcf"]

Item = bytes | OverlongLine | Break
_LOST_CALL = frozenset(("FB-VCF-040", "FB-VCF-041"))
"""Without any allele left, a line that lost a sample's call is rejected, not skipped."""


class VcfRecord(Record):
    """A line, or the file before its first (`Subject`) and after its last line (`Study`), which counts as no record."""

    root = "File"

    def __init__(
        self,
        locator: str,
        source: str,
        *,
        time: datetime | None = None,
        records: int = 1,
        outcome: RecordOutcome = "read",
        issues: Sequence[Issue] = (),
        file: VcfFile | None = None,
        line: Line | None = None,
        own: Literal["Subject", "Study"] | None = None,
        content: bytes | None = None,
    ) -> None:
        # As Record's own does, without a second call: there is one of these for every line.
        self.locator = locator
        self.source = source
        self.time = time
        self.records = records
        self.outcome = outcome
        self.issues = issues
        self.file = file
        self.line = line
        self.own = own
        self.content = content

    @lazy
    def key(self) -> str:
        """The line with the names of the samples, hashed: the same whoever sends it again, whatever is made of it.

        What a file says as a whole has the key of its samples: a later file of the same name replaces it.
        """
        if self.file is None or (self.own is None and self.content is None):
            return ""
        samples = self.file.samples_digest
        if self.own is not None:
            return f"{self.own}:{samples.hex()}"
        return blake2b(self.content or b"", digest_size=16, key=samples).hexdigest()

    def scope(self, name: str) -> Iterable[Any]:
        """The objects of a scope, in the file's order."""
        if name == "File":
            return (self.file,) if self.file is not None else ()
        line = self.line
        if line is not None:
            if name == "Line":
                return (line,)
            if name == "Sample":
                return line.calls
            if name == "Allele":
                return [allele for call in line.calls for allele in call.alleles]
        elif name == self.own and self.file is not None:
            return self.file.subjects if name == "Subject" else self.file.studies
        return ()


def read_vcf(path: Path, options: Options) -> Iterator[VcfRecord]:
    """Read one file. A file that can't be opened, or whose header can't be read, gives one rejected record."""
    name = "standard input" if str(path) == "-" else path.name
    try:
        items = bcf_lines(path) if is_bcf(path) else lines(path, options.max_line)
        header = read_header(items)
        file = _file(name, header, _build(header, options), options)
    except (HeaderError, UnknownBuild, OptionError) as error:
        yield _refused(name, error.issue)
        return
    except OSError as error:
        yield _refused(
            name, issue("FB-VCF-007", f"the file can't be opened: {error.strerror or type(error).__name__}")
        )
        return
    if options.check and (wrong := _departures(file)):
        yield VcfRecord(name, name, outcome="rejected", issues=wrong)
    if file.subjects:
        yield VcfRecord(name, name, time=file.time, records=0, file=file, own="Subject")
    reader = _LineReader(file)
    broken: list[Issue] = []
    number = header.lines
    while True:
        try:
            item = next(items, None)
        except OSError as error:
            item = Break(f"reading failed: {error.strerror or type(error).__name__}")
        if item is None:
            break
        number += 1
        if not isinstance(item, Break):
            yield reader.read(item, number)
        elif item.certain:
            # How many lines are lost can't be known; they count as one, so that the account shows the loss.
            yield reader.lost(
                number, issue("FB-VCF-006", f"{item.reason}; what follows is lost", f"{name}:{number}")
            )
        elif item.code == "FB-VCF-082":
            broken.append(issue(item.code, item.reason, name))
        elif options.check and header.version >= "VCFv4.3":
            yield VcfRecord(name, name, outcome="rejected", issues=[_error(item.code, item.reason, name)])
    issues = [*_summary(file, reader, name), *broken]
    if options.check:
        issues = [found for found in issues if found.code in SYNTAX]
    outcome: RecordOutcome = "read" if file.studies else "skipped"
    if file.studies or issues:
        yield VcfRecord(
            name, name, time=file.time, records=0, outcome=outcome, file=file, own="Study", issues=issues
        )


def read_header(items: Iterator[Item]) -> Header:
    """Read the header from a file's lines, which then stand at the first record.

    Raises:
        HeaderError: it can't be read (FB-VCF-001 to -003).
    """
    parser = HeaderParser()
    for item in items:
        if isinstance(item, Break) and not item.certain:
            break
        if not isinstance(item, bytes):
            text = item.reason if isinstance(item, Break) else "a line is too long"
            raise parser.error(f"the header can't be read: {text}")
        try:
            done = parser.feed(item.decode())
        except UnicodeDecodeError:
            raise parser.error("the header is not UTF-8 text") from None
        if done:
            return parser.header
    if not parser.header.version:
        raise HeaderError(issue("FB-VCF-001", "the file is empty"))
    raise parser.error("the column line #CHROM is missing")


def _build(header: Header, options: Options) -> Build:
    """The build that the header speaks of; the syntax of a file can be checked without one."""
    if options.check:
        return UNSTATED
    return detect(header.contigs, _references(header), options.assembly, check_lengths=options.check_lengths)


def _error(code: str, message: str, source: str) -> Issue:
    return Issue("error", code, message, source)


def _departures(file: VcfFile) -> list[Issue]:
    """What is wrong with the header, line by line, for a check of the syntax."""
    return [
        _error("FB-VCF-083", f"{found.message} (VCF 4.3 §1.4)", f"{file.name}:{found.line}")
        for found in file.header.departures
        if found.kind != "remark"
    ]


def _references(header: Header) -> list[str]:
    return [
        text for key in ("reference", "assembly", "contigs_reference") for text in header.meta.get(key, [])
    ]


def _file(name: str, header: Header, build: Build, options: Options) -> VcfFile:
    missing = [sample for sample in options.samples if sample not in header.samples]
    if missing:
        raise OptionError(
            issue("FB-VCF-008", f"{len(missing)} of the samples asked for are not in the file", name)
        )
    return VcfFile(name, header, build, options, read_studied(header, options))


def _refused(name: str, found: Issue) -> VcfRecord:
    where = f"{name}: {found.source}" if found.source else name
    placed = Issue(found.severity, found.code, found.message, where)
    return VcfRecord(name, name, outcome="rejected", issues=[placed])


def _summary(file: VcfFile, reader: _LineReader, name: str) -> Iterator[Issue]:
    if reader.undeclared:
        keys = sorted(reader.undeclared)
        shown = ", ".join(keys[:10]) + (", …" if len(keys) > 10 else "")
        yield issue("FB-VCF-080", f"used but not declared, read as text: {shown}", name)
    told = [f"line {one.line}: {one.message}" for one in file.header.departures if one.kind != "check"]
    if told and not file.options.check:
        shown = "; ".join(told[:5]) + (f"; and {len(told) - 5} more" if len(told) > 5 else "")
        yield issue("FB-VCF-083", shown, name)
    if reader.unsorted and not file.options.check:
        yield issue("FB-VCF-084", f"not sorted, first at {reader.unsorted}", name)
    left_out = sum(study.left_out for study in file.studies)
    if left_out:
        yield issue("FB-VCF-085", f"{left_out} calls that fail a filter were left out", name)
    most = file.options.max_findings
    full = sum(study.findings_count > most for study in file.studies)
    if full:
        yield issue(
            "FB-VCF-081",
            f"{full} samples have more than {most} reportable variants; a report lists the first",
            name,
        )


class _LineReader:
    """Turns lines into records, and counts for the report."""

    def __init__(self, file: VcfFile) -> None:
        self.file = file
        self.undeclared: set[str] = set()
        self.unsorted: str | None = None
        self._formats: set[str] = set()
        self._contigs: set[str] = set()
        self._last: tuple[str, int, str, str] = ("", 0, "", "")
        self._strict = StrictCheck(file.header.version) if file.options.check else None

    def lost(self, number: int, found: Issue, content: bytes | None = None) -> VcfRecord:
        """A line of which nothing is left."""
        file = self.file
        locator = f"{file.name}:{number}"
        return VcfRecord(locator, file.name, outcome="rejected", issues=[found], file=file, content=content)

    def read(self, item: bytes | OverlongLine, number: int) -> VcfRecord:
        """The record of one line: read, skipped with its reason, or rejected with it."""
        file = self.file
        locator = f"{file.name}:{number}"
        if isinstance(item, OverlongLine):
            limit = file.options.max_line
            return self.lost(number, issue("FB-VCF-022", f"the line has more than {limit} bytes", locator))
        try:
            line, issues, reason = self._line(item.decode(), number, locator)
        except UnicodeDecodeError as error:
            found = issue("FB-VCF-021", f"byte {error.start + 1} of the line is not UTF-8", locator)
            return self.lost(number, found, item)
        except LineError as error:
            return self.lost(number, issue(error.code, error.message, locator), item)
        outcome: RecordOutcome = "read"
        if self._strict:
            issues += [issue(*one, locator) for one in self._strict.check(line)]
            issues = [_error(one.code, one.message, locator) for one in issues if one.code in SYNTAX]
        elif reason is not None:
            lost = any(found.code in _LOST_CALL for found in issues)
            outcome = "rejected" if lost else "skipped"
            issues = issues if lost else [*issues, reason]
        return VcfRecord(
            locator,
            file.name,
            time=file.time,
            outcome=outcome,
            issues=issues,
            file=file,
            line=line,
            content=item,
        )

    def _order(self, line: Line, kept: list[tuple[str, str]]) -> None:
        """Positions ascend within a contig, and a contig's lines stand together (VCF 4.3 §1.6.1)."""
        chrom, place, reference, alternate = self._last
        unsorted = ""
        if line.chrom != chrom:
            if line.chrom in self._contigs and chrom[:1] != "<":
                unsorted = "the contig has stood before"
            if line.chrom[0] != "<":  # an assembled contig stands among the lines of its chromosome
                self._contigs.add(line.chrom)
        elif line.pos < place:
            unsorted = "POS is below that of the line before"
        elif self._strict:
            pass  # It looks for repetitions itself, however they are written.
        elif line.pos == place and line.columns[3] == reference and line.columns[4] == alternate != ".":
            kept.append(("FB-VCF-035", "the variant of the line before again"))
        if unsorted:
            self.unsorted = self.unsorted or f"line {line.number}: {unsorted}"
            if self._strict:
                kept.append(("FB-VCF-084", f"not sorted: {unsorted} (VCF 4.3 §1.6.1)"))
        self._last = (line.chrom, line.pos, line.columns[3], line.columns[4])

    def _line(self, text: str, number: int, locator: str) -> tuple[Line, list[Issue], Issue | None]:
        file = self.file
        columns = text.split("\t")
        if len(columns) != file.header.columns:
            if text.startswith("#"):
                raise LineError("FB-VCF-032", "a header line stands among the records")
            raise LineError("FB-VCF-020", f"{file.header.columns} columns are needed")
        place = position(columns[1])
        check_fixed(columns, file.header, place)
        found = alternates(columns[4], columns[3])
        info, lost, kept = check_info(columns[7], self.undeclared, file.header, len(found))
        if "END" in info:
            check_end(info, file.header, columns[0], place)
        line = Line(file, number, columns, place, found, info, lost)
        if len(found) > 1:
            check_distinct(line)
        self._order(line, kept)
        if not file.header.samples:
            return (
                line,
                [issue(*one, locator) for one in kept],
                issue("FB-VCF-063", "the file has no samples", locator),
            )
        if columns[8] not in self._formats:
            check_format(columns[8], self.undeclared, file.header)
            if len(self._formats) < 4096:
                self._formats.add(columns[8])
        issues, reason = read_calls(line, locator)
        if kept:
            issues += [issue(code, message, locator) for code, message in kept]
        return line, issues, reason
