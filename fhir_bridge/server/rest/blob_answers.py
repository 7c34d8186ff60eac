"""Answers whose content is a blob: read from where it is while it is sent."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from fhir_bridge.server.offloading import offloaded

__all__ = ["Streamed"]


class Streamed(Response):
    """An answer of known length that is never whole in memory.

    Args:
        pieces: its content.
        size: bytes of all of them together.
    """

    def __init__(
        self,
        pieces: AsyncIterator[bytes],
        size: int,
        media_type: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        # The length is known, so no chunks; and a client that is cut off notices.
        super().__init__(headers={**(headers or {}), "content-length": str(size)})
        # As it is: Starlette would add a charset to `text/…`.
        self.headers["content-type"] = media_type
        self._pieces = pieces
        self._packer: zlib._Compress | None = None

    def compress(self, level: int) -> None:
        """Send it as gzip; how long that gets is not known before."""
        # 31: the largest window, and gzip's own header and trailer.
        self._packer = zlib.compressobj(level, zlib.DEFLATED, 31)
        del self.headers["content-length"]
        self.headers["Content-Encoding"] = "gzip"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send it, no faster than it is read."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for piece in self._pieces:
            body = piece if self._packer is None else await offloaded(self._packer.compress, piece)
            if body:
                await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": self._packer.flush() if self._packer else b""})
