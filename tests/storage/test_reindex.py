"""Reindexing makes the index right again from the stored bytes, beside writers, and goes on after a kill."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.storage import NotFound, Store
from fhir_bridge.storage.reindexing import BATCH, SETTING
from tests.storage.cohort import converted, observation, with_store

LAB = "urn:fhir-bridge:hl7v2:LAB"
TABLES = {
    "token": "parameter, system, code, patient, resource",
    "string": "parameter, value, exact, resource",
    "date": "parameter, low, high, resource",
    "quantity": "parameter, system, code, unit, low, high, canonical_code, canonical_low, canonical_high, resource",
    "number": "parameter, low, high, resource",
    "reference": "parameter, target, url, resource",
    "uri": "parameter, value, resource",
    "record": "patient, resource",
    "record_through": "resource, target",
    "named": "resource, target",
    "link": "merged, survivor, declared_by",
}

KILLED = """
import asyncio, sys
from fhir_bridge.storage import Store

async def main():
    async with await Store.open(sys.argv[1]) as store:
        def reported(count):
            print(count, flush=True)
            sys.stdin.readline()
        await store.reindex(reported)

asyncio.run(main())
"""


def index_of(url: str) -> dict[str, list[Any]]:
    """All rows of the index, and the labels."""
    with psycopg.connect(url) as connection:
        found: dict[str, list[Any]] = {
            table: sorted(map(repr, connection.execute(f"SELECT {columns} FROM {table}".encode()).fetchall()))
            for table, columns in TABLES.items()
        }
        found["labels"] = connection.execute("SELECT key, labels FROM resource ORDER BY key").fetchall()
        return found


def records(count: int) -> list[dict[str, Any]]:
    secret = {
        "security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]
    }
    people = [
        {
            "resourceType": "Patient",
            "id": f"p{number}",
            "name": [{"family": "Exempel", "given": [f"Nr{number}"]}],
            "birthDate": "1950-02-03",
        }
        for number in range(10)
    ]
    results = [
        observation(
            f"o{number}",
            f"p{number % 10}",
            effectiveDateTime="2024-03-01T08:00:00+01:00",
            valueQuantity={
                "value": number / 10,
                "unit": "mg/dL",
                "system": "http://unitsofmeasure.org",
                "code": "mg/dL",
            },
        )
        for number in range(count)
    ]
    for one in results[:5]:
        one["meta"] = secret
    score = {
        "resourceType": "RiskAssessment",
        "id": "r1",
        "status": "final",
        "subject": {"reference": "Patient/p1"},
        "prediction": [{"probabilityDecimal": 0.125}],
        "instantiatesUri": "http://example.org/score",
    }
    provenance = {
        "resourceType": "Provenance",
        "id": "made",
        "target": [{"reference": "Observation/o1"}, {"reference": "RiskAssessment/r1"}],
    }
    return [*people, *results, score, provenance]


async def _fill(store: Store, count: int) -> None:
    await store.load([converted(one, LAB) if "meta" not in one else one for one in records(count)])
    await store.link_patients("p1", "p2")
    await store.delete("Observation", "o7", EVERYTHING)


def test_missing_and_wrong_rows_are_right_again(fresh_database_url: str) -> None:
    with_store(fresh_database_url, lambda store: _fill(store, 60))
    right = index_of(fresh_database_url)
    assert all(
        right[table] for table in ("token", "string", "date", "quantity", "number", "reference", "link")
    )
    with psycopg.connect(fresh_database_url) as connection:
        key = "(SELECT key FROM resource WHERE type = 'Observation' AND id = 'o9')"
        gone = "(SELECT key FROM resource WHERE type = 'Observation' AND id = 'o7')"
        for statement in (
            "DELETE FROM token WHERE resource % 2 = 0",
            "DELETE FROM string",
            "DELETE FROM link",
            "UPDATE date SET low = '1900-01-01'",
            "UPDATE quantity SET canonical_low = 1, canonical_high = 2",
            "INSERT INTO number SELECT parameter, 1, 2, resource FROM number",
            f"UPDATE reference SET target = {key}",
            "DELETE FROM record WHERE resource % 2 = 0",
            f"INSERT INTO record SELECT {key}, key FROM resource WHERE id LIKE 'o1%'",
            "UPDATE record_through SET target = target + 1",
            f"INSERT INTO token SELECT 1, 1, 'stray', 0, {gone}",
            "UPDATE resource SET labels = CASE WHEN labels IS NULL THEN '{1}'::int[] END WHERE NOT deleted",
        ):
            connection.execute(statement.encode())
    assert index_of(fresh_database_url) != right
    assert with_store(fresh_database_url, lambda store: store.reindex()) == 71
    assert index_of(fresh_database_url) == right


def test_a_killed_run_is_gone_on_with(fresh_database_url: str, tmp_path: Path) -> None:
    count = 3 * BATCH
    with_store(fresh_database_url, lambda store: _fill(store, count))
    right = index_of(fresh_database_url)
    with psycopg.connect(fresh_database_url) as connection:
        connection.execute("TRUNCATE token, date")
        connection.execute("UPDATE quantity SET low = 0")
    script = tmp_path / "reindex.py"
    script.write_text(KILLED)
    process = subprocess.Popen(
        [sys.executable, str(script), fresh_database_url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert process.stdout is not None
    assert process.stdin is not None
    done = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    process.stdin.close()
    assert 0 < done <= BATCH
    reported: list[int] = []
    assert with_store(fresh_database_url, lambda store: store.reindex(reported.append)) == count + 11
    assert reported[0] == done
    assert reported[-1] == count + 11
    found = index_of(fresh_database_url)
    assert found == right
    assert with_store(fresh_database_url, lambda store: store.setting(SETTING)) is None


def test_an_old_interruption_is_not_gone_on_with(fresh_database_url: str) -> None:
    async def work(store: Store) -> int:
        await _fill(store, 8)
        await store.set_setting(
            SETTING, '{"key": 1000000, "count": 7, "program": "0.1.0", "at": "2020-01-01T00:00:00+00:00"}'
        )
        return await store.reindex()

    assert with_store(fresh_database_url, work) == 19


def test_writers_meanwhile_are_not_undone(fresh_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fhir_bridge.storage.reindexing.BATCH", 7)

    async def work(store: Store) -> None:
        await _fill(store, 80)
        ended = asyncio.Event()

        async def write() -> None:
            for turn in range(3):
                for number in range(0, 80, 2):
                    if number % 8 == 0 and turn == 2:
                        await store.delete("Observation", f"o{number}", EVERYTHING)
                    else:
                        changed = observation(f"o{number}", f"p{number % 3}", f"{turn}-1")
                        await store.update("Observation", f"o{number}", changed, EVERYTHING)
                    await store.create({**observation("x", "p4"), "id": "x"}, EVERYTHING)
            ended.set()

        async def index_again() -> int:
            runs = 0
            while not ended.is_set():
                await store.reindex()
                runs += 1
            return runs

        _, runs, _ = await asyncio.gather(write(), index_again(), index_again())
        assert runs > 1

    with_store(fresh_database_url, work)
    found = index_of(fresh_database_url)
    with psycopg.connect(fresh_database_url) as connection:
        # What the writers left is what a fresh index of it is.
        for table in TABLES:
            connection.execute(f"TRUNCATE {table}".encode())
    with_store(fresh_database_url, lambda store: store.reindex())
    right = index_of(fresh_database_url)
    assert found == right


def test_search_finds_again_what_a_damaged_index_hid(fresh_database_url: str) -> None:
    async def work(store: Store) -> None:
        await _fill(store, 8)
        async with store.connection() as connection:
            await connection.execute("TRUNCATE token")
        assert not (await store.search("Observation", [("code", "718-7")], EVERYTHING)).entries
        await store.reindex()
        assert len((await store.search("Observation", [("code", "718-7")], EVERYTHING)).entries) == 7
        with pytest.raises(NotFound):
            await store.read("Observation", "unheard", EVERYTHING)

    with_store(fresh_database_url, work)
