"""One bgzip VCF by one worker and by several, through the command line: processor time of all and of the busiest.

    python benchmarks/vcf_pieces.py [--records 200000] [--jobs 2]

Files are written, validation is the default, and both outputs are compared, byte for byte. Linux alone: it reads /proc.
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

from vcf import make_file

_TICKS = os.sysconf("SC_CLK_TCK")


def measured(command: list[str]) -> tuple[list[float], int]:
    """Seconds of processor time of each process of a command, the busiest first, and the highest peak memory in MB."""
    process = subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    seconds: dict[str, float] = {}
    peaks: dict[str, int] = {}
    while process.poll() is None:
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
    if process.returncode:
        raise SystemExit(process.returncode)
    return sorted(seconds.values(), reverse=True), max(peaks.values(), default=0)


def main() -> None:
    """Convert one file with one worker, then with several."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        make_file(where / "a.vcf", options.records)
        import pysam

        pysam.tabix_compress(str(where / "a.vcf"), str(where / "a.vcf.gz"))
        (where / "site.yaml").write_text("demo_key: true\n")
        alone = 0.0
        print(f"{'jobs':>4} {'total s':>8} {'busiest s':>9} {'by one: total':>13} {'busiest':>8} {'MB':>5}")
        for jobs in (1, options.jobs):
            command = [
                sys.executable, "-m", "fhir_bridge.cli", "convert", str(where / "a.vcf.gz"), "--adapter", "vcf",
                "--site", str(where / "site.yaml"), "--out", str(where / str(jobs)), "--jobs", str(jobs),
            ]  # fmt: skip
            seconds, peak = measured(command)
            alone = alone or sum(seconds)
            print(
                f"{jobs:>4} {sum(seconds):>8.2f} {seconds[0]:>9.2f} {sum(seconds) / alone:>13.2f} "
                f"{seconds[0] / alone:>8.2f} {peak:>5}"
            )
        for name in sorted(path.name for path in (where / "1").glob("*.ndjson")):
            if not filecmp.cmp(where / "1" / name, where / str(options.jobs) / name, shallow=False):
                raise SystemExit(f"{name} differs")


if __name__ == "__main__":
    main()
