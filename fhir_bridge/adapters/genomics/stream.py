"""Lines of a VCF, plain, gzip or bgzip, distinguished by their first bytes; memory for one block and one line.

Damage costs what it hits: lines before the break are delivered, then `Break` says where the text ends.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

__all__ = [
    "BGZF_END",
    "Break",
    "OverlongLine",
    "is_packed",
    "lines",
    "lines_from",
    "located_blocks",
    "unpacked",
]

BLOCK = 1 << 16
GZIP_MAGIC = b"\x1f\x8b"
BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
"""The empty block that ends every bgzip file (SAM §4.1.2)."""


_FRAGMENTS = 1 << 20
"""Bytes of short lines without columns that may follow on each other: a small compressed file may hold billions."""
_SHORT = 16


@dataclass(frozen=True, slots=True)
class Break:
    """The text ended before the file did: `reason` says how; an unfinished last line was dropped.

    `certain` is false where nothing is known to be lost: a missing bgzip end block, or a missing last line end.
    """

    reason: str
    certain: bool = True
    code: str = "FB-VCF-006"


@dataclass(frozen=True, slots=True)
class OverlongLine:
    """A line above the limit; it was read past and dropped."""

    length: int


def _inflate(source: IO[bytes], first: bytes) -> Iterator[bytes | Break]:
    """Uncompressed blocks of a (multi-member) gzip stream."""
    bgzf = first[12:14] == b"BC"
    tail = b""
    engine = zlib.decompressobj(wbits=31)
    begun = False
    block = first
    try:
        while block:
            tail = (tail + block)[-len(BGZF_END) :]
            while block:
                begun = True
                yield engine.decompress(block, BLOCK)
                while engine.unconsumed_tail:
                    yield engine.decompress(engine.unconsumed_tail, BLOCK)
                block = engine.unused_data
                if engine.eof:
                    engine, begun = zlib.decompressobj(wbits=31), False
            block = source.read(BLOCK)
    except zlib.error:
        yield Break("the compressed data are damaged")
        return
    if begun:
        yield Break("the compressed data end in the middle of a block")
    elif bgzf and tail != BGZF_END:
        yield Break("bgzip's end-of-file block is missing", certain=False, code="FB-VCF-082")


def _blocks(source: IO[bytes]) -> Iterator[bytes | Break]:
    first = source.read(BLOCK)
    if first.startswith(GZIP_MAGIC):
        yield from _inflate(source, first)
        return
    while first:
        yield first
        first = source.read(BLOCK)


def unpacked(source: IO[bytes]) -> Iterator[bytes]:
    """The blocks of a file as unpacked, up to where it is damaged."""
    for block in _blocks(source):
        if isinstance(block, Break):
            return
        yield block


def lines(source: Path | IO[bytes], limit: int = 1 << 26) -> Iterator[bytes | OverlongLine | Break]:
    """Lines without their end (LF or CRLF), in order.

    Args:
        source: a file, or an open binary stream; the path `-` is standard input.
        limit: bytes a line may have; a longer one is passed over as `OverlongLine`.

    Raises:
        OSError: the file can't be opened or read.
    """
    if isinstance(source, Path):
        if str(source) == "-":
            yield from lines(sys.stdin.buffer, limit)
            return
        with source.open("rb") as opened:
            yield from lines(opened, limit)
        return
    yield from _lines(_blocks(source), limit)


def lines_from(path: Path, block: int, byte: int, limit: int) -> Iterator[bytes | OverlongLine | Break]:
    """The lines of a file from a place that `located_blocks` gave."""

    def trimmed(source: IO[bytes]) -> Iterator[bytes | Break]:
        left = byte
        for piece in _blocks(source):
            if left and not isinstance(piece, Break):
                piece, left = piece[left:], max(0, left - len(piece))
                if not piece:
                    continue
            yield piece

    with path.open("rb") as opened:
        opened.seek(block)
        yield from _lines(trimmed(opened), limit)


def is_packed(path: Path) -> bool:
    """Whether a file is gzip, by its first bytes.

    Raises:
        OSError: it can't be read.
    """
    with path.open("rb") as source:
        return source.read(2) == GZIP_MAGIC


def located_blocks(path: Path) -> Iterator[tuple[int, bytes]]:
    """Where in a file each block begins, and its bytes, unpacked.

    Raises:
        ValueError: it is a gzip file without blocks, or ends in the middle of one.
        zlib.error: it is damaged.
    """
    with path.open("rb") as source:
        offset = 0
        while start := source.read(18):
            if offset == 0 and not start.startswith(GZIP_MAGIC):
                source.seek(0)
                while block := source.read(BLOCK):
                    yield offset, block
                    offset += len(block)
                return
            if len(start) < 18 or start[:4] != GZIP_MAGIC + b"\x08\x04" or start[12:14] != b"BC":
                raise ValueError("not in blocks")
            size = int.from_bytes(start[16:18], "little") + 1
            packed = start + source.read(size - 18)
            if len(packed) < size:
                raise ValueError("cut")
            yield offset, zlib.decompress(packed, wbits=31)
            offset += size


def _lines(blocks: Iterator[bytes | Break], limit: int) -> Iterator[bytes | OverlongLine | Break]:
    begun: list[bytes] = []  # of an unfinished line; joined once, as a line may have a thousand blocks
    size = dropped = fragments = 0
    broken: Break | None = None
    for block in blocks:
        if isinstance(block, Break):
            broken = block
            break
        if b"\t" not in block and block.count(b"\n") * _SHORT > len(block):
            fragments += len(block)
            if fragments > _FRAGMENTS:
                broken = Break(f"more than {_FRAGMENTS >> 20} MB of empty or short lines without columns")
                break
        else:
            fragments = 0
        if b"\n" not in block:
            size += len(block)
            if dropped or size > limit:
                dropped, size = dropped + size, 0
                begun.clear()
            else:
                begun.append(block)
            continue
        *whole, last = b"".join((*begun, block)).split(b"\n")
        begun.clear()
        if dropped:
            yield OverlongLine(dropped + len(whole[0]))
            whole, dropped = whole[1:], 0
        for line in whole:
            if len(line) > limit:
                yield OverlongLine(len(line))
            else:
                yield line[:-1] if line.endswith(b"\r") else line
        size = len(last)
        if size > limit:
            dropped, size = size, 0
        elif last:
            begun.append(last)
    if broken is not None and broken.certain:
        yield broken
        return
    if dropped:
        yield OverlongLine(dropped + size)
    elif size:
        yield b"".join(begun).removesuffix(b"\r")
        yield Break("the last line has no line end (VCF 4.3 §1.6)", certain=False, code="FB-VCF-083")
    if broken is not None:
        yield broken
