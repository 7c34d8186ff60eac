"""What is new and never changes (AuditEvents) is stored as it comes, once, and can be searched."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_bridge.fhir.access import EVERYTHING, AccessFilter, AccessRule
from fhir_bridge.governance import audit
from fhir_bridge.storage import BadSearch, Store
from tests.storage.cohort import observation, settled, with_store


def events(count: int) -> list[dict[str, Any]]:
    context = audit.Context(
        "http://127.0.0.1:8000/fhir",
        "app",
        audit.Agent("1", "Dr. Clara", "Practitioner/clara"),
        "127.0.0.1",
        "TREAT",
        "request-1",
    )
    return [
        {"id": f"e{number}"} | audit.read(context, f"Observation/o{number}", patient=f"p{number % 2}")
        for number in range(count)
    ]


async def _ids(store: Store, *parameters: tuple[str, str], access: AccessFilter = EVERYTHING) -> set[str]:
    page = await store.search("AuditEvent", list(parameters), access, count=1000)
    assert not page.unknown
    return {stored.id for stored in page.entries}


def test_events_are_found_by_who_what_whom_and_when(fresh_database_url: str) -> None:
    async def work(store: Store) -> None:
        await store.load([{"resourceType": "Patient", "id": name} for name in ("p0", "p1")])
        made = events(25)
        result = await store.load(made, append=True, batch=10)
        assert (result.created, result.unchanged, dict(result.resources)) == (25, 0, {"AuditEvent": 25})
        everything = {event["id"] for event in made}
        for found in (
            ("agent", "Practitioner/clara"),
            ("agent:identifier", "app"),
            ("type", "rest"),
            ("subtype", "http://hl7.org/fhir/restful-interaction|read"),
            ("action", "R"),
            ("outcome", "0"),
            ("date", f"ge{made[0]['recorded'][:10]}"),
            ("entity:identifier", "request-1"),
        ):
            assert await _ids(store, found) == everything, found
        assert await _ids(store, ("entity", "Observation/o7")) == {"e7"}
        assert await _ids(store, ("patient", "p1"), ("date", "lt2020")) == set()
        of_one = {f"e{number}" for number in range(1, 25, 2)}
        assert await _ids(store, ("patient", "p1")) == of_one
        own = AccessFilter((AccessRule("*", frozenset("rs"), patient="p1"),), subject="p1")
        assert await _ids(store, access=own) == of_one
        stored = await store.read("AuditEvent", "e3", EVERYTHING)
        assert (stored.version, stored.resource()["entity"]) == (1, made[3]["entity"])
        assert len(await settled(store, count=2)) == 2  # the feed of resources has no AuditEvents

    with_store(fresh_database_url, work)


def test_a_parameter_that_is_not_indexed_refuses_the_search(fresh_database_url: str) -> None:
    async def work(store: Store) -> None:
        await store.load(events(2), append=True)
        with pytest.raises(BadSearch, match="site"):
            await store.search("AuditEvent", [("site", "x")], EVERYTHING)

    with_store(fresh_database_url, work)


def test_a_second_try_stores_nothing_twice(fresh_database_url: str) -> None:
    async def work(store: Store) -> None:
        made = events(5)
        await store.load(made[:3], append=True)
        # The last was named by another resource before it came.
        await store.create(
            {
                "resourceType": "Provenance",
                "target": [{"reference": "AuditEvent/e4"}],
                "recorded": "2024-01-01T00:00:00Z",
            },
            EVERYTHING,
        )
        result = await store.load(made, append=True)
        assert (result.created, result.unchanged, result.updated) == (2, 3, 0)
        assert await _ids(store, ("type", "rest")) == {"e0", "e1", "e2", "e3", "e4"}
        page = await store.search("AuditEvent", [("_summary", "count")], EVERYTHING)
        assert page.total == 5
        assert len((await store.history(EVERYTHING, "AuditEvent", "e0")).entries) == 1

    with_store(fresh_database_url, work)


def test_one_that_can_not_be_stored_keeps_no_other_out(fresh_database_url: str) -> None:
    async def work(store: Store) -> None:
        result = await store.load(
            [
                observation("good", "anna"),
                observation("bad id!", "anna"),
                {"resourceType": "Observation"},
                observation("good", "bert"),
                observation("nul", "anna", code="718\0"),
                observation("late", "anna"),
            ],
            append=True,
        )
        assert (result.created, result.rejected) == (2, 4)
        assert {issue.code for issue in result.issues} == {"FB-STORE-012"}
        assert {issue.source for issue in result.issues} == {
            "Observation/bad id!",
            "output 3",
            "Observation/good",
            "Observation/nul",
        }
        assert (await store.read("Observation", "late", EVERYTHING)).version == 1

    with_store(fresh_database_url, work)
