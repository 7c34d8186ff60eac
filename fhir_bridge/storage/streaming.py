"""All current resources of a type that a caller may see, as one consistent picture, in pages of bounded size."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from psycopg import AsyncConnection, AsyncServerCursor
from psycopg_pool import AsyncConnectionPool

from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.storage.conditions import all_of, live
from fhir_bridge.storage.dictionaries import Dictionaries
from fhir_bridge.storage.permission import compile_access, require
from fhir_bridge.storage.stored import Stored

__all__ = ["stream_type"]


async def stream_type(
    pool: AsyncConnectionPool[AsyncConnection],
    dictionaries: Dictionaries,
    resource_type: str,
    access: AccessFilter,
    *,
    page: int,
) -> AsyncGenerator[list[Stored], None]:
    """See `Store.stream`. One statement behind a cursor: what is written meanwhile is not seen."""
    require(access, resource_type, "s")
    where = all_of([await compile_access(access, resource_type, "s", dictionaries), live(resource_type)])
    # By key, the order of creation: the index on (type, key) gives it without sorting, so
    # that the first page comes at once.
    statement = (
        "SELECT r.type, r.id, r.version, r.last_updated, r.bytes FROM resource r "  # noqa: S608
        f"WHERE {where.text} ORDER BY r.key"
    )
    # A cursor exists within a transaction only. READ COMMITTED is enough: one statement has one snapshot.
    async with pool.connection() as connection, connection.transaction():
        await connection.execute("SET TRANSACTION READ ONLY")
        async with AsyncServerCursor(connection, "resources_of_a_type") as cursor:
            await cursor.execute(statement.encode(), where.values, binary=True)
            while rows := await cursor.fetchmany(page):
                yield [Stored(*row) for row in rows]
