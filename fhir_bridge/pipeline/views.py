"""A view over many resources: from a source through the compiled view into a sink, with an account of every record."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from fhir_bridge.fhir.issues import Issue
from fhir_bridge.fhir.ports import ReferenceResolver, TerminologyPort
from fhir_bridge.fhir.validation import Validator
from fhir_bridge.fhir.views import Column, RecordError, Row, View
from fhir_bridge.pipeline.account import Account
from fhir_bridge.pipeline.views_parquet import ParquetSink, Types, parquet_fields
from fhir_bridge.pipeline.views_sinks import CsvSink, NdjsonSink, RowSink, Target
from fhir_bridge.pipeline.views_sources import Record, file_records, stored_records
from fhir_bridge.plugins import shipped

__all__ = [
    "FORMATS",
    "MAX_ROWS",
    "Types",
    "ViewRun",
    "file_records",
    "open_sink",
    "parquet_fields",
    "run_view",
    "shipped_views",
    "stored_records",
]

FORMATS = ("csv", "ndjson", "parquet")

MAX_ROWS = 5_000_000
"""Rows that one record may give: the product of its selects can be beyond all bounds."""

_WHOLE = 10_000
"""Rows of one record that are held until all are known to be right; a record with more is gone through twice."""

_DEEP = "the resource is nested too deep to be evaluated"


@dataclass(slots=True)
class ViewRun:
    """What a run came to.

    Attributes:
        account: records read = converted + skipped (another type) + rejected; issues by what they say.
        rows: rows written.
    """

    account: Account = field(default_factory=Account)
    rows: int = 0
    seconds: float = 0.0

    def report(self) -> dict[str, Any]:
        """The report as docs/reports.md describes it, with `rows`."""
        return {"rows": self.rows, **self.account.report(seconds=self.seconds)}


def open_sink(
    format_name: str,
    columns: Sequence[Column],
    out: Path | None,
    *,
    stream: BinaryIO | None = None,
    types: Types = Types.both,
) -> RowSink:
    """A sink to use in a `with` block: finished by `run_view`, it appears whole; left by an error, not at all.

    Args:
        format_name: `csv`, `ndjson` or `parquet`.
        out: the file; None writes to `stream`.
        types: what Parquet makes of dates and decimals.

    Raises:
        MissingExtra: pyarrow is not installed.
    """
    target = Target(out, stream)
    try:
        if format_name == "parquet":
            return ParquetSink(columns, target, types)
        return CsvSink(columns, target) if format_name == "csv" else NdjsonSink(columns, target)
    except BaseException:
        target.abandon()
        raise


def run_view(
    view: View,
    records: Iterable[Record],
    sink: RowSink,
    *,
    limit: int | None = None,
    on_progress: Callable[[int], None] = lambda _read: None,
    on_reject: Callable[[str, Issue], None] = lambda _locator, _issue: None,
    resolver: ReferenceResolver | None = None,
    terminology: TerminologyPort | None = None,
) -> ViewRun:
    """Write the rows of all records and complete the sink. A record is written whole or rejected; the others go on.

    Args:
        limit: stop after this many rows.
        on_progress: called with the number of records read.
        on_reject: notified of each rejected record, by locator.
        resolver: finds what references name, for `resolve()`.
        terminology: answers `memberOf()`.
    """
    started = time.monotonic()
    run = ViewRun()
    ports = {"resolver": resolver, "terminology": terminology, "conformance": Validator.of(terminology)}
    for record in records:
        if limit is not None and run.rows >= limit:
            break
        content = record.content
        if content is None:
            run.account.count_record("skipped")
        elif isinstance(content, Issue):
            _reject(run, record.locator, content, on_reject)
        elif content.get("resourceType") != view.resource:
            run.account.count_record("skipped")
        else:
            left = None if limit is None else limit - run.rows
            try:
                run.rows += _write(view, content, record.size, sink, left, ports)
                run.account.count_record("converted")
                run.account.resources[view.resource] += 1
            except RecordError as error:
                _reject(run, record.locator, error.issue, on_reject)
            except RecursionError:
                _reject(run, record.locator, Issue("error", "FB-VIEW-033", _DEEP), on_reject)
            except UnicodeEncodeError as error:
                issue = Issue("error", "FB-VIEW-034", f"it holds text that is no Unicode: {error.reason}")
                _reject(run, record.locator, issue, on_reject)
        if run.account.read % 256 == 0:
            on_progress(run.account.read)
    sink.finish()
    on_progress(run.account.read)
    for name, count in sink.notices.items():
        message = f"column {name}: values without an exact native form are null"
        run.account.count_issues([Issue("warning", "FB-VIEW-040", message, name)], times=count)
    run.seconds = time.monotonic() - started
    return run


def _write(
    view: View,
    resource: dict[str, Any],
    size: int,
    sink: RowSink,
    limit: int | None,
    ports: dict[str, Any],
) -> int:
    """Write a resource's rows, all or none, and give their number; memory for `_WHOLE` of them."""
    rows: Iterable[Row] = view.rows(resource, **ports)
    if limit is not None:
        rows = islice(rows, limit)
    source = iter(rows)
    # Rows that turn out to be of a rejected record must leave no notices.
    notices = Counter(sink.notices) if sink.notices else None
    try:
        prepared = [sink.prepare(row) for row in islice(source, _WHOLE)]
        if len(prepared) < _WHOLE:
            sink.write(prepared, size * len(prepared))
            return len(prepared)
        for number, row in enumerate(source, start=_WHOLE + 1):
            if number > MAX_ROWS:
                raise RecordError("FB-VIEW-035", f"the resource gives more than {MAX_ROWS:,} rows")
            sink.prepare(row)
    except RecordError:
        sink.notices = notices or Counter()
        raise
    # The second pass counts them again.
    sink.notices = notices or Counter()
    written = 0
    again = view.rows(resource, **ports)
    source = again if limit is None else islice(again, limit)
    while prepared := [sink.prepare(row) for row in islice(source, _WHOLE)]:
        sink.write(prepared, size * len(prepared))
        written += len(prepared)
    return written


def _reject(run: ViewRun, locator: str, issue: Issue, on_reject: Callable[[str, Issue], None]) -> None:
    run.account.count_record("rejected")
    run.account.count_issues([issue], locator)
    on_reject(locator, issue)


def shipped_views() -> dict[str, Path]:
    """The ViewDefinitions that come with the project, by name."""
    return {path.stem: path for path in sorted(shipped("views").glob("*.json"))}
