"""What a store takes on disk, and that an upgraded one holds what it held."""

from __future__ import annotations

from typing import Any

import orjson
import psycopg

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.storage import Store
from fhir_bridge.storage.migration import upgrade
from tests.storage.cohort import downgrade, observation, with_store

QUERIES = [
    [("code", "3-0")],
    [("patient", "p1"), ("category", "laboratory")],
    [("status", "amended")],
    [("status:not", "final")],
    [("category:missing", "true")],
    [("date", "ge2012"), ("_sort", "-date")],
    [("value-quantity", "gt5||mg/dL")],
    [("_source", "urn:lab")],
    [("subject", "Patient/p2"), ("_sort", "_lastUpdated")],
    [("_content", "laboratory")],
    [("code:text", "Glucose")],
]


def _made(number: int) -> dict[str, Any]:
    result = observation(
        f"o{number:032x}",
        f"p{number % 50}",
        meta={"source": "urn:lab"},
        status="amended" if number % 7 == 0 else "final",
        **({"category": [_CATEGORY]} if number % 5 else {}),
        effectiveDateTime=f"20{10 + number % 15}-0{1 + number % 9}-1{number % 10}T10:00:00+01:00",
        valueQuantity={
            "value": number % 1000 / 10,
            "unit": "mg/dL",
            "system": "http://unitsofmeasure.org",
            "code": "mg/dL",
        },
    )
    result["code"] = {
        "coding": [{"system": "http://loinc.org", "code": f"{number % 10}-0"}],
        "text": "Glucose",
    }
    return result


_CATEGORY = {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]
}


def _size(url: str) -> int:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    assert row is not None
    return int(row[0])


def test_a_load_takes_little_more_than_four_times_its_ndjson(fresh_database_url: str) -> None:
    made = [_made(number) for number in range(6000)]

    async def load(store: Store) -> None:
        await store.load(made)

    async def nothing(_: Store) -> None:
        return None

    with_store(fresh_database_url, nothing)
    before = _size(fresh_database_url)
    with_store(fresh_database_url, load)
    taken = _size(fresh_database_url) - before
    # Ids are of 32 letters here, and the last pages of some forty indexes are empty yet.
    assert taken < 4.7 * sum(len(orjson.dumps(one)) + 1 for one in made)


def test_an_upgraded_store_holds_and_finds_what_it_did(fresh_database_url: str) -> None:
    """0036 to 0038: indexes, names of sources, facets, contents."""
    made = [_made(number) for number in range(300)]

    async def fill(store: Store) -> None:
        await store.load(made)
        await store.load([{"resourceType": "Patient", "id": "p1", "name": [{"family": "Ångström"}]}])
        for one in made[:20]:
            await store.update("Observation", one["id"], {**one, "status": "corrected"}, EVERYTHING)
        for one in made[20:30]:
            await store.delete("Observation", one["id"], EVERYTHING)

    async def seen(store: Store) -> Any:
        found = []
        for parameters in QUERIES:
            page = await store.search("Observation", parameters, EVERYTHING, count=400, total="accurate")
            found.append((page.total, [(entry.id, entry.version, entry.bytes) for entry in page.entries]))
            assert page.entries, parameters
        past = await store.history(EVERYTHING, "Observation", count=400)
        return found, [
            (one.stored.id, one.stored.version, one.stored.bytes, one.method) for one in past.entries
        ]

    async def again(store: Store) -> None:
        # A content that is stored is known again, and a further one replaces it.
        result = await store.load(made[30:])
        assert (result.unchanged, result.created, result.updated) == (270, 0, 0)
        result = await store.load([{**made[40], "valueQuantity": {"value": 1}}])
        assert (result.created, result.updated) == (0, 1)

    with_store(fresh_database_url, fill)
    before = with_store(fresh_database_url, seen)
    downgrade(fresh_database_url, "0035")
    with psycopg.connect(fresh_database_url) as connection:
        row = connection.execute("SELECT count(*) FROM token WHERE code = 'laboratory'").fetchone()
    assert row == (232,)
    assert upgrade(fresh_database_url)
    assert with_store(fresh_database_url, seen) == before
    with_store(fresh_database_url, again)
    downgrade(fresh_database_url, "0035")
    assert upgrade(fresh_database_url)
