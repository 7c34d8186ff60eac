"""One shard of a run: records through adapter and mapping into a sink, each accounted for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fhir_bridge.fhir.issues import Issue
from fhir_bridge.fhir.validation import Validator
from fhir_bridge.mapping import CompiledMapping, Context, Output, Site
from fhir_bridge.pipeline.account import Account
from fhir_bridge.plugins import Adapter, Sink, SourceRecord

__all__ = ["OutputCheck", "Selection", "ShardRun", "TooManyRejected", "ValidateMode"]

ValidateMode = Literal["sample", "all", "none"]
_PROGRESS_EVERY = 64


class TooManyRejected(Exception):
    """More records were rejected than `--max-rejected` allows."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which records of the sources a run takes, and when it gives up.

    Attributes:
        only: a locator, or the beginning of one (`adt.hl7#3`, `lab.csv:17`).
        limit: number of records to take at most.
        max_rejected: number of rejected records beyond which the run ends.
    """

    only: str | None = None
    limit: int | None = None
    max_rejected: int | None = None

    def takes(self, record: SourceRecord) -> bool:
        """Whether the record is among those asked for."""
        if self.only is None:
            return True
        locator = record.locator
        return locator == self.only or locator.endswith("/" + self.only) or locator.startswith(self.only)


class OutputCheck:
    """The full validator on the first outputs of every rule and on a sample after that.

    A rule that fails once is checked on every output from then on: nothing that is known to be invalid is written.
    """

    FIRST = 20

    def __init__(self, validator: Validator, mode: ValidateMode, sample: int = 100) -> None:
        self._validator = validator
        self._every = {"all": 1, "none": 0}.get(mode, sample)
        self._seen: Counter[str] = Counter()
        self._failing: set[str] = set()

    def errors(self, output: Output) -> list[Issue]:
        """Errors of a checked output; empty where it is valid or was not due for a check."""
        if not self._every:
            return []
        number = self._seen[output.rule]
        self._seen[output.rule] = number + 1
        if number >= self.FIRST and number % self._every and output.rule not in self._failing:
            return []
        errors = [
            issue
            for issue in self._validator.validate(output.resource)
            if issue.severity in ("error", "fatal")
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


@dataclass(frozen=True, slots=True)
class _Reading:
    options: Mapping[str, Any]
    site: Site
    selectors: frozenset[tuple[str, str]]


@dataclass(slots=True)
class ShardRun:
    """Everything that one shard needs; made anew in every worker process."""

    adapter: Adapter
    mapping: CompiledMapping
    context: Context
    options: Mapping[str, Any]
    check: OutputCheck
    selection: Selection = field(default_factory=Selection)
    on_progress: Callable[[int], None] = lambda _read: None

    def run(self, paths: Sequence[Path], sink: Sink) -> Account:
        """Convert all records of `paths`.

        Raises:
            TooManyRejected: `Selection.max_rejected` is exceeded; what came before has been written.
        """
        account = Account()
        options = {**self.mapping.source_options, **self.options}
        reading = _Reading(options, self.context.site, self.mapping.selectors)
        taken = 0
        for record in self.adapter.read(paths, reading):
            if not self.selection.takes(record):
                continue
            if self.selection.limit is not None and taken >= self.selection.limit:
                break
            taken += 1
            self._one(record, sink, account)
            if taken % _PROGRESS_EVERY == 0:
                self.on_progress(account.read)
            if self.selection.max_rejected is not None and account.rejected > self.selection.max_rejected:
                raise TooManyRejected(
                    f"{account.rejected} records are rejected, more than --max-rejected allows"
                )
        sink.flush(account)
        account.unmapped.update(self.context.unmapped)
        self.context.unmapped.clear()
        self.on_progress(account.read)
        return account

    def _one(self, record: SourceRecord, sink: Sink, account: Account) -> None:
        account.count_issues(record.issues, record.locator)
        if record.outcome != "read":
            account.count_record(record.outcome, record.records)
            if record.outcome == "rejected":
                sink.reject(record.locator, "rejected", record.issues)
            return
        conversion = self.mapping.convert(record, self.context)
        outputs, found = [], list(conversion.issues)
        for output in conversion.outputs:
            errors = self.check.errors(output)
            if errors:
                found += errors
            else:
                outputs.append(output)
        account.count_issues(found, record.locator)
        outcome = conversion.outcome
        lost = len(outputs) < len(conversion.outputs) or any(i.severity == "error" for i in record.issues)
        if outcome == "converted" and lost:
            outcome = "partial"
        if conversion.outputs and not outputs:
            outcome = "rejected"
        account.count_record(outcome, record.records)
        if outcome != "converted":
            sink.reject(record.locator, outcome, [*record.issues, *found])
        if outcome != "rejected":
            sink.write(outputs, account)
