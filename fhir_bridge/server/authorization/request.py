"""An authorization request, checked before anyone is asked anything.

SMART 2.2 app-launch.html#request-4, RFC 6749 §4.1.1, RFC 7636, RFC 9700. Whatever is wrong with the client or its
redirect URI is shown on a page here; only what is wrong after that goes back to the application.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit, urlunsplit

from fhir_bridge.server.services import Services
from fhir_bridge.server.smart.errors import PageError, RedirectError
from fhir_bridge.server.smart.scopes import grant, parse_all
from fhir_bridge.storage.accounts import Client, User

__all__ = ["PARAMETERS", "AuthorizationRequest", "check", "for_user", "redirect_target", "trusted"]

PARAMETERS = (
    "response_type", "client_id", "redirect_uri", "scope", "state", "aud", "launch", "code_challenge",
    "code_challenge_method", "nonce", "prompt", "response_mode",
)  # fmt: skip
# SHA-256 in base64url without padding has 43 characters (RFC 7636 §4.2).
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A request that may be put to the user.

    Attributes:
        scope: the requested scopes that the client may have.
    """

    client: Client
    redirect_uri: str
    state: str
    scope: str
    challenge: str
    launch: str | None
    nonce: str | None
    prompt: str | None

    @property
    def needs_patient(self) -> bool:
        """Whether a patient has to be in context: asked for, or needed by a patient-level scope."""
        resource, context = parse_all(self.scope)
        return "launch/patient" in context or any(scope.level == "patient" for scope in resource)


async def trusted(parameters: Mapping[str, str], services: Services) -> tuple[Client, str]:
    """The client and its redirect URI, compared character by character.

    Raises:
        PageError: unknown client, or a redirect URI that is not registered for it.
    """
    client = await services.accounts.find_client(parameters.get("client_id", ""))
    if client is None or not client.redirect_uris:
        raise PageError("This application is not registered here (client_id).")
    redirect_uri = parameters.get("redirect_uri")
    # RFC 9700 §2.1: exact string matching; patterns and prefixes have been used to redirect codes elsewhere.
    if redirect_uri not in client.redirect_uris:
        raise PageError("The application gave an address to return to that is not registered (redirect_uri).")
    return client, redirect_uri


def check(
    parameters: Mapping[str, str], client: Client, redirect_uri: str, services: Services
) -> AuthorizationRequest:
    """The request, as far as it can be checked without the user.

    Raises:
        RedirectError: for the application.
    """
    # Ignored, a request object would mean something else than what is checked here.
    if "request" in parameters or "request_uri" in parameters:
        raise RedirectError("request_not_supported", "request objects are not supported")
    if parameters.get("response_type") != "code":
        raise RedirectError("unsupported_response_type", "response_type must be code")
    if parameters.get("response_mode", "query") != "query":
        raise RedirectError("invalid_request", "response_mode must be query")
    # SMART 2.2 requires `state`; without it the application can't tie the answer to its request.
    if not parameters.get("state"):
        raise RedirectError("invalid_request", "state is required")
    base = services.settings.fhir_base
    # SMART 2.2: `aud` keeps an application from sending a token for this server to a counterfeit one.
    if parameters.get("aud") not in (base, base + "/"):
        raise RedirectError("invalid_request", "aud must be the FHIR base URL of this server")
    challenge = parameters.get("code_challenge", "")
    # `plain` too would be PKCE, and SMART 2.2 forbids it.
    if parameters.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(challenge):
        raise RedirectError(
            "invalid_request", "PKCE is required: code_challenge, with code_challenge_method S256"
        )
    scope = grant(parameters.get("scope", ""), client.scope)
    launch = parameters.get("launch")
    if launch is None:
        # Applications ask for all that they may need: in a standalone launch there is no context to hand over.
        scope = " ".join(item for item in scope.split() if item != "launch")
    if not scope:
        raise RedirectError(
            "invalid_scope", "none of the requested scopes can be granted to this application"
        )
    # A handle without the scope would be context that nobody approves.
    if launch is not None and "launch" not in scope.split():
        raise RedirectError("invalid_request", "the parameter launch needs the scope launch")
    return AuthorizationRequest(
        client, redirect_uri, parameters["state"], scope, challenge, launch, parameters.get("nonce"),
        parameters.get("prompt"),
    )  # fmt: skip


def for_user(scope: str, user: User) -> str:
    """The part of a scope that makes sense for this person: never more than the person may do."""
    kept = []
    for item in scope.split():
        resource, _ = parse_all(item)
        if not resource:
            if item == "fhirUser" and user.fhir_user is None:
                continue
            kept.append(item)
            continue
        level = resource[0].level
        # System scopes are for backend services, which have no person.
        if level == "system":
            continue
        if user.role == "patient":
            # A patient reads: whatever is asked for is narrowed, not refused, so that
            # applications for clinicians work.
            narrowed = grant(item, f"{level}/*.rs")
            if narrowed:
                kept.append(narrowed)
            continue
        kept.append(item)
    return " ".join(kept)


def redirect_target(redirect_uri: str, services: Services, state: str | None, **values: str) -> str:
    """The redirect URI with an answer, the state as it came, and who answers (RFC 9207)."""
    answer = {**values, "iss": services.settings.root}
    if state is not None:
        answer["state"] = state
    parts = urlsplit(redirect_uri)
    # A registered redirect URI may have a query of its own, which stays (RFC 6749 §3.1.2).
    query = "&".join(filter(None, (parts.query, urlencode(answer))))
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))
