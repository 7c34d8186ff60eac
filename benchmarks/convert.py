"""A whole run of `convert`: processor time with one and with two workers, and memory for few and for many records.

    python benchmarks/convert.py [--messages N] [--rows N]

Files of ORU with 28 OBX are converted by one worker, then by two: the table has the processor time of all processes
together and of the busiest, and what is written must be the same. Then laboratory tables of a tenth of the rows and of
all rows are converted by one worker each, and the highest memory of the process is compared.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from hl7v2 import oru
from mapping import laboratory_table

SITE = """zone: Europe/Berlin
demo_key: true
schemes: {LAB-DEMO: "https://fhir-bridge.org/fhir/demo/CodeSystem/lab-demo"}
"""
FILES = 16
GOAL = 30_000


def run(
    folder: Path, sources: list[Path], adapter: str, out: str, jobs: int
) -> tuple[dict[int, float], dict[str, float]]:
    """Processor time by process, and the report."""
    command = [
        sys.executable, "-m", "fhir_bridge.cli", "convert", *map(str, sources), "--adapter", adapter,
        "--out", str(folder / out), "--report", str(folder / f"{out}.json"), "--site", str(folder / "site.yaml"),
        "--jobs", str(jobs),
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    spent: dict[int, float] = {}
    parent = psutil.Process(process.pid)
    while process.poll() is None:
        for item in [parent, *_children(parent)]:
            try:
                times = item.cpu_times()
            except psutil.Error:
                continue
            spent[item.pid] = times.user + times.system
        time.sleep(0.02)
    if process.returncode:
        raise SystemExit(f"convert ended with {process.returncode}")
    return spent, json.loads((folder / f"{out}.json").read_text())


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.Error:
        return []


def workers(folder: Path, messages: int) -> None:
    """One worker and two."""
    chance = random.Random(1)
    sources = []
    for number in range(FILES):
        sources.append(folder / f"{number:02d}.hl7")
        count = messages // FILES
        sources[-1].write_bytes(b"\n".join(oru(number * count + n, chance) for n in range(count)) + b"\n")
    totals = {}
    for jobs in (1, 2):
        spent, _ = run(folder, sources, "hl7v2", f"jobs{jobs}", jobs)
        totals[jobs] = sum(spent.values())
        share = max(spent.values()) / totals[1]
        print(
            f"{jobs} worker{'s' * (jobs - 1)}: {totals[jobs]:.1f} s of processor time in {len(spent)} processes, "
            f"{totals[jobs] / totals[1]:.2f} of one worker's; the busiest {max(spent.values()):.1f} s, {share:.2f}"
        )
    for file in sorted((folder / "jobs1").glob("*.ndjson")):
        if file.read_bytes() != (folder / "jobs2" / file.name).read_bytes():
            raise SystemExit(f"{file.name} differs with two workers")


def memory(folder: Path, rows: int) -> None:
    """Few rows and many; what the others cost beyond the few is the speed without the start."""
    seconds = {}
    for count in (rows // 10, rows):
        source = folder / f"laboratory-{count}.csv"
        source.write_text("".join(laboratory_table(count)), "utf-8")
        spent, report = run(folder, [source], "csv", f"rows{count}", 1)
        seconds[count] = sum(spent.values())
        print(
            f"{count:,} rows: {report['peak_mb']:.0f} MB at the peak, {seconds[count]:.1f} s of processor time"
        )
    speed = (rows - rows // 10) / (seconds[rows] - seconds[rows // 10])
    print(
        f"{speed:,.0f} rows/s of a laboratory table to files, one worker, without its start (goal {GOAL:,})"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--messages", type=int, default=32_000)
    parser.add_argument("--rows", type=int, default=100_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "site.yaml").write_text(SITE, "utf-8")
        memory(folder, arguments.rows)
        workers(folder, arguments.messages)


if __name__ == "__main__":
    main()
