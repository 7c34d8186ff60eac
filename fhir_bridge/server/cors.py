"""Cross-origin requests: open for discovery, for registered origins elsewhere (SMART 2.2 app-launch.html, CORS)."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import wraps

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response

from fhir_bridge.storage.accounts import Accounts

__all__ = ["Origins", "crossable", "preflight", "preflight_headers"]

_EXPOSED = "Content-Location, ETag, Last-Modified, Location, WWW-Authenticate, X-Request-Id"
# Looked up for each request it would be a query for each; a new registration counts after these seconds.
KEPT_SECONDS = 10.0


class Origins:
    """The origins of all registered applications, looked up now and then."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._known: frozenset[str] = frozenset()
        self._until = 0.0

    async def registered(self, origin: str) -> bool:
        """Whether a registered application is served from this origin, compared character by character."""
        if time.monotonic() > self._until:
            clients = await self._accounts.clients()
            self._known = frozenset(origin for client in clients for origin in client.origins)
            self._until = time.monotonic() + KEPT_SECONDS
        return origin in self._known

    async def allow(self, origin: str | None, headers: MutableHeaders) -> None:
        """Let a registered origin read the answer. Never with credentials: tokens travel in a header."""
        if origin is None:
            return
        # Also where it is refused: a shared cache must not give one origin the answer to another.
        headers.add_vary_header("Origin")
        if await self.registered(origin):
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = _EXPOSED


def preflight_headers(methods: str) -> dict[str, str]:
    """What an allowed preflight adds."""
    # Browsers keep no preflight for longer than two hours anyway; ten minutes let a removed origin end soon.
    return {
        "Access-Control-Allow-Methods": methods,
        "Access-Control-Allow-Headers": "Authorization, Content-Type, Accept, Prefer, If-Match, If-None-Match, "
        "If-None-Exist, If-Modified-Since, X-Request-Id",
        "Access-Control-Max-Age": "600",
    }


def crossable(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Let registered origins call this handler from a browser."""

    @wraps(handler)
    async def wrapped(request: Request) -> Response:
        response = await handler(request)
        await request.app.state.origins.allow(request.headers.get("origin"), response.headers)
        return response

    return wrapped


@crossable
async def preflight(request: Request) -> Response:  # noqa: ARG001 - the decorator needs it
    """OPTIONS of an address that takes POST from registered origins."""
    return Response(status_code=204, headers=preflight_headers("POST"))
