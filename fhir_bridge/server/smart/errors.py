"""Errors of the authorization server."""

from __future__ import annotations

from starlette.responses import JSONResponse

__all__ = ["NO_STORE", "OAuthError", "PageError", "RedirectError", "too_many"]

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class OAuthError(Exception):
    """A refusal of the token, introspection or revocation endpoint (RFC 6749 §5.2)."""

    def __init__(
        self, error: str, description: str, *, status: int = 400, challenge: bool = False, retry: int = 0
    ) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status
        self.challenge = challenge
        self.retry = retry
        self.client: str | None = None
        """The registered application that was claimed, where it is known."""

    def response(self) -> JSONResponse:
        """The error as JSON; never stored by caches."""
        headers = dict(NO_STORE)
        if self.challenge:
            headers["WWW-Authenticate"] = 'Basic realm="token endpoint"'
        if self.retry:
            headers["Retry-After"] = str(self.retry)
        return JSONResponse(
            {"error": self.error, "error_description": self.description}, self.status, headers=headers
        )


def too_many(wait: int) -> OAuthError:
    """The answer to who has guessed too often (RFC 6585 §4); `slow_down` is that of RFC 8628 §3.5."""
    return OAuthError("slow_down", f"too many failed attempts: wait {wait} seconds", status=429, retry=wait)


class PageError(Exception):
    """An authorization request whose client or redirect URI can't be trusted: shown here, never redirected.

    Attributes:
        retry: seconds to wait, of who has guessed too often.
    """

    def __init__(self, message: str, *, retry: int = 0) -> None:
        super().__init__(message)
        self.retry = retry


class RedirectError(Exception):
    """A refusal that goes back to the application's redirect URI (RFC 6749 §4.1.2.1)."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
