"""A genomics operation about a region of a kept file, against a bare indexed fetch of its lines.

    python benchmarks/vcf_region.py [--records 400000] [--bases 1000000] [--repeat 15] [--folder DIR]

One chromosome as dense as in a genome of 5 million records (1,600 a megabase) is kept by `load --keep-file`; regions
are asked for through the REST application in this process, with audit and access as in use, each region once. The bare
fetch opens the file with its index and counts the lines of the same regions. Milliseconds of this process's processor
(the database's are not in it) and of the clock, medians. A folder that is given is kept, and used again.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from statistics import median

import httpx
import pysam
from vcf import make_file

from fhir_bridge.server import Settings, create_app, garbage
from fhir_bridge.storage import EmbeddedServer

ACCESSION, LENGTH = "NC_000001.11", 240_000_000
BASE = "http://127.0.0.1:8000"
ASKED = (
    ("presence", "find-subject-variants", {}),
    ("with variants", "find-subject-variants", {"includeVariants": "true"}),
    ("structural", "find-subject-structural-intersecting-variants", {}),
)


def keep(folder: Path, url: str, records: int) -> None:
    """Load a file that is kept; once."""
    if (folder / "loaded").exists():
        return
    make_file(folder / "genome.vcf", records)
    (folder / "site.yaml").write_text("demo_key: true\n")
    command = [
        sys.executable, "-m", "fhir_bridge.cli", "load", str(folder / "genome.vcf"), "--adapter", "vcf",
        "--site", str(folder / "site.yaml"), "--report", str(folder / "report.json"), "--keep-file",
    ]  # fmt: skip
    environment = {
        **os.environ, "FHIR_BRIDGE_DATABASE_URL": url, "FHIR_BRIDGE_BLOB_DIR": str(folder / "blobs")
    }  # fmt: skip
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    (folder / "loaded").write_text("")


def timed(work: Callable[[int], int], starts: list[int]) -> tuple[float, float, float]:
    """Medians of processor and clock milliseconds, and of what `work` counts."""
    spent: list[tuple[float, float, int]] = []
    for start in starts:
        clock, cpu = time.perf_counter(), time.process_time()
        count = work(start)
        spent.append(((time.process_time() - cpu) * 1e3, (time.perf_counter() - clock) * 1e3, count))
    processor, clocks, counts = zip(*spent, strict=True)
    return median(processor), median(clocks), median(counts)


async def measure(folder: Path, url: str, bases: int, repeat: int) -> None:
    """Print the table."""
    settings = Settings(
        database_url=url, site=folder / "site.yaml", blob_dir=folder / "blobs", auth="none", base_url=BASE, pages=False
    )  # fmt: skip
    app = create_app(settings)
    garbage.prepare()  # as `serve` does
    random = Random(2)
    starts = [random.randrange(100_000, LENGTH - bases) for _ in range(repeat)]
    data = max((path for path in (folder / "blobs").rglob("*") if path.is_file()), key=_size)
    index = next(
        p
        for p in (folder / "blobs").rglob("*")
        if p.is_file() and p.read_bytes()[:4] == b"\x1f\x8b\x08\x04" and p != data
    )

    def bare(start: int) -> int:
        with pysam.TabixFile(str(data), index=str(index)) as tabix:
            return sum(1 for _ in tabix.fetch("chr1", start, start + bases))

    print(f"{'':<16}{'count':>8}{'CPU ms':>9}{'ms':>9}{'times bare, CPU':>17}")
    bare(starts[0])
    least, clock, count = timed(bare, starts)
    print(f"{'bare fetch':<16}{count:>8.0f}{least:>9.2f}{clock:>9.2f}")
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 50000))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url=BASE) as http,
    ):
        patients = (await http.get("/fhir/Patient")).json()["entry"]
        subject = patients[0]["resource"]["id"]
        for title, operation, more in ASKED:
            spent: list[tuple[float, float, int]] = []
            for start in (50_000, *starts):
                clock, cpu = time.perf_counter(), time.process_time()
                answer = await http.get(
                    f"/fhir/${operation}",
                    headers={"Accept-Encoding": "identity"},
                    params={"subject": subject, "ranges": f"{ACCESSION}:{start}-{start + bases}", **more},
                )
                cpu, clock = time.process_time() - cpu, time.perf_counter() - clock
                assert answer.status_code == 200, answer.text
                spent.append((cpu * 1e3, clock * 1e3, answer.content.count(b'"variant"')))
            processor, clocks, counts = (median(column) for column in zip(*spent[1:], strict=True))
            print(
                f"{title:<16}{counts:>8.0f}{processor:>9.2f}{clocks:>9.2f}{processor / least:>17.1f}",
                flush=True,
            )


def _size(path: Path) -> int:
    return path.stat().st_size


def main() -> None:
    """Keep a file, ask about its regions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=400_000)
    parser.add_argument("--bases", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=15)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = options.folder or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        server = EmbeddedServer.start(folder / "postgres")
        try:
            keep(folder, server.url(), options.records)
            asyncio.run(measure(folder, server.url(), options.bases, options.repeat))
        finally:
            server.release()


if __name__ == "__main__":
    main()
