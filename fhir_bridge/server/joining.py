"""The head of an answer and the first bytes of its body, written together."""

from __future__ import annotations

import asyncio

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

__all__ = ["JoinedAnswer", "answer"]

_FINE = bytes(code for code in range(256) if code in b"\r\n" or (code > 31 and code != 127))
"""What a head may hold."""
_OF_FRAMING = frozenset({b"connection", b"transfer-encoding"})


class JoinedAnswer(asyncio.Transport):
    """The transport of one answer: one system call, packet and wake-up of the client instead of two.

    uvicorn writes a head as soon as it has it. A head that announces a Content-Length is held here until the body's
    first bytes, which its application sends next; one without (a stream, whose first bytes may be long in coming) goes
    out at once.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport
        self._head = b""
        self._begun = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Bytes of the answer, whose head is one call."""
        if self._transport.is_closing():
            return  # the client is gone
        if self._head:
            head, self._head = self._head, b""
            self._transport.writelines((head, data))
        elif not self._begun and b"\r\ncontent-length: " in data:
            self._begun, self._head = True, bytes(data)
        else:
            # "100 Continue" comes before the head.
            self._begun = self._begun or bytes(data[:13]) != b"HTTP/1.1 100 "
            self._transport.write(data)

    def write_whole(self, head: bytes, body: bytes | memoryview) -> None:
        """A whole answer."""
        if not self._transport.is_closing():
            self._transport.writelines((head, body))

    def is_closing(self) -> bool:
        """Whether the connection ends."""
        return self._transport.is_closing()

    def close(self) -> None:
        """End the connection; a head whose body never came says to the client that something is missing."""
        if self._head:
            self.write(b"")
        self._transport.close()


async def answer(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Send an answer: at once, where it is whole and nothing is between the application and the connection.

    As uvicorn does with two messages, of which each has its steps and checks.
    """
    cycle = getattr(send, "__self__", None)
    if (
        type(response) is not Response
        or type(cycle) is not RequestResponseCycle
        or not _at_once(cycle, response)
    ):
        await response(scope, receive, send)


def _at_once(cycle: RequestResponseCycle, response: Response) -> bool:
    """Whether it was sent."""
    transport, status, body = cycle.transport, response.status_code, response.body
    if (
        not isinstance(transport, JoinedAnswer)
        or cycle.disconnected
        or cycle.response_started
        or not cycle.keep_alive
        or cycle.access_log
        or cycle.flow.write_paused
        or response.background is not None
        or cycle.scope["method"] == "HEAD"
    ):
        return False
    parts = [STATUS_LINE[status]]
    length = None
    for name, value in (*cycle.default_headers, *response.raw_headers):
        if name == b"content-length":
            length = value
        elif name in _OF_FRAMING:
            return False
        parts += (name, b": ", value, b"\r\n")
    parts.append(b"\r\n")
    head = b"".join(parts)
    lines = (len(parts) + 6) // 4
    # What would end a header within its value is uvicorn's to refuse, with all else that is not as usual.
    if (
        length != b"%d" % len(body)
        or not head.count(b"\r") == head.count(b"\n") == head.count(b"\r\n") == lines
        or head.translate(None, _FINE)
    ):
        return False
    cycle.response_started, cycle.waiting_for_100_continue = True, False
    cycle.chunked_encoding, cycle.response_complete = False, True
    transport.write_whole(head, body)
    cycle.message_event.set()
    cycle.on_response()
    return True
