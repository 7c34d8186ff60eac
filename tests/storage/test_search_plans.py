"""Searches whose form is known: the same answers as compiled anew, at once and for whoever asks beside them."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext

import pytest

from fhir_bridge.fhir.access import EVERYTHING, AccessFilter, AccessRule
from fhir_bridge.storage import SearchPage, Store
from tests.storage.cohort import observation, with_store

LOINC = "http://loinc.org"
SYSTEM = {"resourceType": "Patient", "link": [{"other": {"reference": "Patient/old"}, "type": "replaces"}]}
RESOURCES = [
    *({"resourceType": "Patient", "id": name} for name in ("anna", "bea", "old")),
    {**SYSTEM, "id": "new"},
    observation("a1", "anna", "718-7", effectiveDateTime="2024-03-01", status="final"),
    observation("a2", "anna", "718-7", effectiveDateTime="2024-01-01", status="final"),
    observation("a3", "anna", "2345-7"),
    observation("b1", "bea", "718-7"),
    observation("o1", "old", "718-7"),
    observation("n1", "new", "718-7"),
]
CLINIC = AccessFilter((AccessRule("*", frozenset("cruds")),), "TREAT", frozenset(), "client:clinic")
OF_ANNA = AccessFilter(
    (AccessRule("Observation", frozenset("rs"), "anna"),), "TREAT", frozenset(), "client:app/user:anna"
)
KEPT = [
    "patient=anna&code=718-7",
    "patient=anna&code=http://loinc.org|718-7",
    "patient=anna&code=http://loinc.org|2345-7",
    "subject=Patient/bea&code=718-7",
    "patient=Patient/bea",
    "patient=old",
    "patient=new&code=718-7",
    "patient=anna&_sort=date",
    "patient=anna&_sort=-date",
    "patient=nobody&code=718-7",
    "patient=anna&code=NULL",
    "code=718-7&patient=anna&patient=anna",
    "code=718-7&patient=anna&patient=bea",
]
NOT_KEPT = [
    "patient=anna,bea",
    "patient=anna&status=final",
    "patient=anna&date=2024-03-01",
    "patient=anna&date=2024",
    "patient=anna&code:missing=false",
    "patient=anna&code:not=718-7",
    "code=718-7",
    "patient=anna&code=http://unknown.example|718-7",
    "_id=a1",
]


def _pairs(query: str) -> list[tuple[str, str]]:
    return [(name, value) for name, _, value in (part.partition("=") for part in query.split("&"))]


async def _planned(
    store: Store, query: str, access: AccessFilter = CLINIC, count: int = 50
) -> SearchPage | None:
    for _ in range(2):  # the first time it is not kept yet
        search = await store.searches.planned("Observation", _pairs(query), access, count, 1_000_000)
    return None if search is None else await search.page(nullcontext)


def _ids(page: SearchPage | None) -> list[str]:
    assert page is not None
    return [entry.id for entry in page.entries]


async def _load(store: Store) -> None:
    await store.load(RESOURCES)


@pytest.mark.parametrize("access", [CLINIC, OF_ANNA, EVERYTHING], ids=lambda access: access.subject)
def test_a_form_that_is_known_finds_what_is_found_otherwise(database_url: str, access: AccessFilter) -> None:
    async def run(store: Store) -> None:
        await _load(store)
        for _ in range(2):
            for query in KEPT:
                page = await _planned(store, query, access)
                expected = await store.search("Observation", _pairs(query), access, most_bytes=1_000_000)
                assert (page, query) == (expected, query)
        assert sorted(_ids(await _planned(store, "patient=old", EVERYTHING))) == ["n1", "o1"]

    with_store(database_url, run)


def test_a_form_that_depends_on_more_than_its_values_is_compiled_anew(database_url: str) -> None:
    async def run(store: Store) -> None:
        await _load(store)
        for _ in range(2):
            for query in NOT_KEPT:
                assert (await _planned(store, query), query) == (None, query)

    with_store(database_url, run)


def test_callers_who_ask_once_leave_nothing(database_url: str) -> None:
    async def run(store: Store) -> None:
        await _load(store)
        for number in range(3):
            access = AccessFilter(OF_ANNA.rules, "TREAT", frozenset(), f"client:{number}")
            assert await store.searches.planned("Observation", [("code", "718-7")], access, 50, None) is None
        search = await store.searches.planned("Observation", [("code", "718-7")], access, 50, None)
        assert search is not None
        assert _ids(await search.page(nullcontext)) == ["a1", "a2"]

    with_store(database_url, run)


def test_values_of_one_form_are_kept_apart_and_pages_go_on(database_url: str) -> None:
    async def run(store: Store) -> None:
        await _load(store)
        assert _ids(await _planned(store, "patient=anna&code=718-7")) == ["a1", "a2"]
        assert _ids(await _planned(store, "patient=bea&code=718-7")) == ["b1"]
        assert _ids(await _planned(store, "patient=anna&code=2345-7")) == ["a3"]
        page = await _planned(store, "patient=anna&_sort=date", count=1)
        assert page is not None
        assert page.total is None
        assert page.next is not None
        rest = await store.search(
            "Observation", _pairs("patient=anna&_sort=date"), CLINIC, count=5, cursor=page.next
        )
        assert sorted([*_ids(page), *_ids(rest)]) == ["a1", "a2", "a3"]

    with_store(database_url, run)


def test_an_objection_counts_from_the_next_statement_on_and_ends_so(database_url: str) -> None:
    async def run(store: Store) -> None:
        await _load(store)
        query = "patient=anna&code=718-7"
        for _ in range(3):
            assert _ids(await _planned(store, query)) == ["a1", "a2"]
            assert (await store.read("Observation", "a1", CLINIC)).id == "a1"
            async with store.connection() as connection:
                await connection.execute(
                    "INSERT INTO consent_denial (resource, patient, purpose, low, high) SELECT key, key, 'TREAT', "
                    "'-infinity', 'infinity' FROM resource WHERE type = 'Patient' AND id = 'anna'"
                )
            assert _ids(await _planned(store, query)) == []
            assert _ids(await _planned(store, "patient=bea&code=718-7")) == ["b1"]
            async with store.connection() as connection:
                await connection.execute("DELETE FROM consent_denial")

    with_store(database_url, run)


def test_a_system_and_a_resource_that_come_later_are_found(database_url: str) -> None:
    async def run(store: Store) -> None:
        await _load(store)
        query = "patient=bea&code=http://new.example|x"
        assert await _planned(store, query) is None
        later = observation("b2", "bea", "x")
        later["code"]["coding"][0]["system"] = "http://new.example"
        await store.load([later, observation("b3", "bea", "9-9")])
        page = await store.search("Observation", _pairs(query), CLINIC)
        assert _ids(page) == ["b2"]
        assert _ids(await _planned(store, "patient=bea&code=9-9")) == ["b3"]

    with_store(database_url, run)


def test_many_at_once_each_get_their_own(database_url: str) -> None:
    async def run(store: Store) -> None:
        await _load(store)
        asked = [
            ("anna", "718-7", ["a1", "a2"]), ("bea", "718-7", ["b1"]), ("anna", "2345-7", ["a3"]), ("x", "718-7", [])
        ] * 30  # fmt: skip
        answers = await asyncio.gather(
            *(_planned(store, f"patient={patient}&code={code}") for patient, code, _ in asked)
        )
        assert [_ids(page) for page in answers] == [ids for *_, ids in asked]
        reads = await asyncio.gather(
            *(store.read("Observation", identity, CLINIC) for identity in ["a1", "b1", "a3"] * 20)
        )
        assert [read.id for read in reads] == ["a1", "b1", "a3"] * 20

    with_store(database_url, run)
