"""What a lost connection had begun ends in the database; nothing there runs on for nobody."""

from __future__ import annotations

import asyncio
import time

import psycopg

from fhir_bridge.storage import Store

WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


def test_a_statement_whose_client_is_gone_does_not_go_on_waiting(database_url: str) -> None:
    """As where a request to cancel was lost: the driver closes the connection without the database's consent."""

    async def lose() -> None:
        async with await Store.open(database_url) as store:
            connection = await store.pool.getconn()
            task = asyncio.create_task(connection.execute("SELECT 1 FROM string LIMIT 1"))
            await until(1)
            connection.pgconn.finish()
            await asyncio.wait([task])
            assert isinstance(task.exception(), psycopg.OperationalError)
            await store.pool.putconn(connection)
            await until(0)

    async def until(expected: int) -> None:
        end = time.monotonic() + 60
        while watcher.execute(WAITING).fetchone() != (expected,):
            assert time.monotonic() < end
            await asyncio.sleep(0.05)

    asyncio.run(open_once(database_url))
    with psycopg.connect(database_url, autocommit=True) as watcher, psycopg.connect(database_url) as holder:
        holder.execute("LOCK TABLE string IN ACCESS EXCLUSIVE MODE")
        asyncio.run(lose())
        holder.rollback()


async def open_once(url: str) -> None:
    async with await Store.open(url):
        pass
