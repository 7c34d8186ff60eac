"""The embedded server: started by the first, shared, stopped by the last, and safe after a crash."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from fhir_bridge.storage import DatabaseUnavailable, EmbeddedServer, SchemaAhead, database_url, upgrade
from tests.patience import PATIENCE

QUICK = {"shared_buffers": "16MB", "fsync": "off"}


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fhir-bridge-embedded-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder) / "postgres"


def _pid(data_dir: Path) -> int:
    return int((data_dir / "cluster" / "postmaster.pid").read_text().splitlines()[0])


def _alive(server: EmbeddedServer) -> bool:
    with psycopg.connect(server.url()) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


def test_the_last_user_stops_it_and_data_stay(data_dir: Path) -> None:
    server = EmbeddedServer.start(data_dir, settings=QUICK)
    assert EmbeddedServer.start(data_dir) is server
    other = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path; from fhir_bridge.storage import EmbeddedServer\n"
            "print(EmbeddedServer.start(Path(sys.argv[1])).url(), flush=True); sys.stdin.read()",
            str(data_dir),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert other.stdin is not None
    assert other.stdout is not None
    assert other.stdout.readline().strip() == server.url()
    assert _alive(server)
    pid = _pid(data_dir)
    assert not server.release()  # the other still uses it
    os.kill(pid, 0)
    other.stdin.close()
    assert other.wait(timeout=PATIENCE) == 0
    other.stdout.close()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(server.url())
    again = EmbeddedServer.start(data_dir, settings=QUICK)
    assert _alive(again)
    assert again.release()


def test_it_recovers_from_kill_and_from_a_stale_pid(data_dir: Path) -> None:
    server = EmbeddedServer.start(data_dir, settings=QUICK)
    os.kill(_pid(data_dir), signal.SIGKILL)
    time.sleep(0.1)
    assert server.release()
    server = EmbeddedServer.start(data_dir, settings=QUICK)
    assert _alive(server)
    assert server.release()
    (data_dir / "cluster" / "postmaster.pid").write_text(f"{os.getpid()}\n{data_dir / 'cluster'}\n")
    server = EmbeddedServer.start(data_dir, settings=QUICK)
    assert _alive(server)
    with psycopg.connect(server.url()) as connection:
        for setting in ("synchronous_commit", "full_page_writes"):
            assert connection.execute(f"SHOW {setting}".encode()).fetchone() == ("on",)
    assert server.release()


def test_another_major_version_is_refused_with_what_to_do(data_dir: Path) -> None:
    server = EmbeddedServer.start(data_dir, settings=QUICK)
    server.release()
    version = data_dir / "cluster" / "PG_VERSION"
    version.write_text("15\n")
    with pytest.raises(DatabaseUnavailable, match="PostgreSQL 15") as caught:
        EmbeddedServer.start(data_dir)
    assert "pg_dump" in caught.value.message
    version.write_text("18\n")


def test_a_named_database_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FHIR_BRIDGE_DATABASE_URL", "postgresql://elsewhere/db")
    assert database_url() == "postgresql://elsewhere/db"
    assert database_url("postgresql://named/db") == "postgresql://named/db"


def test_migrations_run_once_and_a_newer_schema_is_refused(
    postgres: EmbeddedServer, fresh_database_url: str
) -> None:
    assert upgrade(fresh_database_url) is False
    with psycopg.connect(fresh_database_url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaAhead, match="9999"):
        upgrade(fresh_database_url)
