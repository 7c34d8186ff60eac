"""A real PostgreSQL for tests: one embedded server a session, one fresh migrated database a module.

The server is shared by all pytest-xdist workers (the embedded server's own file lock sees to that); the worker that
leaves last stops it and removes its folder.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import argon2
import orjson
import psycopg
import pytest

from fhir_bridge.server.smart import keys
from fhir_bridge.storage import accounts
from fhir_bridge.storage.embedded import EmbeddedServer
from fhir_bridge.storage.migration import upgrade

TEMPLATE = "migrated"
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    "autovacuum": "off",
}
"""No power fails in tests, their temporary folder may be in memory, and no database lives long."""

# A password of a test protects nothing: each sign-in would take a tenth of a second of processor time and 64 MB.
accounts._hasher = cache(lambda: argon2.PasswordHasher.from_parameters(argon2.profiles.CHEAPEST))

# To make the key of a database, and to check it when an application starts, takes a tenth of a second. All databases
# whose applications run in this process have one key: no test lets two of them meet.
_imported = cache(lambda jwk: keys.RSAKey.import_key(orjson.loads(jwk)))
keys._make = cache(keys._make)
keys._imported = lambda jwk: _imported(orjson.dumps(jwk, option=orjson.OPT_SORT_KEYS))


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedServer]:
    """The session's server."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or f"alone-{os.getpid()}"
    folder = Path(tempfile.gettempdir()) / f"fhir-bridge-tests-{run[:20]}"
    server = EmbeddedServer.start(folder, settings=SETTINGS)
    with (folder / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _make_template(server)
    yield server
    _administration(server.url("postgres")).close()
    _administration.cache_clear()
    if server.release():
        shutil.rmtree(folder, ignore_errors=True)


def _make_template(server: EmbeddedServer) -> None:
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        result = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (TEMPLATE,)).fetchone()
        if result is None:
            connection.execute("CREATE DATABASE making")
            upgrade(server.url("making"))
            connection.execute("ALTER DATABASE making RENAME TO migrated")


@pytest.fixture(scope="module")
def database_url(postgres: EmbeddedServer) -> Iterator[str]:
    """URL of a fresh database with the newest schema, for one module of tests."""
    yield from _fresh(postgres)


@pytest.fixture
def fresh_database_url(postgres: EmbeddedServer) -> Iterator[str]:
    """URL of a fresh database with the newest schema, for one test."""
    yield from _fresh(postgres)


@pytest.fixture
def other_database_url(postgres: EmbeddedServer) -> Iterator[str]:
    """URL of a second fresh database for the same test."""
    yield from _fresh(postgres)


def _fresh(server: EmbeddedServer) -> Iterator[str]:
    name = copied_database(server)
    yield server.url(name)
    drop_database(server, name)


@cache
def _administration(url: str) -> psycopg.Connection:
    """The connection by which databases come and go: to start its process takes as long as to create one."""
    return psycopg.connect(url, autocommit=True)


def copied_database(server: EmbeddedServer, template: str = TEMPLATE) -> str:
    """The name of a new database with the content of another."""
    name = f"test_{secrets.token_hex(6)}"
    # Files as they are: the other strategy writes each block to the log and reads it from there.
    statement = f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy"
    _administration(server.url("postgres")).execute(statement.encode())
    return name


def drop_database(server: EmbeddedServer, name: str) -> None:
    """Remove a database, whoever uses it."""
    _administration(server.url("postgres")).execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
