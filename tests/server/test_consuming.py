"""Plug-ins follow what is written: every durable change and AuditEvent, in order, at least once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any

import pluggy
import psycopg
import pytest

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.plugins import hookimpl
from fhir_bridge.server import consuming
from fhir_bridge.server.consuming import consume, consumers_of
from fhir_bridge.storage import Store
from fhir_bridge.storage.changes import Change
from fhir_bridge.storage.consumers import Consumers
from tests.patience import PATIENCE
from tests.server.conftest import bare_plugins, observation, patient
from tests.server.feed import shown
from tests.storage.cohort import with_store

VALUE = "Anna has 5.4 mmol/L"


class Follower:
    """A plug-in that is notified of writes."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.events: list[str] = []
        self.failures = 0
        self.calls = 0

    @hookimpl
    def fhir_bridge_after_commit(self, changes: Iterable[Any]) -> None:
        self.calls += 1
        if self.failures:
            self.failures -= 1
            raise RuntimeError(VALUE)
        self.changes += changes

    @hookimpl
    def fhir_bridge_audit(self, event: Mapping[str, Any]) -> None:
        self.events.append(event["id"])

    def seen(self) -> list[tuple[str, int]]:
        return [(f"{change.type}/{change.id}", change.version) for change in self.changes]


def plugins_with(**followers: Follower) -> pluggy.PluginManager:
    plugins = bare_plugins()
    for name, follower in followers.items():
        plugins.register(follower, name)
    return plugins


async def following(
    store: Store, plugins: pluggy.PluginManager, work: Callable[[], Awaitable[Any]], until: Callable[[], bool]
) -> None:
    """Do some work while the consumers of these plug-ins run, until something is so."""
    stopped = asyncio.Event()
    task = asyncio.create_task(consume(store, consumers_of(plugins), stopped))
    while await _cursors(store) < len(consumers_of(plugins)):
        await asyncio.sleep(0.02)
    await work()
    async with asyncio.timeout(PATIENCE):
        while not until():
            await asyncio.sleep(0.02)
    stopped.set()
    await task


async def _cursors(store: Store) -> int:
    async with store.connection() as connection:
        row = await (await connection.execute("SELECT count(*) FROM consumer")).fetchone()
    return row[0] if row else 0


async def nothing() -> None:
    return


def event(identity: str) -> dict[str, Any]:
    return {
        "resourceType": "AuditEvent",
        "id": identity,
        "type": {"code": "rest"},
        "recorded": "2026-03-05T08:00:00Z",
        "agent": [{"requestor": True}],
        "source": {"observer": {"display": "x"}},
    }


def test_every_change_comes_in_order_from_where_the_last_process_was(fresh_database_url: str) -> None:
    first, second = Follower(), Follower()

    async def work(store: Store) -> None:
        await store.load([patient("before", "Alpha")])  # what was there before the plug-in was is not news
        await shown(store)  # else a transaction of another database on the server makes it news

        async def write() -> None:
            await store.load([patient("anna", "Alpha"), event("e1")])
            await store.update("Patient", "anna", patient("anna", "Beta"), EVERYTHING)

        await following(
            store, plugins_with(one=first), write, lambda: len(first.changes) == 2 and bool(first.events)
        )
        # While nobody listens:
        await store.load([observation("o1", "anna")])
        await store.delete("Observation", "o1", EVERYTHING)
        await store.load([event("e2")], append=True)
        await following(
            store, plugins_with(one=second), nothing, lambda: len(second.changes) == 2 and bool(second.events)
        )

    with_store(fresh_database_url, work)
    assert first.seen() == [("Patient/anna", 1), ("Patient/anna", 2)]
    assert second.seen() == [("Observation/o1", 1), ("Observation/o1", 2)]
    assert [change.deleted for change in second.changes] == [False, True]
    assert (first.events, second.events) == (["e1"], ["e2"])


def test_what_was_not_taken_comes_again_and_holds_up_no_other(
    fresh_database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    broken, sound = Follower(), Follower()
    broken.failures = 1

    async def work(store: Store) -> None:
        async def write() -> None:
            await store.load([patient("anna", "Alpha")])
            async with asyncio.timeout(PATIENCE):
                while not (broken.calls and sound.changes):
                    await asyncio.sleep(0.02)
            assert not broken.changes
            await store.load([patient("bert", "Alpha")])

        await following(
            store,
            plugins_with(broken=broken, sound=sound),
            write,
            lambda: len(broken.changes) == 2 and len(sound.changes) == 2,
        )

    with caplog.at_level(logging.ERROR):
        with_store(fresh_database_url, work)
    assert broken.seen() == sound.seen() == [("Patient/anna", 1), ("Patient/bert", 1)]
    assert "broken raised RuntimeError" in caplog.text
    assert "5.4" not in caplog.text


def test_a_late_commit_is_not_passed_over(fresh_database_url: str) -> None:
    follower = Follower()

    async def work(store: Store) -> None:
        async def write() -> None:
            async with await psycopg.AsyncConnection.connect(fresh_database_url) as late:
                await late.execute(
                    "INSERT INTO change (resource, version, deleted) "
                    "SELECT key, 1, false FROM resource WHERE id = 'anna'"
                )
                await store.load([patient("bert", "Alpha")])
                await asyncio.sleep(1.2)
                assert not follower.changes  # one older runs on: its place comes first

        await store.load([patient("anna", "Alpha")])
        await shown(store)
        await following(store, plugins_with(one=follower), write, lambda: len(follower.changes) == 2)

    with_store(fresh_database_url, work)
    assert follower.seen() == [("Patient/anna", 1), ("Patient/bert", 1)]


def test_one_process_at_a_time_serves_a_consumer(fresh_database_url: str) -> None:
    async def work(store: Store) -> None:
        one, two = Consumers(store.pool, "one"), Consumers(store.pool, "two")
        await one.register(["x"])
        minute = timedelta(minutes=1)
        place = await one.lease("x", minute)
        assert place is not None
        assert await two.lease("x", minute) is None
        assert await one.lease("x", timedelta(seconds=-1)) == place  # a process that is lost
        assert await two.lease("x", minute) == place
        assert not await one.advance("x", (place[0] + 1, 1), minute)
        assert not await one.renew("x", minute)
        assert await two.advance("x", (place[0] + 1, 7), minute)
        assert await two.fail("x")
        assert await two.lease("x", minute) is None  # it pauses
        await two.register(["x"])
        async with store.connection() as connection:
            await connection.execute("UPDATE consumer SET not_before = '-infinity'")
        assert await one.lease("x", minute) == (place[0] + 1, 7)
        assert await one.release("x")
        assert await two.lease("x", minute) == (place[0] + 1, 7)

    with_store(fresh_database_url, work)


def test_many_changes_come_in_pieces_and_idle_consumers_write_nothing(
    fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consuming, "BATCH", 7)
    follower = Follower()

    async def work(store: Store) -> None:
        async def write() -> None:
            await store.load([observation(f"o{number}", "anna") for number in range(60)])

        await following(store, plugins_with(one=follower), write, lambda: len(follower.changes) == 60)

        async def idle() -> None:
            while None in dict(await _writers(store)).values():
                await asyncio.sleep(0.02)
            before = await _writers(store)
            await asyncio.sleep(1.5)
            assert await _writers(store) == before

        await following(store, plugins_with(one=follower), idle, lambda: True)

    with_store(fresh_database_url, work)
    assert follower.calls == 9
    assert len(set(follower.seen())) == 60


async def _writers(store: Store) -> list[tuple[str, str | None]]:
    """Which transaction wrote each cursor last; None where nobody has its lease."""
    async with store.connection() as connection:
        rows = await connection.execute(
            "SELECT name, CASE WHEN leased_until > now() THEN xmin::text END FROM consumer ORDER BY name"
        )
        return [(row[0], row[1]) for row in await rows.fetchall()]
