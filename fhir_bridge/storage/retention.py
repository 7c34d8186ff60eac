"""How long audit events, replaced versions and kept sources stay, where a site sets it; without a setting, for ever.

Each batch is a transaction of its own, so that writers never wait long and an interruption costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from psycopg import AsyncConnection
from psycopg.errors import LockNotAvailable
from psycopg_pool import AsyncConnectionPool

from fhir_bridge.storage import inbox
from fhir_bridge.storage.received import ReceivedMessages

__all__ = ["Retention"]

BATCH = 1000

# By name: what is attached as a partition of `audit` is named by its month (`audit_month`).
_MONTHS = (
    "SELECT right(c.relname, 6) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
    "WHERE i.inhparent = 'audit'::regclass "
    "AND to_date(right(c.relname, 6), 'YYYYMM') + interval '1 month' <= (now() - %s) AT TIME ZONE 'UTC' ORDER BY 1"
)
LOCK_SECONDS = 2
"""How long a month that goes may hold up those who read and write."""

# From when it was replaced, not from when it was written: a version that was current for
# years stays the full time after.
_OLD_VERSIONS = (
    "SELECT h.resource, h.version FROM history h JOIN resource r ON r.key = h.resource "
    "WHERE h.last_updated < now() - %(age)s AND coalesce("
    "(SELECT min(n.last_updated) FROM history n WHERE n.resource = h.resource AND n.version > h.version), "
    "r.last_updated) < now() - %(age)s "
    # What a deleted resource last said decides whose record it is in.
    "AND NOT (r.deleted AND h.kind = 'v' AND NOT EXISTS (SELECT FROM history n WHERE n.resource = h.resource "
    "AND n.kind = 'v' AND n.version > h.version)) "
    "LIMIT %(most)s FOR UPDATE OF h SKIP LOCKED"
)


@dataclass(frozen=True, slots=True)
class Retention:
    """How long each stays; None: for ever.

    Attributes:
        audit: AuditEvents, from when they were recorded: nothing deletes one, a month goes once all of it is older.
        history: versions, from when they were replaced.
        sources: raw messages and files that are kept for records that wait, from when their entry last changed.
        messages: received messages that wait for nothing, from when they came.
    """

    audit: timedelta | None = None
    history: timedelta | None = None
    sources: timedelta | None = None
    messages: timedelta | None = None

    async def apply(self, pool: AsyncConnectionPool[AsyncConnection]) -> dict[str, int]:
        """Remove what is older; gives how many events and versions that were."""
        removed = {"audit": 0, "history": 0}
        if self.audit is not None:
            removed["audit"] += await _remove_months(pool, self.audit)
        if self.history is not None:
            while count := await _remove_versions(pool, self.history):
                removed["history"] += count
        if self.sources is not None:
            async with pool.connection() as connection, connection.transaction():
                await inbox.forget_old(connection, self.sources)
        if self.messages is not None:
            removed["messages"] = await ReceivedMessages(pool).forget(self.messages)
        return removed


async def _remove_months(pool: AsyncConnectionPool[AsyncConnection], age: timedelta) -> int:
    """Drop the partitions of months that are older; gives how many rows they had."""
    count = 0
    async with pool.connection() as connection:
        for (month,) in await (await connection.execute(_MONTHS, (age,))).fetchall():
            try:
                async with connection.transaction():
                    await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'".encode())
                    rows = await connection.execute(f"SELECT count(*) FROM audit_{int(month):06d}".encode())  # noqa: S608
                    row = await rows.fetchone()
                    # Both in one transaction: an event without its rows of the index would be served no more.
                    await connection.execute(
                        f"DROP TABLE audit_{int(month):06d}, audit_index_{int(month):06d}".encode()
                    )
            except LockNotAvailable:
                break  # the next run tries again
            count += row[0] if row else 0
    return count


async def _remove_versions(pool: AsyncConnectionPool[AsyncConnection], age: timedelta) -> int:
    async with pool.connection() as connection, connection.transaction():
        rows = await (await connection.execute(_OLD_VERSIONS, {"age": age, "most": BATCH})).fetchall()
        if rows:
            await connection.execute(
                "DELETE FROM history h USING unnest(%s::bigint[], %s::int[]) AS o (resource, version) "
                "WHERE h.resource = o.resource AND h.version = o.version",
                ([row[0] for row in rows], [row[1] for row in rows]),
            )
    return len(rows)
