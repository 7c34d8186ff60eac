"""How far an export or import is, what it gave, its files, and its end.

Bulk Data Access 2, export.html#bulk-data-status-request.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from starlette.responses import JSONResponse, Response

from fhir_bridge.fhir.issues import Issue
from fhir_bridge.governance import audit
from fhir_bridge.server.offloading import offloaded
from fhir_bridge.server.rest import answers
from fhir_bridge.server.rest.blob_answers import Streamed
from fhir_bridge.server.rest.call import Call
from fhir_bridge.server.rest.refusal import refuse
from fhir_bridge.storage.bulk import BulkFile, BulkJob

__all__ = ["cancel", "download", "status"]

NDJSON = "application/fhir+ndjson"
RETRY_SECONDS = 2
"""The first pause that a client is asked for; longer ones for what runs longer."""
LONGEST_RETRY = 60


async def _job(call: Call) -> BulkJob:
    """The job of the address, where it is the caller's own; another's is as if it were not there.

    Raises:
        Refusal: 404.
    """
    job = await call.services.bulk.read(call.id)
    if job is None or job.owner != call.access.subject:
        raise refuse(404, "FB-REST-005", "there is no export or import at this address")
    return job


async def status(call: Call) -> Response:
    """GET [base]/_bulk/id"""
    job = await _job(call)
    if job.state == "running" and await call.services.bulk.given_up(job):
        job = await _job(call)
    if job.state == "failed":
        issue = Issue("error", "FB-BULK-004", job.failure or "it could not be finished")
        return answers.outcome(500, [issue])
    if job.state == "running":
        age = (datetime.now(UTC) - job.created).total_seconds()
        retry = int(min(LONGEST_RETRY, max(RETRY_SECONDS, age / 10)))
        return Response(
            status_code=202,
            headers={"X-Progress": str(job.progress.get("said", "waiting")), "Retry-After": str(retry)},
        )
    files = await call.services.bulk.files(job.id)
    kept = timedelta(days=call.services.settings.keep_export_days)
    expires = format_datetime(((job.finished or job.created) + kept).astimezone(UTC), usegmt=True)
    return JSONResponse(
        _manifest(call, job, files), headers={"Expires": expires, "Cache-Control": "no-store"}
    )


def _manifest(call: Call, job: BulkJob, files: Sequence[BulkFile]) -> dict[str, Any]:
    def listed(kind: str) -> list[dict[str, Any]]:
        return [
            {"type": file.type, "url": f"{call.base}/_bulk/{job.id}/{file.number}", "count": file.count}
            for file in files
            if file.kind == kind
        ]

    moment = job.progress.get("time") or job.created.isoformat()
    return {
        "transactionTime": moment,
        "request": job.request,
        "requiresAccessToken": call.services.settings.auth != "none",
        "output": listed("output"),
        "deleted": listed("deleted"),
        "error": listed("error"),
    }


async def download(call: Call) -> Response:
    """GET [base]/_bulk/id/number"""
    job = await _job(call)
    file = await call.services.bulk.file(job.id, int(call.version)) if call.version.isdecimal() else None
    if file is None:
        raise refuse(404, "FB-REST-005", "there is no such file")
    # The token must allow it now: it may have less than the one that asked.
    if file.kind == "output" and job.kind == "export":
        call.require("r", file.type)
        call.require("s", file.type)
    event = audit.search(call.audit_context(), f"GET _bulk/{job.id}/{file.number}", interaction="operation")
    # Before the file goes out; many patients make some megabytes of them.
    await call.services.audit.keep(await offloaded(audit.records, event, file.patients))
    return Streamed(call.services.blobs.read(file.blob), file.blob.size, NDJSON)


async def cancel(call: Call) -> Response:
    """DELETE [base]/_bulk/id: end it, or forget what it gave"""
    job = await _job(call)
    await call.services.bulk.remove(job.id)
    return Response(status_code=202)
