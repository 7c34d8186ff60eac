"""A full disk stops writes with a clear error, and loses nothing: with space again the same command goes on."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.plugins import shipped
from tests.server.conftest import observation, patient

COUNT = 8_000


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system with room for a database and little more; not below pytest's folder, which only root may enter."""
    folder = Path(tempfile.mkdtemp(prefix="fhir-bridge-disk-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a file system of a given size can't be mounted here (needs root)")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)
        folder.rmdir()


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "FHIR_BRIDGE_DATABASE_DIR": str(folder / "db"),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    environment.pop("FHIR_BRIDGE_DATABASE_URL", None)
    command = [sys.executable, "-m", "fhir_bridge.cli", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.timeout(300)
def test_a_load_stops_and_goes_on_with_room(small_disk: Path, tmp_path: Path) -> None:
    # Of letters that no compression makes fewer.
    choose = random.Random(5)
    results = (
        {**observation(f"o{number}", "anna"), "note": [{"text": choose.randbytes(2_500).hex()}]}
        for number in range(COUNT)
    )
    source = tmp_path / "records.ndjson"
    with source.open("wb") as file:
        for resource in (patient("anna", "Alpha"), *results):
            file.write(dumps(resource) + b"\n")
    stopped = run(small_disk, "load", str(source))
    assert stopped.returncode == 3, stopped.stderr
    said = " ".join(stopped.stderr.split())
    assert "the database's disk is full" in said
    assert "Free disk space, then run the same command again" in said
    assert "Traceback" not in stopped.stderr
    subprocess.run(["mount", "-o", "remount,size=1g", str(small_disk)], check=True)
    report = tmp_path / "report.json"
    finished = run(small_disk, "load", str(source), "--report", str(report))
    assert finished.returncode == 0, finished.stderr
    stored = json.loads(report.read_text())["resources"]
    assert stored == {"Observation": COUNT, "Patient": 1}


@pytest.mark.timeout(120)
def test_a_conversion_stops_and_goes_on_with_room(small_disk: Path, tmp_path: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=256k", str(small_disk)], check=True)
    table = tmp_path / "patients.csv"
    lines = [f"{number};HOSP;Rossi;Anna;02.01.1960;w" for number in range(4_000)]
    table.write_text("\n".join(["PatNr;Aussteller;Nachname;Vorname;Geburtsdatum;Geschlecht", *lines]) + "\n")
    site = str(shipped("mappings") / "ehr/csv-patients/examples/two-people/site.yaml")
    command = ["convert", str(table), "--adapter", "csv", "--site", site, "--out", str(small_disk / "out")]
    command += ["--report", str(tmp_path / "report.json")]
    stopped = run(small_disk, *command)
    assert stopped.returncode == 3, stopped.stderr
    assert "No space left on device" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    finished = run(small_disk, *command, "--resume")
    written = sum(len(path.read_bytes().splitlines()) for path in (small_disk / "out").glob("Patient.ndjson"))
    assert (finished.returncode, written) == (0, 4_000), finished.stderr
