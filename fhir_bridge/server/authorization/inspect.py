"""Introspection (RFC 7662) and revocation (RFC 7009) of tokens."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fhir_bridge.server import guesses
from fhir_bridge.server.authorization.clients import authenticate
from fhir_bridge.server.authorization.refused import refused
from fhir_bridge.server.cors import crossable, preflight
from fhir_bridge.server.forms import Form, FormError, read_form
from fhir_bridge.server.login import client_address
from fhir_bridge.server.services import Services, services_of
from fhir_bridge.server.smart.errors import NO_STORE, OAuthError, too_many

__all__ = ["router"]

router = APIRouter(include_in_schema=False)
router.add_api_route("/oauth/introspect", preflight, methods=["OPTIONS"])
router.add_api_route("/oauth/revoke", preflight, methods=["OPTIONS"])

_INACTIVE = {"active": False}


@router.post("/oauth/introspect")
@crossable
async def introspect(request: Request) -> Response:
    """Tell a client about a token: its own, or any where it was registered as a resource server."""
    services = services_of(request)
    # Who asks is authenticated (RFC 7662 §2.1): else it would be a place to try tokens.
    try:
        form = await read_form(request)
        asker, any_client = await _asker(request, form, services)
    except FormError as error:
        return OAuthError("invalid_request", str(error), status=error.status).response()
    except OAuthError as error:
        return await refused(request, services, error)
    token = form.get("token", "")
    info = await services.grants.info(token)
    if info is None and not await services.grants.knows_token(token):
        wait = await services.attempts.failed(guesses.introspection(asker, client_address(request)))
        if wait:
            return await refused(request, services, too_many(wait))
    # RFC 7662 §2.2: a token that the asker may not know of is just inactive.
    if (
        info is None
        or info.audience != services.settings.fhir_base
        or not (any_client or info.client_id == asker)
    ):
        return JSONResponse(_INACTIVE, headers=NO_STORE)
    answer: dict[str, Any] = {
        "active": True,
        "scope": info.scope,
        "client_id": info.client_id,
        "exp": int(info.expires),
        "token_type": "Bearer" if info.kind == "access" else "refresh_token",
        "aud": info.audience,
        "iss": services.settings.root,
        **info.context,
    }
    if info.patient:
        answer["patient"] = info.patient
    if info.encounter:
        answer["encounter"] = info.encounter
    if info.user is not None:
        answer["sub"] = info.user.id
        if info.user.fhir_user and {"fhirUser", "profile"} & set(info.scope.split()):
            answer["fhirUser"] = f"{services.settings.fhir_base}/{info.user.fhir_user}"
    return JSONResponse(answer, headers=NO_STORE)


async def _asker(request: Request, form: Form, services: Services) -> tuple[str, bool]:
    """Who asks: a client by its authentication, or by an access token of its own (SMART 2.2 token-introspection)."""
    kind, _, bearer = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        info = await services.grants.info(bearer.strip())
        # A refresh token is no credential for a call.
        if info is None or info.kind != "access":
            wait = 0
            # A token that is over was no guess, and costs no wait.
            if info is None and not await services.grants.knows_token(bearer.strip()):
                wait = await services.attempts.failed(guesses.token(client_address(request)))
            if wait:
                raise too_many(wait)
            raise OAuthError("invalid_token", "the access token is not valid", status=401)
        return info.client_id, info.may_introspect
    client = await authenticate(request, form, services)
    # RFC 7662 §4: a client that proves nothing must not be answered; its own access token proves it.
    if client.authentication == "none":
        raise OAuthError("invalid_client", "a public client asks with an access token", status=401)
    return client.id, client.may_introspect


@router.post("/oauth/revoke")
@crossable
async def revoke(request: Request) -> Response:
    """End a token of the calling client; an unknown one is as good as ended."""
    services = services_of(request)
    try:
        form = await read_form(request)
        client = await authenticate(request, form, services)
    except FormError as error:
        return OAuthError("invalid_request", str(error), status=error.status).response()
    except OAuthError as error:
        return await refused(request, services, error)
    # RFC 7009 §2.2: 200 also for a token that is unknown, and for another client's, which stays.
    await services.grants.revoke(form.get("token", ""), client.id)
    # At once here; other workers forget what they have kept within seconds (docs/smart.md).
    services.tokens.forget()
    return Response(status_code=200, headers=NO_STORE)
