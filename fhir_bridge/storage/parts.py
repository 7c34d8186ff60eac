"""Records whose parts arrive apart: a study is the union of its instances over all loads, minus those deleted.

Every content of a part is kept, and every deletion, so that which one counts is a function of the set of them
(`CompositeAdapter.choose`) and does not depend on the order of arrival.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import AsyncConnection

from fhir_bridge.storage.jobs import add_job

__all__ = ["OtherSubject", "Part", "PartsMoved", "read_parts", "receive_parts", "write_parts"]


class PartsMoved(Exception):
    """Another load brought parts of the record in the meantime: compose it again from all of them."""


class OtherSubject(Exception):
    """The parts can't be about whom those are that the record has."""


@dataclass(frozen=True, slots=True)
class Part:
    """A content of a part, or its deletion; satisfies `fhir_bridge.plugins.RecordPart`.

    Attributes:
        key: of the part within the record (SOPInstanceUID).
        subject: whom it is about, as the source says it.
        time: business time; of a deletion, when it was deleted.
        content: everything that the record takes from the part; empty for a deletion.
    """

    key: str
    subject: str
    time: datetime | None
    content: bytes
    deletes: bool = False

    @property
    def hash(self) -> bytes:
        """Of the content; of a deletion the same for all, since the newest counts."""
        if self.deletes:
            return b"deleted"
        return hashlib.blake2b(self.content, digest_size=16).digest()


async def read_parts(connection: AsyncConnection, source: str, record: str) -> list[Part]:
    """All contents and deletions of a record's parts."""
    rows = await connection.execute(
        "SELECT p.key, p.subject, p.time, p.content, p.deleted FROM part p JOIN source_record r ON r.key = p.record "
        "WHERE r.source = %s AND r.id = %s ORDER BY p.key, p.hash",
        (source, record),
        binary=True,
    )
    return [Part(row[0], row[1], row[2], bytes(row[3]), row[4]) for row in await rows.fetchall()]


async def write_parts(
    connection: AsyncConnection, source: str, record: str, parts: Sequence[Part], seen: Sequence[Part]
) -> None:
    """Lock the record and add parts to it.

    Args:
        seen: the parts that the record was composed of beside these.

    Raises:
        PartsMoved: there are others by now.
    """
    key = await _locked(connection, source, record)
    present = await read_parts(connection, source, record)
    # Compared as sets of what is stored: who composed from fewer parts would write a study without the others.
    if {(part.key, part.hash, part.time) for part in present} != {
        (part.key, part.hash, part.time) for part in seen
    }:
        raise PartsMoved(record)
    await _insert(connection, key, parts)


async def receive_parts(
    connection: AsyncConnection,
    source: str,
    record: str,
    parts: Sequence[Part],
    same_subject: Callable[[Iterable[str]], bool],
    job: tuple[str, dict[str, Any], timedelta],
) -> None:
    """Lock a record and add parts to it that came by themselves, with the job that composes it.

    Args:
        job: its kind and payload, and after which time; more parts that come until then are composed with these.

    Raises:
        OtherSubject: they are about another person than what the record has.
    """
    key = await _locked(connection, source, record)
    rows = await connection.execute(
        "SELECT DISTINCT subject FROM part WHERE record = %s AND NOT deleted", (key,)
    )
    known = {row[0] for row in await rows.fetchall()}
    if known and not same_subject(known | {part.subject for part in parts}):
        raise OtherSubject(record)
    await _insert(connection, key, parts)
    kind, payload, delay = job
    # A queue for each record: two workers would compose it of the same parts.
    queue = zlib.crc32(f"{source}\t{record}".encode()) >> 1 | 1
    await add_job(connection, kind, payload, queue=queue, delay=delay, dedupe=f"{kind}/{source}/{record}")


async def _locked(connection: AsyncConnection, source: str, record: str) -> int:
    """The key of a record, which is locked until the transaction ends."""
    # DO UPDATE without a change: it locks the record until the transaction ends, so that two loads of its parts
    # come one after the other, and returns the key.
    row = await (
        await connection.execute(
            "INSERT INTO source_record (source, id) VALUES (%s, %s) ON CONFLICT (source, id) "
            "DO UPDATE SET mapping = source_record.mapping RETURNING key",
            (source, record),
        )
    ).fetchone()
    assert row is not None
    return int(row[0])


async def _insert(connection: AsyncConnection, record: int, parts: Sequence[Part]) -> None:
    # A part is its content; only a deletion has a time that may move, to that of the newest.
    distinct: dict[tuple[str, bytes], Part] = {}
    for part in parts:
        same = distinct.setdefault((part.key, part.hash), part)
        if part.deletes and part.time and (same.time is None or _in_utc(part.time) > _in_utc(same.time)):
            distinct[part.key, part.hash] = part
    parts = list(distinct.values())
    await connection.execute(
        "INSERT INTO part (record, key, subject, time, hash, deleted, content) SELECT %s, * FROM unnest(%s::text[], "
        "%s::text[], %s::timestamptz[], %s::bytea[], %s::bool[], %s::bytea[]) "
        "ON CONFLICT (record, key, hash) DO UPDATE SET time = "
        "CASE WHEN part.deleted THEN greatest(part.time, excluded.time) ELSE part.time END",
        (
            record,
            [part.key for part in parts],
            [part.subject for part in parts],
            [part.time for part in parts],
            [part.hash for part in parts],
            [part.deletes for part in parts],
            [part.content for part in parts],
        ),
    )


def _in_utc(time: datetime) -> datetime:
    return time if time.tzinfo else time.replace(tzinfo=UTC)
