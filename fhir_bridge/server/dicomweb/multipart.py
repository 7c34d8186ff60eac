"""multipart/related bodies (RFC 2387), read as they come: each part into a file, none of them in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import BinaryIO, Final

__all__ = ["MalformedBody", "Part", "TooLarge", "media_type", "parts_of"]

_MOST_HEADER: Final = 16 * 1024
_MOST_PARTS: Final = 100_000


class MalformedBody(ValueError):
    """The body is not as its Content-Type says."""


class TooLarge(ValueError):
    """A part is larger than allowed."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part: its media type in lower case, and the file of its content."""

    type: str
    path: Path


def media_type(header: str) -> tuple[str, dict[str, str]]:
    """A Content-Type in lower case, and its parameters."""
    message = Message()
    message["Content-Type"] = header
    parameters = {
        name.lower(): str(value) for name, value in message.get_params(failobj=[], header="content-type")[1:]
    }
    return message.get_content_type() if header.strip() else "", parameters


async def parts_of(
    pieces: AsyncIterator[bytes], boundary: str, folder: Path, most: int
) -> AsyncIterator[Part]:
    """The parts, each once it is whole; its file may be removed then.

    Args:
        pieces: the body.
        most: bytes of one part.

    Raises:
        MalformedBody, TooLarge.
    """
    if not boundary or len(boundary) > 70 or not boundary.isascii():
        raise MalformedBody("the Content-Type has no boundary")
    mark = b"\r\n--" + boundary.encode()
    reader = _Reader(pieces)
    await reader.until(mark, None, _MOST_HEADER * 4)  # a preamble says nothing
    for number in range(_MOST_PARTS):
        after = await reader.take(2)
        if after == b"--":
            return
        if after != b"\r\n":
            raise MalformedBody("a boundary has something behind it")
        header = await reader.header()
        path = folder / f"{number}.dcm"
        with path.open("xb") as file:
            await reader.until(mark, file, most)
        yield Part(header, path)
    raise TooLarge(f"more than {_MOST_PARTS:,} parts")


class _Reader:
    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        # The first boundary may stand at the very beginning, without a line before it.
        self._held = bytearray(b"\r\n")

    async def _more(self) -> None:
        piece = await anext(self._pieces, None)
        while piece == b"":
            piece = await anext(self._pieces, None)
        if piece is None:
            raise MalformedBody("the body ends within a part")
        self._held += piece

    async def take(self, count: int) -> bytes:
        while len(self._held) < count:
            await self._more()
        result = bytes(self._held[:count])
        del self._held[:count]
        return result

    async def header(self) -> str:
        """The media type that the lines before the empty line state."""
        while True:
            if self._held.startswith(b"\r\n"):  # no header at all
                del self._held[:2]
                return ""
            end = self._held.find(b"\r\n\r\n")
            if end >= 0:
                break
            if len(self._held) > _MOST_HEADER:
                raise MalformedBody("a part has no end of its header")
            await self._more()
        lines = bytes(self._held[:end]).decode("latin-1").split("\r\n")
        del self._held[: end + 4]
        # The content may be empty: then the boundary follows at once, without its line end.
        if self._held.startswith(b"--"):
            self._held[:0] = b"\r\n"
        for line in lines:
            name, _, value = line.partition(":")
            if name.strip().lower() == "content-type":
                return media_type(value)[0]
        return ""

    async def until(self, mark: bytes, file: BinaryIO | None, most: int) -> None:
        """Pass on what comes before a mark, and the mark itself over."""
        size = 0
        while True:
            at = self._held.find(mark)
            count = at if at >= 0 else max(len(self._held) - len(mark) + 1, 0)
            size += count
            if size > most:
                raise TooLarge(f"a part has more than {most:,} bytes")
            if file is not None and count:
                await asyncio.to_thread(file.write, bytes(self._held[:count]))
            if at >= 0:
                del self._held[: at + len(mark)]
                return
            del self._held[:count]
            await self._more()
