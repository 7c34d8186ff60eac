"""What is set on each connection to the database, and how one is looked at before it is used."""

from __future__ import annotations

import asyncio
import select
from collections import deque
from contextlib import suppress
from typing import Any

from psycopg import AsyncConnection
from psycopg.errors import InvalidParameterValue
from psycopg_pool import AsyncConnectionPool

from fhir_bridge.storage.contents import know_contents
from fhir_bridge.storage.migration import is_current, upgrade
from fhir_bridge.storage.row_arrays import know_row_types

__all__ = ["Connector", "IdleConnections", "check_alive", "configure", "connect_migrated"]

CLIENT_CHECK_MS = 2000
"""How often the database looks whether the client of a running statement is still there."""


class IdleConnections(deque[AsyncConnection]):
    """The idle connections of a pool, of which the last that was given back is taken first: what its process of the
    database knows, plans among it, is then still in the processor's memory, where of ten in turn nothing is.
    """

    popleft = deque.pop


class Connector:
    """Where a pool gets its connections from, in place of their class: the first is one that is there already."""

    def __init__(self, first: AsyncConnection | None) -> None:
        self._first = first

    @staticmethod
    async def new(url: str, **options: Any) -> AsyncConnection:
        """A connection as those of a pool are.

        Raises:
            psycopg.Error: the database can't be reached.
        """
        # prepare_threshold 2: the same statements come again all the time. Autocommit: a statement alone needs no
        # BEGIN and COMMIT, each of which is a round trip.
        return await AsyncConnection.connect(url, prepare_threshold=2, autocommit=True, **options)

    async def connect(self, url: str, **options: Any) -> AsyncConnection:
        """The first, or a new one; called by the pool."""
        first, self._first = self._first, None
        return first or await self.new(url, **options)


async def connect_migrated(url: str) -> AsyncConnection | None:
    """Bring the schema up to date where it is behind; the connection that saw that it is not.

    Raises:
        SchemaAhead: the database belongs to a newer program.
        psycopg.Error: it can't be reached.
    """
    connection = await Connector.new(url)
    try:
        if await is_current(connection):
            return connection
    except BaseException:
        await connection.close()
        raise
    await connection.close()
    await asyncio.to_thread(upgrade, url)
    return None


async def configure(connection: AsyncConnection, statement_seconds: float | None) -> None:
    """Set what holds for all statements of a new connection."""
    know_contents(connection)
    await know_row_types(connection)
    # `lastUpdated` is written with `Z` by way of UTC, and times as text are in cursors: both depend on it.
    await connection.execute("SET TimeZone = 'UTC'")
    # A request to cancel can reach the database before the statement does, and is lost then; the driver gives the
    # connection up after 5 s. A server that can't look after its clients (no Linux) says so: it has the time-out only.
    with suppress(InvalidParameterValue):
        await connection.execute(f"SET client_connection_check_interval = {CLIENT_CHECK_MS}".encode())
    if statement_seconds is not None:
        # After the request's own limit (docs/limits.md): a cancel that was lost
        # ends the statement all the same.
        await connection.execute(f"SET statement_timeout = {int(statement_seconds * 1000):d}".encode())
    # Of a page a merge would read both sides from their beginning to where the page is; a look-up of each does not.
    await connection.execute("SET enable_mergejoin = off")
    # Statements vary with the parameters of a search: psycopg's default of 100 would
    # prepare and forget all the time.
    connection.prepared_max = 500


async def check_alive(connection: AsyncConnection) -> None:
    """Refuse a connection that ended while nobody used it: the database was started anew.

    Raises:
        OperationalError: it is over; the pool gives another one.
    """
    # Of one that waits the database has nothing to say but farewell: a look at the socket costs no round trip.
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    if waiting.poll(0):
        await AsyncConnectionPool.check_connection(connection)
