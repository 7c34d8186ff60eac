"""One record at a time, from its bytes, without a sink: what it becomes, and the issues."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fhir_bridge.pipeline.context import ConversionContext
from fhir_bridge.pipeline.engine import prepared_run
from fhir_bridge.pipeline.plan import RunRequest, Shard
from fhir_bridge.pipeline.shard import ShardRun
from fhir_bridge.pipeline.sink_run import SinkRun
from fhir_bridge.pipeline.store_sink import record_set, whole_delivery
from fhir_bridge.plugins import ContentAdapter, IssueLike, ReceivingAdapter, SourceRecord, adapters
from fhir_bridge.storage import RecordSet, RecordsResult, Store

__all__ = ["Conversion", "Converter"]

LOOK_AGAIN_SECONDS = 10.0
"""How often it is looked whether the mapping, the site file or the terminology changed."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """What a record became: `converted`, `partial`, `skipped` or `rejected`.

    Attributes:
        record: the same as the ledger of outputs takes it; None where nothing is to be stored.
    """

    resources: Sequence[dict[str, Any]]
    issues: Sequence[IssueLike]
    outcome: str
    record: RecordSet | None = None


class Converter:
    """Converts records of one adapter, each output validated; for several threads, one after the other.

    Args:
        adapter: one that takes messages, or a source as a whole.
        site: the site file.
        mapping: name or file; None for the adapter's own.
    """

    def __init__(self, adapter: str, site: Path | None = None, mapping: str | None = None) -> None:
        reader = adapters()[adapter]
        if not isinstance(reader, ReceivingAdapter | ContentAdapter):
            raise TypeError(f"the adapter {adapter} takes nothing that is sent")
        self._adapter = reader
        self._mapping = mapping or reader.choose_mapping(())
        self._request = RunRequest(adapter, self._mapping, site, validate="all")
        self._lock = threading.Lock()
        self._looked = 0.0
        self._digest = ""
        self._run: ShardRun | None = None
        self._sink: SinkRun | None = None

    async def store(self, store: Store, record: RecordSet) -> RecordsResult:
        """Store what a record became, as a load does: what an earlier version of it said and it no longer says goes.

        Raises:
            OtherSiteKey: the ids in the store were made with another key.
        """
        run = self._sink
        assert run is not None
        await store.check_site_key(run.fingerprint)
        result = await store.load_records([record], adapter=run.adapter, precedence=run.precedence)
        if record.delivery is not None and not result.refused:
            ended = await store.end_delivery(record.delivery, adapter=run.adapter, precedence=run.precedence)
            result.counts.add_outcomes(ended)
        return result

    def convert(self, content: bytes, name: str, *, stores: bool = False) -> Conversion:
        """Convert one record, or all of a source that is sent as a whole; `stores` says whether it is to be stored.

        Raises:
            MappingErrors, SiteError, CrosswalkError: nothing can be converted.
        """
        with self._lock:
            run = self._prepared()
            if isinstance(self._adapter, ContentAdapter):
                return _convert_all(
                    self._adapter.read_content(content, name, run.reading(stores=stores)), run
                )
            record = self._adapter.read_message(content, name, run.reading(stores=stores))
            if record.outcome != "read":
                return Conversion((), record.issues, record.outcome)
            converted = run.convert(record)
            resources = (
                [] if converted.outcome == "rejected" else [each.resource for each in converted.outputs]
            )
            issues = list(dict.fromkeys([*record.issues, *converted.issues]))
            sink = self._sink
            stored = (
                record_set(converted, sink, whole_delivery(converted, sink))
                if sink and converted.key and converted.outcome != "rejected"
                else None
            )
            return Conversion(resources, issues, converted.outcome, stored)

    def _prepared(self) -> ShardRun:
        if self._run is None or time.monotonic() - self._looked >= LOOK_AGAIN_SECONDS:
            digest = ConversionContext.of(self._request).digest(self._mapping)
            self._looked = time.monotonic()
            if self._run is None or digest != self._digest:
                shard = Shard(self._mapping, ())
                self._run, self._sink = prepared_run(self._request, shard, digest, "store", self._adapter)
                self._digest = digest
        return self._run


def _convert_all(records: Iterable[SourceRecord], run: ShardRun) -> Conversion:
    """What several records become; rejected where all of them become nothing."""
    resources: list[dict[str, Any]] = []
    issues: list[IssueLike] = []
    for record in records:
        issues += record.issues
        if record.outcome != "read":
            continue
        known = len(record.issues)
        converted = run.convert(record)
        issues += [*record.issues[known:], *converted.issues]
        resources += [each.resource for each in converted.outputs]
    issues = list(dict.fromkeys(issues))
    return Conversion(resources, issues, "converted" if resources else "rejected")
