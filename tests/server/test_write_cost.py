"""A write and its AuditEvent are one commit, whoever ends in the middle; writers at once do not refuse each other."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
import time
from contextlib import AsyncExitStack
from typing import Any

import httpx
import psycopg
import pytest

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.server.rest import body as body_module
from tests.server.conftest import Hospital, observation, patient
from tests.server.serving import serving

CLIENTS = 8


async def commits(hospital: Hospital) -> int:
    """Transactions committed so far, with those that the pool's connections have not reported yet."""
    pool = hospital.services.store.pool
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(pool.connection()) for _ in range(pool.max_size)]
        for connection in opened:
            await connection.execute("SELECT pg_stat_force_next_flush()")
        row = await (
            await opened[0].execute(
                "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
            )
        ).fetchone()
    assert row is not None
    return int(row[0])


def at_once(
    hospital: Hospital, each: int, method: str, path: str, body: Any, headers: dict[str, str]
) -> list[int]:
    """The statuses of so many requests of each of several clients."""

    async def client() -> list[int]:
        statuses = []
        for _ in range(each):
            answer = await hospital.http._client.request(method, path, json=body(), headers=headers)
            statuses.append(answer.status_code)
        return statuses

    async def everybody(clients: int) -> list[int]:
        return [
            status for some in await asyncio.gather(*(client() for _ in range(clients))) for status in some
        ]

    clients = CLIENTS if each > 1 else 30
    return hospital.run(everybody, clients)  # type: ignore[no-any-return]


def test_a_create_with_its_event_is_one_commit(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    # Looks at the terminology are so many a second, whatever is written meanwhile.
    monkeypatch.setattr(body_module, "LOOK_SECONDS", 600)
    headers = hospital.token("user/*.cruds", patient=None)

    def body() -> dict[str, Any]:
        return observation("x", "anna")

    at_once(hospital, 3, "POST", "/fhir/Observation", body, headers)  # numbers and tokens are known then
    pool = hospital.services.store.pool.max_size
    own = 2 + pool  # the two searches, and what is asked here itself
    shares = []
    # The least of some: PostgreSQL counts the transactions of its own housekeeping as well.
    while not shares or (min(shares) > 1.1 and len(shares) < 4):
        before = hospital.run(commits, hospital)
        found = hospital.run(
            hospital.services.store.search, "AuditEvent", [("_summary", "count")], EVERYTHING
        )
        assert set(at_once(hospital, 50, "POST", "/fhir/Observation", body, headers)) == {201}
        counted = hospital.run(
            hospital.services.store.search, "AuditEvent", [("_summary", "count")], EVERYTHING
        )
        assert counted.total == found.total + CLIENTS * 50
        shares.append((hospital.run(commits, hospital) - before - own) / (CLIENTS * 50))
    assert min(shares) <= 1.1


def test_a_create_that_has_begun_is_stored_with_its_event_though_its_client_is_gone(
    hospital: Hospital,
) -> None:
    headers = hospital.token("user/*.cruds", patient=None)
    store = hospital.services.store
    code = {"coding": [{"system": "http://loinc.org", "code": "718-7"}]}

    async def hang_up() -> None:
        body = observation("x", "anna") | {"code": code}
        request = asyncio.create_task(
            hospital.http._client.post("/fhir/Observation", json=body, headers=headers)
        )
        while not store._writer._together._writing:
            await asyncio.sleep(0)
        request.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await request
        await store._writer.finish()

    hospital.run(hang_up)
    (entry,) = hospital.http.get("/fhir/Observation?code=718-7", headers=headers).json()["entry"]
    where = f"/fhir/AuditEvent?entity=Observation/{entry['resource']['id']}&action=C"
    assert len(hospital.http.get(where, headers=headers).json()["entry"]) == 1


def test_thirty_conditional_updates_at_once_all_succeed(hospital: Hospital) -> None:
    headers = hospital.token("user/*.cruds", patient=None)
    identifier = {"system": "urn:oid:2.25.9", "value": "one"}
    turns = iter(range(10_000))

    def body() -> dict[str, Any]:
        number = next(turns)
        resource = patient("x", f"Name{number}") | {"identifier": [identifier]}
        del resource["id"]
        return resource

    where = "/fhir/Patient?identifier=urn:oid:2.25.9|one"
    for expected in ({200, 201}, {200}):
        statuses = at_once(hospital, 1, "PUT", where, body, headers)
        assert set(statuses) <= expected
        assert statuses.count(201) == (1 if 201 in expected else 0)
    found = hospital.http.get("/fhir/Patient?identifier=urn:oid:2.25.9|one", headers=headers).json()
    (entry,) = found["entry"]
    assert entry["resource"]["meta"]["versionId"] == "60"
    events = hospital.http.get(
        f"/fhir/AuditEvent?entity=Patient/{entry['resource']['id']}&action=C,U&_count=100", headers=headers
    )
    assert len(events.json()["entry"]) == 60


def test_a_kill_leaves_each_write_with_its_event_or_neither(fresh_database_url: str) -> None:
    begun: list[str] = []
    for turn in range(2):
        with serving(fresh_database_url, auth="none") as served:
            served.request("PUT", "Patient/anna", json=patient("anna", "Alpha")).raise_for_status()

            def write() -> None:
                with contextlib.suppress(httpx.HTTPError), httpx.Client(base_url=served.base) as client:
                    while True:
                        identity = client.post("/Observation", json=observation("x", "anna")).json()["id"]
                        begun.append(identity)
                        changed = observation(identity, "anna") | {"status": "amended"}
                        client.put(f"/Observation/{identity}", json=changed)
                        client.delete(f"/Observation/{identity}")

            begun.clear()
            writers = [threading.Thread(target=write) for _ in range(4)]
            for writer in writers:
                writer.start()
            end = time.monotonic() + 60
            while len(begun) < 20 and time.monotonic() < end:
                time.sleep(0.01)
            time.sleep(turn / 3)
            os.kill(served.process.pid, signal.SIGKILL)
            for writer in writers:
                writer.join()
    with psycopg.connect(fresh_database_url) as connection:
        # The transactions of killed clients end once the database notices.
        versions = connection.execute(
            "SELECT 'Observation/' || r.id, r.version FROM resource r WHERE r.type = 'Observation' AND r.version > 0 "
            "ORDER BY 1"
        ).fetchall()
        events = connection.execute(
            "SELECT resource, count(*) FROM audit_index WHERE resource LIKE 'Observation/%' "
            "AND action IN ('C', 'U', 'D') "
            "GROUP BY resource ORDER BY 1"
        ).fetchall()
    assert len(versions) > 10
    assert events == versions
