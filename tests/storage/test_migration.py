"""The schema: found current without loading the migration tools, brought up to date where it is behind."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import psycopg
import pytest
from alembic.script import ScriptDirectory

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.storage import EmbeddedServer, Store
from fhir_bridge.storage.migration import _config, current_revision, head, upgrade
from tests.storage.cohort import downgrade, observation, with_store


def test_file_names_begin_with_the_revision() -> None:
    scripts = ScriptDirectory.from_config(_config())
    assert head() == scripts.get_current_head()


def test_an_empty_database_is_migrated_once(postgres: EmbeddedServer) -> None:
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE empty_one")
    url = postgres.url("empty_one")
    try:
        assert current_revision(url) is None
        assert upgrade(url)
        assert current_revision(url) == head()
        assert not upgrade(url)
    finally:
        with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
            connection.execute("DROP DATABASE empty_one WITH (FORCE)")


def test_a_current_database_is_opened_by_one_connection(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    connect = psycopg.AsyncConnection.connect

    async def counted(url: str, **options: Any) -> psycopg.AsyncConnection:
        opened.append(url)
        return await connect(url, **options)

    monkeypatch.setattr(psycopg.AsyncConnection, "connect", counted)
    monkeypatch.setattr(psycopg, "connect", lambda *_, **__: pytest.fail("another one"))

    async def shows(store: Store) -> list[str]:
        async with store.connection() as connection:
            return [row[0] for row in await (await connection.execute("SHOW TimeZone")).fetchall()]

    assert with_store(database_url, shows) == ["UTC"], "it is set up as all are"
    assert opened == [database_url]


def test_a_database_that_is_behind_is_upgraded_as_it_is_opened(fresh_database_url: str) -> None:
    downgrade(fresh_database_url, "0038")

    async def write(store: Store) -> None:
        await store.update("Patient", "p", {"resourceType": "Patient", "id": "p"}, EVERYTHING)

    with_store(fresh_database_url, write)
    assert current_revision(fresh_database_url) == head()


def test_commands_that_do_not_migrate_do_not_wait_for_the_tools() -> None:
    script = (
        "import fhir_bridge.storage, sys; sys.exit('sqlalchemy' in sys.modules or 'alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


def test_an_upgraded_database_has_the_histories_that_it_had(fresh_database_url: str) -> None:
    """0010 gives the rows of `history` their type."""

    async def fill(store: Store) -> None:
        for status in ("preliminary", "final", "amended"):
            await store.update("Observation", "o", observation("o", "p", status=status), EVERYTHING)
        await store.update("Patient", "p", {"resourceType": "Patient", "id": "p"}, EVERYTHING)
        await store.delete("Observation", "o", EVERYTHING)
        await store.update("Observation", "o", observation("o", "p"), EVERYTHING)

    async def histories(store: Store) -> list[list[tuple[str, int, str]]]:
        pages = [await store.history(EVERYTHING, kind) for kind in (None, "Observation", "Patient")]
        return [[(e.stored.type, e.stored.version, e.method) for e in page.entries] for page in pages]

    with_store(fresh_database_url, fill)
    before = with_store(fresh_database_url, histories)
    assert [len(page) for page in before] == [6, 5, 1]
    downgrade(fresh_database_url, "0009")
    assert upgrade(fresh_database_url)
    assert with_store(fresh_database_url, histories) == before
