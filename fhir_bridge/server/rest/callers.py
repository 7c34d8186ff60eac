"""Who calls: the access token of a request, and what takes its place without authorization."""

from __future__ import annotations

from starlette.requests import Request

from fhir_bridge.server import guesses
from fhir_bridge.server.rest.refusal import refuse
from fhir_bridge.server.services import Services
from fhir_bridge.server.settings import is_loopback
from fhir_bridge.server.smart.tokens import ANYONE, Caller

__all__ = ["caller_of"]


async def caller_of(services: Services, request: Request) -> Caller:
    """Who calls, by the access token.

    Raises:
        Refusal: 400, 401: no such token. 403: without authorization, from elsewhere. 429: too many guesses.
    """
    if services.settings.auth == "none":
        return _on_this_machine(request)
    tokens = [value for name, value in request.scope["headers"] if name == b"authorization"]
    # First by bytes, which nearly every request passes. RFC 6750 §2.3 allows tokens in the address, SMART
    # 2.2 does not: addresses are logged.
    if b"access_token" in request.scope["query_string"] and "access_token" in request.query_params:
        raise refuse(400, "FB-SMART-003", "a token in the address is not accepted")
    if len(tokens) > 1:
        raise refuse(400, "FB-SMART-003", "two Authorization headers")
    if not tokens:
        raise refuse(
            401, "FB-SMART-001", "no access token", headers={"WWW-Authenticate": 'Bearer realm="fhir"'}
        )
    # Header values are bytes of any kind; latin-1 maps each to one character.
    kind, _, token = tokens[0].decode("latin-1").partition(" ")
    caller = await services.tokens.caller(token.strip()) if kind.lower() == "bearer" else None
    if caller is None:
        await _count_guess(services, request, kind, token.strip())
        raise refuse(
            401,
            "FB-SMART-001",
            "the access token is not valid here, or over",
            headers={"WWW-Authenticate": 'Bearer realm="fhir", error="invalid_token"'},
        )
    return caller


async def _count_guess(services: Services, request: Request, kind: str, token: str) -> None:
    """An access token that was never given out costs the network of who sends it a wait, after a while.

    Raises:
        Refusal: 429.
    """
    if kind.lower() != "bearer" or await services.grants.knows_token(token):
        return
    address = request.client.host if request.client else "unknown"
    if wait := await services.attempts.failed(guesses.token(address)):
        raise refuse(
            429,
            "FB-SMART-005",
            f"too many access tokens that were never given out: wait {wait} seconds",
            headers={"Retry-After": str(wait)},
        )


def _on_this_machine(request: Request) -> Caller:
    """Without authorization: only from this machine, under its own name (no DNS rebinding), not from other sites."""
    host = request.client.host if request.client else ""
    # The name from the Host header, where DNS rebinding shows.
    named = (request.url.hostname or "").lower()
    if not is_loopback(host) or not is_loopback(named) or "origin" in request.headers:
        raise refuse(403, "FB-SMART-004", "without authorization this server answers only on its own machine")
    return ANYONE
