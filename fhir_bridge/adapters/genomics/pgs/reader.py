"""Reads a VCF once for the scores of its samples."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fhir_bridge.adapters.genomics.assembly import Build, UnknownBuild, detect
from fhir_bridge.adapters.genomics.bcf import bcf_lines, is_bcf
from fhir_bridge.adapters.genomics.bed import read_studied
from fhir_bridge.adapters.genomics.delivery import content_digest, update_digest
from fhir_bridge.adapters.genomics.file import VcfFile
from fhir_bridge.adapters.genomics.header import Header, HeaderError
from fhir_bridge.adapters.genomics.options import OptionError
from fhir_bridge.adapters.genomics.pgs.distributions import (
    Distribution,
    DistributionError,
    place,
    read_ancestries,
    read_distributions,
)
from fhir_bridge.adapters.genomics.pgs.issues import issue
from fhir_bridge.adapters.genomics.pgs.options import PgsOptions
from fhir_bridge.adapters.genomics.pgs.record import PgsRecord, SampleScore, account_of
from fhir_bridge.adapters.genomics.pgs.scoring import MEAN_NEEDS, MISMATCH, OTHER_STRAND, Scorer, Totals
from fhir_bridge.adapters.genomics.pgs.scoring_file import (
    Score,
    ScoringFileError,
    read_scoring_file,
    scoring_files,
)
from fhir_bridge.adapters.genomics.pgs.weights import REPEATED, Weights
from fhir_bridge.adapters.genomics.reader import read_header
from fhir_bridge.adapters.genomics.stream import Break, OverlongLine, lines
from fhir_bridge.fhir.issues import Issue

__all__ = ["read_scores"]

Item = bytes | OverlongLine | Break
_SAMPLES_A_RECORD = 200
_ROWS_REPORTED = 20


def read_scores(path: Path, options: PgsOptions, limit: int | None = None) -> Iterator[PgsRecord]:
    """The scores of a file's samples; before them what could not be read.

    A file that can't be opened, or of which header, build or scoring files can't be used, is refused whole.
    """
    name = "standard input" if str(path) == "-" else path.name
    try:
        reading = _Reading(path, name, options, limit)
    except (HeaderError, UnknownBuild, OptionError, ScoringFileError, DistributionError) as error:
        result = error.issue
        where = f"{name}: {result.source}" if result.source else name
        refused = Issue(result.severity, result.code, result.message, where)
        yield PgsRecord(name, outcome="rejected", issues=[refused])
        return
    except OSError as error:
        text = f"a file can't be opened: {error.strerror or type(error).__name__}"
        yield PgsRecord(name, outcome="rejected", issues=[issue("FB-PGS-001", text, name)])
        return
    yield from reading.records()


def _noted(items: Iterator[Item], read: list[Item]) -> Iterator[Item]:
    """The same items; `read` has the last of them."""
    for item in items:
        read[:] = [item]
        yield item


class _Reading:
    """One file that is being read."""

    def __init__(self, path: Path, name: str, options: PgsOptions, limit: int | None) -> None:
        if not options.scores:
            text = "no scoring file is given: --set scores=FILE,… (or `fhir-bridge score --scores FILE`)"
            raise ScoringFileError(issue("FB-PGS-005", text))
        self._name = name
        self._options = options
        self._limit = limit
        self._items = bcf_lines(path) if is_bcf(path) else lines(path, options.vcf.max_line)
        read: list[Item] = []
        self._header = read_header(_noted(self._items, read), options.vcf.fileformat)
        self._column_line = read[-1]
        self._stream = str(path) == "-"
        self._build = self._detected(self._header)
        missing = [sample for sample in options.vcf.samples if sample not in self._header.samples]
        if missing:
            text = f"{len(missing)} of the samples asked for are not in the file"
            raise ScoringFileError(issue("FB-PGS-005", text))
        if not self._header.samples:
            raise ScoringFileError(issue("FB-PGS-006", "the file has no samples"))
        self._distributions: dict[tuple[str, str], Distribution] = (
            read_distributions(options.distributions) if options.distributions else {}
        )
        self._ancestry, self._ancestries = read_ancestries(options.ancestry)
        self._weights, self._issues = self._read_weights()
        studied = read_studied(self._header, options.vcf)
        self._file = VcfFile(name, self._header, self._build, options.vcf, studied)
        reference = self._file.reference
        base = None if reference is None else reference.fetch
        self._scorer = Scorer(self._weights, len(self._file.columns), options, self._build.name, base)

    def _detected(self, header: Header) -> Build:
        stated = [
            text
            for key in ("reference", "assembly", "contigs_reference")
            for text in header.meta.get(key, ())
        ]
        options = self._options.vcf
        return detect(header.contigs, stated, options.assembly, check_lengths=options.check_lengths)

    def _read_weights(self) -> tuple[Weights, list[Issue]]:
        weights = Weights()
        issues: list[Issue] = []
        wrong = 0
        seen: dict[str, str] = {}
        for path in scoring_files(self._options.scores):
            numbers: dict[int, int] = {}
            for item in read_scoring_file(path, self._build.name, self._options.score_build):
                if isinstance(item, Score):
                    if seen.setdefault(item.id, path.name) != path.name:
                        text = f"{item.id} is in {seen[item.id]} and in {path.name}"
                        raise ScoringFileError(issue("FB-PGS-001", text, path.name))
                    numbers[id(item)] = len(weights.scores)
                    weights.add_score(item)
                elif isinstance(item, Issue):
                    wrong += 1
                    if wrong <= _ROWS_REPORTED:
                        issues.append(item)
                else:
                    weights.add(item, numbers[id(item.score)])
        if wrong > _ROWS_REPORTED:
            issues.append(
                issue("FB-PGS-004", f"{wrong - _ROWS_REPORTED} more rows can't be read", self._name)
            )
        weights.sort()
        return weights, issues

    def records(self) -> Iterator[PgsRecord]:
        """The lines that can't be read, those that no score has, and the scores."""
        used = unused = 0
        digest = content_digest(self._header, [self._column_line])
        number = self._header.lines
        while True:
            try:
                item = next(self._items, None)
            except OSError as error:
                item = Break(f"reading failed: {error.strerror or type(error).__name__}")
            if item is None or (self._limit is not None and used + unused >= self._limit):
                break
            number += 1
            update_digest(digest, item)
            where = f"{self._name}:{number}"
            if isinstance(item, Break):
                if item.certain:
                    self._file.cut = True
                    yield self._lost(where, "FB-VCF-006", f"{item.reason}; what follows is lost")
                continue
            if isinstance(item, OverlongLine):
                yield self._lost(
                    where, "FB-VCF-022", f"the line has more than {self._options.vcf.max_line} bytes"
                )
                continue
            try:
                if self._line(item):
                    used += 1
                else:
                    unused += 1
            except ValueError as error:
                message = (
                    "the line is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)
                )
                yield self._lost(where, "FB-VCF-020", message)
        limited = item is not None
        while item is not None:  # the file is what it is, however little of it is taken
            update_digest(digest, item)
            item = next(self._items, None)
        self._content = digest.hexdigest()
        if not self._stream:  # as the adapter `vcf` identifies it: a sample is one Patient in both
            self._file.id = self._content
        self._scorer.finish()
        yield from self._results(used, unused, limited=limited)

    def _lost(self, where: str, code: str, message: str) -> PgsRecord:
        self._file.lost_lines += 1
        return PgsRecord(where, outcome="rejected", issues=[Issue("error", code, message, where)])

    def _line(self, item: bytes) -> bool:
        """Add a line to the scores.

        Raises:
            ValueError: it can't be read.
        """
        head = item.split(b"\t", 8)
        if len(head) < 9 or not head[1].isdigit():
            raise ValueError(
                f"{len(self._header.samples) + 9} columns are needed, the second of them a position"
            )
        position = int(head[1])
        end = position
        if head[4] in (b".", b"<NON_REF>", b"<*>") and b"END=" in head[7]:
            stated = [entry[4:] for entry in head[7].split(b";") if entry[:4] == b"END="]
            if stated and stated[0].isdigit():
                end = max(position, int(stated[0]))
        if not self._scorer.wants(head[0].decode(), position, head[2].decode(), end):
            return False
        columns = item.decode().split("\t")
        if len(columns) != self._header.columns:
            raise ValueError(f"{self._header.columns} columns are needed")
        file = self._file
        texts = columns[9:] if file.all_columns else [columns[column] for column, _ in file.columns]
        failed = self._options.filtered == "leave-out" and bool(file.failing(columns[6]))
        return self._scorer.add(columns, texts, end=end, failed=failed)

    def _results(self, used: int, unused: int, *, limited: bool) -> Iterator[PgsRecord]:
        file = self._file
        if unused:
            text = f"{unused} lines have no variant of a score"
            skipped = [issue("FB-PGS-020", text, self._name)]
            yield PgsRecord(self._name, records=unused, outcome="skipped", issues=skipped)
        issues = [*self._issues, *self._findings()]
        if limited:
            issues.append(
                Issue("warning", "FB-VCF-088", "only the first lines were taken (--limit)", self._name)
            )
        names = [name for _, name in file.columns]
        scored = [totals for totals in self._scorer.totals if any(map(totals.called, range(len(names))))]
        accounts = [account_of(totals, file) for totals in self._scorer.totals]
        if not scored:
            yield PgsRecord(
                self._name, records=used, outcome="rejected", issues=issues, file=file, accounts=accounts
            )
            return
        yield PgsRecord(
            self._name,
            records=used,
            issues=issues,
            file=file,
            subjects=file.subjects,
            accounts=accounts,
            key=f"samples:{self._content}",
        )
        # A record for each score: one that is computed later of the same file replaces none of the others.
        for totals in scored:
            for first in range(0, len(names), _SAMPLES_A_RECORD):
                several = filter(totals.called, range(first, min(first + _SAMPLES_A_RECORD, len(names))))
                yield PgsRecord(
                    f"{self._name}#{totals.score.id}:{first + 1}",
                    records=0,
                    file=file,
                    scores=[self._score(names[number], number, totals) for number in several],
                    key=f"{totals.score.id}:{first}:{self._content}",
                )

    def _score(self, name: str, number: int, totals: Totals) -> SampleScore:
        ancestry = self._ancestries.get(name, self._ancestry)
        placement = place(self._distributions, totals.score.id, ancestry, totals.called(number))
        return SampleScore(self._file, name, number, totals, placement)

    def _findings(self) -> Iterator[Issue]:
        """What became of the variants of each score, and what the options could not do."""
        options, samples = self._options, len(self._file.columns)
        if self._scorer.without_dosage:
            text = f"{self._scorer.without_dosage} lines have no {options.dosage}: GT is counted"
            yield issue("FB-PGS-017", text, self._name)
        if options.missing == "mean" and samples < MEAN_NEEDS:
            text = f"missing=mean needs {MEAN_NEEDS} samples, of which are {samples}: no call adds nothing"
            yield issue("FB-PGS-018", text, self._name)
        for totals in self._scorer.totals:
            score, counts = totals.score, totals.counts
            if not totals.used:
                text = f"{score.id}: none of {score.total} variants is called"
                yield issue("FB-PGS-006", text, self._name)
                continue
            if uncalled := sum(not totals.called(number) for number in range(samples)):
                text = f"{score.id}: no variant is called in {uncalled} of {samples} samples: theirs is not stated"
                yield issue("FB-PGS-006", text, self._name)
            if score.ratio:
                text = f"{score.id}: weight_type is {score.ratio}, and effect_weight is added as it is"
                yield issue("FB-PGS-016", text, self._name)
            yield issue("FB-PGS-010", f"{score.id}: {totals.used} of {score.total} variants used", self._name)
            lost = score.total - totals.used
            if lost > 0:
                mismatched = counts[MISMATCH] + counts[OTHER_STRAND]
                text = (
                    f"{score.id}: {lost} of {score.total} variants not used, {mismatched} of them with other alleles, "
                    f"{score.unusable.total()} not computable from a VCF"
                )
                yield issue("FB-PGS-011", text, self._name)
            if counts[OTHER_STRAND]:
                yield issue("FB-PGS-012", f"{score.id}: {counts[OTHER_STRAND]} variants", self._name)
            if repeated := score.unusable[REPEATED]:
                text = (
                    f"{score.id}: {repeated} rows name an allele that an earlier row names; they are left out"
                )
                yield issue("FB-PGS-015", text, self._name)
            if totals.duplicates:
                text = f"{score.id}: {totals.duplicates} further lines were not used"
                yield issue("FB-PGS-014", text, self._name)
