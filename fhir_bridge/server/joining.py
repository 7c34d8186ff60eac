"""The head of an answer and the first bytes of its body, written together."""

from __future__ import annotations

import asyncio

__all__ = ["JoinedAnswer"]


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

    def is_closing(self) -> bool:
        """Whether the connection ends."""
        return self._transport.is_closing()

    def close(self) -> None:
        """End the connection; a head whose body never came says to the client that something is missing."""
        if self._head:
            self.write(b"")
        self._transport.close()
