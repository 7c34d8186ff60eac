"""Jobs, one after another, by the background worker: leased rows; what a lost worker leaves another takes over."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from fhir_bridge.pipeline.instances import COMPOSE_JOB
from fhir_bridge.server.leasing import LEASE, heartbeat, pause
from fhir_bridge.storage.currency import PREDICT_JOB
from fhir_bridge.storage.jobs import Job, Jobs

if TYPE_CHECKING:
    from fhir_bridge.storage import Store

__all__ = ["Handler", "JobFailed", "handlers", "reindex_now", "work_on_jobs"]

Handler = Callable[["Store", dict[str, Any]], Awaitable[dict[str, Any]]]
"""Does a job by its payload, and returns its result. What it raises fails the job, which is tried again."""

IDLE_SECONDS = 1.0
REINDEX_JOB = "reindex"
RETRIES = 5

_NEVER_GIVEN_UP = (f"{PREDICT_JOB}/", COMPOSE_JOB)

_log = logging.getLogger("fhir_bridge.worker")


def handlers(site: str | None) -> dict[str, Handler]:
    """The kinds of jobs that there are, each with who does it.

    Args:
        site: path of the site file.
    """
    from fhir_bridge.predictions.recompute import job_kinds, recompute

    async def predict(store: Store, payload: dict[str, Any]) -> dict[str, Any]:
        return await recompute(store, payload, site)

    return {**dict.fromkeys(job_kinds(site), predict), REINDEX_JOB: _reindexing()}


def _reindexing(on_progress: Callable[[int], object] | None = None) -> Handler:
    async def reindex(store: Store, _: dict[str, Any]) -> dict[str, Any]:
        return {"indexed": await store.reindex(on_progress)}

    return reindex


async def reindex_now(store: Store, on_progress: Callable[[int], object]) -> int:
    """Create the index anew as a job: by this process, or by the one that is at it already, whose progress is shown.

    What this process leaves when it is interrupted, a background worker or the next call finishes.

    Returns:
        how many resources were indexed.

    Raises:
        JobFailed: the process that was at it could not finish.
    """
    # A name nobody has, so that two processes with one pid (containers) don't take
    # each other's leases for their own.
    jobs = Jobs(store.pool, f"reindex-{os.getpid()}-{secrets.token_hex(4)}")
    # Any queue but 0: two reindexings must not run at once.
    key = await jobs.join(REINDEX_JOB, queue=1)
    while True:
        # The job may be in another process's hands: then only its progress is shown,
        # until it ends or its lease lapses.
        job = await jobs.lease([REINDEX_JOB], lease=LEASE)
        if job is not None:
            await _do(store, jobs, job, _reindexing(on_progress))
        state, result = await jobs.state(key)
        if state == "done":
            return int(result["indexed"])
        if state == "failed":
            raise JobFailed(result["reason"])
        on_progress(await store.reindexed())
        await asyncio.sleep(IDLE_SECONDS)


class JobFailed(Exception):
    """A job could not be done; the message is the kind of the error."""


async def work_on_jobs(store: Store, kinds: Mapping[str, Handler], stopped: asyncio.Event) -> None:
    """Do jobs until `stopped`; what is being done then is finished."""
    jobs = Jobs(store.pool, f"worker-{os.getpid()}-{secrets.token_hex(4)}")
    while not stopped.is_set():
        try:
            job = await jobs.lease(list(kinds), lease=LEASE)
            if job is not None:
                await _do(store, jobs, job, kinds[job.kind])
                continue
        except Exception as error:  # noqa: BLE001 - the database is away, in one of many ways: it comes back
            _log.warning("jobs wait: the database does not answer (%s)", type(error).__name__)
        await pause(stopped, IDLE_SECONDS)


async def _do(store: Store, jobs: Jobs, job: Job, handler: Handler) -> None:
    """Do one, with a heartbeat: a job that takes longer than its lease is not done twice."""
    try:
        async with heartbeat(lambda: jobs.renew(job, lease=LEASE)):
            result = await handler(store, job.payload)
    except Exception as error:  # noqa: BLE001 - whatever a handler raises fails its job and no other
        # A prediction stays outdated until it is computed, and what was received is acknowledged: never given up.
        kept = job.attempts < RETRIES or job.kind.startswith(_NEVER_GIVEN_UP)
        # Doubling up to ten minutes; 2^10 is beyond that anyway.
        retry = timedelta(seconds=min(600, 2 ** min(job.attempts, 10))) if kept else None
        # The type alone: a message may hold a value of a record.
        await jobs.fail(job, type(error).__name__, retry_after=retry)
        _log.warning("job %s (%s) failed: %s", job.key, job.kind, type(error).__name__)
    else:
        await jobs.finish(job, result)
