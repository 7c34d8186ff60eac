"""The embedded PostgreSQL is killed while `serve` runs: it is started again, and what was acknowledged is there."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path

import httpx
import pytest

from tests.patience import PATIENCE, until
from tests.server.conftest import patient
from tests.server.serving import Served, serving


def _postmaster(folder: Path) -> int | None:
    try:
        return int((folder / "cluster" / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


def _status(served: Served) -> int | None:
    try:
        return served.get("Patient/anna").status_code
    except httpx.TransportError:
        return None


@pytest.mark.parametrize("workers", [1, 2])
def test_a_database_that_is_killed_is_started_again(workers: int) -> None:
    # Not pytest's folder: it closes that to the system user of a server that root starts.
    with tempfile.TemporaryDirectory() as temporary:
        _kill_and_wait(Path(temporary) / "db", workers)


def _kill_and_wait(folder: Path, workers: int) -> None:
    # By the command: it chooses the database before `serve` does, which has to know the folder all the same.
    with serving("", database_dir=folder, auth="none", workers=workers, copied=False) as served:
        for kill in range(2):
            written = served.request("PUT", "Patient/anna", json=patient("anna", f"Alpha{kill}"))
            assert written.status_code in (200, 201), written.text
            killed = _postmaster(folder)
            assert killed is not None
            os.kill(killed, signal.SIGKILL)
            # A process of the killed one may answer once more.
            until(lambda: _postmaster(folder) not in (None, killed), "it is not started again", 0.2)  # noqa: B023
            until(lambda: _status(served) == 200, "the database does not come back", 0.2)
            assert served.get("Patient/anna").json()["name"][0]["family"] == f"Alpha{kill}"
        served.process.terminate()
        assert served.process.wait(PATIENCE) in (0, -signal.SIGTERM)
    assert not (folder / "cluster" / "postmaster.pid").exists(), "it ends with its last user"
    assert "it is started again" in served.said()
