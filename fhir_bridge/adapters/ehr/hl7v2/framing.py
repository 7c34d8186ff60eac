"""Parting a file into messages: bare ER7, batches (FHS/BHS), MLLP frames, any line ends, one message in memory."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

__all__ = ["CHUNK", "Framed", "messages"]

CHUNK = 1 << 18

_START = re.compile(
    rb"(?:(?<=[\r\n\x0b\x1c])|\A)[ \t]*(?:\xef\xbb\xbf)?(?=(?:MSH|FHS|BHS|BTS|FTS)[^A-Za-z0-9\s])"
)
_REACH = 64
"""Bytes before a chunk that a start straddling it may take."""
_BLANK = b"\r\n\x0b\x1c\x00\x1a \t"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class Framed:
    """A piece of a file.

    Attributes:
        kind: `message` (from MSH on), `envelope` (an FHS, BHS, BTS or FTS segment), `foreign` (what no message
            claims), `oversize` (a message beyond the limit; its first bytes only).
        raw: the bytes.
        offset: where it begins, in bytes from the start of the file.
    """

    kind: str
    raw: bytes
    offset: int


def messages(path: Path, *, limit: int = 64 << 20) -> Iterator[Framed]:
    """The pieces of a file, in order.

    Args:
        path: a file of one or many messages.
        limit: bytes that one message may have.

    Raises:
        OSError: the file can't be opened or read.
    """
    with path.open("rb") as file:
        yield from _pieces(_chunks(file), limit)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    first = file.read(CHUNK)
    if first.startswith(_UTF16):
        decoder = codecs.getincrementaldecoder("utf-16")(errors="replace")
        while first:
            yield decoder.decode(first).encode("utf-8", "surrogatepass")
            first = file.read(CHUNK)
        return
    yield first.removeprefix(codecs.BOM_UTF8)
    while chunk := file.read(CHUNK):
        yield chunk


def _pieces(chunks: Iterator[bytes], limit: int) -> Iterator[Framed]:
    pending = b""
    offset = 0
    oversize = False
    for chunk in chunks:
        looked = max(0, len(pending) - _REACH)
        pending += chunk
        position = 0
        for match in _START.finditer(pending, looked):
            start = match.end()
            if not oversize:
                yield from _piece(pending[position:start], offset + position)
            oversize = False
            position = start
        pending = pending[position:]
        offset += position
        if len(pending) > limit:
            if not oversize:
                yield Framed("oversize", pending[:4096], offset)
            oversize = True
            offset += len(pending) - _REACH
            pending = pending[-_REACH:]
    if not oversize:
        yield from _piece(pending, offset)


def _piece(raw: bytes, offset: int) -> Iterator[Framed]:
    body = raw.strip(_BLANK)
    if not body:
        return
    name = body[:3]
    if name == b"MSH" and body[3:4] and not body[3:4].isalnum():
        # A frame's end closes the message; what is between frames belongs to none.
        message, _, rest = body.partition(b"\x1c")
        yield Framed("message", message, offset)
        if rest.strip(_BLANK):
            yield Framed("foreign", rest, offset + len(message))
    elif name in (b"FHS", b"BHS", b"BTS", b"FTS"):
        line, *rest_lines = re.split(rb"[\r\n]+", body, maxsplit=1)
        yield Framed("envelope", line, offset)
        if rest_lines and rest_lines[0].strip():
            yield Framed("foreign", rest_lines[0], offset + len(line))
    else:
        yield Framed("foreign", body, offset)
