"""The change feed: what was written, in commit-safe order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import AsyncConnection

__all__ = ["Change", "Place", "end_of_feed", "read_audit_changes", "read_changes"]

Place = tuple[int, int]
"""Transaction and sequence of the last change that a reader has seen."""

LAST = 2**63 - 1
"""Greater than every sequence."""


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
    def place(self) -> Place:
        """Where to read on."""
        return self.xid, self.sequence


async def read_changes(
    connection: AsyncConnection, after: Place, limit: int, types: Sequence[str] | None = None
) -> list[Change]:
    """Changes after a place, below the oldest transaction still running, so that a late commit is never passed over.

    Args:
        types: of these resource types; None for all.
    """
    wanted = None if types is None else list(types)
    # xid8 has no cast to or from bigint, and psycopg no type for it: both go through text.
    rows = await connection.execute(
        "SELECT c.xid::text::bigint, c.sequence, r.type, r.id, c.version, c.deleted FROM change c "
        "JOIN resource r ON r.key = c.resource "
        # Sequences are drawn before commits: without the bound of the snapshot a reader would step
        # over a change that commits late.
        "WHERE (c.xid, c.sequence) > (%s::text::xid8, %s) AND c.xid < pg_snapshot_xmin(pg_current_snapshot()) "
        # One statement for all and for some types; NULL is tested first, so that
        # ANY(NULL) never hides everything.
        "AND (%s::text[] IS NULL OR r.type = ANY(%s)) ORDER BY c.xid, c.sequence LIMIT %s",
        (str(after[0]), after[1], wanted, wanted, limit),
    )
    return [Change(*row) for row in await rows.fetchall()]


async def read_audit_changes(connection: AsyncConnection, after: Place, limit: int) -> list[Change]:
    """The AuditEvents after a place, in the same order and below the same bound; each is a change of version 1.

    Places are those of the feed they were in before they had a table of their own (migration 0012). A row that is
    served as several has one place: they come together.
    """
    rows = await connection.execute(
        "SELECT c.xid::text::bigint, c.sequence, 'AuditEvent', coalesce(c.id, c.key::text) || "
        "CASE WHEN i.part > 0 THEN '.' || i.part ELSE '' END, 1, false FROM ("
        "SELECT a.xid, a.sequence, a.key, a.recorded, a.id FROM audit a "
        "WHERE (a.xid, a.sequence) > (%s::text::xid8, %s) AND a.xid < pg_snapshot_xmin(pg_current_snapshot()) "
        "ORDER BY a.xid, a.sequence LIMIT %s) c "
        "JOIN audit_index i ON i.recorded = c.recorded AND i.key = c.key AND i.head ORDER BY c.xid, c.sequence, i.part",
        (str(after[0]), after[1], limit),
    )
    return [Change(*row) for row in await rows.fetchall()]


async def end_of_feed(connection: AsyncConnection) -> Place:
    """The place behind everything that `read_changes` gives at present."""
    cursor = await connection.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1")
    row = await cursor.fetchone()
    assert row is not None
    return row[0], LAST
