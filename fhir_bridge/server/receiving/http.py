"""HL7 v2 over HTTP: `POST /hl7v2`, a message in and its ACK out, as HAPI's HL7 over HTTP has it."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fhir_bridge.pipeline.receiving import Incoming, Unavailable
from fhir_bridge.server.login import client_address
from fhir_bridge.server.receiving.intake import Intake, answer
from fhir_bridge.server.rest import answers, hooks
from fhir_bridge.server.rest.body import content_type, read_body
from fhir_bridge.server.rest.budget import Budget
from fhir_bridge.server.rest.call import Call, request_id
from fhir_bridge.server.rest.callers import caller_of
from fhir_bridge.server.rest.refusal import Refusal, refuse
from fhir_bridge.server.rest.refused import record_refusal
from fhir_bridge.server.services import Services, services_of
from fhir_bridge.server.settings import Settings

if TYPE_CHECKING:
    from fhir_bridge.server.smart.tokens import Caller

__all__ = ["HTTP_TYPES", "LazyIntake", "router"]

router = APIRouter(include_in_schema=False)

HTTP_TYPES = frozenset({"application/hl7-v2", "application/hl7-v2+er7", "x-application/hl7-v2+er7"})
_STATUS = {"AA": 200, "AE": 422, "AR": 400}


class LazyIntake:
    """The worker's way into the store for messages, begun with the first one: most workers never get one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._intake: Intake | None = None
        self._beginning = asyncio.Lock()

    async def get(self) -> Intake:
        """The intake, which has begun."""
        async with self._beginning:
            if self._intake is None:
                intake = Intake(self._settings)
                await intake.start()
                self._intake = intake
            return self._intake

    async def stop(self) -> None:
        """End it, if it has begun."""
        if self._intake is not None:
            await self._intake.stop()


@router.post("/hl7v2")
async def receive(request: Request) -> Response:
    """Take one message. Answers 200 with AA once it is stored, 422 with AE, 400 with AR."""
    services, identity = services_of(request), request_id(request)
    caller: Caller | None = None
    try:
        caller = await caller_of(services, request)
        access = hooks.authorize(services.plugins, caller.access, request)
        if not access.writes_everything:
            raise refuse(
                403,
                "FB-SMART-002",
                "to send messages, a token has to allow all writes (system/*.cud)",
                headers={"WWW-Authenticate": 'Bearer realm="fhir", error="insufficient_scope"'},
            )
        return await _received(
            Call(request, services, caller, access, identity, budget=Budget(services.settings))
        )
    except Refusal as refusal:
        code = refusal.issues[0].code
        await record_refusal(services, request, identity, caller, None, refusal.status, code)
        response = answers.outcome(refusal.status, refusal.issues, refusal.headers)
        response.headers["Cache-Control"] = "no-store"
        return response


async def _received(call: Call) -> Response:
    kind = content_type(call)
    if kind not in HTTP_TYPES:
        raise refuse(
            415, "FB-REST-004", f"a message comes as application/hl7-v2, not {kind[:60] or '(none)'}"
        )
    with closing(call):
        body = await read_body(call, HTTP_TYPES)
        if len(body) > call.services.settings.max_message_bytes:
            raise refuse(413, "FB-REST-007", "the message is larger than this server takes")
        if not body.strip(b"\r\n\x00\x0b\x1c \t"):
            raise refuse(400, "FB-REST-001", "the body holds no message")
        text, status = await _answered(call, body.strip(b"\x0b\x1c\r\n"))
    headers = {
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "X-Request-Id": call.id_of_request,
    }
    return Response(text, status, headers, media_type="application/hl7-v2")


async def _answered(call: Call, body: bytes) -> tuple[bytes, int]:
    services: Services = call.services
    intake: LazyIntake = call.request.app.state.intake
    try:
        waiting = await (await intake.get()).submit(Incoming(body, "http", client_address(call.request)))
        receipt = await asyncio.shield(waiting)
    except Unavailable:
        raise refuse(
            503, "FB-REST-013", "the message was not stored: send it again", headers={"Retry-After": "2"}
        ) from None
    code, answers_due = answer(services.settings, body, receipt)
    # One message goes out: what became of it says that it is kept, too.
    return answers_due[-1] if answers_due else b"", _STATUS[code]
