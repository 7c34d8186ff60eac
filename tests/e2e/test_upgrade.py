"""A database of an earlier version is upgraded while it is served, and an interruption costs nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import Any

import psycopg
import pytest

from fhir_bridge.storage import Store
from fhir_bridge.storage.accounts import Accounts
from fhir_bridge.storage.grants import Grant, Grants
from tests.server.conftest import observation, patient
from tests.server.serving import Served, serving
from tests.storage.test_record_migration import back

ROOT = "https://hospital.example"


async def fill(url: str, count: int) -> None:
    """Store so many results of ten patients; many of them as copies of the first ones, made by the database."""
    loaded = min(count, 10_000)
    async with await Store.open(url) as store:
        await store.load([patient(f"p{number}", "Alpha") for number in range(10)])
        results = (observation(f"o{number}", f"p{number % 10}") for number in range(loaded))
        await store.load(results, append=True)
    if count > loaded:
        with psycopg.connect(url) as connection:
            multiply(connection, count // loaded)


INDEX = ("token", "string", "date", "quantity", "number", "reference", "uri", "record", "record_through")


def multiply(connection: psycopg.Connection, times: int) -> None:
    """Copies of all Observations with their rows of the index, under ids and keys of their own."""
    row = connection.execute("SELECT max(key) FROM resource").fetchone()
    assert row is not None
    top = row[0]
    # The id stands in the content too, once: its first place is the resource's own.
    copied = {
        "key": f"r.key + n * {top}",
        "id": "r.id || '-' || n",
        "bytes": """regexp_replace(resource_text(r.bytes), '"id":"[^"]*"', """
        """'"id":"' || r.id || '-' || n || '"')""",
    }
    _copy(connection, "resource", copied, "r.type = 'Observation'", times)
    keys = f"SELECT key FROM resource WHERE type = 'Observation' AND key <= {top}"
    for table in INDEX:
        _copy(connection, table, {"resource": f"r.resource + n * {top}"}, f"r.resource IN ({keys})", times)
    connection.execute(
        "SELECT setval(pg_get_serial_sequence('resource', 'key'), (SELECT max(key) FROM resource))"
    )
    connection.execute("ANALYZE")


def _copy(
    connection: psycopg.Connection, table: str, changed: dict[str, str], which: str, times: int
) -> None:
    names = [
        str(row[0])
        for row in connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped "
            "AND attgenerated = ''",
            (table,),
        )
    ]
    values = ", ".join(changed.get(name, f"r.{name}") for name in names)
    statement = (
        f"INSERT INTO {table} ({', '.join(names)}) OVERRIDING SYSTEM VALUE "
        f"SELECT {values} FROM {table} r, generate_series(1, {times - 1}) n WHERE {which}"
    )
    connection.execute(statement.encode())


async def tokens(url: str, base: str) -> dict[str, str]:
    async with await Store.open(url, migrate=False) as store:
        accounts, grants = Accounts(store), Grants(store)
        user = await accounts.add_user("anna", "correct horse", "patient", patient="p1")
        made: dict[str, str] = {}
        for name, scope, account, bound in (
            ("robot", "system/*.rs", None, None),
            ("app", "patient/*.rs", user.id, "p1"),
        ):
            await accounts.add_client(name, name, "none", scope, redirect_uris=["https://a.example/"])
            grant = Grant(name, scope, base, account=account, purpose="TREAT", patient=bound)
            made[name] = (await grants.issue(await grants._create_grant(grant), scope, refresh=False)).access
        return made


def total(served: Served, token: str, path: str = "Observation?_summary=count") -> tuple[int, int | None]:
    answer = served.get(path, headers={"Authorization": f"Bearer {token}"})
    body: dict[str, Any] = answer.json()
    return answer.status_code, body.get("total")


def pending(url: str) -> bool:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT FROM setting WHERE name = 'records'").fetchone() is not None


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("count", [1_500, pytest.param(1_000_000, marks=pytest.mark.soak)])
def test_an_upgrade_runs_while_serving_and_survives_a_kill(fresh_database_url: str, count: int) -> None:
    patience = 90 + count / 2_000
    asyncio.run(fill(fresh_database_url, count))
    back(fresh_database_url)
    with serving(fresh_database_url, workers=2, base_url=ROOT, seconds=patience) as served:
        issued = asyncio.run(tokens(fresh_database_url, f"{ROOT}/fhir"))
        assert total(served, issued["robot"]) == (200, count)
        seen = {total(served, issued["app"])}
        if pending(fresh_database_url):
            assert seen == {(503, None)}
        os.kill(served.process.pid, signal.SIGKILL)
    with psycopg.connect(fresh_database_url) as connection:
        # A lost worker's lease lapses after a minute.
        connection.execute("UPDATE job SET leased_until = now() WHERE state = 'leased'")
    with serving(fresh_database_url, workers=2, base_url=ROOT, seconds=patience) as served:
        end = time.monotonic() + 60 + count / 500
        while (found := total(served, issued["app"]))[0] != 200:
            assert found == (503, None)
            assert total(served, issued["robot"]) == (200, count)
            assert time.monotonic() < end
            time.sleep(0.2)
        assert found == (200, count // 10)
        assert not pending(fresh_database_url)
