"""How many requests a worker takes at once, and the end of work whose client is gone."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from fhir_bridge.server.hang_up import HANGUP
from fhir_bridge.server.rest.refusal import busy, outcome_bytes

__all__ = ["Admission"]


class Admission:
    """Lets requests through to the application, up to a number.

    Args:
        most: requests under way at once; further ones are answered with 503 and Retry-After.
    """

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most
        self.under_way = 0
        self.hung_up = 0
        """Requests whose client did not wait for the answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; where its client hangs up, its work is cancelled."""
        # Refused before anything of the request is read or awaited: what is refused must cost next to nothing.
        if self.under_way >= self._most:
            await _busy()(scope, receive, send)
            return
        extension = scope.get("extensions", {}).get(HANGUP)
        hangup = extension["hangup"] if extension is not None else None
        if hangup is not None:
            # The connection cancels this task when the client is gone; until then a hang-up would
            # only be seen on the next write.
            hangup.task = asyncio.current_task()
        self.under_way += 1
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if hangup is None or not hangup.gone:
                # Not by a hang-up: the worker itself is stopping, and the cancellation is not ours to swallow.
                raise
            self.hung_up += 1
        except ClientDisconnect:
            self.hung_up += 1
        finally:
            self.under_way -= 1
            if hangup is not None:
                # The task may go on to serve the connection's next request: a late hang-up
                # of this one must not cancel it.
                hangup.task = None


def _busy() -> Response:
    refusal = busy("too many requests are under way")
    return Response(outcome_bytes(refusal.issues), 503, refusal.headers, "application/fhir+json")
