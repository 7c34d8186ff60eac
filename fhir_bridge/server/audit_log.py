"""AuditEvents on their way into the store: of sign-ins before the answer, of reads and searches soon after it.

Those of writes are stored with what is written (`server.rest.auditing`). One task writes; what arrives while it writes
shares the next batch, so that many requests pay for one commit. Nobody waits behind the events of others' large pages:
each batch takes those that are waited for first, and those of large pages where there is space.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from fhir_bridge.governance.audit import Event
from fhir_bridge.server.offloading import offloaded
from fhir_bridge.storage.audit_rows import AuditRecord
from fhir_bridge.storage.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from fhir_bridge.storage import Store

__all__ = ["BATCH", "AuditLog"]

Builder = Callable[[], Iterable[AuditRecord]]

PAUSE_SECONDS = 0.1
"""How long reads and searches may gather before they are written; well under the promised 0.2 seconds."""
BATCH = 100
"""Records written at once. Making their rows holds up the worker's answers for some milliseconds."""
BATCH_ROWS = 1_000
"""Rows of the index that they may have; a record of more goes alone."""
# Enough for seconds of load; without a bound a database that is away would fill the memory.
MOST_WAITING = 5_000
"""Entries that may wait, and events of large pages; a caller who comes then waits too, so that none is lost."""
SPACE_SECONDS = 10
RETRY_SECONDS = 1.0

_log = logging.getLogger("fhir_bridge.audit")


@dataclass(slots=True)
class _Entry:
    """What waits. Records get their keys when they are built, so that a second try stores nothing twice."""

    build: Builder
    done: asyncio.Future[None] | None = None
    heavy: int = 0
    records: list[AuditRecord] | None = None
    written: int = 0

    async def left(self) -> list[AuditRecord]:
        """Its records that are not written yet."""
        if self.records is None:
            # Built late: of what a client hangs up on nothing has to be built, and what is
            # built together is written together.
            self.records = await offloaded(self._make) if self.heavy else self._make()
        return self.records[self.written :]

    def _make(self) -> list[AuditRecord]:
        return list(self.build())


class AuditLog:
    """Writes AuditEvents; one a worker.

    Args:
        store: where they are kept.
        before_answer: whether those of reads and searches too are stored before the answer.
    """

    def __init__(self, store: Store, *, before_answer: bool = False) -> None:
        self._store = store
        self._before_answer = before_answer
        self._first: deque[_Entry] = deque()
        self._waiting: deque[_Entry] = deque()
        self._bulk: deque[_Entry] = deque()
        self._some = asyncio.Event()
        self._urgent = asyncio.Event()
        self._space, self._bulk_space = asyncio.Event(), asyncio.Event()
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run(), name="audit")

    async def stop(self) -> None:
        """Write what is left, then end."""
        # Cancelled and awaited first, so that two writers never take from the queues at once.
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await self.flush()

    async def now(self, *events: Event) -> None:
        """Keep these events before going on.

        Raises:
            StorageError, psycopg.Error: they could not be stored.
        """
        await self.keep([AuditRecord.of(event) for event in events])

    async def keep(self, records: list[AuditRecord]) -> None:
        """Keep these records before going on; errors as `now` has them."""
        if records:
            await self._first_of_all(lambda: records)

    async def _first_of_all(self, build: Builder, *, heavy: int = 0) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        (self._bulk if heavy else self._first).append(_Entry(build, done, heavy))
        self._some.set()
        self._urgent.set()
        await done

    async def later(self, build: Builder, *, heavy: int = 0) -> None:
        """Keep the records that `build` makes, within a fifth of a second, or when no others wait.

        Args:
            heavy: how many they may be, of a large page: they are made off the event loop, and written after others.

        Raises:
            DatabaseUnavailable: too many wait, and none could be stored for a while.
            StorageError, psycopg.Error: before the answer, where they could not be stored.
        """
        if self._before_answer:
            await self._first_of_all(build, heavy=heavy)
            return
        # A queue that has filled up since the last write shuts here; a write opens it again.
        self._update_space()
        space = self._bulk_space if heavy else self._space
        if not space.is_set():
            try:
                await asyncio.wait_for(space.wait(), SPACE_SECONDS)
            except TimeoutError as error:
                raise DatabaseUnavailable("no more audit events can wait") from error
        (self._bulk if heavy else self._waiting).append(_Entry(build, heavy=heavy))
        self._some.set()

    def _update_space(self) -> None:
        """Who asks for large pages waits for their events, and for nobody else's."""
        for space, waiting in (
            (self._space, len(self._waiting)),
            (self._bulk_space, sum(entry.heavy - entry.written for entry in self._bulk)),
        ):
            if waiting < MOST_WAITING:
                space.set()
            else:
                space.clear()

    async def flush(self) -> None:
        """Write all that waits."""
        # One writer: batches would else overtake each other, and a second try store events twice.
        async with self._writing:
            while self._first or self._waiting or self._bulk:
                taken: list[tuple[deque[_Entry], _Entry, int]] = []
                try:
                    await self._write(await self._take(taken))
                except BaseException as error:
                    # Also when cancelled: what was taken and not confirmed goes back, in its order.
                    self._give_back(taken, error)
                    raise
                for queue, entry, count in reversed(taken):
                    entry.written += count
                    if entry.records is not None and entry.written < len(entry.records):
                        queue.appendleft(entry)
                    elif entry.done is not None and not entry.done.done():
                        entry.done.set_result(None)
                self._update_space()

    async def _take(self, taken: list[tuple[deque[_Entry], _Entry, int]]) -> list[AuditRecord]:
        """The records of the next batch; their entries and how many of each go into `taken`."""
        records: list[AuditRecord] = []
        left = BATCH_ROWS
        # Who waits for an answer first; large pages take what is left of a batch.
        for queue in (self._first, self._waiting, self._bulk):
            while queue and len(records) < BATCH and left > 0:
                entry = queue.popleft()
                # Entered before it is awaited: a cancellation in between must not lose it.
                taken.append((queue, entry, 0))
                count = 0
                try:
                    waiting = await entry.left()
                except Exception as error:  # noqa: BLE001 - else it would hold up all others for ever
                    _log.error("an audit event can't be made (%s)", type(error).__name__)
                    taken.pop()
                    if entry.done is not None and not entry.done.done():
                        entry.done.set_exception(error)
                    continue
                for record in waiting:
                    if records and (len(records) >= BATCH or record.size > left):
                        left = 0
                        break
                    records.append(record)
                    left -= record.size
                    count += 1
                taken[-1] = (queue, entry, count)
        return records

    @staticmethod
    def _give_back(taken: list[tuple[deque[_Entry], _Entry, int]], error: BaseException) -> None:
        """Who waits for an event is notified of the failure; all others are tried again."""
        for queue, entry, _ in reversed(taken):
            # A failure is given to who waits; a cancellation is no failure of the store.
            if entry.done is not None and isinstance(error, Exception):
                if not entry.done.done():
                    entry.done.set_exception(error)
            else:
                queue.appendleft(entry)

    async def _run(self) -> None:
        while True:
            await self._some.wait()
            # Urgent events wake at once; else the first gives others a moment to share its commit.
            with suppress(TimeoutError):
                await asyncio.wait_for(self._urgent.wait(), PAUSE_SECONDS)
            self._some.clear()
            self._urgent.clear()
            try:
                await self.flush()
            except Exception as error:  # noqa: BLE001 - the events wait, whatever it was: without this task all would
                _log.error("audit events wait: the store does not take them (%s)", type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)
                # Without new events nothing else would wake this task for what waits.
                self._some.set()

    async def _write(self, records: list[AuditRecord]) -> None:
        if not records:
            return
        try:
            await self._store.append_audit(records)
        except (psycopg.DataError, psycopg.IntegrityError):
            # Refused by what it holds, not by the state of the database: one event is at fault,
            # and the batch would fail again.
            await self._one_by_one(records)

    async def _one_by_one(self, records: list[AuditRecord]) -> None:
        """One event that the database can't hold must not keep the others out; it goes to the log, without values."""
        for record in records:
            try:
                await self._store.append_audit([record])
            except (psycopg.DataError, psycopg.IntegrityError) as error:
                code = record.event["subtype"][0]["code"]
                _log.critical(
                    "the audit event %s (%s) can't be stored: %s", record.key, code, type(error).__name__
                )
