"""The token endpoint: codes, refresh tokens and backend services."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
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
from fhir_bridge.server.smart.scopes import grant, parse_all
from fhir_bridge.storage.accounts import Client
from fhir_bridge.storage.grants import Grant, Issued, TokenInfo

__all__ = ["router"]

router = APIRouter(include_in_schema=False)
router.add_api_route("/oauth/token", preflight, methods=["OPTIONS"])

# RFC 7636 §4.1.
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
DEFAULT_PURPOSE = "HOPERAT"
"""Purpose of use of a backend service that was registered with none."""


@router.post("/oauth/token")
@crossable
async def token(request: Request) -> Response:
    """Exchange a grant for tokens (RFC 6749 §3.2, SMART 2.2 app-launch.html#obtain-access-token)."""
    services = services_of(request)
    try:
        form = await read_form(request)
        await _name_public_client(request, form, services)
        client = await authenticate(request, form, services)
        match form.get("grant_type"):
            case "authorization_code":
                answer = await _by_code(form, client, services, client_address(request))
            case "refresh_token":
                answer = await _by_refresh(form, client, services, client_address(request))
            case "client_credentials":
                answer = await _by_credentials(form, client, services)
            case _:
                raise OAuthError(
                    "unsupported_grant_type", "use authorization_code, refresh_token or client_credentials"
                )
    except FormError as error:
        return OAuthError("invalid_request", str(error), status=error.status).response()
    except OAuthError as error:
        return await refused(request, services, error)
    return JSONResponse(answer, headers=NO_STORE)


async def _name_public_client(request: Request, form: Form, services: Services) -> None:
    """RFC 6749 §6 asks a public client for no client_id with a refresh token, and npm fhirclient sends none.

    The token names its client then, and `authenticate` refuses one that has a secret or key.
    """
    silent = not {"client_id", "client_secret", "client_assertion"} & set(form)
    if form.get("grant_type") != "refresh_token" or not silent or "authorization" in request.headers:
        return
    owner = await services.grants.owner(form.get("refresh_token", ""))
    if owner is None:
        wait = await services.attempts.failed(guesses.unowned_refresh(client_address(request)))
        raise too_many(wait) if wait else OAuthError("invalid_grant", "the refresh token is unknown")
    form["client_id"] = owner


async def _by_code(form: Form, client: Client, services: Services, address: str) -> dict[str, Any]:
    code = form.get("code", "")
    subject = guesses.code(client.id, address)
    async with services.attempts.one_at_a_time(subject):
        if wait := await services.attempts.wait(subject):
            raise too_many(wait)
        redeemed = await services.grants.redeem_code(code, client.id)
        # A code that was given out and is over or used is no guess.
        if redeemed is None and not await services.grants.knows_code(code):
            await services.attempts.failed(subject)
    if redeemed is None:
        # Redeeming a code twice has revoked what it gave: this worker must not answer with what it has kept.
        services.tokens.forget()
        raise OAuthError("invalid_grant", "the code is unknown, used or over")
    # RFC 6749 §4.1.3: the same address as in the authorization request, character by character.
    if form.get("redirect_uri") != redeemed.redirect_uri:
        raise OAuthError("invalid_grant", "redirect_uri is not the one of the authorization request")
    verifier = form.get("code_verifier")
    if not _proves(verifier, redeemed.challenge):
        raise OAuthError("invalid_grant", "code_verifier does not fit the code_challenge")
    _, context = parse_all(redeemed.scope)
    issued = await services.grants.issue(
        redeemed.grant_id, redeemed.scope, refresh=bool({"offline_access", "online_access"} & set(context))
    )
    # Read back: the grant may have been revoked between the code and here.
    info = await services.grants.info(issued.access)
    if info is None:
        raise OAuthError("invalid_grant", "the grant was revoked")
    return _answer(issued, info, services)


def _proves(verifier: str | None, challenge: str | None) -> bool:
    """RFC 7636 §4.6, S256. Every code has a challenge (SMART 2.2 app-launch.html: PKCE for all applications)."""
    if challenge is None or verifier is None or not _VERIFIER.fullmatch(verifier):
        return False
    computed = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
    return hmac.compare_digest(computed, challenge.encode())


async def _by_refresh(form: Form, client: Client, services: Services, address: str) -> dict[str, Any]:
    refresh_token = form.get("refresh_token", "")
    wanted = form.get("scope")
    # Before the token is spent: a scope that is too wide must not cost the client its refresh token.
    before = await services.grants.info(refresh_token)
    if before is not None and before.client_id == client.id and wanted is not None:
        narrowed = grant(wanted, before.scope)
        # RFC 6749 §6: never more than was granted; less for this access token alone.
        if not narrowed or set(wanted.split()) - set(narrowed.split()):
            raise OAuthError("invalid_scope", "the scope is wider than what was granted")
    subject = guesses.refresh(client.id, address)
    async with services.attempts.one_at_a_time(subject):
        if wait := await services.attempts.wait(subject):
            raise too_many(wait)
        spent = await services.grants.spend_refresh(refresh_token, client.id)
        # Another client's token, or nobody's: a guess. Its own that is over is none.
        if spent is None and await services.grants.owner(refresh_token) != client.id:
            await services.attempts.failed(subject)
    if spent is None:
        services.tokens.forget()
        raise OAuthError("invalid_grant", "the refresh token is unknown, used, revoked or over")
    # A new refresh token with each use (RFC 9700 §4.14.2), of the grant's whole scope.
    issued = await services.grants.issue(spent.grant_id, wanted or spent.scope, refresh=True)
    info = await services.grants.info(issued.access)
    if info is None:
        raise OAuthError("invalid_grant", "the grant was revoked")
    return _answer(issued, info, services)


async def _by_credentials(form: Form, client: Client, services: Services) -> dict[str, Any]:
    """SMART 2.2 backend-services.html: by key only, system scopes only, five minutes, no refresh token."""
    if client.authentication != "key":
        raise OAuthError("unauthorized_client", "backend services authenticate with private_key_jwt")
    # The client's registration is the limit; scopes of other levels need a person or a patient.
    resource, _ = parse_all(grant(form.get("scope", ""), client.scope))
    scope = " ".join(str(item) for item in resource if item.level == "system")
    if not scope:
        raise OAuthError("invalid_scope", "none of the requested system scopes is registered for this client")
    issued = await services.grants.issue_backend(
        Grant(client.id, scope, services.settings.fhir_base, purpose=client.purpose or DEFAULT_PURPOSE)
    )
    return {
        "access_token": issued.access,
        "token_type": "Bearer",
        "expires_in": issued.seconds,
        "scope": issued.scope,
    }


def _answer(issued: Issued, info: TokenInfo, services: Services) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "access_token": issued.access,
        "token_type": "Bearer",
        "expires_in": issued.seconds,
        "scope": issued.scope,
        **info.context,
    }
    if info.patient:
        answer["patient"] = info.patient
    if info.encounter:
        answer["encounter"] = info.encounter
    if issued.refresh:
        answer["refresh_token"] = issued.refresh
    # OpenID Connect: only where `openid` was asked for, and never for a client without a person.
    if "openid" in issued.scope.split() and info.user is not None:
        answer["id_token"] = services.key.sign(_claims(issued, info, services), issued.seconds)
    return answer


def _claims(issued: Issued, info: TokenInfo, services: Services) -> dict[str, Any]:
    """OpenID Connect Core §2, with SMART's `fhirUser`."""
    user = info.user
    claims: dict[str, Any] = {
        "iss": services.settings.root,
        "aud": info.client_id,
        "sub": user.id if user else "",
    }
    if user and user.fhir_user and {"fhirUser", "profile"} & set(issued.scope.split()):
        claims["fhirUser"] = f"{services.settings.fhir_base}/{user.fhir_user}"
        claims["profile"] = claims["fhirUser"]
    if info.nonce:
        claims["nonce"] = info.nonce
    if info.signed_in:
        # When the person signed in, not when the token was issued (OpenID Connect Core §2).
        claims["auth_time"] = int(info.signed_in)
    return claims
