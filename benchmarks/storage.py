"""How fast storage reads, searches, writes and loads: `python benchmarks/storage.py [--observations N] [--clients N]`.

One process, the embedded PostgreSQL with its default settings (fsync on) in a temporary folder, or
FHIR_BRIDGE_DATABASE_URL. Data: 20 Observations a patient, ten codes. Prints operations a second.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import psycopg

from fhir_bridge.fhir.access import EVERYTHING, AccessFilter, AccessRule
from fhir_bridge.fhir.search_parameters import extract, searchable
from fhir_bridge.storage import EmbeddedServer, Store

CODES = [f"{number}-{number % 10}" for number in range(2000, 2010)]


def observation(number: int, patients: int) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"o{number}",
        "meta": {"source": "urn:fhir-bridge:hl7v2:LAB"},
        "status": "final",
        "category": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                        "code": "laboratory",
                    }
                ]
            }
        ],
        "code": {
            "coding": [{"system": "http://loinc.org", "code": CODES[(number + number // patients) % 10]}]
        },
        "subject": {"reference": f"Patient/p{number % patients}"},
        "effectiveDateTime": f"20{10 + number % 15}-0{1 + number % 9}-1{number % 10}T10:00:00+01:00",
        "valueQuantity": {
            "value": number % 1000 / 10,
            "unit": "mg/dL",
            "system": "http://unitsofmeasure.org",
            "code": "mg/dL",
        },
    }


def cohort(observations: int) -> Iterator[dict[str, Any]]:
    patients = observations // 20
    for number in range(patients):
        yield {
            "resourceType": "Patient",
            "id": f"p{number}",
            "identifier": [{"system": "urn:oid:2.25.1", "value": str(number)}],
            "name": [{"family": f"Family{number}", "given": ["Given"]}],
            "birthDate": f"19{10 + number % 90}-01-01",
        }
    for number in range(observations):
        yield observation(number, patients)


async def rate(clients: int, seconds: float, work: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Operations a second, and the 95th percentile of their milliseconds."""
    times: list[float] = []
    end = time.perf_counter() + seconds

    async def client() -> None:
        while (start := time.perf_counter()) < end:
            await work()
            times.append(time.perf_counter() - start)

    start = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    times.sort()
    return len(times) / (time.perf_counter() - start), times[int(len(times) * 0.95)] * 1000


_SIZES = """
SELECT coalesce(t.relname || ', ', '') || c.relname, pg_relation_size(c.oid) FROM pg_class c
LEFT JOIN pg_index i ON i.indexrelid = c.oid LEFT JOIN pg_class t ON t.oid = i.indrelid
WHERE c.relkind IN ('r', 'i', 't') AND c.relnamespace = 'public'::regnamespace ORDER BY 2 DESC LIMIT 30
"""


async def disk(store: Store, observations: int) -> None:
    """What the load takes, times its NDJSON, and by table and index."""
    lines = sum(len(orjson.dumps(resource)) + 1 for resource in cohort(observations))
    async with store.pool.connection() as connection:
        await connection.execute("VACUUM ANALYZE")
        database = await connection.execute("SELECT pg_database_size(current_database())")
        # A database that holds nothing has its catalogues.
        empty = await connection.execute("SELECT pg_database_size('template1')")
        row, before = await database.fetchone(), await empty.fetchone()
        assert row is not None
        assert before is not None
        print(f"disk         {(row[0] - before[0]) / lines:10.2f} times the NDJSON")
        for name, size in await (await connection.execute(_SIZES)).fetchall():
            print(f"  {name:40}{size / lines:8.3f}{size / (observations * 1.05):8.1f} bytes a resource")


async def measure(url: str, observations: int, clients: int, seconds: float) -> None:
    sample = observation(1, 10)
    start = time.perf_counter()
    for _ in range(2000):
        extract(sample)
    spent = time.perf_counter() - start
    evaluations = 2000 * len(searchable("Observation")) / spent
    print(f"extraction   {2000 / spent:10,.0f} Observations/s  ({evaluations:,.0f} parameter evaluations/s)")
    async with await Store.open(url, max_size=clients) as store:
        start = time.perf_counter()
        result = await store.load(cohort(observations))
        spent = time.perf_counter() - start
        print(
            f"load         {result.created / spent:10,.0f} resources/s  ({result.created:,} in {spent:.1f} s)"
        )
        start = time.perf_counter()
        part = min(observations, 20_000)
        again = await store.load(observation(number, observations // 20) for number in range(part))
        print(f"load again   {again.unchanged / (time.perf_counter() - start):10,.0f} resources/s, unchanged")
        await disk(store, observations)
        patients = observations // 20
        choose = random.Random(7)
        bounded = AccessFilter((AccessRule("*", frozenset("cruds"), patient="p7"),), subject="p7")

        async def transaction() -> object:
            entries = [
                {
                    "resource": {**observation(choose.randrange(10**9), patients), "id": None},
                    "request": {"method": "POST", "url": "Observation"},
                }
                for _ in range(10)
            ]
            for entry in entries:
                del entry["resource"]["id"]  # type: ignore[attr-defined]
            return await store.transaction(
                {"resourceType": "Bundle", "type": "transaction", "entry": entries}, EVERYTHING
            )

        def find(access: AccessFilter, patient: str | None = None) -> Awaitable[object]:
            chosen = patient or f"p{choose.randrange(patients)}"
            return store.search("Observation", [("patient", chosen), ("code", choose.choice(CODES))], access)

        works: dict[str, Callable[[], Awaitable[object]]] = {
            "read": lambda: store.read("Observation", f"o{choose.randrange(observations)}", EVERYTHING),
            "read, patient": lambda: store.read(
                "Observation", f"o{7 + patients * choose.randrange(20)}", bounded
            ),
            "search p+code": lambda: find(EVERYTHING),
            "search, patient": lambda: find(bounded, "p7"),
            "search sorted": lambda: store.search(
                "Observation", [("patient", f"p{choose.randrange(patients)}"), ("_sort", "-date")], EVERYTHING
            ),
            "search code": lambda: store.search(
                "Observation", [("code", choose.choice(CODES))], EVERYTHING, count=20
            ),
            "search name": lambda: store.search(
                "Patient", [("name", f"family{choose.randrange(patients)}")], EVERYTHING
            ),
            "create": lambda: store.create(observation(choose.randrange(10**9), patients), EVERYTHING),
            "transaction 10": transaction,
        }
        for name, work in works.items():
            await rate(clients, 0.5, work)
            per_second, slow = await rate(clients, seconds, work)
            print(f"{name:16} {per_second:6,.0f}/s  p95 {slow:6.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--observations", type=int, default=20_000)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=3)
    options = parser.parse_args()
    named = os.environ.get("FHIR_BRIDGE_DATABASE_URL")
    with tempfile.TemporaryDirectory(prefix="fhir-bridge-benchmark-") as folder:
        Path(folder).chmod(0o711)
        server = None if named else EmbeddedServer.start(Path(folder) / "postgres")
        url = named or (server.url() if server else "")
        with psycopg.connect(url) as connection:
            print(connection.execute("SELECT version()").fetchone())
        try:
            asyncio.run(measure(url, options.observations, options.clients, options.seconds))
        finally:
            if server:
                server.release()


if __name__ == "__main__":
    main()
