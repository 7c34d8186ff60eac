"""Who calls a CDS service: the registered client that signed the token, with the scopes it was registered for."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from fhir_bridge.fhir.access import EVERYTHING, AccessFilter
from fhir_bridge.server.authorization.clients import by_token
from fhir_bridge.server.login import client_address
from fhir_bridge.server.rest.callers import caller_of
from fhir_bridge.server.services import Services
from fhir_bridge.server.smart.errors import OAuthError
from fhir_bridge.server.smart.scopes import access_of

__all__ = ["Ehr", "ehr_of"]


@dataclass(frozen=True, slots=True)
class Ehr:
    """The clinician's system; `access` is what it may see here, at most."""

    id: str
    access: AccessFilter


async def ehr_of(request: Request, services: Services, address: str) -> Ehr:
    """The system that calls.

    Args:
        address: of the service, which the token has to be for.

    Raises:
        OAuthError: no token that is valid here. Refusal: without authorization, from another machine.
    """
    if services.settings.auth == "none":
        await caller_of(services, request)  # this machine alone
        return Ehr("anonymous", EVERYTHING)
    headers = [value for name, value in request.scope["headers"] if name == b"authorization"]
    kind, _, token = headers[0].decode("latin-1").partition(" ") if len(headers) == 1 else ("", "", "")
    if kind.lower() != "bearer" or not token.strip():
        raise OAuthError("invalid_client", "send a signed token as Authorization: Bearer", status=401)
    client = await by_token(token.strip(), services, client_address(request), address)
    # A clinician looks at the patient: treatment, where the registration says nothing else.
    access = access_of(
        client.scope,
        user=None,
        patient=None,
        purpose=client.purpose or "TREAT",
        subject=f"client:{client.id}",
    )
    return Ehr(client.id, access)
