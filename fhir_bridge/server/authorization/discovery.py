"""What this authorization server says of itself (SMART 2.2 conformance.html, OpenID Connect Discovery)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fhir_bridge.server.authorization.clients import ALGORITHMS
from fhir_bridge.server.html import page_headers
from fhir_bridge.server.services import services_of
from fhir_bridge.server.settings import FHIR_PATH, Settings
from fhir_bridge.server.smart.scopes import CONTEXT_SCOPES

__all__ = ["SMART_CONFIGURATION", "configuration", "router"]

SMART_CONFIGURATION = f"{FHIR_PATH}/.well-known/smart-configuration"
"""The one address below the FHIR base that is not of the FHIR API (SMART 2.2 conformance.html)."""

router = APIRouter(include_in_schema=False)

CAPABILITIES = [
    "launch-ehr", "launch-standalone", "authorize-post", "client-public", "client-confidential-symmetric",
    "client-confidential-asymmetric", "sso-openid-connect", "context-banner", "context-style", "context-ehr-patient",
    "context-ehr-encounter", "context-standalone-patient", "permission-offline", "permission-online",
    "permission-patient", "permission-user", "permission-v1", "permission-v2",
]  # fmt: skip
SCOPES = [*sorted(CONTEXT_SCOPES - {"launch/encounter"}), "patient/*.cruds", "user/*.cruds", "system/*.cruds"]


def configuration(settings: Settings) -> dict[str, Any]:
    """The document at `[base]/.well-known/smart-configuration`."""
    root = settings.root
    return {
        "issuer": root,
        "jwks_uri": f"{root}/oauth/jwks",
        "authorization_endpoint": f"{root}/oauth/authorize",
        "token_endpoint": f"{root}/oauth/token",
        "introspection_endpoint": f"{root}/oauth/introspect",
        "revocation_endpoint": f"{root}/oauth/revoke",
        # SMART 2.2 conformance.html knows these two values alone; refresh tokens are announced by
        # permission-offline. OpenID Connect's document, below, lists them all.
        "grant_types_supported": ["authorization_code", "client_credentials"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "scopes_supported": SCOPES,
        "token_endpoint_auth_methods_supported": [
            "client_secret_basic",
            "client_secret_post",
            "private_key_jwt",
        ],
        "token_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
        # SMART 2.2: S256 SHALL be among them, and `plain` SHALL NOT be.
        "code_challenge_methods_supported": ["S256"],
        # RFC 9207, against mix-up of authorization servers.
        "authorization_response_iss_parameter_supported": True,
        "capabilities": CAPABILITIES,
    }


# SMART 2.2: discovery must be readable by any browser application, before it is registered anywhere.
_OPEN = {"Access-Control-Allow-Origin": "*", "Cache-Control": "max-age=300"}


@router.api_route(SMART_CONFIGURATION, methods=["GET", "HEAD"])
async def smart_configuration(request: Request) -> Response:
    """SMART discovery; JSON whatever is asked for."""
    settings = services_of(request).settings
    if settings.auth == "none":
        # There is no authorization server to find, so clients that look for one go on without.
        return JSONResponse({"detail": "this server runs without authorization"}, 404, headers=_OPEN)
    return JSONResponse(configuration(settings), headers=_OPEN)


@router.api_route("/.well-known/openid-configuration", methods=["GET", "HEAD"])
async def openid_configuration(request: Request) -> Response:
    """OpenID Connect discovery of the issuer."""
    # OpenID Connect Core §15.1 requires RS256, whatever else is offered.
    document = configuration(services_of(request).settings) | {
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "fhirUser", "profile"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
    }
    return JSONResponse(document, headers=_OPEN)


@router.api_route("/oauth/jwks", methods=["GET", "HEAD"])
async def jwks(request: Request) -> Response:
    """The public key of id_tokens."""
    return JSONResponse(services_of(request).key.public(), headers=_OPEN)


STYLE = {
    "color_background": "#f4f6f8",
    "color_error": "#b3261e",
    "color_highlight": "#0b5cad",
    "color_modal_backdrop": "#1b2733",
    "color_success": "#2e7d32",
    "color_text": "#1b2733",
    "dim_border_radius": "4px",
    "dim_font_size": "16px",
    "dim_spacing_size": "16px",
    "font_family_body": "system-ui, sans-serif",
    "font_family_heading": "system-ui, sans-serif",
}


@router.get("/smart/style.json")
async def style(request: Request) -> Response:  # noqa: ARG001
    """How applications may look to fit in (`smart_style_url`)."""
    return Response(orjson.dumps(STYLE), media_type="application/json", headers=_OPEN)


@lru_cache(maxsize=1)
def _css() -> str:
    from importlib.resources import files

    return (files("fhir_bridge.server.smart") / "templates" / "page.css").read_text()


@router.get("/smart/page.css")
async def page_css(request: Request) -> Response:  # noqa: ARG001
    """The style sheet of the sign-in pages."""
    return Response(_css(), media_type="text/css", headers=page_headers() | {"Cache-Control": "max-age=300"})


@router.get("/favicon.ico")
async def icon(request: Request) -> Response:  # noqa: ARG001
    """Browsers ask for it with every page; there is none."""
    return Response(status_code=204, headers={"Cache-Control": "max-age=86400"})
