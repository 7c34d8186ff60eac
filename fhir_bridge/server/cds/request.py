"""The request of a hook, and the patient whom it is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import httpx

from fhir_bridge import egress
from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.fhir.serialization import JsonError, loads, loads_exact
from fhir_bridge.server.services import Services
from fhir_bridge.storage.errors import StorageError

__all__ = ["HookRequest", "RequestError", "patient_of", "read_request"]

LARGEST_PATIENT: Final = 1024 * 1024


class RequestError(ValueError):
    """The request is not one of CDS Hooks; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class HookRequest:
    """A call. orders: whether draft orders came with it (order-sign)."""

    hook: str
    person: str
    patient: str
    prefetched: Mapping[str, Any] | None
    server: str
    token: str
    orders: bool


def read_request(content: bytes, hook: str) -> HookRequest:
    """Take the body apart.

    Raises:
        RequestError: it is not JSON, of another hook, or lacks what the hook requires.
    """
    try:
        body = loads(content)
    except JsonError as error:
        raise RequestError(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict) or body.get("hook") != hook:
        raise RequestError(f"hook is {hook}")
    if not isinstance(body.get("hookInstance"), str) or not body["hookInstance"]:
        raise RequestError("hookInstance is missing")
    context = body.get("context")
    if not isinstance(context, dict):
        raise RequestError("context is missing")
    for name in ("patientId", "userId"):
        if not isinstance(context.get(name), str) or not context[name] or "\x00" in context[name]:
            raise RequestError(f"context.{name} is missing")
    orders = context.get("draftOrders")
    if hook == "order-sign" and not isinstance(orders, dict):
        raise RequestError("context.draftOrders is missing")
    prefetch = body.get("prefetch")
    patient = prefetch.get("patient") if isinstance(prefetch, dict) else None
    authorization = body.get("fhirAuthorization")
    token = authorization.get("access_token") if isinstance(authorization, dict) else ""
    return HookRequest(
        hook,
        context["userId"][:200],
        context["patientId"].removeprefix("Patient/"),
        patient if isinstance(patient, dict) and patient.get("resourceType") == "Patient" else None,
        str(body.get("fhirServer") or "").rstrip("/"),
        token if isinstance(token, str) else "",
        isinstance(orders, dict) and bool(orders.get("entry")),
    )


async def patient_of(services: Services, request: HookRequest, access: AccessFilter) -> str | None:
    """Id of the patient here; None where there is none, or none that this client may see.

    A patient of another server is matching by a business identifier, of what came with the call, else of what that
    server answers; where that is not the Patient whom the context names, birth dates are stated and differ, or several
    fit, nobody is.
    """
    store = services.store
    if request.server in ("", services.settings.fhir_base):
        try:
            return (await store.read("Patient", request.patient, access)).id
        except StorageError:
            return None
    patient = request.prefetched or await _fetched(services, request)
    if patient is None or not access.permits("Patient", "s"):
        return None
    if patient.get("id") != request.patient:
        return None  # of another patient than the one whose record is open
    matching: set[str] = set()
    identifiers = patient.get("identifier")
    for identifier in identifiers if isinstance(identifiers, list) else ():
        if not isinstance(identifier, dict):
            continue
        system, value = identifier.get("system"), identifier.get("value")
        if not isinstance(system, str) or not isinstance(value, str) or not system or not value:
            continue
        criterion = f"{_escaped(system)}|{_escaped(value)}"
        page = await store.search("Patient", [("identifier", criterion)], access, count=3)
        for entry in page.entries:
            born = loads_exact(entry.bytes).get("birthDate")
            if not born or not patient.get("birthDate") or born == patient["birthDate"]:
                matching.add(entry.id)
    return matching.pop() if len(matching) == 1 else None


def _escaped(text: str) -> str:
    for character in "\\|,$":
        text = text.replace(character, f"\\{character}")
    return text


async def _fetched(services: Services, request: HookRequest) -> Mapping[str, Any] | None:
    """The Patient of the other server, with the token that came with the call; to listed addresses alone."""
    headers = {"Accept": "application/fhir+json"}
    if request.token:
        headers["Authorization"] = f"Bearer {request.token}"
    url = f"{request.server}/Patient/{quote(request.patient, safe='')}"
    content = bytearray()
    try:
        async with (
            egress.client(services.settings.allowed, seconds=services.settings.cds_seconds) as http,
            http.stream("GET", url, headers=headers) as answer,
        ):
            if answer.status_code != 200:
                return None
            async for piece in answer.aiter_bytes():
                content += piece
                if len(content) > LARGEST_PATIENT:
                    return None
        patient = loads(bytes(content))
    except (httpx.HTTPError, egress.EgressRefused, JsonError):
        return None
    return patient if isinstance(patient, dict) and patient.get("resourceType") == "Patient" else None
