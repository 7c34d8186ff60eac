"""Consumers of the change feed: each takes every change once it is durable, in order, at least once.

The position of a consumer is in the database. It is leased like a job: one process at a time serves it, and another
goes on where a lost one was. What a consumer has taken and not yet confirmed comes again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from fhir_bridge.storage.changes import Place, end_of_feed

__all__ = ["Consumers"]

MOST_PAUSE = 600
"""Seconds between two tries of a consumer that fails again and again."""


class Consumers:
    """The cursors.

    Args:
        worker: names the leaseholder; no two may share a name.
    """

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection], worker: str) -> None:
        self._pool = pool
        self._worker = worker

    async def register(self, names: Sequence[str]) -> None:
        """Make cursors for consumers that have none; they begin at the present end of the feed."""
        # Autocommit: the end of the feed may move before the insert, then the consumer gets
        # a few changes more, none less.
        async with self._pool.connection() as connection:
            xid, sequence = await end_of_feed(connection)
            # Sorted, so that two processes that register the same names wait for each other in one order only.
            await connection.execute(
                "INSERT INTO consumer (name, xid, sequence) SELECT name, %s::text::xid8, %s "
                "FROM unnest(%s::text[]) AS name ON CONFLICT DO NOTHING",
                (str(xid), sequence, sorted(names)),
            )

    async def lease(self, name: str, lease: timedelta) -> Place | None:
        """How far the consumer is, and the right to go on; None while another has it, or it waits after a failure."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(
                "UPDATE consumer SET leased_by = %s, leased_until = now() + %s WHERE name = %s "
                "AND (leased_until < now() OR leased_by = %s) AND not_before <= now() "
                "RETURNING xid::text::bigint, sequence",
                (self._worker, lease, name, self._worker),
            )
            row = await cursor.fetchone()  # None too where the name is not registered
        return None if row is None else (row[0], row[1])

    async def advance(self, name: str, place: Place, lease: timedelta) -> bool:
        """Everything up to this place is done; False where another has the lease by now."""
        return await self._own(
            name,
            "xid = %s::text::xid8, sequence = %s, failures = 0, leased_until = now() + %s",
            str(place[0]),
            place[1],
            lease,
        )

    async def renew(self, name: str, lease: timedelta) -> bool:
        """The heartbeat; False where another has the lease."""
        return await self._own(name, "leased_until = now() + %s", lease)

    async def fail(self, name: str) -> bool:
        """The changes after the cursor could not be taken: try again after a pause that grows with each failure."""
        # The exponent is bounded, for `failures` is not: a power beyond the range of an interval
        # would fail the statement itself.
        return await self._own(
            name,
            "failures = failures + 1, leased_until = '-infinity', "
            "not_before = now() + least(%s, 2 ^ least(failures, 20)) * interval '1 second'",
            MOST_PAUSE,
        )

    async def release(self, name: str) -> bool:
        """Let another process go on at once."""
        return await self._own(name, "leased_until = '-infinity'")

    async def _own(self, name: str, change: str, *values: object) -> bool:
        # A lease that lapsed is lost even where nobody took it: what it did since
        # may be done by another already.
        statement = (
            f"UPDATE consumer SET {change} WHERE name = %s AND leased_by = %s AND leased_until > now()"  # noqa: S608
        )
        async with self._pool.connection() as connection:
            done = await connection.execute(statement.encode(), (*values, name, self._worker))
            return done.rowcount == 1
