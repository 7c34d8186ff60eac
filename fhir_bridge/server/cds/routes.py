"""Discovery, the services and their feedback (CDS Hooks 2.0). A time-out gives no cards, and never an error."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fhir_bridge.fhir.serialization import JsonError, loads
from fhir_bridge.governance import audit
from fhir_bridge.server.cds.caller import Ehr, ehr_of
from fhir_bridge.server.cds.cards import cards_for
from fhir_bridge.server.cds.request import HookRequest, RequestError, patient_of, read_request
from fhir_bridge.server.cors import crossable, preflight
from fhir_bridge.server.login import client_address
from fhir_bridge.server.rest.refusal import Refusal
from fhir_bridge.server.services import Services, services_of
from fhir_bridge.server.smart.errors import OAuthError
from fhir_bridge.storage.cards import Card, Cards

__all__ = ["router"]

router = APIRouter(include_in_schema=False)
SERVICES: Final[Mapping[str, tuple[str, str]]] = {
    "predictions-patient-view": (
        "patient-view",
        "When a record is opened: predictions whose category or validity changed since this person last saw them.",
    ),
    "predictions-order-sign": (
        "order-sign",
        "Before orders are signed: predictions whose category or validity changed since this person last saw them.",
    ),
}
LARGEST_BODY: Final = 4 * 1024 * 1024
MOST_FEEDBACK: Final = 100
SHARE: Final = 0.65
"""Of the time of a call, until models that have to be run are through: the rest is for the cards of those that are."""
_NO_CARDS: Final[Mapping[str, list[Any]]] = {"cards": []}
_log = logging.getLogger("fhir_bridge.server")


@router.get("/cds-services")
async def discovery() -> Response:
    """What there is; open to everybody, as the standard asks."""
    listed = [
        {
            "hook": hook,
            "id": name,
            "title": "Predictions",
            "description": description,
            "prefetch": {"patient": "Patient/{{context.patientId}}"},
            "usageRequirements": "Patients are found by id on this server, by a business identifier on another one.",
        }
        for name, (hook, description) in SERVICES.items()
    ]
    return JSONResponse({"services": listed}, headers={"Access-Control-Allow-Origin": "*"})


router.add_api_route("/cds-services/{name}", preflight, methods=["OPTIONS"])
router.add_api_route("/cds-services/{name}/feedback", preflight, methods=["OPTIONS"])


@router.post("/cds-services/{name}")
@crossable
async def call(request: Request) -> Response:
    """A hook; an EHR in a browser sends it from a registered origin."""
    name = request.path_params["name"]
    if name not in SERVICES:
        return _refused(404, "there is no such service")
    services = services_of(request)
    # Of the whole call: what authenticates it is slow as well where the server has just started.
    begin = asyncio.get_running_loop().time()
    limit = begin + services.settings.cds_seconds
    try:
        async with asyncio.timeout_at(limit):
            ehr = await ehr_of(request, services, f"{services.settings.root}/cds-services/{name}")
            asked = read_request(await _body(request), SERVICES[name][0])
    except TimeoutError:
        return JSONResponse(_NO_CARDS, headers=_NO_STORE)
    except OAuthError as error:
        return _refused(error.status, error.description)
    except Refusal as refusal:
        return _refused(refusal.status, refusal.issues[0].message)
    except RequestError as error:
        return _refused(400, str(error))
    try:
        async with asyncio.timeout_at(limit):
            end = begin + services.settings.cds_seconds * SHARE
            patient, cards, kept = await _cards(request, services, ehr, asked, end)
        # After it: what is remembered as shown is given, and what came too late is not remembered.
        await Cards(services.store.pool).shown(ehr.id, asked.person, patient, kept)
        return JSONResponse({"cards": cards}, headers=_NO_STORE)
    except TimeoutError:
        return JSONResponse(_NO_CARDS, headers=_NO_STORE)
    except Exception as error:  # noqa: BLE001 - a defect here must not stand in the clinician's way
        _log.error("a CDS service gave no cards: %s", type(error).__name__)
        return JSONResponse(_NO_CARDS, headers=_NO_STORE)


_NO_STORE: Final = {"Cache-Control": "no-store"}


async def _cards(
    request: Request, services: Services, ehr: Ehr, asked: HookRequest, end: float
) -> tuple[str, list[dict[str, Any]], list[Card]]:
    """The patient here, the cards, and what is to be remembered of them; end: see `cards_for`."""
    if asked.hook == "order-sign" and not asked.orders:
        return "", [], []
    patient = await patient_of(services, asked, ehr.access)
    if patient is None:
        return "", [], []
    cards, kept = await cards_for(services, ehr, asked, patient, end)
    context = audit.Context(
        server=services.settings.fhir_base,
        client=ehr.id,
        user=audit.Agent(asked.person, asked.person),
        address=client_address(request),
        purpose=ehr.access.purpose,
    )
    await services.audit.now(audit.read(context, f"Patient/{patient}", patient=patient))
    return patient, cards, kept


@router.post("/cds-services/{name}/feedback")
@crossable
async def feedback(request: Request) -> Response:
    """What became of cards. An override silences the card for 90 days, for everybody in that system."""
    name = request.path_params["name"]
    if name not in SERVICES:
        return _refused(404, "there is no such service")
    services = services_of(request)
    try:
        ehr = await ehr_of(request, services, f"{services.settings.root}/cds-services/{name}/feedback")
        entries = _feedback(await _body(request))
    except OAuthError as error:
        return _refused(error.status, error.description)
    except Refusal as refusal:
        return _refused(refusal.status, refusal.issues[0].message)
    except RequestError as error:
        return _refused(400, str(error))
    table, unknown = Cards(services.store.pool), 0
    for card, outcome, entry in entries:
        patient = await table.answer(ehr.id, card, outcome, entry)
        if patient is None:
            unknown += 1
            continue
        context = audit.Context(
            server=services.settings.fhir_base, client=ehr.id, address=client_address(request)
        )
        event = audit.operation(context, f"feedback {outcome}", f"Patient/{patient}", patient=patient)
        await services.audit.now(event)
    if unknown:
        return _refused(404, f"{unknown} of the cards were not shown to this client")
    return JSONResponse({}, headers=_NO_STORE)


def _feedback(content: bytes) -> list[tuple[UUID, str, dict[str, Any]]]:
    try:
        body = loads(content)
    except JsonError as error:
        raise RequestError(f"the body is not JSON: {error}") from error
    entries = body.get("feedback") if isinstance(body, dict) else None
    if not isinstance(entries, list) or not 0 < len(entries) <= MOST_FEEDBACK:
        raise RequestError(f"feedback is a list of 1 to {MOST_FEEDBACK} entries")
    result = []
    for entry in entries:
        if not isinstance(entry, dict) or entry.get("outcome") not in ("accepted", "overridden"):
            raise RequestError("outcome is accepted or overridden")
        try:
            card = UUID(str(entry.get("card")))
        except ValueError as error:
            raise RequestError("card is the uuid of a card") from error
        result.append((card, str(entry["outcome"]), entry))
    return result


async def _body(request: Request) -> bytes:
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > LARGEST_BODY:
            raise RequestError(f"the body is larger than {LARGEST_BODY} bytes")
    return bytes(content)


def _refused(status: int, message: str) -> Response:
    return JSONResponse({"error": message}, status, headers=_NO_STORE)
