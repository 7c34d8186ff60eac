"""`$export` of the system, of all patients and of a Group: the kick-off (Bulk Data Access 2, export.html).

Who may search and read a type exports what of it is theirs to see; the background worker does it (`server.bulk`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from fhir_bridge.fhir.record import has_patient
from fhir_bridge.server.rest.export_request import ExportRequest, prefers, read_request
from fhir_bridge.server.rest.group_members import for_groups, members
from fhir_bridge.server.rest.operation_registry import OperationRequest
from fhir_bridge.server.rest.refusal import Refusal, refuse
from fhir_bridge.server.settings import Settings
from fhir_bridge.storage.blobs import open_blobs
from fhir_bridge.storage.bulk import BulkJobs, Kind, TooManyJobs, packed
from fhir_bridge.storage.exporting import UNEXPORTED, Selection

__all__ = ["Export", "begin", "check_async"]


class Export:
    """Begins an export and says where to ask for it."""

    name = "export"
    types: tuple[str, ...] = ("", "Patient", "Group")
    access = "r"
    decides_access = True
    alone = True
    levels_of: Mapping[str, frozenset[str]] = {
        "Patient": frozenset({"type"}),
        "Group": frozenset({"instance"}),
    }
    """Where it is asked for: of all Patients, and of a Group."""
    definition = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/export"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def __call__(self, request: OperationRequest, parameters: Mapping[str, Any]) -> Response:
        check_async(request)
        if bool(request.id) != (request.type == "Group"):
            raise refuse(
                404, "FB-REST-005", "$export is of the base, of Patient, and of a Group: Group/ID/$export"
            )
        if request.type == "Group":
            await request.store.read("Group", request.id, for_groups(request.access))
        asked = read_request(
            parameters,
            lenient=prefers(request.headers).get("handling") == "lenient",
            takes_patients=request.method == "POST" and request.type != "",
        )
        types = self._types(request, asked)
        for name, filters in asked.filters.items():
            for criteria in filters:
                await request.store.exports.check(name, criteria, request.access)
        if asked.patients is not None:
            await self._check_patients(request, asked.patients)
        payload = {
            "access": packed(request.access),
            "level": request.type,
            "group": request.id,
            "types": types,
            "since": asked.since.isoformat() if asked.since else None,
            "filters": asked.filters,
            "elements": asked.elements,
            "patients": asked.patients,
            "left_out": asked.left_out,
        }
        return await begin(self._settings, request, "export", payload)

    @staticmethod
    def _types(request: OperationRequest, asked: ExportRequest) -> list[str]:
        """The types to give, in their order.

        Raises:
            Refusal: 400, 403.
        """
        possible = request.store.exports.types(request.access, Selection(records=request.type != ""))
        if asked.types is None:
            if not possible:
                raise _not_allowed("this token may search and read nothing that could be exported")
            return possible
        lenient = prefers(request.headers).get("handling") == "lenient"
        for name in asked.types:
            if name in possible:
                continue
            if name in UNEXPORTED or (request.type != "" and not has_patient(name)):
                refusal = refuse(400, "FB-BULK-001", f"{name} is not exported here")
            else:
                refusal = _not_allowed(f"no scope of this token allows `r` and `s` on {name}")
            if not lenient:
                raise refusal
            asked.left_out.append(refusal.issues[0].message)
        types = [name for name in possible if name in asked.types]
        if not types:
            raise _not_allowed("none of the types is one that this token may export")
        return types

    @staticmethod
    async def _check_patients(request: OperationRequest, patients: list[str]) -> None:
        """All of them must be there for this caller, and in the Group."""
        known = await request.store.exports.patients(patients, request.access)
        if request.type == "Group":
            allowed = set(await members(request.store, request.id, for_groups(request.access)))
            known = {name: key for name, key in known.items() if name in allowed}
        if missing := [name for name in patients if name not in known]:
            raise refuse(
                400, "FB-BULK-001", f"{len(missing)} of the patients are not there, or not in the Group"
            )


def check_async(request: OperationRequest) -> None:
    """Refuse who does not ask for an asynchronous answer (R4 async.html).

    Raises:
        Refusal: 400.
    """
    if "respond-async" not in prefers(request.headers):
        raise refuse(400, "FB-BULK-001", "this is answered asynchronously: send Prefer: respond-async")


async def begin(
    settings: Settings, request: OperationRequest, kind: Kind, payload: Mapping[str, Any]
) -> Response:
    """Add the job.

    Raises:
        Refusal: 429.
    """
    path = "/".join(filter(None, (request.type, request.id, f"${kind}")))
    query = f"?{urlencode(request.query)}" if request.query else ""
    jobs = BulkJobs(request.store.pool, await open_blobs(request.store, settings.blobs))
    try:
        identity = await jobs.add(
            kind,
            request.access.subject,
            f"{request.base}/{path}{query}",
            payload,
            most=settings.max_bulk_jobs,
        )
    except TooManyJobs as error:
        raise refuse(
            429,
            "FB-BULK-003",
            f"{settings.max_bulk_jobs} exports and imports of this caller are under way",
            headers={"Retry-After": "60"},
        ) from error
    return Response(status_code=202, headers={"Content-Location": f"{request.base}/_bulk/{identity}"})


def _not_allowed(message: str) -> Refusal:
    return refuse(
        403,
        "FB-SMART-002",
        message,
        headers={"WWW-Authenticate": 'Bearer realm="fhir", error="insufficient_scope"'},
    )
