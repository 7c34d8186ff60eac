"""How far what follows writes is, in numbers: consumers of the change feed, Subscriptions, the outbox, jobs."""

# ruff: noqa: S608 - the statements are constants

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

__all__ = ["Gauge", "read_gauges"]

MOST = 10_000
"""Changes that are counted behind a cursor; a lag of so many means at least so many."""


@dataclass(frozen=True, slots=True)
class Gauge:
    """A number at this moment.

    Attributes:
        name: of what is measured, with its unit.
        meaning: in a sentence.
        labels: what is measured of it: a consumer, a target, a state.
    """

    name: str
    meaning: str
    value: float
    labels: Mapping[str, str]


# What is not yet below the oldest running transaction can't be read by anybody, and is no lag. Changes have no time of
# their own: that of the resource is later where it was changed again.
_CONSUMERS = f"""
SELECT c.name, c.failures,
    CASE WHEN starts_with(c.name, 'fhir_bridge_audit ') THEN
        (SELECT count(*) FROM (SELECT FROM audit a WHERE (a.xid, a.sequence) > (c.xid, c.sequence)
            AND a.xid < pg_snapshot_xmin(pg_current_snapshot()) LIMIT {MOST}) b)
    ELSE
        (SELECT count(*) FROM (SELECT FROM change f WHERE (f.xid, f.sequence) > (c.xid, c.sequence)
            AND f.xid < pg_snapshot_xmin(pg_current_snapshot()) LIMIT {MOST}) b)
    END,
    CASE WHEN starts_with(c.name, 'fhir_bridge_audit ') THEN
        (SELECT a.recorded FROM audit a WHERE (a.xid, a.sequence) > (c.xid, c.sequence)
            AND a.xid < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY a.xid, a.sequence LIMIT 1)
    ELSE
        (SELECT r.last_updated FROM (SELECT f.resource FROM change f WHERE (f.xid, f.sequence) > (c.xid, c.sequence)
            AND f.xid < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY f.xid, f.sequence LIMIT 1) f
            JOIN resource r ON r.key = f.resource)
    END, now()
FROM consumer c ORDER BY c.name
"""
_SUBSCRIPTIONS = """
SELECT coalesce(sum(s.events - s.delivered), 0), count(*) FILTER (WHERE s.failures > 0), coalesce(max(s.failures), 0)
FROM subscription s JOIN resource r ON r.key = s.resource AND NOT r.deleted
"""
_OUTBOX = """
SELECT target, state, count(*), count(*) FILTER (WHERE attempts > 0),
    coalesce(extract(epoch FROM now() - min(since)), 0)::float8
FROM outbox GROUP BY target, state ORDER BY target, state
"""
_JOBS = """
SELECT kind, state, count(*) FROM job WHERE state <> 'done' GROUP BY kind, state ORDER BY kind, state
"""


async def read_gauges(pool: AsyncConnectionPool[AsyncConnection]) -> list[Gauge]:
    """All that is measured now."""
    results: list[Gauge] = []

    def add(name: str, meaning: str, value: float, **labels: str) -> None:
        results.append(Gauge(name, meaning, float(value), labels))

    async with pool.connection() as connection:

        async def rows(statement: str) -> list[Any]:
            return await (await connection.execute(statement.encode())).fetchall()

        for name, failures, behind, first, now in await rows(_CONSUMERS):
            seconds = max(0.0, (now - first).total_seconds()) if first is not None else 0.0
            add("consumer_lag_changes", "Changes that a consumer has not taken yet.", behind, consumer=name)
            add("consumer_lag_seconds", "Age of the first of them.", seconds, consumer=name)
            add("consumer_failures", "Tries in a row that failed.", failures, consumer=name)
        ((waiting, failing, most),) = await rows(_SUBSCRIPTIONS)
        add("subscription_events_waiting", "Events that receivers have not taken yet.", waiting)
        add("subscriptions_failing", "Subscriptions whose receiver failed at the last try.", failing)
        add("subscription_failures_most", "Tries in a row that failed, of the worst Subscription.", most)
        for target, state, count, failed, seconds in await rows(_OUTBOX):
            add("outbox_resources", "Resources of the outbox.", count, target=target, state=state)
            if state == "waiting":
                add("outbox_failing", "Waiting resources whose last try failed.", failed, target=target)
                add("outbox_oldest_seconds", "How long the first one waits.", seconds, target=target)
        for kind, state, count in await rows(_JOBS):
            add("jobs", "Jobs that are not done.", count, kind=kind, state=state)
    return results
