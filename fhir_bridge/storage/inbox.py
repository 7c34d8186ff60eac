"""The inbox: records that wait for a patient, refused moves, duplicates and ambiguous ones; for people to decide."""

from __future__ import annotations

import hashlib
import secrets
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import orjson
from psycopg import AsyncConnection

from fhir_bridge.fhir.issues import Issue

__all__ = [
    "Entry",
    "InboxItem",
    "Keeping",
    "Kind",
    "duplicates",
    "forget_old",
    "keep_source",
    "kept_source",
    "lock_sources",
    "note",
    "number_of_links",
    "read",
    "set_state",
    "settle",
]

# "fhirbrie" in ASCII; the schema's lock is "fhirbrid". Any number does that no other
# program uses on this database.
_SOURCES_LOCK = 0x66_68_69_72_62_72_69_65
"""Held by who keeps a source and enters it in the inbox, and by who lets go of sources."""

Kind = Literal["held", "refused", "duplicate", "ambiguous", "failed"]
State = Literal["open", "done", "discarded"]

_DUPLICATES = frozenset({"FB-STORE-013", "FB-STORE-019", "FB-STORE-028"})
_PIECE = 1 << 20  # of a source, so that a row stays small beside the memory of a process


@dataclass(frozen=True, slots=True)
class InboxItem:
    """Something to enter.

    Attributes:
        source: name of the file or feed; locator: the record within it.
        run: how to process it again: mapping, options.
        content: hash of the kept source file; None where nothing is kept.
        identity: distinguishes it from others, the same whenever it comes again; where empty, source and locator do.
    """

    kind: Kind
    adapter: str
    locator: str
    code: str
    message: str
    source: str = ""
    run: dict[str, Any] = field(default_factory=dict)
    content: bytes | None = None
    identity: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as it is stored. count: how often it came."""

    key: int
    kind: Kind
    adapter: str
    source: str
    locator: str
    code: str
    message: str
    state: State
    run: dict[str, Any]
    content: bytes | None
    count: int
    created: datetime
    changed: datetime


def duplicates(issues: Iterable[Issue], adapter: str) -> list[InboxItem]:
    """The items that the issues of a load come to: two contents where there is one thing."""
    return [
        InboxItem("duplicate", adapter, issue.source, issue.code, issue.message)
        for issue in issues
        if issue.code in _DUPLICATES
    ]


async def note(connection: AsyncConnection, items: Sequence[InboxItem]) -> None:
    """Enter items. One that comes again counts up, and is open again unless it was discarded."""
    named = [(item, item.identity or f"{item.source}\t{item.locator}") for item in items]
    # In the order of the unique key, so that two loads that note the same wait
    # for each other in one order only.
    for item, identity in sorted(
        named, key=lambda entry: (entry[0].kind, entry[0].adapter, entry[0].code, entry[1])
    ):
        # What was settled waits again; what was discarded was decided by a person, and stays off the list.
        await connection.execute(
            "INSERT INTO inbox (kind, adapter, source, locator, code, message, run, content, identity) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s::jsonb, %s, %s) ON CONFLICT (kind, adapter, code, identity) "
            "DO UPDATE SET count = inbox.count + 1, changed = now(), message = excluded.message, run = excluded.run, "
            "source = excluded.source, locator = excluded.locator, "
            "content = coalesce(excluded.content, inbox.content), "
            "state = CASE WHEN inbox.state = 'done' THEN 'open' ELSE inbox.state END",
            (
                item.kind,
                item.adapter,
                item.source,
                item.locator,
                item.code,
                item.message,
                orjson.dumps(item.run).decode(),
                item.content,
                identity,
            ),
        )


_COLUMNS = (
    "key, kind, adapter, source, locator, code, message, state, run::text, content, count, created, changed"
)


async def read(
    connection: AsyncConnection,
    *,
    state: State | None = "open",
    kind: Kind | None = None,
    code: str | None = None,
    keys: Sequence[int] | None = None,
    after: int = 0,
    limit: int = 1000,
) -> list[Entry]:
    """Entries, oldest first.

    Args:
        state: None for all states. code: of the issue.
        after: key of the last entry of the page before.
    """
    # One prepared statement for every combination of filters: NULL means that one does not filter.
    rows = await connection.execute(
        f"SELECT {_COLUMNS} FROM inbox WHERE (%s::text IS NULL OR state = %s) "  # noqa: S608
        "AND (%s::text IS NULL OR kind = %s) AND (%s::text IS NULL OR code = %s) "
        "AND (%s::bigint[] IS NULL OR key = ANY(%s)) AND key > %s ORDER BY key LIMIT %s".encode(),
        (state, state, kind, kind, code, code, keys, keys, after, limit),
    )
    return [_entry(*row) for row in await rows.fetchall()]


def _entry(*row: Any) -> Entry:
    run, content = orjson.loads(row[8]), None if row[9] is None else bytes(row[9])
    return Entry(*row[:8], run, content, *row[10:])  # type: ignore[call-arg]


async def set_state(connection: AsyncConnection, keys: Sequence[int], state: State) -> int:
    """Set the state of entries; how many there were."""
    done = await connection.execute(
        "UPDATE inbox SET state = %s, changed = now() WHERE key = ANY(%s)", (state, list(keys))
    )
    await _forget(connection)
    return done.rowcount


async def settle(connection: AsyncConnection, entries: Sequence[Entry]) -> int:
    """Settle those of the entries that did not come again since they were read; how many there were."""
    # The count is the version of an entry: one that came again since needs another look.
    done = await connection.execute(
        "UPDATE inbox i SET state = 'done', changed = now() FROM unnest(%s::bigint[], %s::int[]) AS n (key, count) "
        "WHERE i.key = n.key AND i.count = n.count AND i.state = 'open'",
        ([entry.key for entry in entries], [entry.count for entry in entries]),
    )
    await _forget(connection)
    return done.rowcount


async def lock_sources(connection: AsyncConnection) -> None:
    """Until this transaction ends no kept source is let go of, or taken for kept while another lets go of it."""
    # Held by who keeps as well as by who lets go: else a source that is just being
    # entered could be taken for unneeded.
    await connection.execute(f"SELECT pg_advisory_xact_lock({_SOURCES_LOCK})".encode())


class Keeping:
    """Sources that are kept, and the entries that need them. Made by `Store.keeping`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def keep(self, pieces: Iterable[bytes]) -> bytes:
        """Keep a source file; gives its hash."""
        return await keep_source(self._connection, pieces)

    async def note(self, items: Sequence[InboxItem]) -> None:
        """Enter items in the inbox."""
        await note(self._connection, items)


async def forget_old(connection: AsyncConnection, older: timedelta) -> None:
    """Let go of the sources of entries that nobody has looked at for so long, and of entries closed so long ago.

    An entry that is open stays: its source has to be sent again.
    """
    # Before the sources: only open entries keep theirs.
    await connection.execute("DELETE FROM inbox WHERE state <> 'open' AND changed < now() - %s", (older,))
    await connection.execute(
        "UPDATE inbox SET content = NULL WHERE content IS NOT NULL AND changed < now() - %s", (older,)
    )
    await _forget(connection)


async def _forget(connection: AsyncConnection) -> None:
    """Let go of kept sources that no open entry needs any more."""
    await lock_sources(connection)
    await connection.execute(
        "DELETE FROM kept_source k WHERE NOT EXISTS "
        "(SELECT FROM inbox i WHERE i.content = k.hash AND i.state = 'open')"
    )


async def number_of_links(connection: AsyncConnection) -> int:
    """How many links between patients there are: with other links a refused record may be the same person's."""
    row = await (await connection.execute("SELECT count(*) FROM link")).fetchone()
    return 0 if row is None else int(row[0])


async def keep_source(connection: AsyncConnection, pieces: Iterable[bytes]) -> bytes:
    """Keep a source file, compressed; gives its hash. Memory is bounded by a piece."""
    digest = hashlib.blake2b(digest_size=16)
    # Longer than a digest of 16 bytes, so that no name of a finished source can be met.
    temporary = secrets.token_bytes(24)  # until the hash is known
    packer = zlib.compressobj(6)
    number, waiting = 0, b""
    # A failure in the middle leaves no pieces.
    async with connection.transaction():
        for piece in _with_end(pieces, packer, digest):
            waiting += piece
            while len(waiting) >= _PIECE:
                await _insert(connection, temporary, number, waiting[:_PIECE])
                number, waiting = number + 1, waiting[_PIECE:]
        await _insert(connection, temporary, number, waiting)
        key = digest.digest()
        # Sources are content-addressed: the same file of several entries is kept once.
        known = await connection.execute("SELECT 1 FROM kept_source WHERE hash = %s LIMIT 1", (key,))
        if await known.fetchone() is None:
            await connection.execute("UPDATE kept_source SET hash = %s WHERE hash = %s", (key, temporary))
        else:
            await connection.execute("DELETE FROM kept_source WHERE hash = %s", (temporary,))
    return key


def _with_end(pieces: Iterable[bytes], packer: Any, digest: Any) -> Iterator[bytes]:
    for piece in pieces:
        digest.update(piece)
        yield packer.compress(piece)
    yield packer.flush()


async def _insert(connection: AsyncConnection, key: bytes, number: int, piece: bytes) -> None:
    await connection.execute("INSERT INTO kept_source VALUES (%s, %s, %s)", (key, number, piece))


async def kept_source(connection: AsyncConnection, key: bytes) -> bytes | None:
    """A kept source file, or None where it is not kept any more."""
    rows = await (
        await connection.execute("SELECT bytes FROM kept_source WHERE hash = %s ORDER BY piece", (key,))
    ).fetchall()
    # Whole in memory: sources above 256 MiB are not kept at all (MOST_KEPT in pipeline/waiting_records.py).
    return zlib.decompress(b"".join(bytes(row[0]) for row in rows)) if rows else None
