"""Short statements of several callers in one round trip: what comes together is sent together, over one connection.

Each stays a statement of its own with a snapshot of its own, and an error is its own alone: those behind it in libpq's
pipeline are sent again. What is saved is what the driver, the pool and the sockets take of each round trip.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

from psycopg import AsyncConnection, errors
from psycopg.abc import Buffer, PQGen
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ConnStatus, ExecStatus, Format
from psycopg.pq.abc import PGconn, PGresult
from psycopg.waiting import Ready, Wait
from psycopg_pool import AsyncConnectionPool

from fhir_bridge.storage.conditions import Condition

__all__ = ["Prepared", "RoundTrips", "Turn", "prepared_of"]

MOST_TOGETHER = 16
"""Statements of one trip: who waits for a slow one of them waits for no more than these."""
MOST_IN_TURN = 8
"""Trips after each other over a connection, before others have it."""
LONG_SECONDS = 0.01
"""What waits for one trip so long is not kept waiting for it: a further one is begun."""
MOST_AT_ONCE = 3
"""Trips of one group that are under way."""
MOST_PREPARED = 300
"""Statements that a connection keeps; each has a plan of some 50 kB."""

Turn = Callable[[], AbstractAsyncContextManager[Any]]
"""What a trip is to have while it lasts: a place among those that hold a connection."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement in PostgreSQL's own notation of placeholders, and the types and formats of its values."""

    text: bytes
    types: tuple[int, ...] = ()
    formats: tuple[Format, ...] = ()


def prepared_of(statement: Condition) -> tuple[Prepared, tuple[Buffer | None, ...]]:
    """A statement in the driver's notation as one in PostgreSQL's, and its values as they are sent."""
    numbers = count(1)
    text = re.sub("%(%|s)", lambda match: "%" if match[1] == "%" else f"${next(numbers)}", statement.text)
    writer = Transformer()
    values = writer.dump_sequence(statement.values, [PyFormat.AUTO] * len(statement.values))
    return Prepared(text.encode(), tuple(writer.types or ()), tuple(writer.formats or ())), tuple(values)


@dataclass(slots=True)
class _Asked:
    statement: Prepared
    values: Sequence[Buffer | None]
    answer: asyncio.Future[list[Any]]
    trip: _Trip | None = None


@dataclass(slots=True)
class _Trip:
    """What is under way for a while."""

    task: asyncio.Task[Any] | None
    taken: list[_Asked]

    def left(self) -> None:
        """Somebody waits no more. Where nobody does, the database is not left to work on for nobody."""
        if self.task is not None and all(asked.answer.done() for asked in self.taken):
            self.task.cancel()


@dataclass(slots=True)
class _Group:
    waiting: deque[_Asked] = field(default_factory=deque)
    trips: int = 0
    starting: bool = False
    timer: asyncio.TimerHandle | None = None


class RoundTrips:
    """Sends statements over the connections of a pool."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection]) -> None:
        self._pool = pool
        self._groups: dict[str, _Group] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._names: WeakKeyDictionary[AsyncConnection, dict[Prepared, bytes]] = WeakKeyDictionary()
        self._numbers = count(1)

    async def rows(
        self,
        statement: Prepared,
        values: Sequence[Buffer | None],
        group: str = "",
        turn: Turn = nullcontext,
    ) -> list[Any]:
        """The rows of a statement, in binary.

        Args:
            group: whose statement it is; those of one group alone share trips, and wait for each other.
            turn: what each trip of the group takes.

        Raises:
            psycopg.Error, psycopg_pool.PoolTimeout: as a statement of its own would.
        """
        shared = self._groups.get(group)
        if shared is None:
            shared = self._groups[group] = _Group()
        answer: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        asked = _Asked(statement, values, answer)
        shared.waiting.append(asked)
        if not shared.trips:
            # It begins in the next turn of the event loop: what other requests ask in this one goes along.
            self._start(group, shared, turn)
        elif shared.timer is None and not shared.starting:
            # What comes while a trip is under way goes together in the next one, unless that takes long.
            shared.timer = asyncio.get_running_loop().call_later(
                LONG_SECONDS, self._relieve, group, shared, turn
            )
        try:
            return await answer
        except asyncio.CancelledError:
            if asked.trip is not None:
                asked.trip.left()
            raise

    def _relieve(self, group: str, shared: _Group, turn: Turn) -> None:
        shared.timer = None
        if shared.waiting and not shared.starting and shared.trips < MOST_AT_ONCE:
            self._start(group, shared, turn)

    def _start(self, group: str, shared: _Group, turn: Turn) -> None:
        shared.starting = True
        shared.trips += 1
        task = asyncio.create_task(self._go(group, shared, turn))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _go(self, group: str, shared: _Group, turn: Turn) -> None:
        """One trip after the other, until nothing waits."""
        taken: list[_Asked] = []
        try:
            while shared.waiting:
                async with turn(), self._pool.connection() as connection:
                    for _ in range(MOST_IN_TURN):
                        taken = _taken(shared.waiting)
                        shared.starting = False
                        if not taken:
                            break
                        await self._trip(connection, taken)
                        taken = []
        except BaseException as error:
            # Who came while there was no connection waited as long; what was taken is lost with its connection.
            for asked in taken or _taken(shared.waiting, len(shared.waiting)):
                if not asked.answer.done():
                    asked.answer.set_exception(
                        error
                        if isinstance(error, Exception)
                        else errors.OperationalError("the store is closing")
                    )
            if not isinstance(error, Exception):
                raise
        finally:
            shared.starting = False
            shared.trips -= 1
            if shared.waiting:  # what came before a trip that failed was over
                self._start(group, shared, turn)
            elif not shared.trips and self._groups.get(group) is shared:
                del self._groups[group]

    async def _trip(self, connection: AsyncConnection, taken: Sequence[_Asked]) -> None:
        names = self._names.setdefault(connection, {})
        if len(names) > MOST_PREPARED:
            await connection.execute("DEALLOCATE ALL")  # the driver forgets its own with it
            names.clear()
        trip = _Trip(asyncio.current_task(), list(taken))
        for asked in taken:
            asked.trip = trip
        left = list(taken)
        while left:
            left = await self._exchange(connection, names, left)
        trip.task = None

    async def _exchange(
        self, connection: AsyncConnection, names: dict[Prepared, bytes], taken: Sequence[_Asked]
    ) -> list[_Asked]:
        """Answer statements up to the first that fails, which is answered as well; those behind it are returned."""
        pgconn = connection.pgconn
        try:
            pgconn.enter_pipeline_mode()
            new = [self._send(pgconn, names, asked) for asked in taken]
            pgconn.pipeline_sync()
            results = await connection.wait(_results(pgconn))
            pgconn.exit_pipeline_mode()
        except BaseException:
            # What is left in it belongs to nobody: the pool replaces it.
            await connection.close()
            raise
        following = iter(results)
        reader = Transformer(connection)
        for number, (asked, is_new) in enumerate(zip(taken, new, strict=True)):
            result = next(following)
            if is_new:
                if result.status == ExecStatus.COMMAND_OK:
                    result = next(following)
                else:
                    del names[asked.statement]
            if result.status == ExecStatus.TUPLES_OK:
                if not asked.answer.done():  # else nobody waits for it any more
                    reader.set_pgresult(result)
                    asked.answer.set_result(reader.load_rows(0, result.ntuples, tuple))
                continue
            error = errors.error_from_result(result)
            for later, was_new in zip(taken[number + 1 :], new[number + 1 :], strict=True):
                if was_new:
                    names.pop(later.statement, None)
            if isinstance(error, errors.InvalidSqlStatementName) and not is_new:
                # The driver deallocates all that is prepared after a rollback.
                names.clear()
                return list(taken[number:])
            if not asked.answer.done():
                asked.answer.set_exception(error)
            return list(taken[number + 1 :])
        return []

    def _send(self, pgconn: PGconn, names: dict[Prepared, bytes], asked: _Asked) -> bool:
        """Put a statement into the pipeline; whether it had to be prepared."""
        statement = asked.statement
        name = names.get(statement)
        if is_new := name is None:
            name = names[statement] = b"fb_%d" % next(self._numbers)
            pgconn.send_prepare(name, statement.text, statement.types)
        assert name is not None
        pgconn.send_query_prepared(name, asked.values, statement.formats, Format.BINARY)
        return is_new


def _taken(waiting: deque[_Asked], most: int = MOST_TOGETHER) -> list[_Asked]:
    """The next statements whose callers still wait."""
    results: list[_Asked] = []
    while waiting and len(results) < most:
        asked = waiting.popleft()
        if not asked.answer.done():
            results.append(asked)
    return results


def _results(pgconn: PGconn) -> PQGen[list[PGresult]]:
    """All results up to the synchronization point."""
    while pgconn.flush():
        if (yield Wait.RW) & Ready.R:
            pgconn.consume_input()
    results: list[PGresult] = []
    ended = False
    while True:
        while pgconn.is_busy():
            yield Wait.R
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is not None:
            if result.status == ExecStatus.PIPELINE_SYNC:
                return results
            results.append(result)
        # Nothing closes what a command gave. Nothing again means that nothing follows.
        elif ended or pgconn.status != ConnStatus.OK:
            raise errors.OperationalError("the connection to the database is lost")
        ended = result is None
