"""Parting a file into messages: bare ER7, batches (FHS/BHS), MLLP frames, any line ends, one message in memory."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

__all__ = ["CHUNK", "Framed", "messages"]

CHUNK = 1 << 18

_NAMES = (b"MSH", b"FHS", b"BHS", b"BTS", b"FTS")
_NO_SEPARATOR = re.compile(rb"[A-Za-z0-9\s]|\Z")
_LINE_END = b"\r\n\x0b\x1c"
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
        wide: the encoding of the file, where that is UTF-16 and `raw` is UTF-8.
    """

    kind: str
    raw: bytes
    offset: int
    wide: str = ""


def messages(
    path: Path, *, limit: int = 64 << 20, begin: int = 0, end: int | None = None
) -> Iterator[Framed]:
    """The pieces of a file, in order.

    Args:
        path: a file of one or many messages.
        limit: bytes that one message may have.
        begin, end: where to begin and to end in a file that is not UTF-16: offsets of pieces.

    Raises:
        OSError: the file can't be opened or read.
    """
    with path.open("rb") as file:
        if begin:
            file.seek(begin)
        first = file.read(CHUNK)
        if not begin and first.startswith(_UTF16):
            wide = _Wide("utf-16-le" if first.startswith(codecs.BOM_UTF16_LE) else "utf-16-be")
            for piece in _pieces(wide.unpacked(file, first), limit):
                yield replace(piece, offset=wide.offset(piece.offset), wide=wide.encoding)
            return
        mark = len(codecs.BOM_UTF8) if not begin and first.startswith(codecs.BOM_UTF8) else 0
        passed = begin + mark
        for piece in _pieces(_chunks(file, first[mark:]), limit):
            if end is not None and piece.offset + passed >= end:
                return
            yield replace(piece, offset=piece.offset + passed) if passed else piece


def _chunks(file: BinaryIO, first: bytes) -> Iterator[bytes]:
    yield first
    while chunk := file.read(CHUNK):
        yield chunk


class _Wide:
    """A UTF-16 file as UTF-8, with the memory of where in the file what is being read begins."""

    def __init__(self, encoding: str) -> None:
        self.encoding = encoding
        self._kept = bytearray()
        self._before = (
            0,
            2,
        )  # of what is kept: its offset in UTF-8, and in the file after the byte order mark

    def unpacked(self, file: BinaryIO, first: bytes) -> Iterator[bytes]:
        decoder = codecs.getincrementaldecoder("utf-16")(errors="replace")
        while first:
            unpacked = decoder.decode(first).encode("utf-8", "surrogatepass")
            self._kept += unpacked
            yield unpacked
            first = file.read(CHUNK)

    def offset(self, unpacked: int) -> int:
        """The offset in the file of one in UTF-8; they ascend from call to call."""
        begin, there = self._before
        passed = bytes(self._kept[: unpacked - begin]).decode("utf-8", "surrogatepass")
        self._before = unpacked, there + len(passed.encode(self.encoding, "surrogatepass"))
        del self._kept[: unpacked - begin]
        return self._before[1]


def _starts(data: bytes, begin: int) -> Iterator[int]:
    """Where messages and envelopes start: at names that begin a line, blanks and a byte order mark apart."""
    for start in sorted(place for name in _NAMES for place in _places(data, name, begin)):
        if _NO_SEPARATOR.match(data, start + 3):
            continue
        before = start
        if data[max(before - 3, 0) : before] == codecs.BOM_UTF8:
            before -= 3
        while before and data[before - 1] in b" \t":
            before -= 1
        if not before or data[before - 1] in _LINE_END:
            yield start


def _places(data: bytes, name: bytes, begin: int) -> Iterator[int]:
    place = data.find(name, begin)
    while place >= 0:
        yield place
        place = data.find(name, place + 3)


def _pieces(chunks: Iterator[bytes], limit: int) -> Iterator[Framed]:
    pending = b""
    offset = 0
    oversize = False
    for chunk in chunks:
        looked = max(0, len(pending) - _REACH)
        pending += chunk
        position = 0
        for start in _starts(pending, looked):
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
