"""Processor time of converting a folder of DICOM files, beside PyPI dicom2fhir in an environment of its own.

    python benchmarks/dicom_peer.py [--instances 2000] [--environment FOLDER]

Both read the same files: copies of pydicom's CT_small.dcm with new UIDs and without pixels, one study. The environment
is made where it is absent (`dicom2fhir==0.1.25`, `fhir.resources==8.1.0`, the last that it runs with). Starting is
measured with 20 files and taken away.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from dicom import make_files

PEER = """
import asyncio, sys
from dicom2fhir.dicom2fhir import from_directory
bundle = asyncio.run(from_directory(sys.argv[1], {"dicom_timezone": "Europe/Berlin"}))
sys.stdout.write(bundle.model_dump_json())
"""
OURS = """
import sys
from fhir_bridge.cli import main
sys.argv = ["fhir-bridge", "convert", sys.argv[1], "-a", "dicom", "--out", sys.argv[2], "--site", sys.argv[3]]
main()
"""


def environment(folder: Path) -> Path:
    """The peer's Python."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        packages = ["dicom2fhir==0.1.25", "fhir.resources==8.1.0"]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
    return python


def seconds(*command: str | Path) -> tuple[float, float]:
    """Processor time of a process, and its peak of memory in MB."""
    process = subprocess.Popen(
        [str(each) for each in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{command[0]} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=2000)
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "fhir-bridge-benchmarks"
    parser.add_argument("--environment", type=Path, default=cache / "dicom2fhir")
    options = parser.parse_args()
    peer = environment(options.environment)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "site.yaml").write_text("site: benchmark\ndemo_key: true\n")
        few, many = root / "few", root / "many"
        for folder, count in ((few, 20), (many, options.instances)):
            folder.mkdir()
            make_files(folder, count, 10, pixels=False)
        print(f"{'':<12}{'instances':>10}{'ms each':>10}{'peak MB':>9}")
        for title, command in (
            ("dicom2fhir", lambda folder: (peer, "-c", PEER, folder)),
            (
                "fhir-bridge",
                lambda folder: (sys.executable, "-c", OURS, folder, f"{folder}-out", root / "site.yaml"),
            ),
        ):
            start, _ = seconds(*command(few))
            used, peak = seconds(*command(many))
            each = (used - start) / (options.instances - 20) * 1000
            print(f"{title:<12}{options.instances:>10,}{each:>10.2f}{peak:>9.0f}")


if __name__ == "__main__":
    main()
