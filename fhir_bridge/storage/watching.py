"""Which resources of some types were written since one last looked: exactly, however the transactions overlap.

A snapshot of the database says which transactions had been committed. What is visible now and was not then is what was
written in between; a transaction that ran on then and has been committed since is among it, and none is reported twice.
Nothing grows while another transaction stays open, as the change feed's safe place does.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import AsyncConnection

__all__ = ["written_since"]

# Two halves: transactions that began after the snapshot, and those that ran then and have ended since. Each is
# a range or a list on the primary key of `change`.
_WRITTEN = """
SELECT pg_current_snapshot()::text, ARRAY(
    SELECT r.type || '/' || r.id FROM change c JOIN resource r ON r.key = c.resource
    WHERE c.xid >= pg_snapshot_xmax(%(since)s::pg_snapshot) AND r.type = ANY(%(types)s)
    UNION
    SELECT r.type || '/' || r.id FROM pg_snapshot_xip(%(since)s::pg_snapshot) AS running(xid)
    JOIN change c ON c.xid = running.xid JOIN resource r ON r.key = c.resource WHERE r.type = ANY(%(types)s)
)
"""


async def written_since(
    connection: AsyncConnection, since: str | None, types: Sequence[str]
) -> tuple[str, list[str]]:
    """The present snapshot, and the resources (`Type/id`) written or deleted since an earlier one.

    Args:
        since: a snapshot that this function gave; None asks for the present one alone.
    """
    if since is None:
        cursor = await connection.execute("SELECT pg_current_snapshot()::text, ARRAY[]::text[]")
    else:
        cursor = await connection.execute(_WRITTEN, {"since": since, "types": list(types)})
    row = await cursor.fetchone()
    assert row is not None
    return row[0], row[1]
