"""Searches at 20,000 and at 1,000,000 Observations: `python benchmarks/million.py [--sizes N N] [--folder DIR]`.

The data of `storage.py` in a database each, on the embedded PostgreSQL in a temporary folder, or in one that is kept
(with `--folder`) and used again. Prints, for each search, the median and the 95th percentile of its milliseconds at
each size, and the ratio. A million takes some 5 GB of disk, and a quarter of an hour to load.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psycopg
from storage import CODES, cohort

from fhir_bridge.fhir.access import EVERYTHING, AccessFilter, AccessRule
from fhir_bridge.storage import EmbeddedServer, Store

Parameters = list[tuple[str, str]]


def searches(observations: int) -> dict[str, Callable[[random.Random], tuple[AccessFilter, Parameters]]]:
    """What is asked."""
    patients = observations // 20

    def code(choose: random.Random) -> tuple[str, str]:
        return ("code", f"http://loinc.org|{choose.choice(CODES)}")

    def day(choose: random.Random, prefix: str = "") -> tuple[str, str]:
        return (
            "date",
            f"{prefix}20{choose.randrange(10, 25)}-0{choose.randrange(1, 10)}-1{choose.randrange(10)}",
        )

    def patient(choose: random.Random) -> tuple[str, str]:
        return ("patient", f"p{choose.randrange(patients)}")

    bounded = AccessFilter((AccessRule("*", frozenset("cruds"), patient="p7"),), subject="p7")
    count, total = ("_summary", "count"), ("_total", "estimate")
    latest = ("_sort", "-date")
    return {
        "patient and code": lambda c: (EVERYTHING, [patient(c), code(c)]),
        "patient's own, by date": lambda _: (bounded, [latest]),
        "code": lambda c: (EVERYTHING, [code(c)]),
        "code and a day": lambda c: (EVERYTHING, [code(c), day(c)]),
        "code since a day": lambda c: (EVERYTHING, [code(c), day(c, "ge")]),
        "code, latest first": lambda c: (EVERYTHING, [code(c), latest]),
        "code since, latest": lambda c: (EVERYTHING, [code(c), day(c, "ge"), latest]),
        "latest of all": lambda _: (EVERYTHING, [latest]),
        "value above": lambda c: (EVERYTHING, [("value-quantity", f"gt{c.randrange(80, 99)}")]),
        "value, unit": lambda c: (
            EVERYTHING,
            [("value-quantity", f"gt{c.randrange(80, 99)}|http://unitsofmeasure.org|mg/dL")],
        ),
        "value is": lambda c: (
            EVERYTHING,
            [("value-quantity", f"{c.randrange(10, 99)}.{c.randrange(10)}|http://unitsofmeasure.org|mg/dL")],
        ),
        "code and value": lambda c: (EVERYTHING, [code(c), ("value-quantity", f"gt{c.randrange(80, 99)}")]),
        "count of a code": lambda c: (EVERYTHING, [code(c), count]),
        "count of a day": lambda c: (EVERYTHING, [day(c), count]),
        "code, total": lambda c: (EVERYTHING, [code(c), total]),
        "_content": lambda c: (EVERYTHING, [("_content", f"{c.choice(CODES)}")]),
        "code:text": lambda c: (EVERYTHING, [("code:text", "glucose"), patient(c)]),
    }


async def load(url: str, observations: int) -> None:
    """Fill a database, where it is empty."""
    async with await Store.open(url) as store:
        if await store.setting("benchmark") == str(observations):
            return
        start = time.perf_counter()
        result = await store.load(cohort(observations))
        spent = time.perf_counter() - start
        async with store.pool.connection() as connection:
            await connection.execute("VACUUM ANALYZE")
            row = await (await connection.execute("SELECT pg_database_size(current_database())")).fetchone()
        assert row is not None
        print(
            f"{result.created:,} resources in {spent:.0f} s, {row[0] / result.created:.0f} bytes each",
            flush=True,
        )
        await store.set_setting("benchmark", str(observations))


async def measure(url: str, observations: int, rounds: int, only: str) -> dict[str, tuple[float, float]]:
    """Median and 95th percentile of each search, in milliseconds."""
    results: dict[str, tuple[float, float]] = {}
    async with await Store.open(url) as store:
        for name, make in searches(observations).items():
            if only not in name:
                continue
            choose, times = random.Random(5), []
            for turn in range(rounds + 3):
                access, parameters = make(choose)
                start = time.perf_counter()
                await store.search("Observation", parameters, access, count=20)
                if turn >= 3:
                    times.append((time.perf_counter() - start) * 1000)
                if sum(times) > 10_000:
                    break
            times.sort()
            results[name] = times[len(times) // 2], times[int(len(times) * 0.95)]
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[20_000, 1_000_000])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--only", default="", help="searches whose names hold this")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = options.folder or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="fhir-bridge-benchmark-"))
        )
        folder.mkdir(exist_ok=True)
        folder.chmod(0o711)
        server = EmbeddedServer.start(folder / "postgres")
        stack.callback(server.release)
        measured: list[dict[str, tuple[float, float]]] = []
        for size in options.sizes:
            with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
                name = f"observations_{size}"
                known = connection.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).fetchone()
                if known is None:
                    connection.execute(f'CREATE DATABASE "{name}"'.encode())
            url = server.url(name)
            asyncio.run(load(url, size))
            measured.append(asyncio.run(measure(url, size, options.rounds, options.only)))
        print(
            f"{'ms, median and p95':24}" + "".join(f"{size:>20,}" for size in options.sizes) + "   p95 ratio"
        )
        for name, first in measured[0].items():
            cells = "".join(f"{result[name][0]:11.1f} {result[name][1]:8.1f}" for result in measured)
            print(f"{name:24}{cells}   {measured[-1][name][1] / first[1]:8.1f}")


if __name__ == "__main__":
    main()
