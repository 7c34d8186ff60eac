"""Internal keys of resources: of those that changed, and of those that are named."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from psycopg import AsyncConnection

__all__ = ["changed_since", "keys_of"]


async def changed_since(connection: AsyncConnection, types: Collection[str], since: datetime) -> list[int]:
    """Internal keys of the resources of these types that changed."""
    rows = await connection.execute(
        "SELECT key FROM resource WHERE type = ANY(%s) AND last_updated >= %s", (list(types), since)
    )
    return [row[0] for row in await rows.fetchall()]


async def keys_of(connection: AsyncConnection, names: Collection[tuple[str, str]]) -> list[int]:
    """Internal keys of resources (type, id)."""
    rows = await connection.execute(
        "SELECT r.key FROM resource r JOIN unnest(%s::text[], %s::text[]) AS n (type, id) "
        "ON n.type = r.type AND n.id = r.id",
        ([name[0] for name in names], [name[1] for name in names]),
    )
    return [row[0] for row in await rows.fetchall()]
