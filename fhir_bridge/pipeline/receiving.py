"""Messages that are received: kept, converted and stored before they are acknowledged; several at once, in order.

A message is kept as it came, in a transaction of its own, before anything is done with it. What is killed between that
and the acknowledgement is processed when it is sent again, or when the program starts again; a message that was
processed changes nothing when it comes again.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Self

import psycopg
import psycopg_pool

from fhir_bridge.fhir.issues import Issue
from fhir_bridge.pipeline.account import Account
from fhir_bridge.pipeline.context import ConversionContext
from fhir_bridge.pipeline.converted import ConvertedRecord
from fhir_bridge.pipeline.engine import prepared_run
from fhir_bridge.pipeline.issues import CODES
from fhir_bridge.pipeline.plan import RunRequest, Shard
from fhir_bridge.pipeline.shard import ShardRun, ValidateMode
from fhir_bridge.pipeline.sink_run import SinkRun
from fhir_bridge.pipeline.store_sink import count_stored, opened, record_set
from fhir_bridge.pipeline.waiting_records import waiting_issue
from fhir_bridge.plugins import IssueLike, ReceivedRecord, ReceivingAdapter, adapters
from fhir_bridge.storage import RecordSet, StorageError
from fhir_bridge.storage.inbox import InboxItem, Kind
from fhir_bridge.storage.received import Arrival, Outcome, ReceivedMessages, Status

__all__ = ["Incoming", "Receipt", "Receiver", "Unavailable"]

LOOK_AGAIN_SECONDS = 10.0
"""How often it is looked whether the mapping, the site file or the terminology changed."""
AT_ONCE = 200
"""Messages of one transaction."""
_SETTLED: frozenset[Status] = frozenset({"converted", "partial", "skipped"})
_INBOX: dict[Status, Kind] = {"held": "held", "refused": "refused", "rejected": "failed", "failed": "failed"}
MOST_ISSUES = 50

_log = logging.getLogger("fhir_bridge.receiving")


class Unavailable(Exception):
    """The store does not answer: the messages are to be sent again."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message as it comes. channel: `mllp` or `http`; peer: the address of who sends it."""

    content: bytes
    channel: str = ""
    peer: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a message.

    Attributes:
        key: its number among those that are kept.
        readable: whether anything of it could be read.
        again: it came before, and was processed then.
    """

    key: int
    status: Status
    issues: Sequence[dict[str, str]]
    readable: bool = True
    again: bool = False


@dataclass(slots=True)
class _Work:
    """A message under way."""

    key: int
    record: ReceivedRecord
    converted: ConvertedRecord | None = None
    status: Status = "received"
    issues: list[IssueLike] = field(default_factory=list)


class Receiver:
    """Processes messages of one adapter, one call at a time; for a thread, since it blocks.

    Args:
        url: of the database.
        site: the site file.
        mapping: name or file; None for the adapter's own.
        validate: see `RunRequest`.

    Raises:
        MappingErrors, SiteError, CrosswalkError: nothing can be converted.
        OtherSiteKey: the database holds resources whose ids were made with another site key.
    """

    def __init__(
        self,
        url: str,
        site: Path | None = None,
        *,
        adapter: str = "hl7v2",
        mapping: str | None = None,
        validate: ValidateMode = "all",
    ) -> None:
        reader = adapters()[adapter]
        if not isinstance(reader, ReceivingAdapter):
            raise TypeError(f"the adapter {adapter} takes no messages")
        self._adapter = reader
        self._mapping = mapping or reader.choose_mapping(())
        self._request = RunRequest(adapter, self._mapping, site, validate=validate)
        self.account = Account()
        self._looked = 0.0
        self._digest = ""
        self._run: ShardRun
        self._sink: SinkRun
        self._prepare()
        self._runner = asyncio.Runner(loop_factory=_event_loop())
        try:
            self._store = self._runner.run(opened(url, self._sink, migrate=False))
        except BaseException:
            self._runner.close()
            raise
        self._messages = ReceivedMessages(self._store.pool)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._runner.run(self._store.close())
        self._runner.close()

    def receive(self, batch: Sequence[Incoming]) -> list[Receipt]:
        """Keep and process messages, in order; the receipts in the same order.

        Raises:
            Unavailable: the store does not answer. Nothing of the batch is to be acknowledged.
        """
        self._look_again()
        read = [self._read(item.content, "received") for item in batch]
        arrivals = [self._arrival(item, record) for item, record in zip(batch, read, strict=True)]
        try:
            return self._runner.run(self._receive(batch, read, arrivals))
        except (psycopg.OperationalError, psycopg_pool.PoolTimeout, OSError) as error:
            raise Unavailable(type(error).__name__) from error
        except StorageError as error:
            if error.status >= 500:
                raise Unavailable(error.code) from error
            raise

    def identifiers(self, content: bytes) -> list[str]:
        """Values of the identifiers by which a message names its patients; for any thread."""
        return list(self._read(content, "received").identifiers())

    def recover(self, older: timedelta = timedelta(0)) -> int:
        """Process what was kept so long ago and not processed; how many messages that were."""
        count = 0
        while keys := self._runner.run(self._messages.unprocessed(older, AT_ONCE)):
            self.replay(keys)
            count += len(keys)
        return count

    def replay(self, keys: Sequence[int]) -> list[Receipt]:
        """Process kept messages again, in the order in which they came."""
        self._look_again()
        results: list[Receipt] = []
        ordered = sorted(keys)
        for start in range(0, len(ordered), AT_ONCE):
            contents = self._runner.run(self._messages.contents(ordered[start : start + AT_ONCE]))
            work = [_Work(key, self._read(content, f"received-{key}")) for key, content in contents.items()]
            self._runner.run(self._process(work))
            results += [
                Receipt(item.key, item.status, _plain(item.issues), item.record.readable) for item in work
            ]
        return results

    def _read(self, content: bytes, name: str) -> ReceivedRecord:
        return self._adapter.read_message(content, name, self._run.reading())

    def _arrival(self, item: Incoming, record: ReceivedRecord) -> Arrival:
        source = self._run.context.uri_of(record.source or "")
        return Arrival(
            item.content,
            record.key,
            item.channel,
            item.peer,
            _text(record.control_id or ""),
            _text(record.kind),
            source,
            record.key,
            [_text(value) for value in record.identifiers()],
        )

    async def _receive(
        self, batch: Sequence[Incoming], read: Sequence[ReceivedRecord], arrivals: Sequence[Arrival]
    ) -> list[Receipt]:
        kept = await self._messages.keep(arrivals)
        work: dict[str, _Work] = {}
        for item, record in zip(batch, read, strict=True):
            known = kept[record.key]
            if known.status not in _SETTLED and record.key not in work:
                # Read again under the name that it is kept by, which locators of issues give.
                named = self._read(item.content, f"received-{known.key}")
                work[record.key] = _Work(known.key, named)
        await self._process(list(work.values()))
        return [
            Receipt(done.key, done.status, _plain(done.issues), record.readable)
            if (done := work.get(record.key)) is not None
            else Receipt(kept[record.key].key, kept[record.key].status, kept[record.key].issues, again=True)
            for record in read
        ]

    async def _process(self, work: Sequence[_Work]) -> None:
        for item in work:
            self._convert(item)
        await self._save([item for item in work if item.converted is not None])
        for item in work:
            outcome = "rejected" if item.status in _INBOX else item.status
            self.account.count_record(outcome, item.record.records)
            self.account.count_issues(item.issues, item.record.locator)
        await self._note(work)
        await self._messages.settle([self._outcome(item) for item in work])

    def _outcome(self, item: _Work) -> Outcome:
        version = item.converted.mapping if item.converted is not None else ""
        mapping = f"{self._mapping} {version}".strip() if item.record.outcome == "read" else ""
        source = item.converted.source if item.converted is not None else ""
        return Outcome(item.key, item.status, _plain(item.issues), mapping, source)

    def _convert(self, item: _Work) -> None:
        record = item.record
        item.issues += record.issues
        known = len(item.issues)
        try:
            if record.outcome == "rejected":
                item.status = "rejected"
            elif record.outcome == "skipped":
                # What it said in an earlier run, by other settings, it no longer says.
                source = self._run.context.uri_of(record.source or "")
                version = self._run.mapping.version
                item.converted = ConvertedRecord((), record.key, source, version, record.locator)
                item.status = "skipped"
            else:
                converted = self._run.convert(record)
                item.issues += converted.issues
                waiting = waiting_issue(converted.issues)
                item.status = "held" if waiting is not None else converted.outcome  # type: ignore[assignment]
                # Of what is rejected, that which an earlier mapping made stays.
                if waiting is not None or converted.outcome != "rejected":
                    item.converted = converted
        except Exception as error:  # noqa: BLE001 - one message must not take others with it
            del item.issues[known:]
            self._failed(item, error)

    @staticmethod
    def _failed(item: _Work, error: BaseException) -> None:
        # The message of an exception may hold a patient's values: its type and place are enough.
        where = "".join(traceback.format_tb(error.__traceback__))
        _log.error("message %d failed with %s\n%s", item.key, type(error).__name__, where)
        item.status, item.converted = "failed", None
        text = f"processing it ended with {type(error).__name__}; the log says where"
        item.issues.append(Issue(CODES["FB-RUN-040"].severity, "FB-RUN-040", text, item.record.locator))

    async def _save(self, work: Sequence[_Work]) -> None:
        """Store what messages became, in one transaction; alone, where one of them can't be stored."""
        if not work:
            return
        sets = {(item.converted.source, item.converted.key): item for item in work if item.converted}
        try:
            result = await self._store.load_records(
                [self._set(item) for item in sets.values()],
                adapter=self._sink.adapter,
                precedence=self._sink.precedence,
            )
        except (psycopg.OperationalError, psycopg_pool.PoolTimeout, OSError):
            raise
        except Exception as error:
            if isinstance(error, StorageError) and error.status >= 500:
                raise
            if len(work) == 1:
                self._failed(work[0], error)
                return
            for item in work:
                await self._save([item])
            return
        count_stored(self.account, result.counts)
        for record in result.refused:
            item = sets[record.source, record.id]
            item.status = "refused"
        for record in result.incomplete:
            item = sets[record.source, record.id]
            item.status = "partial" if item.status == "converted" else item.status
        for issue in result.counts.issues:
            for item in work:
                if issue.source == item.record.locator:
                    item.issues.append(issue)

    def _set(self, item: _Work) -> RecordSet:
        assert item.converted is not None
        return record_set(item.converted, self._sink)

    async def _note(self, work: Sequence[_Work]) -> None:
        """Enter in the inbox what waits for people."""
        waiting = [item for item in work if item.status in _INBOX or _skipped_in_error(item)]
        if not waiting:
            return
        keep = self._sink.keep
        assert keep is not None
        run = {
            "mapping": keep.mapping,
            "options": dict(keep.options),
            "key": "",
            "site": keep.site,
            "context": self._sink.context,
            "links": await self._store.number_of_links(),
        }
        items = []
        for item in waiting:
            issue = _reason(item)
            source = self._run.context.uri_of(item.record.source or "")
            items.append(
                InboxItem(
                    _INBOX.get(item.status, "failed"),
                    self._sink.adapter,
                    item.record.locator,
                    issue.code,
                    issue.message,
                    f"received-{item.key}",
                    {**run, "received": item.key},
                    identity=f"{source}\t{item.record.key}",
                )
            )
        await self._store.note_inbox(items)

    def _look_again(self) -> None:
        if time.monotonic() - self._looked >= LOOK_AGAIN_SECONDS:
            self._prepare()

    def _prepare(self) -> None:
        """Prepare what converts; anew once the mapping, the site file or what they use is another."""
        digest = ConversionContext.of(self._request).digest(self._mapping)
        self._looked = time.monotonic()
        if digest != self._digest:
            shard = Shard(self._mapping, ())
            self._run, self._sink = prepared_run(
                self._request, shard, digest, "store", self._adapter, form="bytes"
            )
            self._digest = digest


def _event_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes the event loop: a statement takes half of the time in one that is compiled."""
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.new_event_loop


def _skipped_in_error(item: _Work) -> bool:
    """Whether a message was skipped that should have said more: an ADT without a patient."""
    return item.status == "skipped" and any(issue.severity == "error" for issue in item.issues)


def _reason(item: _Work) -> IssueLike:
    """The issue for which a message waits."""
    waiting = waiting_issue(item.issues) if item.status == "held" else None
    if waiting is not None:
        return waiting
    wanted = "FB-STORE-018" if item.status == "refused" else ""
    errors = [issue for issue in item.issues if issue.severity in ("error", "fatal")]
    first = next((issue for issue in item.issues if issue.code == wanted), None)
    if first is not None:
        return first
    return (
        errors[-1]
        if errors
        else Issue("error", "FB-RUN-041", "nothing of it could be converted", item.record.locator)
    )


def _plain(issues: Sequence[IssueLike]) -> list[dict[str, str]]:
    """Issues as they are kept; the gravest first where there are many."""
    order = {"fatal": 0, "error": 1, "warning": 2}
    chosen = sorted(issues, key=lambda issue: order.get(issue.severity, 3))[:MOST_ISSUES]
    return [
        {"severity": issue.severity, "code": issue.code, "message": _text(issue.message)} for issue in chosen
    ]


def _text(text: str) -> str:
    """Text as the database takes it: without NUL and lone surrogates."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
