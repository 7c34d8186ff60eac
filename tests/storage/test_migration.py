"""The schema: found current without loading the migration tools, brought up to date where it is behind."""

from __future__ import annotations

import subprocess
import sys

import psycopg
from alembic.script import ScriptDirectory

from fhir_bridge.storage import EmbeddedServer
from fhir_bridge.storage.migration import _config, current_revision, head, upgrade


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


def test_commands_that_do_not_migrate_do_not_wait_for_the_tools() -> None:
    script = (
        "import fhir_bridge.storage, sys; sys.exit('sqlalchemy' in sys.modules or 'alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
