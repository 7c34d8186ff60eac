"""Kept sources that name something: raw messages and files of records that wait are looked through for it."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from psycopg import AsyncConnection

from fhir_bridge.storage.inbox import lock_sources

__all__ = ["KeptSource", "let_go"]

_ENCODINGS = ("utf-8", "latin-1", "utf-16-le")
_WORD = rb"[A-Za-z0-9]"


@dataclass(frozen=True, slots=True)
class KeptSource:
    """A kept source: its hash, the names by which it came, and how many open entries of the inbox waited on it."""

    hash: str
    names: tuple[str, ...]
    entries: int


async def let_go(
    connection: AsyncConnection, needles: Iterable[str], references: Sequence[str]
) -> list[KeptSource]:
    """Let go of the kept sources that have one of these texts as a word, and of entries about these resources.

    Entries that waited on such a source stay, without it: it has to be sent again.

    Args:
        references: `Type/id`, as entries of the inbox locate duplicates.
    """
    await lock_sources(connection)
    await connection.execute("DELETE FROM inbox WHERE locator = ANY(%s)", (list(references),))
    pattern = _pattern(needles)
    if pattern is None:
        return []
    rows = await connection.execute("SELECT DISTINCT hash FROM kept_source ORDER BY hash")
    named = [
        bytes(row[0]) for row in await rows.fetchall() if await _holds(connection, bytes(row[0]), pattern)
    ]
    if not named:
        return []
    rows = await connection.execute(
        "SELECT content, array_agg(DISTINCT source), count(*) FILTER (WHERE state = 'open') FROM inbox "
        "WHERE content = ANY(%s) GROUP BY content",
        (named,),
    )
    entries = {bytes(row[0]): (tuple(sorted(row[1])), row[2]) for row in await rows.fetchall()}
    await connection.execute("UPDATE inbox SET content = NULL WHERE content = ANY(%s)", (named,))
    await connection.execute("DELETE FROM kept_source WHERE hash = ANY(%s)", (named,))
    return [KeptSource(digest.hex(), *entries.get(digest, ((), 0))) for digest in named]


def _pattern(needles: Iterable[str]) -> re.Pattern[bytes] | None:
    words: set[bytes] = set()
    for needle in needles:
        for encoding in _ENCODINGS:
            try:
                words.add(re.escape(needle.encode(encoding)))
            except UnicodeEncodeError:
                continue
    if not words:
        return None
    # Longest first: of two that begin alike the longer is the word.
    ordered = b"|".join(word for _, word in sorted((-len(word), word) for word in words))
    return re.compile(rb"(?<!" + _WORD + rb")(?:" + ordered + rb")(?!" + _WORD + rb")")


async def _holds(connection: AsyncConnection, digest: bytes, pattern: re.Pattern[bytes]) -> bool:
    """Whether a source has it; in pieces, so that memory is bounded."""
    unpacker = zlib.decompressobj()
    rest, number = b"", 0
    while True:
        rows = await connection.execute(
            "SELECT bytes FROM kept_source WHERE hash = %s AND piece = %s", (digest, number)
        )
        row = await rows.fetchone()
        text = unpacker.decompress(bytes(row[0])) if row is not None else unpacker.flush()
        text = rest + text
        if await asyncio.to_thread(pattern.search, text):
            return True
        if row is None:
            return False
        # What begins at the end of a piece goes on in the next.
        rest, number = text[-_OVERLAP:], number + 1


_OVERLAP = 2_048
