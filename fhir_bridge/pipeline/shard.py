"""One shard of a run: records through adapter and mapping into a sink, each accounted for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from fhir_bridge.fhir.issues import Issue
from fhir_bridge.fhir.validation import Validator
from fhir_bridge.mapping import AlikeBlock, AlikeOutputs, CompiledMapping, Context, Output, Site
from fhir_bridge.pipeline.account import Account
from fhir_bridge.pipeline.converted import ConvertedRecord
from fhir_bridge.plugins import (
    Adapter,
    ComposingSink,
    CompositeAdapter,
    CompositeRecord,
    CountingRecord,
    DeliveredRecord,
    ReadContext,
    RecordBlock,
    RecordPart,
    Sink,
    SourceRecord,
    SplittingAdapter,
)

__all__ = [
    "EVERY_RECORD",
    "OutputCheck",
    "Selection",
    "ShardRun",
    "TooManyRejected",
    "ValidateMode",
    "report_stop",
]

ValidateMode = Literal["sample", "all", "none"]
_PROGRESS_EVERY = 64
_MOST_SINGLY = 256


class TooManyRejected(Exception):
    """More records were rejected than `--max-rejected` allows.

    Attributes:
        account: of the piece in which this was met; it indicates which.
    """

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self.account = account

    def __str__(self) -> str:
        return f"{self.account.rejected} records are rejected, more than --max-rejected allows"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which records of the sources a run takes, and when it gives up.

    Attributes:
        only: a locator (`adt.hl7#3`, `lab.csv:17`), or its file alone (`lab.csv`).
        limit: number of records to take at most.
        max_rejected: number of rejected records beyond which the run ends.
        locators: records by their exact locators; None for all.
    """

    only: str | None = None
    limit: int | None = None
    max_rejected: int | None = None
    locators: frozenset[str] | None = None

    @property
    def chooses(self) -> bool:
        """Whether it takes some records only."""
        return self.only is not None or self.locators is not None

    def takes(self, locator: str) -> bool:
        """Whether the record of this locator is among those asked for: `lab.csv:1` does not ask for `lab.csv:17`."""
        if self.locators is not None and locator not in self.locators:
            return False
        if self.only is None:
            return True
        return re.search(rf"(?:^|/){re.escape(self.only)}(?=$|[:#/\[ ])", locator) is not None

    def too_many(self, account: Account) -> bool:
        """Whether more is rejected than `max_rejected`, so that the run ends."""
        return self.max_rejected is not None and account.rejected > self.max_rejected

    def report_end(self, account: Account) -> None:
        """Report in a finished run's account that nothing had the locator asked for."""
        if self.only is not None and not account.read:
            message = "no record has the locator that --only names"
            account.count_issues([Issue("error", "FB-RUN-005", message, self.only)])


EVERY_RECORD = Selection()


def report_stop(account: Account, locator: str) -> None:
    """Report that `--limit` ended the run before this record or file."""
    message = "the number of records that --limit names is reached; the rest is not taken"
    account.count_issues([Issue("information", "FB-RUN-004", message, locator)])


_VALID: list[Issue] = []


class OutputCheck:
    """The full validator on the first outputs of every rule and on a sample after that.

    A rule that fails once is checked on every output from then on: nothing that is known to be invalid is written.

    Attributes:
        looks: whether any is checked.

    Args:
        keeps: what is read of an output for the check is needed after it: its sink takes objects, not bytes.
    """

    FIRST = 20

    def __init__(
        self, validator: Validator, mode: ValidateMode, sample: int = 100, *, keeps: bool = False
    ) -> None:
        self._validator = validator
        self._keeps = keeps
        self._every = {"all": 1, "none": 0}.get(mode, sample)
        self.looks = mode != "none"
        self._seen: dict[str, int] = {}
        self._failing: set[str] = set()

    def errors(self, output: Output) -> list[Issue]:
        """Errors of a checked output; empty where it is valid or was not due for a check."""
        if not self.looks:
            return _VALID
        number = self._seen.get(output.rule, 0)
        self._seen[output.rule] = number + 1
        if number >= self.FIRST and number % self._every and output.rule not in self._failing:
            return _VALID
        resource = output.resource if self._keeps else output.read()
        errors = [
            issue for issue in self._validator.validate(resource) if issue.severity in ("error", "fatal")
        ]
        if errors:
            self._failing.add(output.rule)
        return [
            Issue(
                "error",
                "FB-RUN-020",
                f"rule {output.rule}: {issue.expression or output.type}: {issue.message} ({issue.code})",
                output.locator,
                issue.expression,
            )
            for issue in errors
        ]


def _delivered(record: Any) -> DeliveredRecord | None:
    """The record, where it is part of a delivery; asked for each line, so by the attribute alone."""
    return record if getattr(record, "delivery", None) is not None else None


def _without_held(converted: ConvertedRecord, held: frozenset[str]) -> ConvertedRecord:
    """The record without what it says of parts that are held."""
    if not held:
        return converted
    kept = [output for output in converted.outputs if output.part not in held]
    lost = len(converted.outputs) - len(kept)
    if not lost:
        return converted
    message = "the sex that a sample's calls show is not its Patient's gender: the sample is held"
    issue = Issue("error", "FB-RUN-013", message, converted.locator)
    outcome = "partial" if kept else "rejected"
    return replace(
        converted,
        outputs=kept,
        outcome=outcome,
        issues=[*converted.issues, issue],
        withheld=converted.withheld + lost,
    )


def _block(record: Any) -> RecordBlock | None:
    """The record, where it is several; asked for each line, so by the attribute alone."""
    return record if getattr(record, "block", None) is not None else None


def _alike_block(block: Any) -> AlikeBlock | None:
    """The block, where its records may be like others."""
    return block if getattr(block, "among", None) is not None else None


def _divided(
    outputs: Sequence[Output], block: RecordBlock, scopes: Mapping[str, str]
) -> list[list[Output]] | None:
    """The outputs of each of several records that were converted as one, in the order in which each gives them alone;
    None where a rule gave anything but one for each object of its scope, or a record nothing."""
    by_rule: dict[str, list[Output]] = {}
    for output in outputs:
        by_rule.setdefault(output.rule, []).append(output)
    parts: list[list[Output]] = [[] for _ in block.block]
    for rule, created in by_rule.items():
        scope = scopes.get(rule)
        sizes = block.sizes(scope) if scope is not None else ()
        if sum(sizes) != len(created):
            return None
        rest = iter(created)
        for part, size in zip(parts, sizes, strict=True):
            if size == 1:
                part.append(next(rest))
            else:
                part += islice(rest, size)
    return parts if all(parts) else None


def _counting(record: Any) -> CountingRecord | None:
    """The record, where it counts its parts; asked for each line, so by the attribute alone."""
    return record if getattr(record, "count_outputs", None) is not None else None


@dataclass(frozen=True, slots=True)
class _Reading:
    options: Mapping[str, Any]
    site: Site
    selectors: frozenset[tuple[str, str]]
    limit: int | None
    chosen: bool
    jobs: int
    blocks: bool
    stores: bool
    stored: Callable[[str, str, str], Sequence[str]] | None = None


@dataclass(slots=True)
class ShardRun:
    """Everything that one shard needs; created anew in every worker process.

    Attributes:
        alike: what is known of records that are like each other; None where each is converted by itself.
    """

    adapter: Adapter
    mapping: CompiledMapping
    context: Context
    options: Mapping[str, Any]
    check: OutputCheck
    selection: Selection = field(default_factory=Selection)
    on_progress: Callable[[int], None] = lambda _read: None
    jobs: int = 1
    piece: Mapping[str, Any] | None = None
    states: Sequence[Mapping[str, Any]] | None = None
    alike: AlikeOutputs | None = None
    _keys: bool = True
    _blocks: bool = False
    _failures: int = 0
    _singly: int = 0
    _composing: ComposingSink | None = None
    _stored: Callable[[str, str, str], Sequence[str]] | None = None

    def run(self, paths: Sequence[Path], sink: Sink) -> Account:
        """Convert all records of `paths`, up to the limit.

        A record that stands for several of the source (a study for its instances) counts as that many.

        Raises:
            TooManyRejected: `Selection.max_rejected` is exceeded; what came before has been written.
        """
        account = Account()
        self._keys = getattr(sink, "takes_keys", True)
        self._stored = getattr(sink, "stored_ids", None)
        composes = isinstance(self.adapter, CompositeAdapter) and isinstance(sink, ComposingSink)
        self._composing = sink if composes and isinstance(sink, ComposingSink) else None
        chosen, ends = self.selection.chooses, self.selection.max_rejected is not None
        limit, rest = self.selection.limit, ""
        # A run ends at the very record that reaches a bound.
        self._blocks = not (self._keys or self.context.trace or chosen or ends or limit is not None)
        reading = self.reading()
        if limit is not None and self.selection.only is None and len(paths) > limit:
            paths, rest = paths[:limit], paths[limit].name  # a file holds one record at least
        state: dict[str, Any] = {}
        records = self._records(paths, reading, state) if limit != 0 else ()
        for number, record in enumerate(records, start=1):
            if chosen and not self.selection.takes(record.locator):
                continue
            if limit is not None and record.records and account.read >= limit:
                rest = record.locator
                break
            if self._blocks and (block := _block(record)) is not None:
                self._convert_block(block, sink, account)
            else:
                self._convert(record, sink, account)
            if number % _PROGRESS_EVERY == 0:
                self.on_progress(account.read)
            if ends and self.selection.too_many(account):
                sink.flush(account)
                raise TooManyRejected(account)
        if rest:
            report_stop(account, rest)
        account.state = state or None
        sink.flush(account)
        account.unmapped.update(self.context.unmapped)
        self.context.unmapped.clear()
        self.on_progress(account.read)
        return account

    def _records(
        self, paths: Sequence[Path], reading: ReadContext, state: dict[str, Any]
    ) -> Iterable[SourceRecord]:
        if self.piece is None or not isinstance(self.adapter, SplittingAdapter):
            return self.adapter.read(paths, reading)
        if self.states is not None:
            return self.adapter.read_end(paths[0], self.piece, reading, self.states)
        return self.adapter.read_piece(paths[0], self.piece, reading, state)

    def _convert(self, record: SourceRecord, sink: Sink, account: Account) -> None:
        known = len(record.issues)
        if known:
            account.count_issues(record.issues, record.locator)
        if record.outcome != "read":
            account.count_record(record.outcome, record.records)
            if record.outcome == "rejected":
                sink.reject(record.locator, "rejected", record.issues)
            elif record.key:  # what it said in an earlier run, by other settings, it no longer says
                uri = self.context.uri_of(record.source or "")
                nothing = ConvertedRecord(
                    (), record.key, uri, self.mapping.version, record.locator, of=_delivered(record)
                )
                sink.write(nothing, account)
            return
        if self._composing is not None and isinstance(record, CompositeRecord):
            self._put_together(self._composing, record, known, sink, account)
            return
        converted = self.convert(record)
        if converted.of is not None and (holding := getattr(sink, "held_parts", None)) is not None:
            converted = _without_held(converted, holding(converted))
        counting = _counting(record)
        if counting is not None:
            counting.count_outputs(converted.outputs, converted.issues)
            account.calls += map(dict, counting.part_accounts())
        self._count(converted, record, known, sink, account)
        sink.write(converted, account)

    def _convert_block(self, block: RecordBlock, sink: Sink, account: Account) -> None:
        """Convert several records as one, and one by one where that gives anything unusual."""
        items = block.block
        parts = None
        if self._singly:
            self._singly -= 1
        else:  # where one block after the other gives something unusual, fewer and fewer are tried
            parts = self._of_block(block)
            self._failures = self._failures + 1 if parts is None else 0
            self._singly = min(1 << self._failures, _MOST_SINGLY) - 1
        if parts is None:
            for item in items:
                self._convert(item, sink, account)
            return
        for item in items:
            if item.issues:
                account.count_issues(item.issues, item.locator)
        outputs = [output for part in parts for output in part]
        counting = _counting(block)
        if counting is not None:
            counting.count_outputs(outputs, ())
        account.count_record("converted", len(items))
        converted = ConvertedRecord(
            outputs, "", self.context.source_uri, self.mapping.version, items[0].locator, records=len(items)
        )
        sink.write(converted, account)

    def _of_block(self, block: RecordBlock) -> list[list[Output]] | None:
        """What each of several records becomes; None where they give anything unusual."""
        context, check = self.context, self.check.errors
        if not self.mapping.converts_together(block, context):
            return None
        unmapped = context.unmapped.copy()
        several = _alike_block(block) if self.alike is not None else None
        parts = self._of_others(block) if several is None else self._of_alike(several)
        if parts is None:
            context.unmapped = unmapped
            return None
        if self.check.looks and any(check(output) for part in parts for output in part):
            context.unmapped = unmapped
            return None
        return parts

    def _of_others(self, block: RecordBlock) -> list[list[Output]] | None:
        conversion = self.mapping.convert(block, self.context)
        if conversion.issues:
            return None
        parts = _divided(conversion.outputs, block, self.mapping.scopes)
        for part, item in zip(parts or (), block.block, strict=False):
            for output in part:
                output.locator = item.locator
        return parts

    def _of_alike(self, block: AlikeBlock) -> list[list[Output]] | None:
        """The same of records of which some are like earlier ones: these are not converted."""
        alike = self.alike
        assert alike is not None
        known = alike.outputs(block, self.context)
        others = [item for item, output in zip(block.block, known, strict=True) if output is None]
        parts = self._of_others(block.among(others)) if others else []
        if parts is None:
            return None
        for item, part in zip(others, parts, strict=True):
            alike.learn(item, part, self.context)
        rest = iter(parts)
        return [next(rest) if output is None else [output] for output in known]

    def outputs_of(self, record: SourceRecord) -> Sequence[tuple[SourceRecord, Sequence[Output]]]:
        """What a record becomes, or each of the records that it is."""
        block = _block(record)
        if block is None:
            return [(record, self.convert(record).outputs)]
        parts = self._of_block(block)
        if parts is None:
            return [(item, self.convert(item).outputs) for item in block.block]
        return list(zip(block.block, parts, strict=True))

    def _put_together(
        self, composing: ComposingSink, record: CompositeRecord, known: int, sink: Sink, account: Account
    ) -> None:
        """Convert a record with all parts of it that the sink has; `known` issues of it are counted already."""
        converted = composing.write_parts(record, self, account)
        late = list(record.issues[known:])  # parts are read when they are asked for: a file may have gone
        account.count_issues(late, record.locator)
        if converted.outcome == "converted" and any(issue.severity == "error" for issue in record.issues):
            converted = replace(converted, outcome="partial")
        self._count(converted, record, len(record.issues), sink, account)

    @staticmethod
    def _count(
        converted: ConvertedRecord, record: SourceRecord, known: int, sink: Sink, account: Account
    ) -> None:
        if converted.issues:
            account.count_issues(converted.issues, record.locator)
        account.count_record(converted.outcome, record.records - converted.skipped)
        if converted.skipped:
            account.count_record("skipped", converted.skipped)
        account.withheld += converted.withheld
        if converted.outcome != "converted":
            sink.reject(record.locator, converted.outcome, [*record.issues[:known], *converted.issues])

    def convert(self, record: SourceRecord) -> ConvertedRecord:
        """What a record becomes: outputs that are valid as far as they were checked, and the issues of the rest."""
        known = len(record.issues)
        conversion = self.mapping.convert(record, self.context)
        created = conversion.outputs
        results: list[Issue] = conversion.issues
        if (
            len(record.issues) > known
        ):  # they may grow while the mapping asks for attributes that are read late
            late = [issue for issue in record.issues[known:] if isinstance(issue, Issue)]
            results = [*late, *results]
        check = self.check.errors
        outputs: list[Output] = []
        withheld: set[str] = set()
        for output in created:
            if errors := check(output):
                results = [*results, *errors]
                withheld.add(output.rule)
            else:
                outputs.append(output)
        outcome = conversion.outcome
        if outcome == "converted" and (
            withheld or (record.issues and any(issue.severity == "error" for issue in record.issues))
        ):
            outcome = "partial"
        if withheld and (not outputs or withheld & self.mapping.indispensable):
            outcome = "rejected"
        return ConvertedRecord(
            [] if outcome == "rejected" else outputs,
            record.key if self._keys else "",
            self.context.source_uri,
            self.mapping.version,
            record.locator,
            record.sequence,
            record.records,
            outcome,
            results,
            len(created) - len(outputs),
            of=_delivered(record),
            last_changed=getattr(record, "last_changed", None),
        )

    def compose(self, parts: Sequence[RecordPart]) -> SourceRecord:
        """The record of these parts, by an adapter that can compose."""
        assert isinstance(self.adapter, CompositeAdapter)
        return self.adapter.compose(parts, self.reading())

    def reading(self, *, stores: bool | None = None) -> ReadContext:
        """What the adapter may know of the run; `stores`: whether what is read is stored, where no sink says so."""
        options = {**self.mapping.source_options, **self.options}
        chosen = self.selection.chooses
        limit = None if chosen else self.selection.limit
        return _Reading(
            options,
            self.context.site,
            self.mapping.selectors,
            limit,
            chosen,
            self.jobs,
            self._blocks,
            self._keys if stores is None else stores,
            self._stored,
        )
