"""An upgraded database has the records that one loaded anew has: it neither hides nor shows more."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from fhir_bridge.fhir.access import EVERYTHING, AccessFilter, AccessRule
from fhir_bridge.server.background import reindex_now
from fhir_bridge.storage import Gone, NotFound, Store
from fhir_bridge.storage.errors import RecordsPending
from fhir_bridge.storage.migration import current_revision, head, upgrade
from tests.storage.cohort import downgrade, observation, with_store

KIND = {"coding": [{"system": "http://snomed.info/sct", "code": "14106009"}]}


def bound(patient: str, letters: str = "rs") -> AccessFilter:
    return AccessFilter((AccessRule("*", frozenset(letters), patient=patient),), subject=patient)


def _resources() -> list[dict[str, Any]]:
    """One of each way into a record; the performer is never in it."""

    def reference(text: str) -> dict[str, str]:
        return {"reference": text}

    made = [{"resourceType": "Patient", "id": name} for name in ("a", "b", "c", "d", "e", "f")]
    made += [
        observation(f"o{n}", name, performer=[reference("Patient/a")])
        for n, name in enumerate(("a", "b", "f"))
    ]
    made += [
        {"resourceType": "Device", "id": "of-a", "type": KIND, "patient": reference("Patient/a")},
        {"resourceType": "Device", "id": "of-none", "type": KIND},
        {
            "resourceType": "Provenance",
            "id": "v",
            "target": [reference("Observation/o0"), reference("Observation/x")],
        },
        {"resourceType": "Provenance", "id": "vv", "target": [reference("Provenance/v")]},
        {"resourceType": "Binary", "id": "bin", "securityContext": reference("Encounter/unheard")},
        {
            "resourceType": "Group",
            "id": "many",
            "type": "person",
            "actual": True,
            "member": [{"entity": reference(f"Patient/{name}")} for name in "abcdef"],
        },
        {
            "resourceType": "Group",
            "id": "other",
            "member": [
                {"entity": reference("Patient/a")},
                {"entity": reference("https://x.example/Patient/z")},
            ],
        },
    ]
    return made


def _rows(url: str) -> dict[str, set[tuple[Any, ...]]]:
    with psycopg.connect(url) as connection:
        return {
            "record": set(
                connection.execute(
                    "SELECT r.type, r.id, p.id FROM record o JOIN resource r ON r.key = o.resource "
                    "LEFT JOIN resource p ON p.key = o.patient"
                )
            ),
            "through": set(
                connection.execute(
                    "SELECT r.type, r.id, t.type, t.id FROM record_through o JOIN resource r ON r.key = o.resource "
                    "JOIN resource t ON t.key = o.target"
                )
            ),
        }


def back(url: str) -> None:
    """The database as the program before this one left it: tokens by compartment, no records."""
    downgrade(url, "0002")
    with psycopg.connect(url) as connection:
        connection.execute(
            "CREATE TEMPORARY TABLE kept AS SELECT DISTINCT parameter, system, code, resource FROM token"
        )
        connection.execute("TRUNCATE token")
        connection.execute(
            "INSERT INTO token (parameter, system, code, patient, resource) "
            "SELECT k.parameter, k.system, k.code, n.patient, k.resource FROM kept k CROSS JOIN LATERAL ("
            "SELECT unnest(CASE WHEN count(*) > 4 THEN ARRAY[-1]::bigint[] WHEN count(*) = 0 THEN ARRAY[0]::bigint[] "
            "ELSE array_agg(patient) END) AS patient FROM compartment c WHERE c.resource = k.resource) n"
        )
        # Numbers that only the records needed were not there.
        connection.execute("DELETE FROM resource WHERE type = 'Encounter' AND version = 0")


@pytest.fixture
def upgraded(fresh_database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    async def work(store: Store) -> None:
        await store.load(_resources())
        await store.update("Observation", "gone", observation("gone", "b"), EVERYTHING)
        await store.update("Observation", "gone", observation("gone", "a"), EVERYTHING)
        await store.delete("Observation", "gone", EVERYTHING)
        await store.update(
            "Provenance",
            "of-gone",
            {"resourceType": "Provenance", "id": "of-gone", "target": [{"reference": "Observation/gone"}]},
            EVERYTHING,
        )

    with_store(fresh_database_url, work)
    before = _rows(fresh_database_url)
    back(fresh_database_url)
    assert upgrade(fresh_database_url)
    assert current_revision(fresh_database_url) == head()
    with_store(fresh_database_url, _while_pending)
    with_store(fresh_database_url, lambda store: reindex_now(store, lambda _: None))
    assert _rows(fresh_database_url) == before
    return fresh_database_url


async def _while_pending(store: Store) -> None:
    """Whoever may read everything does; nobody is shown a record that seems to hold less than it does."""
    page = await store.search("Device", [], EVERYTHING)
    assert {entry.id for entry in page.entries} == {"of-a", "of-none"}
    assert await store.update(
        "Organization", "new", {"resourceType": "Organization", "id": "new"}, EVERYTHING
    )
    await store.delete("Organization", "new", EVERYTHING)
    for ask in (
        store.search("Observation", [], bound("a")),
        store.read("Observation", "o0", bound("a")),
        store.create(observation("mine", "a"), bound("a", "c")),
        store.owners(("Observation", "o0")),
        anext(store.patient_record("a", EVERYTHING)),
    ):
        with pytest.raises(RecordsPending):
            await ask


def test_the_records_are_those_of_a_database_loaded_anew(upgraded: str) -> None:
    async def seen(store: Store, kind: str, access: AccessFilter, *parameters: tuple[str, str]) -> set[str]:
        page = await store.search(kind, list(parameters), access, total="accurate")
        assert page.total == len(page.entries)
        return {entry.id for entry in page.entries}

    async def work(store: Store) -> None:
        for again in (False, True):
            if again:
                await store.reindex()
            assert await seen(store, "Observation", bound("a")) == {"o0"}
            assert await seen(store, "Observation", bound("b")) == {"o1"}
            assert await seen(store, "Observation", bound("a"), ("code", "718-7")) == {"o0"}
            assert await seen(store, "Device", bound("a")) == {"of-a"}
            assert await seen(store, "Device", bound("a"), ("type", "14106009")) == {"of-a"}
            assert await seen(store, "Device", EVERYTHING, ("type", "14106009")) == {"of-a", "of-none"}
            assert await seen(store, "Provenance", bound("a")) == {"v", "vv", "of-gone"}
            assert await seen(store, "Provenance", bound("b")) == set()
            assert await seen(store, "Group", bound("a")) == set()
            assert await seen(store, "Group", EVERYTHING, ("type", "person")) == {"many"}
            with pytest.raises(Gone):
                await store.read("Observation", "gone", bound("a"))
            with pytest.raises(NotFound):
                await store.read("Observation", "gone", bound("b"))

    with_store(upgraded, work)


def test_batches_of_any_size_fill_it(fresh_database_url: str) -> None:
    """More resources than one batch, among them some that hold nobody."""

    async def fill(store: Store) -> None:
        await store.load(observation(f"o{number}", f"p{number % 7}") for number in range(2300))
        await store.load({"resourceType": "Organization", "id": f"h{number}"} for number in range(20))

    with_store(fresh_database_url, fill)
    before = _rows(fresh_database_url)
    back(fresh_database_url)
    upgrade(fresh_database_url)
    with_store(fresh_database_url, lambda store: store.reindex())
    assert _rows(fresh_database_url) == before
