"""How long audit events, replaced versions and kept sources stay, where a site sets it; without a setting, for ever.

Each batch is a transaction of its own, so that writers never wait long and an interruption costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from fhir_bridge.storage import inbox

__all__ = ["Retention"]

BATCH = 1000

# SKIP LOCKED: a row that someone writes is left for the next run, so that nobody waits for a clean-up.
_OLD_EVENTS = (
    "SELECT key FROM resource WHERE type = 'AuditEvent' AND NOT deleted AND last_updated < now() - %s "
    "ORDER BY last_updated LIMIT %s FOR UPDATE SKIP LOCKED"
)
# AuditEvents are no patients, so no `link` names them, and no result is predicted from them.
_OF_RESOURCE = (
    "token string date quantity number reference uri record record_through change history output contribution"
).split()
"""The tables that hold rows of a resource."""

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
        audit: AuditEvents, from when they were recorded.
        history: versions, from when they were replaced.
        sources: raw messages and files that are kept for records that wait, from when their entry last changed.
    """

    audit: timedelta | None = None
    history: timedelta | None = None
    sources: timedelta | None = None

    async def apply(self, pool: AsyncConnectionPool[AsyncConnection]) -> dict[str, int]:
        """Remove what is older; gives how many events and versions that were."""
        removed = {"audit": 0, "history": 0}
        if self.audit is not None:
            # Until a batch is empty: each is short, and its locks with it.
            while count := await _remove_events(pool, self.audit):
                removed["audit"] += count
        if self.history is not None:
            while count := await _remove_versions(pool, self.history):
                removed["history"] += count
        if self.sources is not None:
            async with pool.connection() as connection, connection.transaction():
                await inbox.forget_old(connection, self.sources)
        return removed


async def _remove_events(pool: AsyncConnectionPool[AsyncConnection], age: timedelta) -> int:
    async with pool.connection() as connection, connection.transaction():
        rows = await (await connection.execute(_OLD_EVENTS, (age, BATCH))).fetchall()
        keys = [row[0] for row in rows]
        for table in _OF_RESOURCE:
            await connection.execute(f"DELETE FROM {table} WHERE resource = ANY(%s)".encode(), (keys,))  # noqa: S608
        # Last: rows of history, output and contribution refer to it.
        await connection.execute("DELETE FROM resource WHERE key = ANY(%s)", (keys,))
    return len(keys)


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
