"""Websockets of one worker, and the notifications on them (R4 back-port of Subscriptions, channels).

A client asks for a token (`$get-ws-binding-token`), opens a websocket, and sends `bind-with-token TOKEN`. It is
notified of the same events as a rest-hook: those that came while no websocket was bound follow once one is.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from fhir_bridge.server.leasing import pause
from fhir_bridge.server.subscriptions.channels import NotTaken, Subscriber
from fhir_bridge.server.subscriptions.model import WEBSOCKET
from fhir_bridge.server.subscriptions.notifying import Notifier, Redact
from fhir_bridge.server.subscriptions.owners import Owners
from fhir_bridge.storage import Store
from fhir_bridge.storage.subscriptions import Subscriptions

__all__ = ["PATH", "SECONDS", "Sockets"]

PATH: Final = "/subscriptions/websocket"
"""Below the root of the server."""
SECONDS: Final = 60
"""How long a token holds."""
MOST: Final = 200
"""Websockets of a worker."""
MOST_BOUND: Final = 50
"""Subscriptions on one websocket."""
BIND_SECONDS: Final = 10.0
"""How long a websocket may be open before it is bound."""
SEND_SECONDS: Final = 20.0
"""How long a client may take to read a message."""
IDLE_SECONDS: Final = 0.5
_COMMAND: Final = "bind-with-token "
GONE, REFUSED, FULL = 1000, 1008, 1013
"""Codes of RFC 6455 §7.4: it is over, it was not allowed, there are too many."""

_log = logging.getLogger("fhir_bridge.server")


class _Socket:
    """A websocket that was accepted."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._sending = asyncio.Lock()
        self.name = secrets.token_hex(16)
        self.subscriptions: set[str] = set()
        self.greeted: set[str] = set()
        self.address = websocket.client.host if websocket.client else "unknown"

    async def send(self, text: str) -> None:
        """Send a message.

        Raises:
            NotTaken: the client is gone, or does not read.
        """
        try:
            async with asyncio.timeout(SEND_SECONDS), self._sending:
                await self._websocket.send_text(text)
        except (TimeoutError, RuntimeError, WebSocketDisconnect, OSError) as error:
            raise NotTaken("the websocket does not take it") from error

    async def close(self, code: int, reason: str) -> None:
        """Say why, and end."""
        if self._websocket.application_state is WebSocketState.CONNECTED:
            with suppress(RuntimeError, WebSocketDisconnect, OSError):
                await self._websocket.close(code, reason)


class Sockets:
    """The websockets, as a channel.

    Args:
        owners: what subscribers may read.
        redact: takes out of a resource what plug-ins take out.
        base: the FHIR base URL.
    """

    name = WEBSOCKET
    repeats = False

    def __init__(self, store: Store, owners: Owners, redact: Redact, base: str) -> None:
        self._events = Subscriptions(store.pool)
        self._bound: dict[str, _Socket] = {}
        self._open: set[_Socket] = set()
        self._notifier = Notifier(store, owners, self, redact, base)
        self._notifying: asyncio.Task[None] | None = None
        self._stopped = asyncio.Event()

    # as a channel

    def serves(self, identity: str) -> bool:
        """Whether a websocket of this worker is bound to it."""
        return identity in self._bound

    def greets(self, identity: str) -> bool:
        """Whether it was just bound."""
        socket = self._bound.get(identity)
        return socket is not None and identity not in socket.greeted

    def address(self, subscriber: Subscriber) -> str:
        """The client's."""
        socket = self._bound.get(subscriber.id)
        return "unknown" if socket is None else socket.address

    async def send(self, subscriber: Subscriber, method: str, address: str, content: bytes) -> None:  # noqa: ARG002
        """See `Channel.send`."""
        socket = self._bound.get(subscriber.id)
        if socket is None:
            raise NotTaken("no websocket is bound")
        try:
            await socket.send(content.decode())
        except NotTaken:
            self._forget(socket)
            await socket.close(REFUSED, "messages were not read")
            raise
        socket.greeted.add(subscriber.id)

    # as what clients open

    async def serve(self, websocket: WebSocket) -> None:
        """One websocket, from its first to its last message."""
        if len(self._open) >= MOST or self._stopped.is_set():
            await websocket.close(FULL)
            return
        await websocket.accept()
        socket = _Socket(websocket)
        self._open.add(socket)
        try:
            async with asyncio.timeout(BIND_SECONDS):
                text = await websocket.receive_text()
            while await self._bind(socket, text):
                text = await websocket.receive_text()
        except TimeoutError:
            await socket.close(REFUSED, "it was not bound in time")
        except (WebSocketDisconnect, RuntimeError, KeyError):  # KeyError: a message of bytes
            await socket.close(REFUSED, "send bind-with-token TOKEN")
        finally:
            self._forget(socket)
            self._open.discard(socket)

    async def _bind(self, socket: _Socket, text: str) -> bool:
        """Bind the websocket by a message; False: it is closed."""
        token = text.removeprefix(_COMMAND).strip()
        named = await self._events.bind(token, socket.name) if text.startswith(_COMMAND) else []
        if not named or len(socket.subscriptions | set(named)) > MOST_BOUND:
            # One answer for whatever was wrong: a token that is over is none.
            await socket.close(REFUSED, "send bind-with-token and a token that is valid")
            return False
        for identity in named:
            other = self._bound.get(identity)
            if other is not None and other is not socket:
                other.subscriptions.discard(identity)
                if not other.subscriptions:
                    await other.close(GONE, "bound to another websocket")
            self._bound[identity] = socket
            socket.subscriptions.add(identity)
            socket.greeted.discard(identity)
        if self._notifying is None or self._notifying.done():
            self._notifying = asyncio.create_task(self._notify(), name="websockets")
        return True

    def _forget(self, socket: _Socket) -> None:
        for identity in socket.subscriptions:
            if self._bound.get(identity) is socket:
                del self._bound[identity]
        socket.subscriptions.clear()

    async def _notify(self) -> None:
        """Notify subscribers while there are any."""
        while self._bound and not self._stopped.is_set():
            try:
                await self._end_those_elsewhere()
                bound = dict(self._bound)
                busy = await self._notifier.turn()
                # The Subscription is off, in error or deleted: its client or person may not subscribe any more, or
                # ended it. One that was bound during the turn is looked at in the next.
                known = self._notifier.known
                over = {identity: socket for identity, socket in bound.items() if identity not in known}
                await self._unbind(over, "the Subscription is over")
            except Exception as error:  # noqa: BLE001 - the database is away, in one of many ways: it comes back
                _log.warning("websockets wait: the database does not answer (%s)", type(error).__name__)
                busy = False
            if not busy:
                await pause(self._stopped, IDLE_SECONDS)

    async def _end_those_elsewhere(self) -> None:
        """Another worker has a websocket that was bound later."""
        asked = dict(self._bound)
        here = await self._events.bound({identity: socket.name for identity, socket in asked.items()})
        gone = {identity: socket for identity, socket in asked.items() if identity not in here}
        await self._unbind(gone, "bound to another websocket")

    async def _unbind(self, sockets: Mapping[str, _Socket], reason: str) -> None:
        """End what is bound to these; another websocket may have taken its place meanwhile, and stays."""
        for identity, socket in sockets.items():
            if self._bound.get(identity) is not socket:
                continue
            del self._bound[identity]
            socket.subscriptions.discard(identity)
            if not socket.subscriptions:
                await socket.close(GONE, reason)

    async def stop(self) -> None:
        """Notify nobody any more."""
        self._stopped.set()
        if self._notifying is not None:
            await self._notifying
