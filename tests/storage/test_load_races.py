"""What a load creates is inserted at once; where another writer makes the same, both come to one resource."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.storage import Store

COUNT = 60


def result(number: int, *parts: int) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"o{number}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]},
        "subject": {"reference": f"Patient/p{number % 7}"},
        **({"hasMember": [{"reference": f"Observation/o{part}"} for part in parts]} if parts else {}),
    }


async def counts(store: Store) -> dict[str, int]:
    async with store.connection() as connection:
        rows = await connection.execute(
            "SELECT 'rows', count(*) FROM resource WHERE type = 'Observation' UNION ALL "
            "SELECT 'live', count(*) FROM resource WHERE type = 'Observation' AND NOT deleted UNION ALL "
            "SELECT 'first', count(*) FROM resource WHERE type = 'Observation' AND version = 1 UNION ALL "
            "SELECT 'changes', count(*) FROM change c JOIN resource r ON r.key = c.resource "
            "WHERE r.type = 'Observation' UNION ALL "
            "SELECT 'codes', count(*) FROM token t JOIN resource r ON r.key = t.resource "
            "WHERE r.type = 'Observation' AND t.code = '718-7'"
        )
        return {str(row[0]): int(row[1]) for row in await rows.fetchall()}


def test_loads_of_the_same_at_once_store_each_once(database_url: str) -> None:
    """In opposite orders, and while transactions refer to what is being loaded."""

    async def run() -> None:
        async with (
            await Store.open(database_url) as one,
            await Store.open(database_url) as two,
            await Store.open(database_url) as three,
        ):
            everything = [result(number, (number + 1) % COUNT) for number in range(COUNT)]

            async def refer(number: int) -> None:
                report = {
                    "resourceType": "DiagnosticReport",
                    "status": "final",
                    "code": {"text": "panel"},
                    "result": [{"reference": f"Observation/o{number}"}],
                }
                await three.create(report, EVERYTHING)

            await asyncio.gather(
                one.load(everything),
                two.load(everything[::-1]),
                *(refer(number) for number in range(0, COUNT, 5)),
            )
            found = await counts(one)
            assert (found["rows"], found["live"], found["first"], found["changes"]) == (COUNT,) * 4
            again = await two.load(everything)
            assert (again.created, again.updated, again.unchanged) == (0, 0, COUNT)
            assert await counts(one) == found
            for number in (0, 5, 55):
                page = await one.search(
                    "DiagnosticReport", [("result", f"Observation/o{number}")], EVERYTHING, count=5
                )
                assert len(page.entries) == 1
            page = await one.search("Observation", [("has-member", "Observation/o3")], EVERYTHING, count=5)
            assert [entry.id for entry in page.entries] == ["o2"]

    asyncio.run(run())


def test_versions_of_one_batch_are_numbered_as_ever(database_url: str) -> None:
    async def run() -> None:
        async with await Store.open(database_url) as store:
            first = result(1000)
            loaded = await store.load([first, {**first, "status": "amended"}])
            assert loaded.created + loaded.updated == 2
            stored = await store.read("Observation", "o1000", EVERYTHING)
            history = await store.history(EVERYTHING, "Observation", "o1000")
            assert [entry.stored.version for entry in history.entries] == list(range(stored.version, 0, -1))

    asyncio.run(run())


def test_what_comes_after_two_contents_of_one_time_has_a_number_of_its_own(database_url: str) -> None:
    """The one that loses is in history under a number, which no later version may have."""

    async def run() -> None:
        async with await Store.open(database_url) as store:
            # Which of two contents wins their bytes decide: of eight pairs some go either way.
            pairs = range(2000, 2008)
            contents = [[{**result(pair), "valueInteger": number} for pair in pairs] for number in range(5)]
            loaded = await store.load([*contents[0], *contents[1]])
            assert (loaded.created, loaded.conflicts) == (8, 8)
            await store.load(contents[2])
            await store.load(contents[3])
            for edited in contents[4]:
                await store.update("Observation", edited["id"], edited, EVERYTHING)
                page = await store.history(EVERYTHING, "Observation", edited["id"])
                assert [entry.stored.version for entry in page.entries] == [5, 4, 3, 2, 1]
                values = [orjson.loads(bytes(entry.stored.bytes))["valueInteger"] for entry in page.entries]
                assert values[:3] == [4, 3, 2]
                assert sorted(values[3:]) == [0, 1]

    asyncio.run(run())
