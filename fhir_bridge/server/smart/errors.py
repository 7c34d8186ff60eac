"""Errors of the authorization server."""

from __future__ import annotations

from starlette.responses import JSONResponse

__all__ = ["NO_STORE", "OAuthError", "PageError", "RedirectError"]

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class OAuthError(Exception):
    """A refusal of the token, introspection or revocation endpoint (RFC 6749 §5.2)."""

    def __init__(self, error: str, description: str, *, status: int = 400, challenge: bool = False) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status
        self.challenge = challenge

    def response(self) -> JSONResponse:
        """The error as JSON; never stored by caches."""
        headers = dict(NO_STORE)
        if self.challenge:
            headers["WWW-Authenticate"] = 'Basic realm="token endpoint"'
        return JSONResponse(
            {"error": self.error, "error_description": self.description}, self.status, headers=headers
        )


class PageError(Exception):
    """An authorization request whose client or redirect URI can't be trusted: shown here, never redirected."""


class RedirectError(Exception):
    """A refusal that goes back to the application's redirect URI (RFC 6749 §4.1.2.1)."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
