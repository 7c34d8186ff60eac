"""Messages as they were received: kept before they are acknowledged, found again by id, patient and time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

import orjson
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

__all__ = [
    "STATUSES",
    "Arrival",
    "Kept",
    "Outcome",
    "ReceivedMessage",
    "ReceivedMessages",
    "Status",
]

Status = Literal["received", "converted", "partial", "skipped", "rejected", "held", "refused", "failed"]
"""`received`: kept and not processed yet. `held`: its patient is not known. `refused`: its key is under another
patient. `rejected`: it can't be read, or not converted. `failed`: the program could not process it."""

STATUSES: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message to keep.

    Attributes:
        digest: of its content; the same message sent again has the same.
        channel: `mllp` or `http`; peer: address of who sent it.
        control_id: MSH-10; kind: `ORU^R01`.
        source, record: the names of its source record.
        patients: values of the identifiers that it names its patient by.
    """

    content: bytes
    digest: str
    channel: str
    peer: str
    control_id: str
    kind: str
    source: str
    record: str
    patients: Sequence[str]


@dataclass(frozen=True, slots=True)
class Kept:
    """A message that is kept: its key, and what became of it before."""

    key: int
    status: Status
    issues: Sequence[dict[str, str]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a message. mapping: the version that converted it."""

    key: int
    status: Status
    issues: Sequence[dict[str, str]] = ()
    mapping: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A message as it is listed. copies: how often it came; patients: see `Arrival`."""

    key: int
    received: datetime
    channel: str
    peer: str
    control_id: str
    kind: str
    source: str
    record: str
    copies: int
    status: Status
    issues: Sequence[dict[str, str]]
    mapping: str
    patients: Sequence[str]


# DISTINCT ON: one statement can't touch a row twice. In the order of the unique key, so
# that two that keep the same messages wait for each other in one order only.
_KEEP = (
    "INSERT INTO received_message (content, digest, channel, peer, control_id, kind, source, record, patients) "
    "SELECT DISTINCT ON (digest) content, digest, channel, peer, control_id, kind, source, record, "
    "ARRAY(SELECT jsonb_array_elements_text(patients::jsonb)) "
    "FROM unnest(%s::bytea[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], "
    "%s::text[]) AS n (content, digest, channel, peer, control_id, kind, source, record, patients) "
    "ORDER BY digest, length(content) "
    "ON CONFLICT (digest) DO UPDATE SET copies = received_message.copies + 1 "
    "RETURNING digest, key, status, issues::text"
)
_SETTLE = (
    "UPDATE received_message r SET status = n.status, issues = n.issues::jsonb, mapping = n.mapping, "
    "source = CASE WHEN n.source = '' THEN r.source ELSE n.source END, processed = now() "
    "FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[]) "
    "AS n (key, status, issues, mapping, source) WHERE r.key = n.key"
)
_COLUMNS = (
    "r.key, r.received, r.channel, r.peer, r.control_id, r.kind, r.source, r.record, r.copies, r.status, "
    "r.issues::text, r.mapping, r.patients"
)
# NULL means that one does not filter. A patient is named by an identifier of the message, or by the id here.
_FIND = (
    f"SELECT {_COLUMNS} FROM received_message r WHERE (%(keys)s::bigint[] IS NULL OR r.key = ANY(%(keys)s)) "  # noqa: S608
    "AND (%(control)s::text IS NULL OR r.control_id = %(control)s) "
    "AND (%(statuses)s::text[] IS NULL OR r.status = ANY(%(statuses)s)) "
    "AND (%(since)s::timestamptz IS NULL OR r.received >= %(since)s) "
    "AND (%(until)s::timestamptz IS NULL OR r.received < %(until)s) "
    "AND (%(before)s::bigint IS NULL OR r.key < %(before)s) "
    "AND (%(patient)s::text IS NULL OR r.patients @> ARRAY[%(patient)s::text] OR (r.source, r.record) IN "
    "(SELECT s.source, s.id FROM resource p JOIN output o ON o.resource = p.key "
    "JOIN source_record s ON s.key = o.record WHERE p.type = 'Patient' AND p.id = %(patient)s)) "
    "ORDER BY r.key DESC LIMIT %(limit)s"
)
_RESULTS = (
    "SELECT x.type, x.id FROM source_record s JOIN output o ON o.record = s.key AND o.active "
    "JOIN resource x ON x.key = o.resource WHERE s.source = %s AND s.id = %s AND NOT x.deleted "
    "GROUP BY x.type, x.id ORDER BY x.type <> 'Patient', x.type, x.id"
)
# One that waits in the inbox stays until that entry is settled or discarded.
_FORGET = (
    "DELETE FROM received_message r WHERE r.key IN (SELECT m.key FROM received_message m "
    "WHERE m.received < now() - %s AND m.status <> 'received' AND NOT EXISTS (SELECT FROM inbox i "
    "WHERE i.state = 'open' AND i.run @> jsonb_build_object('received', m.key)) LIMIT 1000)"
)


class ReceivedMessages:
    """The messages of a database."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection]) -> None:
        self._pool = pool

    async def keep(self, arrivals: Sequence[Arrival]) -> dict[str, Kept]:
        """Keep messages, durably; by digest. One that is kept already counts as another copy of it."""
        columns: list[list[Any]] = [
            [item.content for item in arrivals],
            [item.digest for item in arrivals],
            [item.channel for item in arrivals],
            [item.peer for item in arrivals],
            [item.control_id for item in arrivals],
            [item.kind for item in arrivals],
            [item.source for item in arrivals],
            [item.record for item in arrivals],
            [orjson.dumps(list(item.patients)).decode() for item in arrivals],
        ]
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(_KEEP, columns)).fetchall()
        return {row[0]: Kept(row[1], row[2], orjson.loads(row[3])) for row in rows}

    async def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Note what became of messages."""
        columns: list[list[Any]] = [
            [item.key for item in outcomes],
            [item.status for item in outcomes],
            [orjson.dumps(list(item.issues)).decode() for item in outcomes],
            [item.mapping for item in outcomes],
            [item.source for item in outcomes],
        ]
        async with self._pool.connection() as connection:
            await connection.execute(_SETTLE, columns)

    async def find(
        self,
        *,
        keys: Sequence[int] | None = None,
        control_id: str | None = None,
        patient: str | None = None,
        statuses: Sequence[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[ReceivedMessage]:
        """Messages, newest first.

        Args:
            control_id: MSH-10.
            patient: value of an identifier in the message, or id of a Patient here that it says something of.
            before: key of the last message of the page before.
        """
        values = {
            "keys": None if keys is None else list(keys),
            "control": control_id,
            "patient": patient,
            "statuses": None if statuses is None else list(statuses),
            "since": since,
            "until": until,
            "before": before,
            "limit": limit,
        }
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(_FIND.encode(), values)).fetchall()
        return [ReceivedMessage(*(*row[:10], orjson.loads(row[10]), *row[11:])) for row in rows]

    async def contents(self, keys: Sequence[int]) -> dict[int, bytes]:
        """The messages themselves."""
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                "SELECT key, content FROM received_message WHERE key = ANY(%s) ORDER BY key", (list(keys),)
            )
            return {key: bytes(content) for key, content in await rows.fetchall()}

    async def unprocessed(self, older: timedelta, limit: int) -> list[int]:
        """Keys of messages that were kept so long ago and not processed, in the order in which they came."""
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                "SELECT key FROM received_message WHERE status = 'received' AND received <= now() - %s "
                "ORDER BY key LIMIT %s",
                (older, limit),
            )
            return [row[0] for row in await rows.fetchall()]

    async def results(self, message: ReceivedMessage) -> list[tuple[str, str]]:
        """Type and id of the resources that a message says something of at present."""
        async with self._pool.connection() as connection:
            rows = await connection.execute(_RESULTS, (message.source, message.record))
            return [(row[0], row[1]) for row in await rows.fetchall()]

    async def forget(self, older: timedelta) -> int:
        """Let go of messages that came so long ago, but for those that wait in the inbox; how many there were."""
        total = 0
        while True:  # each batch a transaction of its own, so that nobody waits long
            async with self._pool.connection() as connection:
                count = (await connection.execute(_FORGET, (older,))).rowcount
            total += count
            if not count:
                return total
