"""kill -9 in the middle of a load leaves whole batches; loading again ends as an undisturbed load does."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.storage import LoadResult, Store
from tests.storage.cohort import converted, observation, settled, with_store

LAB = "urn:fhir-bridge:hl7v2:LAB"
BATCH = 20

LOADER = """
import asyncio, sys
from pathlib import Path
from fhir_bridge.storage import Store

async def main():
    async with await Store.open(sys.argv[1]) as store:
        lines = Path(sys.argv[2]).read_bytes().splitlines()
        def slowly():
            for number, line in enumerate(lines):
                if number % 20 == 0:
                    print(number, flush=True)
                    sys.stdin.readline()  # never far ahead of who kills it
                yield line
        await store.load(slowly(), batch=20)

asyncio.run(main())
"""


def _outputs() -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for number in range(600):
        patient = f"p{number // 2 % 40}"
        if number < 80 and number % 2 == 0:
            made.append(converted({"resourceType": "Patient", "id": patient}, LAB, "2024-01-01T00:00:00Z"))
        result = observation(f"o{number // 2}", patient, f"{number % 9}-1", valueInteger=number)
        made.append(converted(result, LAB, f"2024-01-0{1 + number % 2}T00:00:00Z"))
    return made


async def _everything(store: Store) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for kind in ("Patient", "Observation"):
        cursor: str | None = None
        while True:
            page = await store.search(kind, [], EVERYTHING, count=500, cursor=cursor)
            for stored in page.entries:
                resource = stored.resource()
                del resource["meta"]["lastUpdated"]
                found[f"{kind}/{stored.id}"] = dumps(resource)
            cursor = page.next
            if cursor is None:
                break
    return found


def _index_rows(url: str) -> dict[str, list[Any]]:
    """The index by what it says, without internal keys."""
    with psycopg.connect(url) as connection:
        return {
            "token": connection.execute(
                "SELECT r.type, r.id, p.code, s.url, t.code FROM token t JOIN resource r ON r.key = t.resource "
                "JOIN parameter p ON p.key = t.parameter JOIN code_system s ON s.key = t.system ORDER BY 1, 2, 3, 4, 5"
            ).fetchall(),
            "reference": connection.execute(
                "SELECT r.type, r.id, p.code, t.type, t.id FROM reference x JOIN resource r ON r.key = x.resource "
                "JOIN parameter p ON p.key = x.parameter JOIN resource t ON t.key = x.target ORDER BY 1, 2, 3, 4, 5"
            ).fetchall(),
            "record": connection.execute(
                "SELECT p.id, r.type, r.id FROM record o JOIN resource p ON p.key = o.patient "
                "JOIN resource r ON r.key = o.resource ORDER BY 1, 2, 3"
            ).fetchall(),
            "versions": connection.execute(
                "SELECT r.type, r.id, r.version, count(h.version) FROM resource r "
                "LEFT JOIN history h ON h.resource = r.key GROUP BY r.key ORDER BY 1, 2"
            ).fetchall(),
        }


def test_a_killed_load_leaves_whole_batches_and_a_second_one_completes_it(
    database_url: str, fresh_database_url: str, tmp_path: Path
) -> None:
    outputs = _outputs()
    file = tmp_path / "outputs.ndjson"
    file.write_bytes(b"\n".join(dumps(output) for output in outputs))
    script = tmp_path / "loader.py"
    script.write_text(LOADER)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    for stop_after in (1, 9, 17):
        loader = subprocess.Popen(
            [sys.executable, str(script), fresh_database_url, str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )
        assert loader.stdout is not None
        assert loader.stdin is not None
        for _ in range(stop_after):
            loader.stdout.readline()
            loader.stdin.write(b"go\n")
            loader.stdin.flush()
        time.sleep(0.003 * stop_after)
        loader.send_signal(signal.SIGKILL)
        loader.wait()
        loader.stdout.close()
        loader.stdin.close()

    async def count(store: Store) -> int:
        return len(await _everything(store))

    assert 0 < with_store(fresh_database_url, count) < 340

    async def load(store: Store) -> tuple[LoadResult, dict[str, bytes]]:
        return await store.load(outputs, batch=BATCH), await _everything(store)

    clean, expected = with_store(database_url, load)
    rest, found = with_store(fresh_database_url, load)
    assert clean.created == 340
    assert 0 < rest.created < 340
    assert found == expected
    assert _index_rows(fresh_database_url) == _index_rows(database_url)
    again, _ = with_store(fresh_database_url, load)
    assert (again.unchanged, again.created, again.updated, again.stale) == (len(outputs), 0, 0, 0)


def test_loads_at_the_same_time_neither_lose_nor_double(fresh_database_url: str) -> None:
    outputs = _outputs()

    async def work(store: Store) -> None:
        results = await asyncio.gather(
            store.load(outputs, batch=7), store.load(outputs[::-1], batch=11), store.load(outputs, batch=50)
        )
        assert sum(result.created for result in results) == 340
        found = await _everything(store)
        assert len(found) == 340
        for number in range(0, 600, 2):
            assert f'"valueInteger":{number + 1}'.encode() in found[f"Observation/o{number // 2}"]

    with_store(fresh_database_url, work)


def test_what_can_not_be_loaded_is_left_out_and_told(fresh_database_url: str) -> None:
    async def work(store: Store) -> None:
        result = await store.load(
            [
                b"nonsense",
                {"resourceType": "Observation"},
                {"resourceType": "Unheard", "id": "x"},
                observation("good", "anna"),
                converted(observation("bad-time", "anna"), LAB, "soon"),
            ]
        )
        assert (result.created, result.rejected) == (1, 4)
        assert {issue.code for issue in result.issues} == {"FB-STORE-012"}
        assert result.issues[0].source == "output 1"
        assert (await store.read("Observation", "good", EVERYTHING)).version == 1

    with_store(fresh_database_url, work)


def test_a_late_commit_is_not_passed_over_by_the_change_feed(fresh_database_url: str) -> None:
    async def work(store: Store) -> None:
        async with store.connection() as held:
            await held.execute(
                "INSERT INTO setting VALUES ('held', 'open')"
            )  # an older transaction, still running
            await store.load([observation("o1", "anna")])
            assert await store.changes() == []
        changes = await settled(store)
        assert [(change.id, change.version, change.deleted) for change in changes] == [("o1", 1, False)]
        assert await store.changes(changes[-1].place) == []
        await store.delete("Observation", "o1", EVERYTHING)
        assert [change.deleted for change in await settled(store, changes[-1].place)] == [True]

    with_store(fresh_database_url, work)


@pytest.mark.parametrize("name", ["secret", "mine"])
def test_settings_outlive_the_process(database_url: str, name: str) -> None:
    async def first(store: Store) -> tuple[bytes, str | None]:
        if name == "mine":
            await store.set_setting(name, "1")
        return await store.secret(), await store.setting(name)

    assert with_store(database_url, first) == with_store(database_url, first)
