"""HTTP connections with bounds: how long a head may take, how large it may be, how many may be open.

uvicorn's protocol waits for ever for a request's head, reads heads of any size, and keeps a client that does not read
its answer. Here each of these ends; and when a client hangs up, the work for it is stopped.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from fhir_bridge.server.hang_up import HANGUP, HangUp
from fhir_bridge.server.joining import JoinedAnswer
from fhir_bridge.server.rest.refusal import outcome_bytes, refuse

__all__ = ["BoundedConnection", "bounded"]

# As long as a slow network needs, too short for a client that sends a byte now and then (slowloris).
HEAD_SECONDS = 10.0
"""From a connection's first moment, or the first byte of a further request, to the end of the request's head."""
HEAD_BYTES = 64 * 1024
"""Most bytes of a head, and of what frames a body (chunk sizes and extensions, trailers) beside 16 times the body."""
MOST_AHEAD = 16
"""Requests that may wait in a connection behind the one that is served."""
LINGER_SECONDS = 5.0
"""How long the rest of a body may take whose request was answered before it had arrived."""
EOF_SECONDS = 2.0
"""How long the work goes on for a client that sends no more: it may read on (a half-closed connection), or be gone."""
STALL_SECONDS = 20.0
LEAST_READ = 16 * 1024
"""Bytes of an answer that a client takes in `STALL_SECONDS`; one that takes fewer is cut off."""


class BoundedConnection(HttpToolsProtocol):
    """One connection. `bounded` creates a class with the limits of the settings."""

    most = 500

    # As uvicorn calls it: protocols are created with exactly these arguments.
    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.idle_since = time.monotonic()
        self._deadline: asyncio.TimerHandle | None = None
        self._ending: asyncio.TimerHandle | None = None
        self._in_head, self._whole, self._refused, self._half_closed = False, True, False, False
        self._begun = self._head_bytes = self._body_bytes = self._framing_bytes = 0
        self._hangup = HangUp()
        self._pending: deque[HangUp] = deque()

    @property
    def idle(self) -> bool:
        """Whether no request is under way; one whose head is not there yet is none."""
        return (self._whole or self._in_head) and not self._pending

    # from the transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head; make room where there are too many connections."""
        super().connection_made(transport)
        self._limit(HEAD_SECONDS)
        if len(self.connections) > self.most:
            self._close_idle()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop what is under way for a client that is gone."""
        super().connection_lost(exc)
        # uvicorn leaves its timer to a connection that is gone, which then holds its memory until it fires.
        self._unset_keepalive_if_required()
        self._unlimit()
        if self._ending is not None:
            self._ending.cancel()
        # Every request of the connection, the one that is served and those behind it.
        for hangup in self._pending:
            hangup.now()

    def eof_received(self) -> bool:  # type: ignore[override]
        """The client sends no more: what it asked is answered still."""
        self._half_closed = True
        if not self._whole and not self._in_head:
            self._refuse(400, "FB-REST-008", "the request ends within its body")
        if self._refused or not self._pending:
            return False
        self._limit(EOF_SECONDS)
        return True

    def data_received(self, data: bytes) -> None:
        """Bytes of a request."""
        if self._refused:
            return
        waited_for = self._deadline is None and self.idle
        # Callbacks run within `super()`: only a comparison shows whether these bytes belong to one request.
        begun, body = self._begun, self._body_bytes
        super().data_received(data)
        if self._refused or self.transport.is_closing():
            return
        # The first byte after a pause begins a head; within one the deadline runs on, however slowly bytes come. Most
        # heads come at once, and need none.
        if waited_for and self._deadline is None and (self._in_head or self._begun == begun):
            self._limit(HEAD_SECONDS)
        if self._in_head:
            self._count_head(len(data))
        elif not self._whole and self._begun == begun:  # else the bytes are of two requests, and of a head
            self._framing_bytes += len(data) - (self._body_bytes - body)
            # Chunks of one byte are framed by some six: 16 times allows every honest client, and ends empty
            # chunks and trailers without end.
            if self._framing_bytes > HEAD_BYTES + 16 * self._body_bytes:
                self.transport.abort()

    def pause_writing(self) -> None:
        """The client reads slower than we write: watch it."""
        super().pause_writing()
        self._watch_reading()

    # from the parser

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._begun += 1
        self._in_head, self._whole = True, False
        self._head_bytes = self._body_bytes = self._framing_bytes = 0
        self._hangup = HangUp()
        # uvicorn has just created `self.scope` for this request.
        self.scope["extensions"] = {HANGUP: {"hangup": self._hangup}}

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header. What comes behind a body (a trailer) is no header of the request."""
        # httptools reports trailers as headers, and the scope of the request is already in use.
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is there: its request can begin."""
        self._in_head = False
        self._unlimit()
        # Of a head that came at once, or with a body, only this is its size; uvicorn takes no longer address.
        size, hosts = len(self.url), 0
        for name, value in self.headers:
            size += len(name) + len(value)
            hosts += name == b"host"
        self._check_head(size, hosts)
        version = self.parser.get_http_version()
        if version not in ("1.0", "1.1"):
            self.send_400_response("")
        elif version == "1.1" and not hosts:
            self._refuse(400, "FB-REST-008", "a request of HTTP/1.1 has a Host (RFC 9112 §3.2)")
        if self._refused:
            return
        self._pending.append(self._hangup)
        super().on_headers_complete()
        # A websocket has no cycle, and the answer to a HEAD no bytes after its head.
        if self.cycle is not None and self.scope["method"] != "HEAD":
            self.cycle.transport = JoinedAnswer(self.transport)
        # Reading goes on (below), so the queue of pipelined requests needs an end of its own.
        if len(self.pipeline) > MOST_AHEAD:
            self.transport.abort()
        elif (
            self.pipeline
        ):  # uvicorn reads no further, and who does not read does not notice a client that is gone
            self.flow.resume_reading()

    def on_body(self, body: bytes) -> None:
        """A piece of a body."""
        if self._refused:
            return
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The last byte of a request."""
        self._whole = self._hangup.whole = True
        if self._refused:
            return
        super().on_message_complete()
        if not self._pending:
            self._unlimit()

    def on_response_complete(self) -> None:
        """A request was answered."""
        super().on_response_complete()
        # uvicorn answers in the order of the requests.
        self._pending.popleft()
        self.idle_since = time.monotonic()
        if self.transport.is_closing():
            self._watch_reading()
        elif self._half_closed and not self._pending:
            self._close()
        elif not self._pending and not self._whole:
            # Answered before its body was there (413): the rest is read and dropped for a while, so that the
            # client sees the answer and no reset.
            self._limit(LINGER_SECONDS)

    def handle_websocket_upgrade(self) -> None:
        """The connection is a websocket from now on, whose times are its own (`subscriptions.sockets`)."""
        self._unlimit()
        self._pending.clear()
        super().handle_websocket_upgrade()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing more was asked."""
        self._close()

    # bounds

    def _limit(self, seconds: float) -> None:
        self._unlimit()
        self._deadline = self.loop.call_later(seconds, self._too_late)

    def _unlimit(self) -> None:
        # The timer of a deadline refers to the connection: it must not outlive what it was for.
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_late(self) -> None:
        self._deadline = None
        if self._in_head:
            self._refuse(
                408, "FB-REST-014", f"the head of the request took more than {HEAD_SECONDS:g} seconds"
            )
        else:
            self._close()  # nothing was sent, or the rest of a body that nobody waits for

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        self._check_head(self._head_bytes, sum(name == b"host" for name, _ in self.headers))

    def _check_head(self, size: int, hosts: int) -> None:
        if size > HEAD_BYTES:
            self._refuse(431, "FB-REST-007", f"the head of a request has at most {HEAD_BYTES} bytes here")
        elif hosts > 1:
            # Who stands in front may have taken the other one.
            self._refuse(400, "FB-REST-008", "a request has one Host (RFC 9112 §3.2)")

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        """What is no HTTP is refused."""
        self._refuse(400, "FB-REST-008", "this is not HTTP/1.1")

    def _refuse(self, status: int, code: str, message: str, **headers: str) -> None:
        """Answer before there is a request, and hang up."""
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        if self._pending:
            if len(self._pending) > 1 or self.cycle is None or self.cycle.response_started:
                self._close()  # an answer may be on its way: nothing can be said between its bytes
                return
            # This is the answer: what the application would say goes nowhere.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        # Written by hand: without a request there is no ASGI cycle that would send a response.
        body = outcome_bytes(refuse(status, code, message).issues)
        head = [
            f"HTTP/1.1 {status} Refused",
            "content-type: application/fhir+json",
            f"content-length: {len(body)}",
            "connection: close",
            *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
        ]
        self.transport.write("\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body)
        self._close()

    def _close(self) -> None:
        """Hang up once what is written has gone out."""
        if not self.transport.is_closing():
            self.transport.close()
        self._watch_reading()

    def _watch_reading(self) -> None:
        """Cut off a client that does not read what is written for it."""
        # One look at a time, renewed while something is left to be read.
        if self._ending is None:
            left = self.transport.get_write_buffer_size()
            self._ending = self.loop.call_later(STALL_SECONDS, self._check_reading, left)

    def _check_reading(self, before: int) -> None:
        self._ending = None
        left = self.transport.get_write_buffer_size()
        if left and before - left < LEAST_READ:
            self.transport.abort()
        elif left or self.transport.is_closing():
            self._watch_reading()

    def _close_idle(self) -> None:
        """Close who has waited longest without a request; where all are at work, this one is turned away."""
        others = (
            connection
            for connection in self.connections
            if isinstance(connection, BoundedConnection) and connection is not self
        )
        oldest = min(
            (connection for connection in others if connection.idle),
            key=lambda connection: connection.idle_since,
            default=None,
        )
        if oldest is None:
            self._refuse(503, "FB-REST-017", "too many requests are under way", retry_after="1")
        else:
            oldest._close()
            # connection_lost would discard it later: until then it must not be chosen again.
            self.connections.discard(oldest)


def bounded(connections: int) -> type[BoundedConnection]:
    """The protocol class of a worker that keeps at most so many connections open."""
    # A class for each limit, since uvicorn takes a class and creates the instances itself.
    return type("Connection", (BoundedConnection,), {"most": connections})
