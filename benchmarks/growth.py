"""What `convert` costs as its input grows: processor time of each further record, and the process's highest memory.

    python benchmarks/growth.py [--full]

VCF lines of one sample, DICOM instances of one study, and of studies of 10,000 instances, through the command line with
files written and the default validation. `--full` adds a million and five million lines, and 200,000 instances
(10 GB of disk, a quarter of an hour).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from dicom import make_files
from dicom_peer import OURS, seconds
from vcf import make_file


def of_lines(root: Path, count: int) -> tuple[str, Path]:
    """Adapter and source: a VCF of so many lines."""
    path = root / "genome.vcf"
    make_file(path, count)
    return "vcf", path


def of_one_study(root: Path, count: int) -> tuple[str, Path]:
    """Adapter and source: so many instances in one study of 100 series at most."""
    return of_instances(root, count, min(100, count))


def of_studies(root: Path, count: int) -> tuple[str, Path]:
    """Adapter and source: so many instances, 10,000 a study, 100 a series."""
    return of_instances(root, count, max(1, count // 100))


def of_instances(root: Path, count: int, series: int) -> tuple[str, Path]:
    """Adapter and source: so many instances in so many series."""
    folder = root / "images"
    folder.mkdir()
    make_files(folder, count, series, pixels=False)
    return "dicom", folder


Source = Callable[[Path, int], tuple[str, Path]]

RUNS: tuple[tuple[str, Source, tuple[int, ...], tuple[int, ...]], ...] = (
    ("VCF lines", of_lines, (10_000, 200_000), (1_000_000, 5_000_000)),
    ("DICOM, one study", of_one_study, (10, 20_000), ()),
    ("DICOM, studies of 10,000", of_studies, (10,), (200_000,)),
)


def measured(source: Source, count: int) -> tuple[float, float]:
    """Processor time in seconds and peak memory in MB of one run."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "site.yaml").write_text("site: benchmark\ndemo_key: true\n")
        adapter, path = source(root, count)
        ours = OURS.replace('"dicom"', repr(adapter))
        return seconds(sys.executable, "-c", ours, path, root / "out", root / "site.yaml")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true")
    full = parser.parse_args().full
    print(f"{'':<26}{'records':>10}{'seconds':>9}{'µs each further':>17}{'peak MB':>9}")
    for title, source, usual, more in RUNS:
        first, least = 0, 0.0
        for count in usual + (more if full else ()):
            spent, peak = measured(source, count)
            marginal = f"{1e6 * (spent - least) / (count - first):.0f}" if first else ""
            first, least = first or count, least or spent
            print(f"{title:<26}{count:>10,}{spent:>9.1f}{marginal:>17}{peak:>9.0f}", flush=True)


if __name__ == "__main__":
    main()
