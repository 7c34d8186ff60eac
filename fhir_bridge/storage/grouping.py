"""Creates of several callers as one statement: its costs, and those of the commit, are shared.

A statement over a dozen tables costs PostgreSQL and the driver several times what one resource's rows do. Creates that
come at the same time therefore go together: who comes first waits until no others arrive, some milliseconds at most.
All are stored or none; where the database refuses, each is tried by itself, so that nobody fails for another.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from fhir_bridge.storage.audit_rows import AuditRecord
from fhir_bridge.storage.breathing import LARGE
from fhir_bridge.storage.dictionaries import Dictionaries
from fhir_bridge.storage.indexing import Identity, identify
from fhir_bridge.storage.integrity import Hidden, Named
from fhir_bridge.storage.version_rows import NewVersion
from fhir_bridge.storage.versions import write_versions

__all__ = ["Creates", "GroupWriter"]

MOST = 100
"""Versions of a group, as many as one statement writes at all: making a longer one would hold up the event loop."""
GATHER_SECONDS = 0.010
"""How long a create waits for others at most."""
QUIET_TURNS = 3
"""Turns of the event loop in which nobody came; a request takes as many from its bytes to its write."""
QUIET_SECONDS = 0.002
"""The same where as many as in the last group are expected: a client's next request takes about as long."""
PATIENCE_SECONDS = 0.05
"""A group that takes longer (it may wait for a deletion) does not hold up the next one."""


@dataclass(frozen=True, slots=True)
class Creates:
    """What one caller writes: versions under new ids, which nobody else can know of.

    Attributes:
        keys: internal keys of the resources, to which those of what they refer to are added (`identify`).
        audit: what is recorded of it.
        named: what has to be there, or nothing of it is written.
    """

    keys: dict[Identity, int]
    versions: Sequence[NewVersion]
    audit: Sequence[AuditRecord] = ()
    named: Named | None = None

    @property
    def rows(self) -> int:
        """About how many rows it is."""
        entries = sum(len(new.item.entries) for new in self.versions if new.item is not None)
        return entries + sum(record.size for record in self.audit)


@dataclass(slots=True)
class _Waiting:
    creates: Creates
    done: asyncio.Future[None]


class GroupWriter:
    """Writes creates, those of several callers together; one a store."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection], dictionaries: Dictionaries) -> None:
        self._pool = pool
        self._dictionaries = dictionaries
        self._waiting: deque[_Waiting] = deque()
        self._came: asyncio.Future[None] | None = None
        self._expected = 1
        self._task: asyncio.Task[None] | None = None
        # The event loop keeps only weak references to tasks.
        self._writing: set[asyncio.Task[None]] = set()

    async def write(self, creates: Creates) -> None:
        """Write them, in a transaction that may hold those of others. Once begun, it is done whoever waits.

        Raises:
            psycopg.Error: as if it had been written alone.
        """
        waiting = _Waiting(creates, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._came is not None and not self._came.done():
            self._came.set_result(None)
        if self._task is None:
            self._begin()
        await waiting.done

    async def finish(self) -> None:
        """Wait for what is being written."""
        while self._writing:
            await asyncio.wait(set(self._writing))

    def _begin(self) -> None:
        self._task = asyncio.create_task(self._run(), name="creates")
        self._writing.add(self._task)
        self._task.add_done_callback(self._writing.discard)

    def _go_on(self) -> None:
        """The group that is written takes long: another task sees to those that wait."""
        self._task = None
        if self._waiting:
            self._begin()

    async def _run(self) -> None:
        own, loop = self._task, asyncio.get_running_loop()
        try:
            while self._waiting and self._task is own:
                await self._gather()
                group = self._take()
                patience = loop.call_later(PATIENCE_SECONDS, self._go_on)
                try:
                    await self._write(group)
                finally:
                    patience.cancel()
                if self._task is own:
                    # Whoever was written, and who came meanwhile.
                    self._expected = len(group) + len(self._waiting)
        finally:
            if self._task is own:
                self._task = None

    async def _gather(self) -> None:
        """Wait while others come: who was in the last group is likely to come again."""
        loop = asyncio.get_running_loop()
        end, quiet = time.monotonic() + GATHER_SECONDS, 0
        while len(self._waiting) < MOST and time.monotonic() < end:
            before = len(self._waiting)
            if quiet < QUIET_TURNS:
                await asyncio.sleep(0)
            elif before < self._expected:
                came = self._came = loop.create_future()
                quiet_end = loop.call_later(QUIET_SECONDS, _set, came)
                await came
                quiet_end.cancel()
                if len(self._waiting) == before:
                    break
            else:
                break
            quiet = quiet + 1 if len(self._waiting) == before else 0

    def _take(self) -> list[_Waiting]:
        """The first, and what goes with it: of callers to whom the same is hidden, and not too much at once."""
        results = [self._waiting.popleft()]
        first = results[0].creates
        versions, rows = len(first.versions), first.rows
        while self._waiting:
            following = self._waiting[0].creates
            versions, rows = versions + len(following.versions), rows + following.rows
            if versions > MOST or rows > LARGE or _hidden(following) != _hidden(first):
                break
            results.append(self._waiting.popleft())
        return results

    async def _write(self, group: Sequence[_Waiting]) -> None:
        try:
            await self._together([waiting.creates for waiting in group])
        except psycopg.Error as error:
            # The database said no, so nothing is stored. Where it said nothing, nobody knows.
            if len(group) > 1 and error.sqlstate is not None:
                for waiting in group:
                    await self._write([waiting])
                return
            _fail(group, error)
        except BaseException as error:
            _fail(group, error)
            if not isinstance(error, Exception):
                raise
        else:
            for waiting in group:
                if not waiting.done.done():
                    waiting.done.set_result(None)

    async def _together(self, group: Sequence[Creates]) -> None:
        keys = group[0].keys
        if len(group) > 1:
            keys = {identity: key for creates in group for identity, key in creates.keys.items()}
        named = [creates.named for creates in group if creates.named is not None]
        versions = [new for creates in group for new in creates.versions]
        # In short transactions of its own, for all of them: writers never wait for each other's numbers.
        items = [new.item for new in versions if new.item is not None]
        await identify(self._pool, self._dictionaries, items, keys)
        async with self._pool.connection() as connection:
            await write_versions(
                connection,
                self._dictionaries,
                keys,
                versions,
                audit=[record for creates in group for record in creates.audit],
                named=_union(named),
            )


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _hidden(creates: Creates) -> Hidden | None:
    return None if creates.named is None else creates.named.hidden


def _union(named: Sequence[Named]) -> Named | None:
    if len(named) < 2:
        return named[0] if named else None
    identities = {identity for one in named for identity in one.identities}
    return Named(sorted(identities), named[0].hidden)


def _fail(group: Sequence[_Waiting], error: BaseException) -> None:
    for waiting in group:
        # Cancelled where the one who waited is gone.
        if not waiting.done.done():
            if isinstance(error, Exception):
                waiting.done.set_exception(error)
            else:
                waiting.done.cancel()
