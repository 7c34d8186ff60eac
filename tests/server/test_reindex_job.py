"""`reindex` is a job: one process does it, others watch, and what an interrupted one leaves is finished."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from fhir_bridge.server import background
from fhir_bridge.server.background import JobFailed, handlers, reindex_now, work_on_jobs
from fhir_bridge.storage import Store
from fhir_bridge.storage.jobs import Jobs
from tests.patience import PATIENCE
from tests.server.conftest import observation, patient
from tests.storage.cohort import with_store


async def fill(store: Store) -> None:
    await store.load([patient("anna", "Alpha"), *(observation(f"o{number}", "anna") for number in range(20))])


async def states(store: Store) -> list[tuple[str, int]]:
    async with store.connection() as connection:
        rows = await connection.execute("SELECT state, attempts FROM job WHERE kind = 'reindex' ORDER BY key")
        return [(row[0], row[1]) for row in await rows.fetchall()]


def test_two_at_a_time_are_one_run(fresh_database_url: str) -> None:
    async def connected(store: Store) -> None:
        async with store.pool.connection() as connection:
            await connection.execute("SELECT pg_sleep(0.1)")

    async def work(store: Store) -> None:
        await fill(store)
        # Connections are there, so that one is not done before the other has opened its first.
        await asyncio.gather(*(connected(store) for _ in range(4)))
        assert await asyncio.gather(
            reindex_now(store, lambda _: None), reindex_now(store, lambda _: None)
        ) == [21, 21]
        assert await states(store) == [("done", 1)]

    with_store(fresh_database_url, work)


def test_what_was_interrupted_a_background_worker_finishes(fresh_database_url: str) -> None:
    async def work(store: Store) -> None:
        await fill(store)
        lost = Jobs(store.pool, "lost")
        key = await lost.add("reindex", {}, queue=1, dedupe="reindex")
        assert await lost.lease(["reindex"], lease=timedelta(seconds=-1))
        stopped = asyncio.Event()
        worker = asyncio.create_task(work_on_jobs(store, handlers(None), stopped))
        async with asyncio.timeout(PATIENCE):
            while (await lost.state(key))[0] != "done":
                await asyncio.sleep(0.02)
        stopped.set()
        await worker
        assert (await lost.state(key))[1] == {"indexed": 21}

    with_store(fresh_database_url, work)


def test_one_that_waits_shows_the_progress_and_the_failure_of_the_other(
    fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "IDLE_SECONDS", 0.02)

    async def work(store: Store) -> None:
        other = Jobs(store.pool, "other")
        await other.add("reindex", {}, queue=1, dedupe="reindex")
        job = await other.lease(["reindex"])
        assert job is not None
        seen: list[int] = []
        waiting = asyncio.create_task(reindex_now(store, seen.append))
        async with asyncio.timeout(PATIENCE):
            while not seen:
                await asyncio.sleep(0.02)
        assert await other.fail(job, "DiskFull")
        with pytest.raises(JobFailed, match="DiskFull"):
            await waiting

    with_store(fresh_database_url, work)
