"""The program itself, served to whoever asks from this machine: what hostile clients are tried on."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.patience import PATIENCE
from tests.server.conftest import free_port
from tests.server.copies import ServerCopy

COMMAND = [sys.executable, "-m", "fhir_bridge.cli", "serve"]


@dataclass
class Served:
    """A `serve` that runs."""

    process: subprocess.Popen[bytes] | ServerCopy
    port: int
    log: Path
    headers: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    database_url: str = ""

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def base(self) -> str:
        return f"{self.root}/fhir"

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        """One request on a connection of its own."""
        headers = {**self.headers, **more.pop("headers", {})}
        # `verify`: without it, a list of authorities is read for each request.
        return httpx.request(method, f"{self.base}/{path}", headers=headers, timeout=60, verify=False, **more)

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.request("GET", path, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self.request("POST", path, **more)

    def said(self) -> str:
        """What it wrote to standard error."""
        return self.log.read_text("utf-8", "replace")


@contextmanager
def serving(
    database_url: str, *, workers: int = 1, wait: bool = True, copied: bool = True, **settings: object
) -> Iterator[Served]:
    """`serve` with these settings, from when it answers until it has ended.

    Args:
        wait: until it answers.
        copied: from a process that has imported it; else it is started as a person starts it.
    """
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        port = free_port()
        given = {
            "port": port,
            "workers": workers,
            "pages": False,
            "plugins": "builtin",
            "warm_models": False,
            **settings,
        }
        environment = {
            **os.environ,
            **{f"FHIR_BRIDGE_{name.upper()}": str(value) for name, value in given.items()},
            "FHIR_BRIDGE_DATABASE_URL": database_url,
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        process = ServerCopy(environment, log) if copied else _started(environment, log)
        served = Served(process, port, log)
        try:
            if wait:
                _await(served)
            yield served
        finally:
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
            finally:
                kept = log.read_text("utf-8", "replace")
        served.said = lambda: kept  # type: ignore[method-assign]


def _started(environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as errors:
        return subprocess.Popen(COMMAND, env=environment, stderr=errors)


def _await(served: Served) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and served.process.poll() is None:
        try:
            if httpx.get(f"{served.base}/metadata", timeout=10, verify=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise TimeoutError(f"the server did not come up:\n{served.said()}")
