"""Doing a `$predict` of many: results are stored as they come; the file at the end names them all.

Whoever goes on with it after a crash begins anew: what was stored is found unchanged.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.predictions import PredictionError, PredictionRun, find_predictor
from fhir_bridge.predictions.site import site_settings
from fhir_bridge.server.rest.group_members import for_groups, members
from fhir_bridge.storage.blobs import Blobs
from fhir_bridge.storage.bulk import BulkJob, BulkJobs, Lost, unpacked
from fhir_bridge.storage.errors import Gone, NotFound, StorageError

if TYPE_CHECKING:
    from fhir_bridge.server.background import Handler
    from fhir_bridge.storage import Store

__all__ = ["predict_handler"]

CHUNK: Final = 50
WATCH_SECONDS: Final = 1.0
"""How often it is looked whether somebody still waits: a model that hangs takes long for each patient."""


def predict_handler(blobs: Blobs, site: str | None) -> Handler:
    """Who does a job `bulk-predict`."""

    async def predict(store: Store, payload: dict[str, Any]) -> dict[str, Any]:
        jobs = BulkJobs(store.pool, blobs)
        job = await jobs.read(payload["id"])
        if job is None or job.state != "running":
            return {}
        with suppress(Lost):
            try:
                async with _while_wanted(jobs, job):
                    await _run(store, jobs, blobs, job, site)
            except PredictionError as error:
                await jobs.fail(job.id, f"{error} ({error.code})")
            except (NotFound, Gone):
                await jobs.fail(job.id, "the Group is not there any more")
        return {}

    return predict


@asynccontextmanager
async def _while_wanted(jobs: BulkJobs, job: BulkJob) -> AsyncIterator[None]:
    """End the block, wherever it is, when the job was cancelled.

    Raises:
        Lost: it was.
    """
    task = asyncio.current_task()
    assert task is not None
    cancelled = False

    async def watch() -> None:
        nonlocal cancelled
        while await jobs.running(job):
            await asyncio.sleep(WATCH_SECONDS)
        cancelled = True
        task.cancel()

    watching = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        if not cancelled:
            raise
        task.uncancel()
        raise Lost from None
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def _run(store: Store, jobs: BulkJobs, blobs: Blobs, job: BulkJob, site: str | None) -> None:
    settings, key = site_settings(site)
    access = unpacked(job.payload["access"])
    predictor = find_predictor(job.payload["predictor"], settings.parameters)
    run = PredictionRun(predictor, settings.parameters, key, store)
    patients = await _patients(store, job, access)
    done: list[str] = []
    outcomes: dict[str, int] = {}
    job = await jobs.advance(job, {"said": f"0 of {len(patients)} patients"})
    async with blobs.writing() as writer:
        for start in range(0, len(patients), CHUNK):
            async for item in run.for_patients(patients[start : start + CHUNK], access):
                outcomes[item.outcome] = outcomes.get(item.outcome, 0) + 1
                if item.observation_id:
                    with suppress(StorageError):  # what this caller may not read
                        stored = await store.read("Observation", item.observation_id, access)
                        await writer.write(stored.bytes + b"\n")
                        done.append(item.patient_id)
            counts = ", ".join(f"{count} {name}" for name, count in sorted(outcomes.items()))
            text = f"{min(start + CHUNK, len(patients))} of {len(patients)} patients: {counts}"
            job = await jobs.advance(job, {"said": text})
        files = [("output", "Observation", writer, len(done), done)] if done else []
        await jobs.advance(job, job.progress, *files, done=True)  # type: ignore[arg-type]


async def _patients(store: Store, job: BulkJob, access: AccessFilter) -> list[str]:
    """Those who are there for this caller; a record merged into another one is left to that one."""
    if job.payload["group"]:
        wanted = await members(store, job.payload["group"], for_groups(access))
        known = await store.exports.patients(wanted, access)
        return [name for name in wanted if name in known]
    result: list[str] = []
    cursor = None
    while True:
        page = await store.search("Patient", [("_sort", "_id")], access, count=500, cursor=cursor)
        result += [entry.id for entry in page.entries if b'"replaced-by"' not in entry.bytes]
        cursor = page.next
        if cursor is None:
            return result
