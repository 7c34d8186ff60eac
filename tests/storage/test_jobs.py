"""Jobs are done once, in order within a queue, and survive their worker."""

from __future__ import annotations

from datetime import timedelta

from fhir_bridge.storage import Store
from fhir_bridge.storage.jobs import Jobs
from tests.storage.cohort import with_store


def test_a_job_is_leased_once_and_taken_over_when_its_lease_lapses(fresh_database_url: str) -> None:
    async def work(store: Store) -> None:
        one, two = Jobs(store.pool, "one"), Jobs(store.pool, "two")
        await one.add("predict", {"patient": "anna"})
        job = await one.lease(["predict"], lease=timedelta(seconds=-1))  # lapses at once
        assert job is not None
        assert await one.renew(job, lease=timedelta(seconds=-1))
        again = await two.lease(["predict"])
        assert again is not None
        assert (again.key, again.attempts, again.payload) == (job.key, 2, {"patient": "anna"})
        assert await one.lease(["predict"]) is None
        assert not await one.finish(job)
        assert await two.fail(again, "no such patient", retry_after=timedelta())
        third = await one.lease(["predict"])
        assert third is not None
        assert await one.finish(third, {"written": 1})
        assert await one.lease(["predict"]) is None

    with_store(fresh_database_url, work)


def test_jobs_of_one_queue_keep_their_order(fresh_database_url: str) -> None:
    async def work(store: Store) -> None:
        jobs = Jobs(store.pool, "one")
        first = await jobs.add("index", {}, queue=5)
        await jobs.add("index", {}, queue=5)
        other = await jobs.add("index", {}, queue=6)
        later = await jobs.add("index", {}, delay=timedelta(hours=1))
        leased = [await jobs.lease(["index"]) for _ in range(3)]
        assert [job.key if job else None for job in leased] == [first, other, None]
        assert leased[0] is not None
        await jobs.fail(leased[0], "broken")
        second = await jobs.lease(["index"])
        assert second is not None
        assert first < second.key < later
        assert await jobs.lease(["something else"]) is None

    with_store(fresh_database_url, work)


def test_of_jobs_that_do_the_same_one_waits(fresh_database_url: str) -> None:
    async def work(store: Store) -> None:
        jobs, other = Jobs(store.pool, "one"), Jobs(store.pool, "two")
        first = await jobs.add("predict", {}, dedupe="score2 of anna")
        assert await jobs.add("predict", {}, dedupe="score2 of anna") == first
        job = await jobs.lease(["predict"])
        assert job is not None
        second = await other.add("predict", {}, dedupe="score2 of anna")  # what came after the work began
        assert second != first
        assert await jobs.fail(job, "no", retry_after=timedelta())  # the one that waits is the retry
        leased = await jobs.lease(["predict"])
        assert leased is not None
        assert leased.key == second
        assert await jobs.lease(["predict"]) is None

    with_store(fresh_database_url, work)


def test_who_does_the_work_anyway_takes_the_jobs_that_wait_and_those_alone(fresh_database_url: str) -> None:
    async def work(store: Store) -> None:
        jobs, other = Jobs(store.pool, "one"), Jobs(store.pool, "two")
        later = await jobs.add("predict", {}, dedupe="a", delay=timedelta(hours=1))
        await jobs.add("predict", {}, dedupe="b")
        leased = await other.lease(["predict"])
        assert leased is not None
        taken = await jobs.lease_waiting(["a", "b", "c"])
        assert taken == {later: "a"}
        after = await other.add("predict", {}, dedupe="a")
        await jobs.finish_all([*taken, leased.key])
        assert await other.finish(leased)
        assert await jobs.lease_waiting(["a"]) == {after: "a"}
        await jobs.purge(timedelta())
        async with store.connection() as connection:
            row = await (await connection.execute("SELECT array_agg(key) FROM job")).fetchone()
        assert row == ([after],)

    with_store(fresh_database_url, work)
