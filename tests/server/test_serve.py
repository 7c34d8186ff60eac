"""`serve` as a person starts it: processes come up together and go down together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest

from tests.server.conftest import free_port

PROGRAM = (
    "from fhir_bridge.server import Settings, serve\nif __name__ == '__main__':\n    serve(Settings())\n"
)


@pytest.mark.parametrize("workers", [1, 2])
def test_it_serves_and_stops_with_all_its_processes(
    workers: int, database_url: str, tmp_path: Path, repository: Path
) -> None:
    port = free_port()
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    environment = os.environ | {
        "FHIR_BRIDGE_DATABASE_URL": database_url,
        "FHIR_BRIDGE_PORT": str(port),
        "FHIR_BRIDGE_WORKERS": str(workers),
        "FHIR_BRIDGE_AUTH": "none",
        "FHIR_BRIDGE_PAGES": "false",
        "FHIR_BRIDGE_PLUGINS": "builtin",
        "PYTHONPATH": str(repository),
    }
    with subprocess.Popen(
        [sys.executable, str(program)], env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            body = _wait(f"http://127.0.0.1:{port}/fhir/metadata", process)
            assert body["resourceType"] == "CapabilityStatement"
            family = psutil.Process(process.pid).children(recursive=True)
            assert len(family) >= workers
        finally:
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=40)
    assert "NO AUTHORIZATION" in said
    assert "Traceback" not in said
    _, alive = psutil.wait_procs(family, timeout=20)
    assert alive == []


def _wait(url: str, process: subprocess.Popen[str]) -> dict[str, object]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            answer = httpx.get(url)
        except httpx.TransportError:
            time.sleep(0.2)
            continue
        if answer.status_code == 200:
            body: dict[str, object] = answer.json()
            return body
        time.sleep(0.2)
    pytest.fail("the server did not come up")
