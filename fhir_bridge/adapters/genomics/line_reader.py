"""Turns the lines of a VCF into records: each read, skipped with its reason, or rejected with it."""

from __future__ import annotations

import re
from collections import defaultdict

from fhir_bridge.adapters.genomics.allele import Allele
from fhir_bridge.adapters.genomics.annotation import JOINED, points_to
from fhir_bridge.adapters.genomics.block_lengths import with_end
from fhir_bridge.adapters.genomics.calls import read_calls
from fhir_bridge.adapters.genomics.checks import (
    Entries,
    LineError,
    alternates,
    check_end,
    check_fixed,
    check_format,
    check_info,
    check_length,
    named_once,
    position,
    sound_quality,
)
from fhir_bridge.adapters.genomics.file import VcfFile
from fhir_bridge.adapters.genomics.fragments import Fragments
from fhir_bridge.adapters.genomics.issues import issue
from fhir_bridge.adapters.genomics.line import Earlier, Line
from fhir_bridge.adapters.genomics.plain_lines import PlainLines
from fhir_bridge.adapters.genomics.plain_record import PlainRecord
from fhir_bridge.adapters.genomics.record import VcfRecord
from fhir_bridge.adapters.genomics.relations import Relations
from fhir_bridge.adapters.genomics.spellings import Spellings
from fhir_bridge.adapters.genomics.stream import OverlongLine
from fhir_bridge.adapters.genomics.strict import SYNTAX, StrictCheck, with_clause
from fhir_bridge.adapters.genomics.structural import check_distinct
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.plugins import RecordOutcome

__all__ = ["LineReader"]

_LOST_CALL = frozenset(("FB-VCF-026", "FB-VCF-040", "FB-VCF-041"))
"""Without any allele left, a line that lost a sample's call is rejected, not skipped."""


_MOST_JOINED = 50_000
"""Lines of a contig with variants that have an effect together."""


_PLACE = re.compile(
    rb"(?P<contig>[^\t]+)\t(?P<position>[1-9][0-9]{0,9})\t[^\t]*\t(?P<reference>[A-Za-z]+)\t[^\t<\[\]]+\t"
)
"""Where a line of alleles in bases is; others reach as far as they say elsewhere."""


_UNCHANGED: frozenset[tuple[int, str, str]] = frozenset()


class OutsideRegions(Exception):
    """A line is in none of the regions asked for."""


class LineReader:
    """Turns lines into records, and counts for the report.

    Args:
        plain: what an earlier reader of the file knows of lines of the usual form.
    """

    def __init__(self, file: VcfFile, plain: PlainLines | None = None) -> None:
        self.file = file
        self.undeclared: set[str] = set()
        self.unsorted: str | None = None
        self.somatic = 0
        self._formats: set[str] = set()
        self._entries: defaultdict[int, Entries] = defaultdict(dict)
        self._contigs: set[str] = set()
        self._spellings = Spellings()
        self._joined: dict[int, str] = {}
        self._joined_on = ""
        self._last: tuple[str, int, str, str, str] = ("", 0, "", "", "")
        self.unpaired: int | None = None
        self.relations = [Relations() for _ in file.studies]
        self._before: Line | None = None
        self._passed: PlainRecord | None = None
        self._apart: dict[tuple[str, int], Earlier] = {}
        self._heads: dict[tuple[str, ...], int] = {}
        self._headed: Line | None = None
        self._plain = PlainLines(file) if plain is None else plain
        self._strict = StrictCheck(file.header.version) if file.options.check else None

    def lost(self, number: int, result: Issue, content: bytes | None = None) -> VcfRecord:
        """A line of which nothing is left."""
        file = self.file
        locator = f"{file.name}:{number}"
        # An empty line, or one of the header, says nothing of a sample.
        if self._strict:
            result = Issue("error", result.code, with_clause(result.code, result.message), locator)
        if content is None or (content.strip() and content[:1] != b"#"):
            file.lost_lines += 1
            self._leave_open(content or b"")
        return VcfRecord(locator, outcome="rejected", issues=[result], file=file, content=content)

    def _leave_open(self, content: bytes) -> None:
        """Note that nobody knows what samples have where a lost line is, as far as it says where."""
        if not self.file.states_regions:
            return
        match = _PLACE.match(content)
        if match is None:
            self.file.unplaced += 1
            return
        contig, first = match["contig"].decode(errors="replace"), int(match["position"])
        for study in self.file.studies:
            # It may have been an insertion, which reaches the base behind.
            study.uncalled_regions.add(contig, first, first + len(match["reference"]))

    def no_records(self, last: int, fragments: Fragments) -> VcfRecord:
        """Lines that are no records, up to line `last`, as one."""
        first = last - fragments.lines + 1
        text = f"{self.file.header.columns} columns are needed"
        if fragments.lines > 1:
            text += f", in lines {first} to {last}"
        record = self.lost(first, issue("FB-VCF-020", text, f"{self.file.name}:{first}"), b"")
        record.records, record.content = fragments.lines, fragments.content
        self.file.lost_lines += fragments.filled
        self.file.unplaced += fragments.filled
        return record

    def read(self, item: bytes | OverlongLine, number: int) -> VcfRecord:
        """The record of one line: read, skipped with its reason, or rejected with it."""
        file = self.file
        if isinstance(item, OverlongLine):
            limit, locator = file.options.max_line, f"{file.name}:{number}"
            return self.lost(number, issue("FB-VCF-022", f"the line has more than {limit} bytes", locator))
        if self._plain.usable and item.isascii():
            record = self._usual(item.decode(), number)
            if record is not None:
                return record
        return self._read(item, number)

    def read_text(self, text: str, number: int) -> VcfRecord:
        """The same of a line whose characters are its bytes (Latin-1)."""
        record = self._usual(text, number) if self._plain.usable and text.isascii() else None
        return self._read(text.encode("latin-1"), number) if record is None else record

    def _usual(self, text: str, number: int) -> PlainRecord | None:
        """The record of a line of the usual form at a position of its own; None of another one."""
        if self.file.returned and not self._alone():
            return None
        spellings = self._spellings
        record = self._plain.read(text, number, self._last, spellings.changes)
        if record is None:
            return None
        kind = record.kind
        spellings.go_on(kind.changes(record.position) if kind.offset > 0 else _UNCHANGED)
        if self._heads:
            self._heads.clear()
        self._passed = record
        # INFO distinguishes symbolic alleles alone.
        self._last = (kind.contig, record.position, *kind.bases, "")
        return record

    def _read(self, item: bytes, number: int) -> VcfRecord:
        file = self.file
        locator = f"{file.name}:{number}"
        try:
            if not self._strict:
                check_length(item)
            text = item.decode()
            self._settle()
            line, issues, reason = self._line(text, number, locator)
        except UnicodeDecodeError as error:
            result = issue("FB-VCF-021", f"byte {error.start + 1} of the line is not UTF-8", locator)
            return self.lost(number, result, item)
        except LineError as error:
            return self.lost(number, issue(error.code, error.message, locator), item)
        except OutsideRegions:
            file.outside += 1
            result = issue("FB-VCF-068", "outside of the regions asked for", locator)
            return VcfRecord(locator, outcome="skipped", issues=[result], file=file, content=item)
        outcome: RecordOutcome = "read"
        if self._strict:
            issues += [issue(*entry, locator) for entry in self._strict.check(line)]
            issues = [
                Issue("error", entry.code, with_clause(entry.code, entry.message), locator)
                for entry in issues
                if entry.code in SYNTAX
            ]
        elif reason is not None:
            lost = any(result.code in _LOST_CALL for result in issues)
            outcome = "rejected" if lost else "skipped"
            issues = issues if lost else [*issues, reason]
        record = VcfRecord(
            locator,
            time=file.time,
            outcome=outcome,
            issues=issues,
            file=file,
            line=line,
            content=item,
        )
        if outcome == "read":
            record.joins = self._joins(line, issues)
        if self._plain.usable:
            self._plain.learn(record)
        return record

    def _joins(self, line: Line, issues: list[Issue]) -> int:
        """How many alleles a line has, where nothing of it concerns other lines, and all rules say something of each
        or of none."""
        file = self.file
        if (
            line.kept
            or line.earlier is not None
            or (file.returned and (line.chrom, line.pos) in file.returned)
            or self._strict
            or file.assessed
            or file.release is not None
            or file.pedigree.parents
            or "CLNSIG" in line.raw_info
            or any(alternate.kind == "breakend" for alternate in line.alternates)
            or any(call.genotype.phased for call in line.calls)
            or any(each.severity == "error" for each in issues)
        ):
            return 0
        return sum(len(call.alleles) for call in line.calls)

    def _alone(self) -> bool:
        """Whether what the line before says is no concern of a line at another place."""
        returned = self.file.returned
        if not returned:
            return True
        if self._passed is not None:
            return self._last[:2] not in returned
        before = self._before
        return before is None or (before.chrom, before.pos) not in returned

    def _settle(self) -> None:
        """Be ready for a line that may concern the one before."""
        if self._passed is not None:
            self._before = self._headed = self._passed.line
            self._passed = None

    def _compound(self, line: Line) -> None:
        """What bcftools csq says of variants together is on the line of one of them; the others point to it."""
        text = line.text("BCSQ") or ""
        if "@" in text and line.chrom == self._joined_on:
            places = points_to(text)
            line.pointed = [self._joined[place] for place in places if place in self._joined]
        if JOINED.search(text):
            if line.chrom != self._joined_on or len(self._joined) >= _MOST_JOINED:
                self._joined_on = line.chrom
                self._joined.clear()
            self._joined[line.pos] = text

    def _order(self, line: Line, kept: list[tuple[str, str]]) -> None:
        """Positions ascend within a contig, and a contig's lines occur together (VCF 4.3 §1.6.1)."""
        chrom, location, reference, alternate, info = self._last
        unsorted = ""
        if line.chrom != chrom:
            if line.chrom in self._contigs and chrom[:1] != "<":
                unsorted = "the contig has stood before"
            if line.chrom[0] != "<":  # an assembled contig is among the lines of its chromosome
                self._contigs.add(line.chrom)
        elif line.pos < location:
            unsorted = "POS is below that of the line before"
        elif self._strict:
            pass  # It looks for repetitions itself, however they are written.
        elif (
            line.pos == location
            and line.columns[3] == reference
            and line.columns[4] == alternate != "."
            # INFO may distinguish symbolic ones: their lengths.
            and ("<" not in alternate or line.columns[7] == info)
        ):
            kept.append(("FB-VCF-035", "the variant of the line before again"))
        if unsorted:
            self.unsorted = self.unsorted or f"line {line.number}: {unsorted}"
            if self._strict:
                kept.append(("FB-VCF-084", f"not sorted: {unsorted} (VCF 4.3 §1.6.1)"))
        self._last = (line.chrom, line.pos, line.columns[3], line.columns[4], line.columns[7])

    def _at_position(self, line: Line) -> Earlier | None:
        """What earlier lines of the position say of samples and variants; a place with one line costs nothing."""
        before, self._before = self._before, line
        if self.file.returned:
            return self._of_place(before, line)
        if before is None or before.pos != line.pos or before.chrom != line.chrom:
            return None
        return _with_calls({} if before.earlier is None else before.earlier, before)

    def _of_place(self, before: Line | None, line: Line) -> Earlier | None:
        """The same of a file that is not sorted: what is said of a place that it comes back to is kept."""
        if before is not None:
            place = before.chrom, before.pos
            if place in self.file.returned:
                self._apart[place] = _with_calls(self._apart.get(place, {}), before)
            elif place == (line.chrom, line.pos):
                return _with_calls({} if before.earlier is None else before.earlier, before)
        return self._apart.get((line.chrom, line.pos))

    def _repetition(self, line: Line) -> int:
        """How many lines before this one, at its position, say the same of a variant."""
        first = self._headed
        if first is None or first.pos != line.pos or first.chrom != line.chrom:
            self._headed = line
            self._heads.clear()
            return 0
        if not self._heads:
            self._heads[tuple(first.columns[:8])] = 0
        head = tuple(line.columns[:8])
        number = self._heads[head] = self._heads.get(head, -1) + 1
        return number

    def _line(self, text: str, number: int, locator: str) -> tuple[Line, list[Issue], Issue | None]:
        file = self.file
        columns = text.split("\t")
        if len(columns) != file.header.columns:
            if text.startswith("#"):
                raise LineError("FB-VCF-032", "a header line is among the records")
            raise LineError("FB-VCF-020", f"{file.header.columns} columns are needed")
        location = position(columns[1])
        if file.regions is not None:
            described = with_end(columns, location) if file.block_lengths else columns[7]
            if not file.regions.cover(columns[0], location, columns[3], described):
                raise OutsideRegions
        altered = [] if self._strict else [*named_once(columns), *sound_quality(columns)]
        check_fixed(columns, file.header, location)
        result = alternates(columns[4], columns[3])
        info, lost, kept = check_info(
            columns[7], self.undeclared, file.header, len(result), self._entries[len(result)]
        )
        kept += altered
        if "END" in info and (wrong := check_end(info, file.header, columns[0], location)):
            kept.append(("FB-VCF-034", f"INFO/END {wrong}; the value is left out"))
            del info["END"]
            lost.append("END")
        line = Line(file, number, columns, location, result, info, lost)
        if "BCSQ" in info and file.consequences:
            self._compound(line)
        if file.somatic is None and info.get("SOMATIC") is True:
            self.somatic += 1
        if len(result) > 1:
            check_distinct(line)
            for alternate in result:
                if alternate.kind == "invalid":
                    kept.append(("FB-VCF-026", alternate.symbol[0]))
        self._order(line, kept)
        if not file.header.samples:
            return (
                line,
                [issue(*item, locator) for item in kept],
                issue("FB-VCF-063", "the file has no samples", locator),
            )
        if columns[8] not in self._formats:
            check_format(columns[8], self.undeclared, file.header)
            if len(self._formats) < 4096:
                self._formats.add(columns[8])
        line.near = self._spellings.near(self._before, line)
        line.earlier = self._at_position(line)
        line.repetition = self._repetition(line)
        issues, reason = read_calls(line, locator, self.relations)
        if kept:
            issues += [issue(code, message, locator) for code, message in kept]
        return line, issues, reason


def _with_calls(earlier: Earlier, line: Line) -> Earlier:
    """What earlier lines say, with what a line says."""
    for call in line.calls:
        for allele in call.alleles:
            assert isinstance(allele, Allele)
            if not allele.repeated:
                earlier.setdefault((call.name, allele.variant), []).append(call.statement)
    return earlier
