"""Events of Subscriptions: noted once, in order, and kept until long after the receiver has taken them."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from fhir_bridge.storage.changes import Change

__all__ = ["Delivery", "Event", "Subscriptions"]

KEPT_DAYS = 30
"""Days that delivered events can be asked for (`$events`)."""
MOST_PAUSE = 600
"""Seconds between two tries of a receiver that does not answer."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event: a resource was created or updated, and matched."""

    number: int
    type: str
    id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    """A Subscription that something is due to, leased by this process.

    Attributes:
        key: of the Subscription's row.
        id: of the Subscription.
        events, delivered: numbers of the last event, and of the last one that the receiver took.
        failures: tries in a row that failed.
    """

    key: int
    id: str
    events: int
    delivered: int
    failures: int


class Subscriptions:
    """The events.

    Args:
        worker: names the leaseholder; no two may share a name.
    """

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection], worker: str = "") -> None:
        self._pool = pool
        self._worker = worker

    async def live(self, statuses: Sequence[str]) -> list[tuple[str, int, bytes]]:
        """Id, version and content of the Subscriptions in these states."""
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                "SELECT id, version, bytes FROM resource WHERE type = 'Subscription' AND NOT deleted "
                "AND resource_json(bytes)->>'status' = ANY(%s) ORDER BY key",
                (list(statuses),),
            )
            return [
                (identity, version, bytes(content)) for identity, version, content in await rows.fetchall()
            ]

    async def note(self, subscription: str, changes: Sequence[Change]) -> None:
        """Number the changes that matched, in their order; one that was noted before is not noted again."""
        if not changes:
            return
        async with self._pool.connection() as connection, connection.transaction():
            key = await self._row(connection, subscription)
            if key is None:
                return
            # Under the row's lock: nobody else numbers events meanwhile.
            await connection.execute(
                "WITH fresh AS (SELECT w.xid::xid8 AS xid, w.sequence, f.key AS focus, "
                "row_number() OVER (ORDER BY w.xid::xid8, w.sequence) AS place "
                "FROM unnest(%(xids)s::text[], %(sequences)s::bigint[], %(types)s::text[], %(ids)s::text[]) "
                "AS w (xid, sequence, type, id) JOIN resource f ON f.type = w.type AND f.id = w.id "
                "WHERE NOT EXISTS (SELECT FROM subscription_event e WHERE e.resource = %(key)s "
                "AND e.xid = w.xid::xid8 AND e.sequence = w.sequence)), "
                "added AS (INSERT INTO subscription_event (resource, number, xid, sequence, focus) "
                "SELECT s.resource, s.events + n.place, n.xid, n.sequence, n.focus FROM fresh n, subscription s "
                "WHERE s.resource = %(key)s) "
                "UPDATE subscription SET events = events + (SELECT count(*) FROM fresh) WHERE resource = %(key)s",
                {
                    "key": key,
                    "xids": [str(change.xid) for change in changes],
                    "sequences": [change.sequence for change in changes],
                    "types": [change.type for change in changes],
                    "ids": [change.id for change in changes],
                },
            )

    async def _row(self, connection: AsyncConnection, subscription: str) -> int | None:
        """The row of a Subscription, locked; None where the resource is gone."""
        await connection.execute(
            "INSERT INTO subscription (resource) SELECT key FROM resource WHERE type = 'Subscription' AND id = %s "
            "ON CONFLICT DO NOTHING",
            (subscription,),
        )
        row = await (
            await connection.execute(
                "SELECT s.resource FROM subscription s JOIN resource r ON r.key = s.resource "
                "WHERE r.type = 'Subscription' AND r.id = %s FOR UPDATE OF s",
                (subscription,),
            )
        ).fetchone()
        return None if row is None else int(row[0])

    async def lease(self, waiting: Mapping[str, int | None], lease: timedelta) -> list[Delivery]:
        """Those that something is due to, each by one process at a time.

        Args:
            waiting: by id, after how many seconds of silence something is due; 0: now; None: only with an event.
        """
        at_once = [identity for identity, seconds in waiting.items() if seconds == 0]
        async with self._pool.connection() as connection, connection.transaction():
            if at_once:  # others have a row with their first event
                await connection.execute(
                    "INSERT INTO subscription (resource) SELECT key FROM resource WHERE type = 'Subscription' "
                    "AND id = ANY(%s) ON CONFLICT DO NOTHING",
                    (at_once,),
                )
            rows = await connection.execute(
                "UPDATE subscription s SET leased_by = %s, leased_until = now() + %s FROM resource r "
                "JOIN unnest(%s::text[], %s::integer[]) AS w (id, seconds) ON w.id = r.id "
                "WHERE r.key = s.resource AND r.type = 'Subscription' AND s.not_before <= now() "
                "AND s.leased_until < now() "
                "AND (s.events > s.delivered OR s.last_sent + w.seconds * interval '1 second' <= now()) "
                "RETURNING s.resource, r.id, s.events, s.delivered, s.failures",
                (self._worker, lease, list(waiting), list(waiting.values())),
            )
            return [Delivery(*row) for row in await rows.fetchall()]

    async def events(self, subscription: str, after: int, until: int, most: int) -> list[Event]:
        """Events by number, from behind `after` up to `until`."""
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                "SELECT e.number, f.type, f.id, e.at FROM subscription_event e "
                "JOIN resource s ON s.key = e.resource JOIN resource f ON f.key = e.focus "
                "WHERE s.type = 'Subscription' AND s.id = %s AND e.number > %s AND e.number <= %s "
                "ORDER BY e.number LIMIT %s",
                (subscription, after, until, most),
            )
            return [Event(*row) for row in await rows.fetchall()]

    async def counts(self, subscriptions: Sequence[str]) -> dict[str, int]:
        """How many events each had; one that had none may be missing."""
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                "SELECT r.id, s.events FROM subscription s JOIN resource r ON r.key = s.resource "
                "WHERE r.type = 'Subscription' AND r.id = ANY(%s)",
                (list(subscriptions),),
            )
            return dict(await rows.fetchall())

    async def taken(self, delivery: Delivery, number: int) -> None:
        """The receiver took everything up to this number."""
        await self._own(
            delivery, "delivered = %s, failures = 0, last_sent = now(), leased_until = '-infinity'", number
        )

    async def failed(self, delivery: Delivery) -> None:
        """The receiver took nothing: try again after a pause that grows."""
        await self._own(
            delivery,
            "failures = failures + 1, leased_until = '-infinity', "
            "not_before = now() + least(%s, 2 ^ least(failures, 20)) * interval '1 second'",
            MOST_PAUSE,
        )

    async def release(self, delivery: Delivery) -> None:
        """There is nothing to tell."""
        await self._own(delivery, "leased_until = '-infinity'")

    async def renew(self, delivery: Delivery, lease: timedelta) -> None:
        """The heartbeat of a lease."""
        await self._own(delivery, "leased_until = now() + %s", lease)

    async def purge(self) -> None:
        """Forget old events, whether or not somebody came for them, and tokens that nobody used."""
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute(
                "WITH gone AS (DELETE FROM subscription_event WHERE at < now() - %s RETURNING resource, number) "
                "UPDATE subscription s SET delivered = greatest(s.delivered, g.number) FROM ("
                "SELECT resource, max(number) AS number FROM gone GROUP BY resource) g WHERE g.resource = s.resource",
                (timedelta(days=KEPT_DAYS),),
            )
            await connection.execute("DELETE FROM subscription_binding WHERE expires < now()")

    async def offer(self, subscriptions: Sequence[str], seconds: int) -> tuple[str, datetime]:
        """A token by which a websocket is bound to these Subscriptions, once, and until when."""
        token = secrets.token_urlsafe(32)
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                "INSERT INTO subscription_binding (hash, subscriptions, expires) "
                "VALUES (%s, %s, now() + %s) RETURNING expires",
                (_hash(token), list(subscriptions), timedelta(seconds=seconds)),
            )
            row = await rows.fetchone()
        assert row is not None
        return token, row[0]

    async def bind(self, token: str, name: str) -> list[str]:
        """The Subscriptions of a token, bound to a websocket in place of any other; none where it is not valid.

        Args:
            name: of the websocket; no two may share a name.
        """
        async with self._pool.connection() as connection, connection.transaction():
            rows = await connection.execute(
                "DELETE FROM subscription_binding WHERE hash = %s RETURNING subscriptions, expires > now()",
                (_hash(token),),
            )
            row = await rows.fetchone()
            if row is None or not row[1]:
                return []
            named = list(row[0])
            await connection.execute(
                "INSERT INTO subscription (resource, bound_by) SELECT key, %s FROM resource "
                "WHERE type = 'Subscription' AND id = ANY(%s) ORDER BY key "
                "ON CONFLICT (resource) DO UPDATE SET bound_by = excluded.bound_by, not_before = '-infinity'",
                (name, named),
            )
        return named

    async def bound(self, names: Mapping[str, str]) -> set[str]:
        """Those of these Subscriptions that still are bound to the websocket of this name."""
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                "SELECT r.id FROM subscription s JOIN resource r ON r.key = s.resource AND r.type = 'Subscription' "
                "JOIN unnest(%s::text[], %s::text[]) AS w (id, name) ON w.id = r.id AND w.name = s.bound_by",
                (list(names), list(names.values())),
            )
            return {row[0] for row in await rows.fetchall()}

    async def _own(self, delivery: Delivery, change: str, *values: object) -> None:
        statement = f"UPDATE subscription SET {change} WHERE resource = %s AND leased_by = %s"  # noqa: S608
        async with self._pool.connection() as connection:
            await connection.execute(statement.encode(), (*values, delivery.key, self._worker))


def _hash(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
