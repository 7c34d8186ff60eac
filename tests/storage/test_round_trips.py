"""Statements that share a round trip: errors, cancellations and lost connections are those of the callers concerned."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool

from fhir_bridge.storage.conditions import Condition
from fhir_bridge.storage.round_trips import Prepared, RoundTrips, prepared_of
from tests.patience import PATIENCE

Pool = AsyncConnectionPool[psycopg.AsyncConnection]


class _Trips:
    """Round trips, and the statements that the tests send."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.trips = RoundTrips(pool)
        self._prepared: dict[str, Prepared] = {}

    async def ask(self, text: str, value: str = "", **more: Any) -> list[Any]:
        if text not in self._prepared:
            self._prepared[text], _ = prepared_of(Condition(text, (value,)))
        return await self.trips.rows(self._prepared[text], (value.encode(),), **more)


def _with_trips(url: str, work: Any, size: int = 3) -> None:
    async def run() -> None:
        async with AsyncConnectionPool(
            url, min_size=1, max_size=size, open=False, kwargs={"autocommit": True}
        ) as pool:
            await asyncio.wait_for(work(_Trips(pool)), PATIENCE)

    asyncio.run(run())


TEXT = "SELECT %s::text, 1 WHERE TRUE"
NUMBER = "SELECT %s::text::int"
PROCESS = "SELECT %s::text, pg_backend_pid()"
SLEEP = "SELECT %s::text, pg_sleep(600)"


def test_an_error_is_that_of_its_caller_alone(database_url: str) -> None:
    async def work(trips: _Trips) -> None:
        for _ in range(3):
            answers = await asyncio.gather(
                *(trips.ask(NUMBER, "x" if number % 3 == 1 else str(number)) for number in range(40)),
                return_exceptions=True,
            )
            for number, answer in enumerate(answers):
                if number % 3 == 1:
                    assert isinstance(answer, psycopg.errors.InvalidTextRepresentation)
                else:
                    assert answer == [(number,)]
        with pytest.raises(psycopg.errors.UndefinedTable):
            await trips.ask("SELECT %s::text FROM there_is_none")
        assert await trips.ask(TEXT, "ä") == [("ä", 1)]

    _with_trips(database_url, work)


def test_what_comes_together_goes_together(database_url: str) -> None:
    async def work(trips: _Trips) -> None:
        answers = await asyncio.gather(*(trips.ask(PROCESS, str(number)) for number in range(12)))
        assert [rows[0][0] for rows in answers] == [str(number) for number in range(12)]
        assert len({rows[0][1] for rows in answers}) == 1

    _with_trips(database_url, work)


def test_statements_that_the_driver_deallocated_are_prepared_again(database_url: str) -> None:
    async def work(trips: _Trips) -> None:
        for _ in range(3):
            assert await asyncio.gather(trips.ask(TEXT, "a"), trips.ask(NUMBER, "2")) == [[("a", 1)], [(2,)]]
            async with trips.pool.connection() as connection:
                await connection.execute("DEALLOCATE ALL")

    _with_trips(database_url, work, size=1)


def test_a_connection_that_ends_is_replaced(database_url: str) -> None:
    async def work(trips: _Trips) -> None:
        ((_, process),) = await trips.ask(PROCESS, "a")
        waiting = asyncio.create_task(trips.ask(SLEEP, "a"))
        beside = asyncio.create_task(trips.ask(TEXT, "b"))
        with psycopg.connect(database_url, autocommit=True) as other:
            while True:
                row = other.execute(
                    "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
                ).fetchone()
                if row is not None:
                    break
                await asyncio.sleep(0.02)
            other.execute("SELECT pg_terminate_backend(%s)", (process,))
        for task in (waiting, beside):
            await asyncio.wait([task])
            # The one beside it may have its answer already: they came in one piece, or not.
            assert task is beside or isinstance(task.exception(), psycopg.OperationalError)
        assert await trips.ask(TEXT, "c") == [("c", 1)]

    _with_trips(database_url, work, size=1)


def test_nobody_waits_any_more_and_the_statement_ends(database_url: str) -> None:
    sleeping = (
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
    )

    async def work(trips: _Trips) -> None:
        with psycopg.connect(database_url, autocommit=True) as other:

            async def number(expected: int) -> None:
                while other.execute(sleeping).fetchone() != (expected,):
                    await asyncio.sleep(0.02)

            first, second = (asyncio.create_task(trips.ask(SLEEP, name)) for name in "ab")
            await number(1)
            first.cancel()
            await asyncio.sleep(0.1)
            await number(1)  # somebody waits still
            second.cancel()
            await number(0)
        assert await trips.ask(TEXT, "c") == [("c", 1)]

    _with_trips(database_url, work)


def test_a_trip_that_takes_long_keeps_what_comes_later_waiting_for_a_moment_only(database_url: str) -> None:
    async def work(trips: _Trips) -> None:
        slow = asyncio.create_task(trips.ask(SLEEP, "a"))
        await asyncio.sleep(0.1)
        assert await trips.ask(TEXT, "b") == [("b", 1)]
        assert await asyncio.gather(*(trips.ask(NUMBER, str(number)) for number in range(50))) == [
            [(number,)] for number in range(50)
        ]
        slow.cancel()
        await asyncio.wait([slow])

    _with_trips(database_url, work)


def test_a_slow_group_keeps_no_other_waiting(database_url: str) -> None:
    async def work(trips: _Trips) -> None:
        slow = [asyncio.create_task(trips.ask(SLEEP, str(number), group="slow")) for number in range(40)]
        await asyncio.sleep(0.1)
        assert await trips.ask(TEXT, "c", group="other") == [("c", 1)]
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)

    _with_trips(database_url, work)
