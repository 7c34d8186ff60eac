"""What a site's settings let go of by age goes, whole; everything else stays, and for ever without a setting."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.server.settings import Settings
from fhir_bridge.storage import Gone, NotFound, Store
from fhir_bridge.storage.inbox import InboxItem
from fhir_bridge.storage.retention import Retention
from tests.server.test_consuming import event
from tests.storage.cohort import observation, with_store
from tests.storage.test_record_migration import bound


def age(url: str, where: str, days: int, table: str = "resource", column: str = "last_updated") -> None:
    with psycopg.connect(url) as connection:
        connection.execute(
            f"UPDATE {table} SET {column} = {column} - interval '{days} days' WHERE {where}".encode()
        )


def counted(url: str, table: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    return row[0] if row else 0


def apply(url: str, **days: int) -> dict[str, int]:
    retention = Retention(**{name: timedelta(days=number) for name, number in days.items()})
    return with_store(url, lambda store: retention.apply(store.pool))


def test_without_a_setting_nothing_goes() -> None:
    assert Settings().retention() == Retention()
    kept = Settings(keep_audit_days=365, keep_history_days=0.5).retention()
    assert kept == Retention(timedelta(days=365), timedelta(hours=12))


def test_a_month_of_audit_events_goes_once_all_of_it_is_old(fresh_database_url: str) -> None:
    def events(month: str, count: int) -> list[dict[str, Any]]:
        recorded = f"{month}-28T08:00:00Z"
        return [event(f"of-{month}-{number}") | {"recorded": recorded} for number in range(count)]

    async def fill(store: Store) -> None:
        await store.load(
            [{"resourceType": "Patient", "id": "a"}, *events("2020-01", 30), *events("2020-02", 2)]
        )
        await store.load([event("now") | {"recorded": datetime.now(UTC).isoformat()}])

    async def left(store: Store) -> list[str]:
        return [entry.id for entry in (await store.search("AuditEvent", [], EVERYTHING)).entries]

    with_store(fresh_database_url, fill)
    age(fresh_database_url, "type = 'Patient'", 4000)
    assert apply(fresh_database_url) == {"audit": 0, "history": 0}
    # A moment within February: January is older as a whole.
    days = (datetime.now(UTC) - datetime(2020, 2, 15, tzinfo=UTC)).days
    assert apply(fresh_database_url, audit=days) == {"audit": 30, "history": 0}
    assert sorted(with_store(fresh_database_url, left)) == ["now", "of-2020-02-0", "of-2020-02-1"]
    assert apply(fresh_database_url, audit=365) == {"audit": 2, "history": 0}
    assert with_store(fresh_database_url, left) == ["now"]
    assert counted(fresh_database_url, "audit_index") == 1
    with_store(fresh_database_url, lambda store: store.load(events("2020-01", 1)))  # its month is made anew
    assert with_store(fresh_database_url, left) == ["of-2020-01-0", "now"]


def test_a_version_goes_so_long_after_it_was_replaced(fresh_database_url: str) -> None:
    async def fill(store: Store) -> None:
        for turn in range(4):
            await store.update("Observation", "o", observation("o", "a", f"{turn}-1"), EVERYTHING)
        await store.update("Observation", "gone", observation("gone", "a"), EVERYTHING)
        await store.delete("Observation", "gone", EVERYTHING)

    with_store(fresh_database_url, fill)
    # Version 1 was written long ago and replaced long ago, 2 written long ago and replaced lately.
    age(fresh_database_url, "version <= 2 AND kind = 'v'", 30, "history")
    assert apply(fresh_database_url, history=10) == {"audit": 0, "history": 1}

    async def versions(store: Store, *, deleted: bool) -> None:
        assert (await store.vread("Observation", "o", "2", EVERYTHING)).version == 2
        with pytest.raises(NotFound):
            await store.vread("Observation", "o", "1", EVERYTHING)
        assert (await store.read("Observation", "o", EVERYTHING)).version == 4
        with pytest.raises(Gone):
            await store.read("Observation", "gone", bound("a"))
        if deleted:
            with pytest.raises(NotFound):
                await store.vread("Observation", "o", "3", EVERYTHING)

    with_store(fresh_database_url, lambda store: versions(store, deleted=False))
    age(fresh_database_url, "true", 30, "history")
    age(fresh_database_url, "true", 30)
    assert apply(fresh_database_url, history=10) == {"audit": 0, "history": 2}
    with_store(fresh_database_url, _current_alone)


async def _current_alone(store: Store) -> None:
    assert (await store.read("Observation", "o", EVERYTHING)).version == 4
    await store.reindex()
    with pytest.raises(Gone):  # what it last said is still known: whose record it was in
        await store.read("Observation", "gone", bound("a"))
    with pytest.raises(NotFound):
        await store.read("Observation", "gone", bound("b"))


def test_kept_sources_go_and_open_entries_stay(fresh_database_url: str) -> None:
    def item(locator: str, content: bytes) -> InboxItem:
        return InboxItem(
            "held", "hl7v2", locator, "FB-ID-001", "no patient", "feed.hl7", {}, content, locator
        )

    async def fill(store: Store) -> None:
        async with store.keeping() as keeping:
            old, new = await keeping.keep([b"MSH|old"]), await keeping.keep([b"MSH|new"])
            await keeping.note([item("old#1", old), item("new#1", new)])

    async def entries(store: Store) -> list[tuple[str, Any]]:
        found = await store.read_inbox()
        return [(entry.locator, entry.content and await store.kept_source(entry.content)) for entry in found]

    with_store(fresh_database_url, fill)
    age(fresh_database_url, "locator = 'old#1'", 40, "inbox", "changed")
    apply(fresh_database_url, sources=30)
    assert sorted(with_store(fresh_database_url, entries)) == [("new#1", b"MSH|new"), ("old#1", None)]
    assert counted(fresh_database_url, "kept_source") == 1


def test_a_source_that_is_just_being_kept_is_not_let_go_of(fresh_database_url: str) -> None:
    """While one load keeps a file, another settles the last entry that needed the same file."""

    async def work(store: Store) -> None:
        async with store.keeping() as keeping:
            key = await keeping.keep([b"MSH|same"])
            await keeping.note([InboxItem("held", "hl7v2", "a#1", "FB-ID-001", "x", "a", {}, key, "one")])
        (entry,) = await store.read_inbox()
        async with store.keeping() as keeping:
            key = await keeping.keep([b"MSH|same"])
            settling = asyncio.create_task(store.settle_inbox([entry]))
            await asyncio.sleep(0.3)
            assert not settling.done()
            await keeping.note([InboxItem("held", "hl7v2", "b#1", "FB-ID-001", "x", "b", {}, key, "two")])
        await settling
        (entry,) = await store.read_inbox()
        assert await store.kept_source(entry.content or b"") == b"MSH|same"

    with_store(fresh_database_url, work)
