"""What the DICOMweb routes share: who calls with which access, and how they answer."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from fhir_bridge.server.cors import crossable, preflight_headers
from fhir_bridge.server.rest import answers, hooks
from fhir_bridge.server.rest.budget import Budget
from fhir_bridge.server.rest.call import Call, request_id
from fhir_bridge.server.rest.callers import caller_of
from fhir_bridge.server.rest.refusal import Refusal, refuse
from fhir_bridge.server.rest.refused import record_refusal
from fhir_bridge.server.services import services_of
from fhir_bridge.storage.errors import StorageError

__all__ = ["DICOM_JSON", "ROOT", "answered", "data_set", "preflight", "require_json"]

ROOT: Final = "/dicomweb"
DICOM_JSON: Final = "application/dicom+json"


async def answered(request: Request, work: Callable[[Call], Awaitable[Response]]) -> Response:
    """The answer of `work` for who calls; a refusal as an OperationOutcome, with its record."""
    services, identity = services_of(request), request_id(request)
    caller = access = None
    try:
        caller = await caller_of(services, request)
        access = hooks.authorize(services.plugins, caller.access, request)
        call = Call(request, services, caller, access, identity, budget=Budget(services.settings))
        with closing(call):
            response = await work(call)
    except (Refusal, StorageError) as error:
        refusal = error if isinstance(error, Refusal) else Refusal(error.status, [error.issue])
        code = refusal.issues[0].code
        await record_refusal(
            services, request, identity, caller, access, refusal.status, code, path=("ImagingStudy",)
        )
        response = answers.outcome(refusal.status, refusal.issues, refusal.headers)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Request-Id"] = identity
    await request.app.state.origins.allow(request.headers.get("origin"), response.headers)
    return response


@crossable
async def preflight(request: Request) -> Response:  # noqa: ARG001 - the decorator needs it
    """OPTIONS of all addresses: web viewers of registered origins send a token, so browsers ask first."""
    return Response(status_code=204, headers=preflight_headers("GET, POST"))


def data_set(content: Any, status: int = 200) -> Response:
    """An answer in the DICOM JSON Model."""
    return Response(json.dumps(content), status, media_type=DICOM_JSON)


def require_json(call: Call) -> None:
    """Refuse who takes no DICOM JSON.

    Raises:
        Refusal: 406.
    """
    accept = call.request.headers.get("accept", "*/*").lower()
    kinds = {part.split(";")[0].strip() for part in accept.split(",")}
    if not kinds & {DICOM_JSON, "application/json", "*/*", "application/*", ""}:
        raise refuse(406, "FB-REST-003", f"the answer is {DICOM_JSON} (Accept)")
