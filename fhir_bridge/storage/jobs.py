"""Work for the background worker: leased rows. A lease that is not renewed lapses, and another worker takes the job."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
from psycopg import AsyncConnection
from psycopg.errors import UniqueViolation
from psycopg_pool import AsyncConnectionPool

__all__ = ["Job", "Jobs", "add_job"]


@dataclass(frozen=True, slots=True)
class Job:
    """A leased job. attempts: how often it was leased, this time included."""

    key: int
    kind: str
    payload: dict[str, Any]
    attempts: int


async def add_job(
    connection: AsyncConnection,
    kind: str,
    payload: dict[str, Any],
    *,
    queue: int = 0,
    delay: timedelta | None = None,
    dedupe: str | None = None,
) -> int:
    """Add a job on a connection, within its transaction where it has one; see `Jobs.add`."""
    # DO UPDATE without a change locks the row and returns its key; DO NOTHING would return nothing. The
    # WHERE repeats the predicate of the partial index, by which alone it can be the arbiter.
    rows = await connection.execute(
        "INSERT INTO job (kind, queue, payload, not_before, dedupe) VALUES (%s, %s, %s::jsonb, now() + %s, %s) "
        "ON CONFLICT (dedupe) WHERE state = 'ready' DO UPDATE SET not_before = job.not_before RETURNING key",
        (kind, queue, orjson.dumps(payload).decode(), delay or timedelta(), dedupe),
    )
    row = await rows.fetchone()
    if row is None:
        raise AssertionError("INSERT … RETURNING gives a row")
    return int(row[0])


class Jobs:
    """The queue. Times are the database's."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection], worker: str) -> None:
        """`worker` names the leaseholder; no two may share a name."""
        self._pool = pool
        self._worker = worker

    async def add(
        self,
        kind: str,
        payload: dict[str, Any],
        *,
        queue: int = 0,
        delay: timedelta | None = None,
        dedupe: str | None = None,
    ) -> int:
        """Add a job.

        Args:
            queue: jobs of one kind and queue (a hash of the patient) are done one at a time, in order; 0: any order.
            delay: not before this has passed.
            dedupe: where a job of the same still waits, that one is returned and none is added.
        """
        async with self._pool.connection() as connection:
            return await add_job(connection, kind, payload, queue=queue, delay=delay, dedupe=dedupe)

    async def lease(self, kinds: Sequence[str], *, lease: timedelta = timedelta(minutes=1)) -> Job | None:
        """Take the oldest job that is ready, or whose lease lapsed; None where there is none."""
        async with self._pool.connection() as connection:
            # The oldest of its queue only: a job whose elder is being done or waits for
            # another try is not taken before it.
            rows = await connection.execute(
                "UPDATE job SET state = 'leased', attempts = attempts + 1, leased_by = %s, leased_until = now() + %s "
                "WHERE key = (SELECT j.key FROM job j WHERE j.kind = ANY(%s) AND j.not_before <= now() "
                "AND (j.state = 'ready' OR (j.state = 'leased' AND j.leased_until < now())) "
                "AND (j.queue = 0 OR NOT EXISTS (SELECT FROM job o WHERE o.kind = j.kind AND o.queue = j.queue "
                "AND o.key < j.key AND o.state IN ('ready', 'leased'))) "
                # SKIP LOCKED: workers that lease at the same time take different jobs in
                # place of waiting for each other.
                "ORDER BY j.key LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING key, kind, payload::text, attempts",
                (self._worker, lease, list(kinds)),
            )
            row = await rows.fetchone()
        # As text, parsed by orjson: psycopg would load jsonb with the slower parser of the standard library.
        return None if row is None else Job(row[0], row[1], orjson.loads(row[2]), row[3])

    async def lease_waiting(
        self, dedupes: Sequence[str], *, lease: timedelta = timedelta(minutes=10)
    ) -> dict[int, str]:
        """Take those of these jobs that wait, ready or not, for who does their work anyway; `finish_all` ends them.

        Returns:
            Key of each that was taken, and its `dedupe`.
        """
        async with self._pool.connection() as connection:
            # Not those being done: their worker finishes them.
            rows = await connection.execute(
                "UPDATE job SET state = 'leased', attempts = attempts + 1, leased_by = %s, leased_until = now() + %s "
                "WHERE key IN (SELECT key FROM job WHERE dedupe = ANY(%s) AND state = 'ready' "
                "FOR UPDATE SKIP LOCKED) RETURNING key, dedupe",
                (self._worker, lease, list(dedupes)),
            )
            return dict(await rows.fetchall())

    async def finish_all(self, keys: Iterable[int]) -> None:
        """The jobs are done, those that are still ours."""
        keys = list(keys)
        if not keys:
            return
        async with self._pool.connection() as connection:
            await connection.execute(
                "UPDATE job SET state = 'done', finished = now() "
                "WHERE key = ANY(%s) AND state = 'leased' AND leased_by = %s",
                (keys, self._worker),
            )

    async def purge(self, older: timedelta = timedelta(days=7)) -> None:
        """Forget the jobs that ended so long ago."""
        async with self._pool.connection() as connection:
            await connection.execute(
                "DELETE FROM job WHERE state IN ('done', 'failed') AND finished < now() - %s", (older,)
            )

    async def join(self, kind: str, *, queue: int) -> int:
        """The oldest job of a kind that waits or is being done, or a new one; all who ask at once get the same."""
        async with self._pool.connection() as connection, connection.transaction():
            # Else one could be added between the look of another and what that one adds.
            await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 11))", (kind,))
            rows = await connection.execute(
                "SELECT min(key) FROM job WHERE kind = %s AND state IN ('ready', 'leased')", (kind,)
            )
            row = await rows.fetchone()
            if row is not None and row[0] is not None:
                return int(row[0])
            return await add_job(connection, kind, {}, queue=queue, dedupe=kind)

    async def state(self, key: int) -> tuple[str, dict[str, Any]]:
        """`ready`, `leased`, `done` or `failed`, and the result: of a failure, its `reason`.

        Raises:
            KeyError: there is no such job, or it was purged.
        """
        async with self._pool.connection() as connection:
            rows = await connection.execute("SELECT state, result::text FROM job WHERE key = %s", (key,))
            row = await rows.fetchone()
        if row is None:
            raise KeyError(key)
        # A job that ended without a result has the JSON null.
        return row[0], orjson.loads(row[1] or b"{}") or {}

    async def renew(self, job: Job, *, lease: timedelta = timedelta(minutes=1)) -> bool:
        """The heartbeat; False where the lease lapsed and another worker has the job."""
        return await self._own(job, "leased_until = now() + %s", lease)

    async def finish(self, job: Job, result: dict[str, Any] | None = None) -> bool:
        """The job is done; False where it is not ours any more."""
        text = orjson.dumps(result).decode()
        return await self._own(job, "state = 'done', finished = now(), result = %s::jsonb", text)

    async def fail(self, job: Job, reason: str, *, retry_after: timedelta | None = None) -> bool:
        """The job went wrong: try again after a time, or never. Where another of its dedupe waits, that one is it."""
        text = orjson.dumps({"reason": reason}).decode()
        if retry_after is not None:
            # Ready again while another of its dedupe waits breaks the partial unique index (migration 0005):
            # that one does the work, and this one ends as failed.
            change = "state = 'ready', result = %s::jsonb, not_before = now() + %s"
            try:
                return await self._own(job, change, text, retry_after)
            except UniqueViolation:
                pass
        return await self._own(job, "state = 'failed', finished = now(), result = %s::jsonb", text)

    async def _own(self, job: Job, change: str, *values: Any) -> bool:
        # `attempts` is the fence: the same worker may have leased the job anew after its lease lapsed.
        statement = f"UPDATE job SET {change} WHERE key = %s AND state = 'leased' AND leased_by = %s AND attempts = %s"  # noqa: S608
        async with self._pool.connection() as connection:
            done = await connection.execute(
                statement.encode(), (*values, job.key, self._worker, job.attempts)
            )
            return done.rowcount == 1
