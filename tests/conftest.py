"""What all tests share: the folder of real inputs, property tests that no clock fails, only built-in plug-ins.

Their temporary files are in memory where the machine has room. Some hundred databases are created and dropped in a run,
of some hundred files each, and a file system may take a third of a millisecond of processor time for each file that is
created soon after others were removed (ext4 without a journal).
"""

from __future__ import annotations

import gc
import os
import tempfile
from functools import cache
from pathlib import Path

import httpx
import psutil
import pytest
import typer.testing
from hypothesis import HealthCheck, settings

# Of what is imported and collected nothing is garbage.
gc.disable()

MEMORY = Path("/dev/shm")
ROOM = 4 << 30
"""Bytes that must be free there; three times as many in the machine."""


def _temporary_folder_in_memory() -> Path | None:
    """The folder; None where there is none with room, or the user has named another."""
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK):
        return None
    status = os.statvfs(MEMORY)
    fits = status.f_bavail * status.f_frsize >= ROOM and psutil.virtual_memory().available >= 3 * ROOM
    return MEMORY if fits else None


if (folder := _temporary_folder_in_memory()) is not None:
    # For child processes, and for this one, where pytest has asked for it already.
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)

# Building all commands takes as long as many a command that a test runs.
typer.testing._get_command = cache(typer.testing._get_command)

# Reading the authorities that are trusted takes many times as long as a request to a server of the tests, and each
# `httpx.get` does it anew.
httpx._transports.default.create_ssl_context = cache(httpx.create_ssl_context)

os.environ["FHIR_BRIDGE_PLUGINS"] = "builtin"
os.environ.pop("FHIR_BRIDGE_SITE", None)
# A store that is not there: what the developer has imported must not answer for what ships.
os.environ["FHIR_BRIDGE_TERMINOLOGY_STORE"] = str(
    Path(tempfile.gettempdir()) / "fhir-bridge-tests-import-nothing"
)

# How long an example takes says how busy the machine is, and nothing of the code.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

pytest_plugins = ["tests.fixtures_postgres"]

REPOSITORY = Path(__file__).parent.parent
SHARED = Path(os.environ.get("FHIR_BRIDGE_SHARED", REPOSITORY.parent / "shared"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs the folder of real inputs where it is absent, and say so."""
    if SHARED.is_dir():
        return
    skip = pytest.mark.skip(reason=f"the folder of real inputs is not at {SHARED} (set FHIR_BRIDGE_SHARED)")
    for item in items:
        if item.get_closest_marker("shared"):
            item.add_marker(skip)


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over what was imported and collected: it stays."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    gc.enable()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real inputs; tests that use it carry the marker `shared`."""
    return SHARED


@pytest.fixture(scope="session")
def repository() -> Path:
    """The project's own folder."""
    return REPOSITORY
