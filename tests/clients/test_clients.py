"""Clients of others against this server: each call of a script succeeds, and what it gives is asserted there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients.conftest import all_well, outcomes
from tests.npm import npm_cache, package
from tests.pypi import installed
from tests.server.serving import Served

HERE = Path(__file__).parent
SCRIPTS = HERE / "scripts"


@pytest.mark.parametrize(
    ("name", "version", "script", "calls"),
    [
        ("fhir-kit-client", "2.0.3", "fhir_kit_client.mjs", 27),
        ("@medplum/core", "5.2.13", "medplum.mjs", 24),
    ],
)
def test_a_client_of_npm(
    served: Served, token: str, tmp_path: Path, name: str, version: str, script: str, calls: int
) -> None:
    # A module is looked for above the file that imports it.
    (tmp_path / "node_modules").symlink_to(package(name, version))
    for path in SCRIPTS.glob("*.mjs"):
        shutil.copy(path, tmp_path)
    found = outcomes(["node", script], served, token, {}, tmp_path)
    all_well(found, calls)


@pytest.mark.parametrize(
    ("name", "version", "script", "calls"),
    [("fhirpy", "2.3.1", "fhirpy_calls.py", 20), ("fhirclient", "4.4.0", "fhirclient_calls.py", 12)],
)
def test_a_client_of_pypi(
    served: Served, token: str, tmp_path: Path, name: str, version: str, script: str, calls: int
) -> None:
    environment = {"PYTHONPATH": str(installed(name, version)), "PYTHONDONTWRITEBYTECODE": "1"}
    found = outcomes([sys.executable, str(SCRIPTS / script)], served, token, environment, tmp_path)
    all_well(found, calls)


@pytest.fixture(scope="session")
def hapi() -> Path:
    """The folder with the compiled calls and, in `lib`, HAPI's Java client; fetched once with Maven."""
    for tool in ("java", "javac", "mvn"):
        if shutil.which(tool) is None:
            pytest.skip(f"HAPI's client is fetched with Maven and compiled, and there is no `{tool}` here")
    folder = npm_cache().parent / "maven" / "hapi-client-8.8.0"
    if not (folder / "fetched").exists():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / "hapi" / "pom.xml", folder)
        command = ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode:
            pytest.skip(f"Maven can't give HAPI's client: {done.stdout.strip()[-200:]}")
        (folder / "fetched").touch()
    command = ["javac", "-nowarn", "-cp", "lib/*", "-d", "classes", str(HERE / "hapi" / "Calls.java")]
    subprocess.run(command, cwd=folder, check=True, timeout=300)
    return folder


def test_the_java_client_of_hapi(served: Served, token: str, hapi: Path) -> None:
    command = ["java", "-Xmx512m", "-cp", "classes:lib/*", "Calls"]
    found = outcomes(command, served, token, {}, hapi)
    all_well(found, 30)
