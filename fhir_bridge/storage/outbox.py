"""The outbox: what other systems are to be sent, durable, each resource by one process at a time.

A row is a resource at a target. Noting a change again while it waits makes no second row: what is sent is the newest
content, so that nothing overtakes anything of the same resource.
"""

# ruff: noqa: S608 - statements are joined from constants of this file; values go as parameters

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg_pool import AsyncConnectionPool

from fhir_bridge.storage.changes import Change

__all__ = ["STATES", "Entry", "Known", "Outbox", "State"]

State = Literal["waiting", "delivered", "withheld", "parked", "dropped"]
STATES: tuple[State, ...] = ("waiting", "delivered", "withheld", "parked", "dropped")
"""waiting: to be sent, or sent again; delivered: the target has it; withheld: access or consent does not allow it;
parked: the target refuses it, and people decide; dropped: people decided that it is not sent."""

MOST_PAUSE = 600
"""Seconds between two tries of one resource."""

_COLUMNS = (
    "key, target, type, id, state, noted, content, remote, remote_version, sent, waits_for, reason, attempts, "
    "since, changed"
)
_AGAIN = (
    "state = 'waiting', noted = outbox.noted + 1, attempts = 0, not_before = '-infinity', waits_for = '{}', "
    "reason = '', since = CASE WHEN outbox.state = 'waiting' THEN outbox.since ELSE now() END, changed = now()"
)

_CHOSEN = (
    "(%(target)s::text IS NULL OR target = %(target)s) AND (%(state)s::text IS NULL OR state = %(state)s) "
    "AND (%(keys)s::bigint[] IS NULL OR key = ANY(%(keys)s))"
)


def _chosen(target: str | None, state: State | None, keys: Sequence[int] | None) -> dict[str, object]:
    return {"target": target, "state": state, "keys": None if keys is None else list(keys)}


@dataclass(frozen=True, slots=True)
class Entry:
    """A resource at a target.

    Attributes:
        noted: how often the target was found to lack something.
        content: what is sent where it is not stored here (`load --to`).
        remote, remote_version: the resource at the target (`Observation/7`), once it is known.
        sent: a digest of what the target has, or the status in which it was sent (HL7 v2).
        waits_for: what it refers to and the target does not have.
        reason: why it waits, was refused or is withheld.
        attempts: tries in a row that failed.
        since: when it began to wait; changed: when it got into this state.
    """

    key: int
    target: str
    type: str
    id: str
    state: State
    noted: int
    content: bytes | None
    remote: str | None
    remote_version: str | None
    sent: str | None
    waits_for: list[str]
    reason: str
    attempts: int
    since: datetime
    changed: datetime

    @property
    def reference(self) -> str:
        """The resource here."""
        return f"{self.type}/{self.id}"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a referenced resource at a target. waits_for: what it waits for itself."""

    remote: str | None
    state: State
    waits_for: frozenset[str]


class Outbox:
    """The rows.

    Args:
        worker: names the leaseholder; no two may share a name.
    """

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection], worker: str = "") -> None:
        self._pool = pool
        self._worker = worker

    async def note(self, target: str, changes: Iterable[Change]) -> None:
        """The target is to be sent what these changes left; a change that was noted before is not noted again."""
        latest = {(change.type, change.id): change for change in changes}
        async with self._pool.connection() as connection:
            await connection.execute(
                "INSERT INTO outbox (target, type, id, xid, sequence) "
                "SELECT %s, w.type, w.id, w.xid::xid8, w.sequence "
                "FROM unnest(%s::text[], %s::text[], %s::text[], %s::bigint[]) AS w (type, id, xid, sequence) "
                "ORDER BY w.xid::xid8, w.sequence ON CONFLICT (target, type, id) DO UPDATE "
                f"SET {_AGAIN}, content = NULL, xid = excluded.xid, sequence = excluded.sequence "
                "WHERE outbox.xid IS NULL OR (outbox.xid, outbox.sequence) < (excluded.xid, excluded.sequence)",
                (
                    target,
                    [kind for kind, _ in latest],
                    [identity for _, identity in latest],
                    [str(change.xid) for change in latest.values()],
                    [change.sequence for change in latest.values()],
                ),
            )

    async def add(self, target: str, references: Sequence[tuple[str, str]]) -> int:
        """The target is to be sent these resources; one that has a row keeps it. Gives how many had none."""
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                "INSERT INTO outbox (target, type, id) SELECT %s, w.type, w.id "
                "FROM unnest(%s::text[], %s::text[]) AS w (type, id) ON CONFLICT DO NOTHING",
                (target, [kind for kind, _ in references], [identity for _, identity in references]),
            )
            return rows.rowcount

    async def put(self, target: str, contents: Sequence[tuple[str, str, bytes, str]]) -> tuple[int, int]:
        """The target is to be sent these contents.

        Args:
            contents: type, id, bytes and digest of each, no resource twice.

        Returns:
            how many are to be sent, and how many the target has just so.
        """
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                "INSERT INTO outbox (target, type, id, content) SELECT %(target)s, w.type, w.id, w.content "
                "FROM unnest(%(types)s::text[], %(ids)s::text[], %(contents)s::bytea[], %(digests)s::text[]) "
                "AS w (type, id, content, digest) WHERE NOT EXISTS (SELECT FROM outbox o WHERE o.target = %(target)s "
                "AND o.type = w.type AND o.id = w.id AND o.state = 'delivered' AND o.sent = w.digest) "
                f"ON CONFLICT (target, type, id) DO UPDATE SET {_AGAIN}, content = excluded.content",
                {
                    "target": target,
                    "types": [content[0] for content in contents],
                    "ids": [content[1] for content in contents],
                    "contents": [content[2] for content in contents],
                    "digests": [content[3] for content in contents],
                },
            )
            return rows.rowcount, len(contents) - rows.rowcount

    async def sent_of(self, target: str, changes: Iterable[Change]) -> set[tuple[str, str]]:
        """Those of these resources that the target has, or was sent before."""
        wanted = {(change.type, change.id) for change in changes}
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                "SELECT o.type, o.id FROM outbox o JOIN unnest(%s::text[], %s::text[]) AS w (type, id) "
                "ON w.type = o.type AND w.id = o.id WHERE o.target = %s "
                "AND (o.remote IS NOT NULL OR o.sent IS NOT NULL)",
                ([kind for kind, _ in wanted], [identity for _, identity in wanted], target),
            )
            return {(kind, identity) for kind, identity in await rows.fetchall()}

    async def known(self, target: str, references: Sequence[str]) -> dict[str, Known]:
        """What is known of these resources (`Patient/p`) at the target; one that has no row is missing."""
        pairs = [reference.split("/", 1) for reference in references]
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                "SELECT o.type, o.id, o.remote, o.state, o.waits_for FROM outbox o "
                "JOIN unnest(%s::text[], %s::text[]) AS w (type, id) ON w.type = o.type AND w.id = o.id "
                "WHERE o.target = %s",
                ([pair[0] for pair in pairs], [pair[1] for pair in pairs], target),
            )
            return {
                f"{row[0]}/{row[1]}": Known(row[2], row[3], frozenset(row[4]))
                for row in await rows.fetchall()
            }

    async def another(self, entry: Entry, remote: str, marked: Sequence[str]) -> str | None:
        """Another resource, stored here as this one is and not linked with it, that is the same one at the target.

        Args:
            remote: what it is there.
            marked: ids of those that it was sent as.
        """
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                "SELECT o.type || '/' || o.id FROM outbox o "
                "JOIN resource a ON a.type = %s AND a.id = %s AND NOT a.deleted "
                "JOIN resource b ON b.type = o.type AND b.id = o.id AND NOT b.deleted "
                "WHERE o.target = %s AND o.type = a.type AND o.id <> a.id AND (o.remote = %s OR o.id = ANY(%s)) "
                "AND NOT b.key = ANY(linked_patients(ARRAY[a.key])::bigint[]) ORDER BY o.key LIMIT 1",
                (entry.type, entry.id, entry.target, remote, list(marked)),
            )
            row = await rows.fetchone()
        return None if row is None else str(row[0])

    async def circular(self, target: str, reference: str, references: Sequence[str]) -> set[str]:
        """Those of `references` that wait for `reference` themselves, perhaps through others."""
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                "WITH RECURSIVE ahead (start, place) AS (SELECT r, r FROM unnest(%s::text[]) AS r UNION "
                "SELECT a.start, w FROM ahead a JOIN outbox o ON o.target = %s AND o.remote IS NULL "
                "AND o.type = split_part(a.place, '/', 1) AND o.id = split_part(a.place, '/', 2), "
                "unnest(o.waits_for) AS w) SELECT DISTINCT start FROM ahead WHERE place = %s",
                (list(references), target, reference),
            )
            return {row[0] for row in await rows.fetchall()}

    async def content(self, target: str, kind: str, identity: str) -> bytes | None:
        """What `load --to` read of a resource that still waits."""
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                "SELECT content FROM outbox WHERE target = %s AND type = %s AND id = %s",
                (target, kind, identity),
            )
            row = await rows.fetchone()
        return None if row is None else row[0]

    async def lease(self, target: str, most: int, lease: timedelta) -> list[Entry]:
        """What is due to a target, oldest first."""
        async with (
            self._pool.connection() as connection,
            connection.cursor(row_factory=class_row(Entry)) as rows,
        ):
            # SKIP LOCKED: processes that lease at the same time take different rows.
            await rows.execute(
                "UPDATE outbox SET leased_by = %s, leased_until = now() + %s WHERE key IN (SELECT key FROM outbox "
                "WHERE target = %s AND state = 'waiting' AND not_before <= now() AND leased_until < now() "
                f"ORDER BY key LIMIT %s FOR UPDATE SKIP LOCKED) RETURNING {_COLUMNS}",
                (self._worker, lease, target, most),
            )
            return sorted(await rows.fetchall(), key=lambda entry: entry.key)

    async def renew(self, entry: Entry, lease: timedelta) -> None:
        """The heartbeat of a lease."""
        await self._own(entry, "leased_until = now() + %s", lease)

    async def release(self, entry: Entry, reason: str) -> None:
        """It could not be tried: the target itself is not to be reached. It stays as it is, with the reason."""
        await self._own(entry, "leased_until = '-infinity', reason = %s", reason)

    async def located(self, entry: Entry, remote: str, version: str | None) -> None:
        """What the resource is at the target, kept before anything else is sent about it."""
        await self._own(entry, "remote = %s, remote_version = %s", remote, version)

    async def delivered(
        self, entry: Entry, remote: str | None, version: str | None, sent: str | None
    ) -> None:
        """The target has it. What came in between is sent next; those that waited for it are tried at once."""
        await self._own(
            entry,
            "remote = %s, remote_version = %s, sent = %s, attempts = 0, reason = '', waits_for = '{}', "
            "leased_until = '-infinity', changed = now(), "
            "content = CASE WHEN noted = %s THEN NULL ELSE content END, "
            "state = CASE WHEN noted = %s THEN 'delivered' ELSE 'waiting' END",
            remote,
            version,
            sent,
            entry.noted,
            entry.noted,
        )
        async with self._pool.connection() as connection:
            await connection.execute(
                "UPDATE outbox SET not_before = '-infinity' WHERE target = %s AND state = 'waiting' "
                "AND waits_for <> '{}' AND waits_for @> ARRAY[%s]",
                (entry.target, entry.reference),
            )

    async def settle(self, entry: Entry, state: State, reason: str) -> None:
        """It is not sent as it is: withheld or parked. What came in between is tried next."""
        await self._own(
            entry,
            "state = CASE WHEN noted = %s THEN %s ELSE 'waiting' END, reason = %s, waits_for = '{}', "
            "attempts = attempts + 1, leased_until = '-infinity', changed = now()",
            entry.noted,
            state,
            reason,
        )

    async def wait(
        self, entry: Entry, reason: str, waits_for: Sequence[str] = (), pause: float | None = None
    ) -> None:
        """Try again: after these seconds, or a time that grows with each failure."""
        # What it waits for may have arrived since it was looked for: then it is not waited for.
        await self._own(
            entry,
            "attempts = attempts + 1, reason = %s, waits_for = %s, leased_until = '-infinity', not_before = "
            "CASE WHEN noted <> %s OR EXISTS (SELECT FROM unnest(%s::text[]) AS w "
            "JOIN outbox o ON o.target = outbox.target AND o.type = split_part(w, '/', 1) "
            "AND o.id = split_part(w, '/', 2) AND o.remote IS NOT NULL) "
            "THEN '-infinity' ELSE now() + least(%s, coalesce(%s, 2 ^ least(attempts, 20))) * interval '1 second' END",
            reason,
            list(waits_for),
            entry.noted,
            list(waits_for),
            MOST_PAUSE,
            pause,
        )

    async def reconsider(self, target: str) -> None:
        """A consent changed: what was withheld is looked at again."""
        async with self._pool.connection() as connection:
            await connection.execute(
                f"UPDATE outbox SET {_AGAIN} WHERE target = %s AND state = 'withheld'", (target,)
            )

    async def waiting(self, target: str, hours: float = 0) -> int:
        """How many wait, or wait longer than this."""
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                "SELECT count(*) FROM outbox WHERE target = %s AND state = 'waiting' AND since <= now() - %s",
                (target, timedelta(hours=hours)),
            )
            row = await rows.fetchone()
        return 0 if row is None else int(row[0])

    async def counts(self, target: str | None = None) -> dict[tuple[str, State], int]:
        """How many are in each state, by target."""
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                "SELECT target, state, count(*) FROM outbox WHERE %s::text IS NULL OR target = %s "
                "GROUP BY target, state ORDER BY target, state",
                (target, target),
            )
            return {(name, state): count for name, state, count in await rows.fetchall()}

    async def summary(
        self, target: str, references: Sequence[tuple[str, str]]
    ) -> list[tuple[State, str, int]]:
        """State, reason and how many, of these resources."""
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                "SELECT o.state, o.reason, count(*) FROM outbox o JOIN unnest(%s::text[], %s::text[]) AS w (type, id) "
                "ON w.type = o.type AND w.id = o.id WHERE o.target = %s GROUP BY o.state, o.reason",
                ([kind for kind, _ in references], [identity for _, identity in references], target),
            )
            return [(state, reason, count) for state, reason, count in await rows.fetchall()]

    async def entries(
        self,
        *,
        target: str | None = None,
        state: State | None = None,
        keys: Sequence[int] | None = None,
        most: int = 1000,
    ) -> list[Entry]:
        """Rows by target, state or key, oldest first."""
        async with (
            self._pool.connection() as connection,
            connection.cursor(row_factory=class_row(Entry)) as rows,
        ):
            await rows.execute(
                f"SELECT {_COLUMNS} FROM outbox WHERE {_CHOSEN} ORDER BY key LIMIT %(most)s",
                {**_chosen(target, state, keys), "most": most},
            )
            return await rows.fetchall()

    async def retry(
        self, *, target: str | None = None, state: State | None = None, keys: Sequence[int] | None = None
    ) -> int:
        """Send these anew, whatever their state; what they are at the target is looked for once more."""
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                f"UPDATE outbox SET {_AGAIN}, remote = NULL, remote_version = NULL, "
                # Of a message the last status is needed, by which the next is a correction.
                f"sent = CASE WHEN remote IS NULL THEN sent END WHERE {_CHOSEN}",
                _chosen(target, state, keys),
            )
            return rows.rowcount

    async def drop(
        self, *, target: str | None = None, state: State | None = None, keys: Sequence[int] | None = None
    ) -> int:
        """Don't send these; a later change of the resource is sent. What waited for them goes without them."""
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                "WITH dropped AS (UPDATE outbox SET state = 'dropped', noted = noted + 1, content = NULL, "
                f"waits_for = '{{}}', reason = '', changed = now() WHERE state <> 'dropped' AND {_CHOSEN} "
                "RETURNING target, type || '/' || id AS reference), "
                "freed AS (UPDATE outbox o SET not_before = '-infinity' FROM dropped d WHERE o.target = d.target "
                "AND o.state = 'waiting' AND o.waits_for <> '{}' AND o.waits_for @> ARRAY[d.reference]) "
                "SELECT count(*) FROM dropped",
                _chosen(target, state, keys),
            )
            row = await rows.fetchone()
        return 0 if row is None else int(row[0])

    async def _own(self, entry: Entry, change: str, *values: object) -> None:
        statement = f"UPDATE outbox SET {change} WHERE key = %s AND leased_by = %s"
        async with self._pool.connection() as connection:
            await connection.execute(statement.encode(), (*values, entry.key, self._worker))
