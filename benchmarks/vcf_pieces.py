"""One bgzip VCF by one worker and by several, through the command line: processor time of all and of the busiest.

    python benchmarks/vcf_pieces.py [--records 200000] [--jobs 2] [--rounds 3]

Files are written, validation is the default, and both outputs are compared, byte for byte. One worker and several take
turns, so that both meet the same machine; medians of the rounds. Linux alone: it reads /proc.
"""

from __future__ import annotations

import argparse
import filecmp
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

from vcf import make_file

_TICKS = os.sysconf("SC_CLK_TCK")


class Measured(NamedTuple):
    """Seconds of processor time of all processes of a command, of the busiest, and the highest peak memory in MB."""

    total: float
    busiest: float
    peak: int


def measured(command: list[str]) -> Measured:
    """What a command takes. The system counts its total; the busiest process is looked at every 50 ms."""
    process = subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    seconds: dict[str, float] = {}
    peaks: dict[str, int] = {}
    while True:
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        if ended:
            break
        for entry in Path("/proc").glob("[0-9]*"):
            name = entry.name
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) != process.pid:  # of the session that the command began
                    continue
                seconds[name] = (int(fields[11]) + int(fields[12])) / _TICKS
                for line in (entry / "status").read_text().splitlines():
                    if line.startswith("VmHWM"):
                        peaks[name] = int(line.split()[1]) // 1024
            except (OSError, IndexError):
                continue
        time.sleep(0.05)
    if status:
        raise SystemExit(f"{command[2]}: status {status}")
    total = usage.ru_utime + usage.ru_stime  # with its children, which it has waited for
    return Measured(total, max(seconds.values(), default=total), max(peaks.values(), default=0))


def _command(where: Path, jobs: int) -> list[str]:
    return [
        sys.executable, "-m", "fhir_bridge.cli", "convert", str(where / "a.vcf.gz"), "--adapter", "vcf",
        "--site", str(where / "site.yaml"), "--out", str(where / str(jobs)), "--jobs", str(jobs), "--force",
    ]  # fmt: skip


def main() -> None:
    """Convert one file with one worker, then with several."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        make_file(where / "a.vcf", options.records)
        import pysam

        pysam.tabix_compress(str(where / "a.vcf"), str(where / "a.vcf.gz"))
        (where / "site.yaml").write_text("demo_key: true\n")
        rows: list[tuple[Measured, Measured]] = []
        print(
            f"{'round':>6} {'one, s':>8} {'several, s':>11} {'busiest, s':>11} {'total':>6} {'busiest':>8} {'MB':>5}"
        )
        for number in range(1, options.rounds + 1):
            alone, several = (measured(_command(where, jobs)) for jobs in (1, options.jobs))
            rows.append((alone, several))
            print(
                f"{number:>6} {alone.total:>8.2f} {several.total:>11.2f} {several.busiest:>11.2f} "
                f"{several.total / alone.total:>6.2f} {several.busiest / alone.total:>8.2f} {several.peak:>5}",
                flush=True,
            )
        print(
            f"median: total {median(several.total / alone.total for alone, several in rows):.2f}, "
            f"busiest {median(several.busiest / alone.total for alone, several in rows):.2f} of one worker's"
        )
        for name in sorted(path.name for path in (where / "1").glob("*.ndjson")):
            if not filecmp.cmp(where / "1" / name, where / str(options.jobs) / name, shallow=False):
                raise SystemExit(f"{name} differs")


if __name__ == "__main__":
    main()
