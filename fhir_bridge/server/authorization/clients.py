"""Which application calls the token endpoint: public, by secret, or by a signed assertion."""

from __future__ import annotations

import base64
import hmac
import time
from typing import Any
from urllib.parse import unquote_plus

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import extract_compact
from starlette.requests import Request

from fhir_bridge.fhir.serialization import loads
from fhir_bridge.server import guesses
from fhir_bridge.server.forms import Form
from fhir_bridge.server.login import client_address
from fhir_bridge.server.services import Services
from fhir_bridge.server.smart.errors import OAuthError, too_many
from fhir_bridge.server.smart.jwks import JwksUnavailable
from fhir_bridge.storage.accounts import Client, digest, is_storable

__all__ = ["ALGORITHMS", "ASSERTION_TYPE", "TOKEN_PATH", "authenticate", "by_token"]

# SMART 2.2 client-confidential-asymmetric: both must be supported; `none` and HMAC of
# the public key are thereby out.
ALGORITHMS = ["RS384", "ES384"]
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
TOKEN_PATH = "/oauth/token"  # noqa: S105 - an address
LONGEST_ASSERTION = 300
LEEWAY = 60
"""Seconds by which clocks may differ; clients that set `exp` to now + 300 stay within the limit."""


def _refused(description: str, *, challenge: bool = False) -> OAuthError:
    return OAuthError("invalid_client", description, status=401, challenge=challenge)


def _of(client: Client, error: OAuthError) -> OAuthError:
    error.client = client.id
    return error


async def authenticate(request: Request, form: Form, services: Services) -> Client:
    """The client of a request, proven as it was registered.

    Raises:
        OAuthError: `invalid_client`, `invalid_request` where two ways of authentication are used at once, or
            `slow_down` (429) after too many failures.
    """
    address = client_address(request)
    header = request.headers.get("authorization")
    assertion = form.get("client_assertion")
    ways = [
        header is not None,
        "client_secret" in form,
        assertion is not None or "client_assertion_type" in form,
    ]
    # RFC 6749 §2.3: a client must not use more than one way in a request.
    if sum(ways) > 1:
        raise OAuthError("invalid_request", "use one way of client authentication")
    if assertion is not None or "client_assertion_type" in form:
        if form.get("client_assertion_type") != ASSERTION_TYPE or not assertion:
            raise _refused(f"client_assertion_type must be {ASSERTION_TYPE}")
        return await _by_assertion(assertion, form.get("client_id"), services, address)
    if header is not None:
        client_id, secret = _basic(header)
        if form.get("client_id", client_id) != client_id:
            raise OAuthError("invalid_request", "client_id differs from the Authorization header")
        return await _by_secret(client_id, secret, services, address, challenge=True)
    if "client_secret" in form:
        return await _by_secret(form.get("client_id", ""), form["client_secret"], services, address)
    client = await services.accounts.find_client(form.get("client_id", ""))
    if client is None or client.authentication != "none":
        # The same text for a client that is unknown and one that must authenticate: it
        # must not show which ids exist.
        raise await _unknown(services, address, "unknown client, or one that must authenticate")
    return client


async def _unknown(
    services: Services, address: str, description: str, *, challenge: bool = False
) -> OAuthError:
    """The refusal of a client that is not registered, or not so; it costs its network a wait after a while."""
    wait = await services.attempts.failed(guesses.unknown_client(address))
    return too_many(wait) if wait else _refused(description, challenge=challenge)


def _basic(header: str) -> tuple[str, str]:
    kind, _, encoded = header.partition(" ")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except ValueError as error:  # no base64, letters beyond ASCII, no UTF-8
        raise _refused("the Authorization header is not Basic", challenge=True) from error
    if kind.lower() != "basic" or ":" not in text or "\x00" in text:
        raise _refused("the Authorization header is not Basic", challenge=True)
    client_id, _, secret = text.partition(":")
    # RFC 6749 §2.3.1: id and secret are form-encoded before they are joined.
    return unquote_plus(client_id), unquote_plus(secret)


async def _by_secret(
    client_id: str, secret: str, services: Services, address: str, *, challenge: bool = False
) -> Client:
    client = await services.accounts.find_client(client_id)
    if client is None or client.secret_hash is None or client.authentication != "secret":
        # An unknown client costs the network a wait, a known one its own subject.
        raise await _unknown(services, address, "unknown client or wrong secret", challenge=challenge)
    subject = guesses.client(client.id, address)
    async with services.attempts.one_at_a_time(subject):
        if wait := await services.attempts.wait(subject):
            raise _of(client, too_many(wait))
        # By hashes of equal length, in constant time.
        if not hmac.compare_digest(digest(secret), client.secret_hash):
            await services.attempts.failed(subject)
            raise _of(client, _refused("unknown client or wrong secret", challenge=challenge))
        await services.attempts.succeeded(subject)
    return client


async def _by_assertion(assertion: str, client_id: str | None, services: Services, address: str) -> Client:
    """SMART 2.2 client-confidential-asymmetric.html#signature-verification."""
    header, claimed = _unverified(assertion)
    issuer = claimed.get("iss")
    # SMART 2.2: `iss` and `sub` are both the client_id; a `client_id` beside the assertion
    # must be it too (RFC 7521 §4.2).
    if not isinstance(issuer, str) or issuer != claimed.get("sub") or client_id not in (None, issuer):
        raise _refused("iss and sub must both be the client id")
    audience = services.settings.root + TOKEN_PATH
    return await _by_claims(assertion, header, issuer, services, address, audience)


async def by_token(token: str, services: Services, address: str, audience: str) -> Client:
    """The registered client that signed a token for this address (CDS Hooks 2.0, Trusting CDS Clients).

    It is checked as an assertion at the token endpoint is: issuer, registered key set, time, audience, single use.

    Raises:
        OAuthError: it is not valid here.
    """
    header, claimed = _unverified(token)
    issuer = claimed.get("iss")
    if not isinstance(issuer, str) or not issuer:
        raise _refused("iss must be the client id")
    return await _by_claims(token, header, issuer, services, address, audience)


async def _by_claims(
    assertion: str, header: dict[str, Any], issuer: str, services: Services, address: str, expected: str
) -> Client:
    client = await services.accounts.find_client(issuer)
    if client is None or client.authentication != "key":
        raise await _unknown(services, address, "unknown client, or one that does not authenticate by key")
    # SMART 2.2: jku must match the address that was registered: else anyone's keys would verify.
    if "jku" in header and header["jku"] != client.jwks_uri:
        raise _refused("jku is not the registered JWKS address")
    claims = await _verified(assertion, header, client, services, address)
    now = time.time()
    expires = claims.get("exp")
    # bool is an int in Python: `true` is no time.
    if isinstance(expires, bool) or not isinstance(expires, int | float):
        raise _refused("exp is missing")
    if expires <= now - LEEWAY or expires > now + LONGEST_ASSERTION + LEEWAY:
        raise _refused("exp is past, or more than five minutes ahead")
    for name in ("nbf", "iat"):
        value = claims.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int | float) or value > now + LEEWAY:
            raise _refused(f"{name} lies in the future")
    audience = claims.get("aud")
    # RFC 7523 §3: an assertion for another server must not serve here.
    if expected not in (audience if isinstance(audience, list) else [audience]):
        raise _refused(f"aud must be {expected}")
    jti = claims.get("jti")
    # Bounded, since it is kept until after it expires.
    if not isinstance(jti, str) or not 0 < len(jti) <= 255 or not is_storable(jti):
        raise _refused("jti is missing")
    # Last, when all else is right: an assertion that was refused is not used up.
    if not await services.grants.first_use(client.id, jti, float(expires)):
        raise _refused("this assertion was used before (jti)")
    return client


def _unverified(assertion: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims before verification: only to find the client whose key decides."""
    # Before it is parsed: a JWT of a client has some hundred bytes.
    if len(assertion) > 16_384:
        raise _refused("the client assertion is too long")
    try:
        parts = extract_compact(assertion.encode())
        # Half a surrogate pair and NaN are refused here, which the parser of a JWT takes.
        claims = loads(parts.payload)
    except (JoseError, ValueError, RecursionError) as error:
        # Deeply nested JSON ends in a RecursionError, which must be a refusal like any other.
        raise _refused("the client assertion is not a signed JWT") from error
    header = parts.headers()
    if not isinstance(claims, dict) or header.get("alg") not in ALGORITHMS:
        raise _refused("sign the client assertion with RS384 or ES384")
    return dict(header), claims


async def _verified(
    assertion: str, header: dict[str, Any], client: Client, services: Services, address: str
) -> dict[str, Any]:
    """The claims of an assertion that one of the client's keys signed."""
    wanted = header.get("kid")
    kind = "RSA" if header["alg"] == "RS384" else "EC"
    # First the key set as it is kept, then as it is now: keys are rotated.
    for fetch in (services.jwks.of, services.jwks.newer):
        try:
            keys = await fetch(client)
        except JwksUnavailable as error:
            if error.retry:
                raise _of(
                    client, OAuthError("slow_down", str(error), status=429, retry=error.retry)
                ) from error
            raise _refused(str(error)) from error
        if keys is None:
            break
        fitting = [key for key in keys.keys if key.key_type == kind and (wanted is None or key.kid == wanted)]
        for key in fitting:
            try:
                # In a key set joserfc looks for the `kid`; where the header has none, the key itself is needed.
                return dict(
                    jwt.decode(assertion, KeySet([key]) if wanted else key, algorithms=ALGORITHMS).claims
                )
            except (JoseError, ValueError):
                continue
        if fitting:
            break  # asking again helps only where the key id is new: the client rotated its keys
    wait = await services.attempts.failed(guesses.client(client.id, address))
    refused = _refused("no registered key verifies the client assertion")
    raise _of(client, too_many(wait) if wait else refused)
