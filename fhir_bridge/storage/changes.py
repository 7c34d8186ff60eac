"""The change feed: what was written, in commit-safe order."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import AsyncConnection

__all__ = ["Change", "read_changes"]


@dataclass(frozen=True, slots=True)
class Change:
    """A version that became current. (xid, sequence) is its place in the feed, to read on from."""

    xid: int
    sequence: int
    type: str
    id: str
    version: int
    deleted: bool

    @property
    def place(self) -> tuple[int, int]:
        """Where to read on."""
        return self.xid, self.sequence


async def read_changes(connection: AsyncConnection, after: tuple[int, int], limit: int) -> list[Change]:
    """Changes after a place, below the oldest transaction still running, so that a late commit is never passed over."""
    rows = await connection.execute(
        "SELECT c.xid::text::bigint, c.sequence, r.type, r.id, c.version, c.deleted FROM change c "
        "JOIN resource r ON r.key = c.resource "
        "WHERE (c.xid, c.sequence) > (%s::text::xid8, %s) AND c.xid < pg_snapshot_xmin(pg_current_snapshot()) "
        "ORDER BY c.xid, c.sequence LIMIT %s",
        (str(after[0]), after[1], limit),
    )
    return [Change(*row) for row in await rows.fetchall()]
