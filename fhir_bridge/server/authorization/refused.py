"""Refusals of the authorization server that leave an AuditEvent: secrets, codes and tokens that are not right."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from fhir_bridge.governance import audit
from fhir_bridge.server.login import client_address
from fhir_bridge.server.refusals import Refused
from fhir_bridge.server.services import Services
from fhir_bridge.server.smart.errors import OAuthError

__all__ = ["refused"]

# Proofs that are wrong. A malformed request proves and guesses nothing, and would only fill the log.
_ERRORS = frozenset({"invalid_client", "invalid_grant", "invalid_token", "slow_down"})


async def refused(request: Request, services: Services, error: OAuthError) -> Response:
    """The answer to what is refused, taken note of."""
    if error.error in _ERRORS:
        context = audit.Context(
            server=services.settings.root, client=error.client, address=client_address(request)
        )
        await services.refusals.record(Refused(context, "login", error.status, error.error))
    return error.response()
