"""Reads a VCF in one pass: the samples, every line with its account, and what the lines gave each sample."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from fhir_bridge.adapters.genomics.accounting import Unread
from fhir_bridge.adapters.genomics.annotation import CONSEQUENCES
from fhir_bridge.adapters.genomics.assembly import UNSTATED, Build, UnknownBuild, detect
from fhir_bridge.adapters.genomics.bcf import bcf_lines, is_bcf
from fhir_bridge.adapters.genomics.bed import read_studied
from fhir_bridge.adapters.genomics.block import in_blocks
from fhir_bridge.adapters.genomics.delivery import begin_digest, content_digest
from fhir_bridge.adapters.genomics.file import VcfFile
from fhir_bridge.adapters.genomics.fragments import Fragments
from fhir_bridge.adapters.genomics.header import Header, HeaderError, HeaderParser
from fhir_bridge.adapters.genomics.issues import issue
from fhir_bridge.adapters.genomics.line_reader import LineReader
from fhir_bridge.adapters.genomics.options import OptionError, Options
from fhir_bridge.adapters.genomics.order import ReturnedPlaces
from fhir_bridge.adapters.genomics.record import VcfRecord
from fhir_bridge.adapters.genomics.runs import Run
from fhir_bridge.adapters.genomics.sex import SexCounts
from fhir_bridge.adapters.genomics.stream import Break, OverlongLine, lines
from fhir_bridge.adapters.genomics.strict import SYNTAX, with_clause
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.plugins import RecordOutcome

__all__ = [
    "UnknownBuild",
    "VcfRecord",
    "build_of",
    "file_of",
    "read_header",
    "read_lines",
    "read_vcf",
    "summed_up",
]

Item = bytes | OverlongLine | Break


def read_vcf(
    path: Path,
    options: Options,
    selectors: Iterable[str] | None = None,
    limit: int | None = None,
    *,
    kept: tuple[str, str, frozenset[str] | None] | None = None,
    blocks: bool = False,
) -> Iterator[VcfRecord]:
    """Read one file. A file that can't be opened, or whose header can't be read, is refused whole, all its lines.

    `selectors`: those of the mapping, so that what it does not represent is reported at the file's end. `limit`: lines
    after which the file is summed up; the next is given all the same, so that whoever reads on sees that there is one.
    `kept`: name, id and tumour samples of a kept file, as it came: its content may have lost a sample since.
    `blocks`: neighbouring lines of the usual form are one record (`VcfBlock`).
    """
    name = "standard input" if str(path) == "-" else path.name
    try:
        binary = is_bcf(path)
        items = bcf_lines(path) if binary else lines(path, options.max_line)
        header = read_header(items, options.fileformat)
        build = build_of(header, options)
        sexes = SexCounts(header, build)
        returned = ReturnedPlaces()
        name, identity = kept[:2] if kept else (name, _identity(path, header, options, sexes, returned))
        file = file_of(name, header, build, options, identity)
        if kept is not None:
            file.somatic = kept[2]
        file.sexes = sexes.shown() if options.check_sex else {}
        file.returned = returned.places
        if str(path) != "-":
            file.origin = path
            file.path = None if binary else path
    except (HeaderError, UnknownBuild, OptionError) as error:
        yield _refused(name, error.issue, _count_lines(path, options), check=options.check)
        return
    except OSError as error:
        yield _refused(
            name, issue("FB-VCF-007", f"the file can't be opened: {error.strerror or type(error).__name__}")
        )
        return
    if selectors is not None and not options.check:
        file.account = Unread(file, selectors, options.ignore)
    if options.check and (wrong := _departures(file)):
        yield VcfRecord(name, outcome="rejected", issues=wrong)
    if file.subjects:
        yield VcfRecord(name, time=file.time, records=0, file=file, own="Subject")
    reader = LineReader(file)
    broken: list[Issue] = []
    number = header.lines
    last = None if limit is None else number + limit
    records = read_lines(file, reader, items, number, broken, last=last)
    yield from in_blocks(records) if blocks else records
    if not file.limited:
        yield from summed_up(file, reader, broken)


def read_lines(
    file: VcfFile,
    reader: LineReader,
    items: Iterator[Item],
    number: int,
    broken: list[Issue],
    *,
    last: int | None = None,
) -> Iterator[VcfRecord]:
    """The records of lines, the first of them after line `number`; `broken` gets what is wrong with the file's end.

    `last`: of the lines that are taken; then the file is summed up, and the next line is given all the same.
    """
    name, options, header = file.name, file.options, file.header
    fragments = Fragments()
    while True:
        try:
            item = next(items, None)
        except OSError as error:
            item = Break(f"reading failed: {error.strerror or type(error).__name__}")
        if isinstance(item, bytes) and (last is None or number < last) and fragments.take(item):
            number += 1
            continue
        if fragments.lines:
            yield reader.no_records(number, fragments)
            fragments = Fragments()
        if item is None:
            break
        number += 1
        if last is not None and number > last and not isinstance(item, Break):
            file.limited = True
            yield from summed_up(file, reader, broken)
            yield reader.read(item, number)
            return
        if not isinstance(item, Break):
            yield reader.read(item, number)
        elif item.certain:
            # How many lines are lost can't be known; they count as one, so that the account shows the loss.
            file.cut = True
            where = f"{name}:{number}"
            result = issue("FB-VCF-006", f"{item.reason}; what follows is lost", where)
            yield VcfRecord(where, outcome="rejected", issues=[result], file=file)
        elif item.code == "FB-VCF-082":
            broken.append(issue(item.code, item.reason, name))
        elif options.check and header.version >= "VCFv4.3":
            yield VcfRecord(
                name, outcome="rejected", issues=[_error(item.code, item.reason, f"{name}:{number - 1}")]
            )


def summed_up(file: VcfFile, reader: LineReader, broken: list[Issue]) -> Iterator[VcfRecord]:
    """What the lines gave, as a record of its own."""
    name, options = file.name, file.options
    issues = [*_summary(file, reader, name), *broken]
    if options.check:
        issues = [result for result in issues if result.code in SYNTAX]
    outcome: RecordOutcome = "read" if file.studies else "skipped"
    if file.studies or issues:
        yield VcfRecord(
            name, time=file.time, records=0, outcome=outcome, file=file, own="Study", issues=issues
        )


def _lines(path: Path, options: Options) -> Iterator[Item]:
    return bcf_lines(path) if is_bcf(path) else lines(path, options.max_line)


def _identity(
    path: Path, header: Header, options: Options, sexes: SexCounts, returned: ReturnedPlaces
) -> str:
    """The hash of the file's content, which reads it once more; of a stream, which can be read once, of its header.

    What the lines show of the samples' sexes, and where they come back to, is noted on the way: it must be known before
    the first of them.
    """
    if str(path) == "-" or options.check:
        return begin_digest(header).hexdigest()

    def look(line: bytes) -> None:
        sexes.add(line)
        returned.add(line)

    def look_at_run(run: Run) -> None:
        sexes.add_run(run)
        returned.add_run(run)

    return content_digest(header, _readable(_lines(path, options)), look, look_at_run).hexdigest()


def _readable(items: Iterator[Item]) -> Iterator[Item]:
    """The lines up to where reading fails: whoever reads the file for its records reports it."""
    try:
        yield from items
    except OSError:
        return


def read_header(items: Iterator[Item], version: str | None = None) -> Header:
    """Read the header from a file's lines, which then are at the first record.

    Raises:
        HeaderError: it can't be read (FB-VCF-001 to -003).
    """
    parser = HeaderParser(version)
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


def build_of(header: Header, options: Options) -> Build:
    """The build that the header speaks of; the syntax of a file can be checked without one."""
    if options.check:
        return UNSTATED
    return detect(header.contigs, _references(header), options.assembly, check_lengths=options.check_lengths)


def _error(code: str, message: str, source: str) -> Issue:
    return Issue("error", code, message, source)


def _departures(file: VcfFile) -> list[Issue]:
    """What is wrong with the header, line by line, for a check of the syntax."""
    return [
        _error("FB-VCF-083", f"{departure.message} (VCF 4.3 §1.4)", f"{file.name}:{departure.line}")
        for departure in file.header.departures
        if departure.kind != "remark"
    ]


def _references(header: Header) -> list[str]:
    return [
        text for key in ("reference", "assembly", "contigs_reference") for text in header.meta.get(key, [])
    ]


def file_of(name: str, header: Header, build: Build, options: Options, identity: str) -> VcfFile:
    """The file that a header and options describe.

    Raises:
        OptionError: it has not the samples asked for.
    """
    missing = [sample for sample in options.samples if sample not in header.samples]
    if missing:
        raise OptionError(
            issue("FB-VCF-008", f"{len(missing)} of the samples asked for are not in the file", name)
        )
    return VcfFile(name, header, build, options, read_studied(header, options), identity)


def _refused(name: str, result: Issue, records: int = 1, *, check: bool = False) -> VcfRecord:
    place = result.source.removeprefix("line ")
    where = f"{name}:{place}" if place.isdecimal() else f"{name}: {place}" if place else name
    message = with_clause(result.code, result.message) if check else result.message
    placed = Issue(result.severity, result.code, message, where)
    return VcfRecord(name, records=records, outcome="rejected", issues=[placed])


def _count_lines(path: Path, options: Options) -> int:
    """How many records a file that is refused has, one at least; of standard input, which is read once, it is one."""
    if str(path) == "-":
        return 1
    try:
        items = _lines(path, options)
        return max(1, sum(1 for item in items if not isinstance(item, Break) and _is_record(item)))
    except (HeaderError, OSError):
        return 1


def _is_record(item: bytes | OverlongLine) -> bool:
    return isinstance(item, OverlongLine) or (item[:1] != b"#" and b"\t" in item)


def _summary(file: VcfFile, reader: LineReader, name: str) -> Iterator[Issue]:
    if reader.undeclared:
        keys = sorted(reader.undeclared)
        shown = ", ".join(keys[:10]) + (", …" if len(keys) > 10 else "")
        yield issue("FB-VCF-080", f"used but not declared, read as text: {shown}", name)
    if file.account is not None:
        yield from file.account.issues()
    if file.options.consequences and not file.consequences and any(study.variants for study in file.studies):
        keys = [key for key in CONSEQUENCES if key in file.header.info]
        if keys:
            yield issue("FB-VCF-053", f"INFO/{keys[0]} is declared without the order of its fields", name)
    if reader.somatic and file.header.samples and not file.options.source_class:
        yield issue("FB-VCF-054", f"{reader.somatic} lines are SOMATIC, of which sample is not said", name)
    messages = [
        f"line {departure.line}: {departure.message}"
        for departure in file.header.departures
        if departure.kind != "check"
    ]
    if messages and not file.options.check:
        shown = "; ".join(messages[:5]) + (f"; and {len(messages) - 5} more" if len(messages) > 5 else "")
        yield issue("FB-VCF-083", shown, name)
    if reader.unsorted and not file.options.check:
        yield issue("FB-VCF-084", f"not sorted, first at {reader.unsorted}", name)
    if file.pedigree.missing:
        text = f"{file.pedigree.missing} individuals of the pedigree are not in the file"
        yield issue("FB-VCF-091", text, name)
    for option, names in () if file.options.check else file.unmatched():
        shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
        yield issue("FB-VCF-090", f"option {option}: nothing is on {shown}", name)
    unpaired = reader.unpaired
    if unpaired is None:
        unpaired = sum(len(each.ends) for each in reader.relations)
    if unpaired:
        yield issue("FB-VCF-044", f"the mates of {unpaired} breakends are not in the file", name)
    if file.limited:
        yield issue("FB-VCF-088", "only the first lines were taken (--limit)", name)
    unbalanced = sum(study.unbalanced for study in file.studies)
    if unbalanced:
        yield issue("FB-VCF-089", f"{unbalanced} homozygous calls have less than 0.6 of the reads", name)
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
