"""How fast the REST API answers: `python benchmarks/rest.py [--observations N] [--clients N] [--seconds N]`.

`fhir-bridge serve` with one web worker, on the embedded PostgreSQL with its default settings (fsync on) in a temporary
folder. Every request carries a token and leaves an AuditEvent, as in use. The baseline is the least a Python server can
do: Starlette and psycopg that give the same bytes by id, without token, audit or access, under the same uvicorn. Both
are measured in turn, and the ratio is printed. The client is a bare asyncio one on keep-alive connections, in the
process of this script, on the same machine, so it takes its part of the processor. Prints requests a second,
milliseconds, and how long after the last answer the last AuditEvent was stored; at the end, how many there are.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError

import orjson
import psycopg
import uvicorn
import uvloop
from psycopg_pool import AsyncConnectionPool
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from storage import CODES, cohort, observation

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.storage import EmbeddedServer, Store
from fhir_bridge.storage.accounts import Accounts
from fhir_bridge.storage.grants import Grant, Grants

SCOPE = "system/*.cruds"
Make = Callable[[], bytes]
"""Gives the bytes of the next request."""


class Connection:
    """One keep-alive connection; answers have a Content-Length."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def exchange(self, request: bytes) -> int:
        """Send a request, read the whole answer; gives its status."""
        self._writer.write(request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await self._reader.readexactly(length)
        return int(head[9:12])

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


async def measure(port: int, clients: int, seconds: float, make: Make) -> tuple[int, float, float, float]:
    """Requests, requests a second, and the median and 95th percentile of their milliseconds.

    Raises:
        RuntimeError: an answer was not 200 or 201.
    """
    times: list[float] = []
    end = time.perf_counter() + seconds

    async def client() -> None:
        connection = Connection(*await asyncio.open_connection("127.0.0.1", port))
        while (start := time.perf_counter()) < end:
            status = await connection.exchange(make())
            if status not in (200, 201):
                raise RuntimeError(f"the server answered {status}")
            times.append(time.perf_counter() - start)
        connection.close()

    start = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    spent = time.perf_counter() - start
    times.sort()
    return (
        len(times),
        len(times) / spent,
        times[len(times) // 2] * 1000,
        times[int(len(times) * 0.95)] * 1000,
    )


BARE = """
CREATE TABLE bare AS SELECT type, id, convert_to(resource_text(bytes), 'UTF8') AS bytes FROM resource WHERE NOT deleted;
ALTER TABLE bare ADD PRIMARY KEY (type, id);
ANALYZE bare;
"""


def baseline(url: str) -> Starlette:
    """The least: bytes by id."""
    pool = AsyncConnectionPool(url, min_size=1, max_size=8, open=False, kwargs={"autocommit": True})

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await pool.open()
        yield
        await pool.close()

    async def read(request: Request) -> Response:
        async with pool.connection() as connection:
            cursor = await connection.execute(
                "SELECT bytes FROM bare WHERE type = %s AND id = %s",
                (request.path_params["type"], request.path_params["id"]),
                binary=True,
            )
            row = await cursor.fetchone()
        return Response(row[0] if row else b"", 200 if row else 404, media_type="application/fhir+json")

    return Starlette(routes=[Route("/fhir/{type}/{id}", read)], lifespan=lifespan)


def serve_baseline(url: str, port: int) -> None:
    """Under the settings that `fhir-bridge serve` gives uvicorn."""
    config = uvicorn.Config(
        baseline(url), port=port, loop="uvloop", http="httptools", log_level="warning", access_log=False
    )
    uvicorn.Server(config).run()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as result:
        result.bind(("127.0.0.1", 0))
        port: int = result.getsockname()[1]
        return port


@contextmanager
def running(command: list[str], port: int, environment: dict[str, str]) -> Iterator[None]:
    """A server process, from when it answers until it has ended."""
    process = subprocess.Popen(command, env=environment)
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/fhir/Patient/p0")
                break
            except URLError as error:
                if hasattr(error, "code"):  # it answers, if only 401
                    break
                time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def database() -> Iterator[str]:
    """The URL of an embedded PostgreSQL in a temporary folder, with its default settings."""
    with tempfile.TemporaryDirectory(prefix="fhir-bridge-benchmark-") as folder:
        Path(folder).chmod(0o711)
        server = EmbeddedServer.start(Path(folder) / "postgres")
        try:
            yield server.url()
        finally:
            server.release()


async def prepare(url: str, observations: int, base: str) -> str:
    """Load the data; gives an access token."""
    async with await Store.open(url) as store:
        await store.load(cohort(observations))
        async with store.connection() as connection:
            await connection.execute("ANALYZE")
        await Accounts(store).add_client(
            "benchmark", "Benchmark", "none", SCOPE, redirect_uris=["https://a.example/"]
        )
        grants = Grants(store)
        grant = Grant("benchmark", SCOPE, base, purpose="TREAT")
        return (await grants.issue_backend(grant)).access


async def stored_events(url: str) -> int:
    """How many AuditEvents there are."""
    async with await Store.open(url) as store:
        page = await store.search("AuditEvent", [("_summary", "count")], EVERYTHING)
        return page.total or 0


async def audited(url: str, expected: int) -> float:
    """Seconds until so many AuditEvents are stored: what the server has put off counts too."""
    start = time.perf_counter()
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        while time.perf_counter() - start < 60:
            counted = await connection.execute("SELECT count(*) FROM audit_index WHERE head")
            row = await counted.fetchone()
            if row is not None and row[0] >= expected:
                return time.perf_counter() - start
            await asyncio.sleep(0.05)
    raise RuntimeError("AuditEvents are missing")


def requests(token: str, observations: int) -> dict[str, tuple[int, Make]]:
    """What is asked, and how many AuditEvents one request leaves."""
    choose = random.Random(7)
    patients = observations // 20
    common = f"Host: 127.0.0.1\r\nAccept: application/fhir+json\r\nAuthorization: Bearer {token}\r\n"

    def get(path: str) -> bytes:
        return f"GET /fhir/{path} HTTP/1.1\r\n{common}\r\n".encode()

    def post(path: str, resource: dict[str, Any]) -> bytes:
        body = orjson.dumps(resource)
        kind = f"Content-Type: application/fhir+json\r\nContent-Length: {len(body)}"
        return f"POST /fhir{path} HTTP/1.1\r\n{common}{kind}\r\n\r\n".encode() + body

    def new() -> dict[str, Any]:
        results = observation(choose.randrange(10**9), patients)
        del results["id"], results["meta"]
        return results

    def transaction() -> bytes:
        entries = [
            {"resource": new(), "request": {"method": "POST", "url": "Observation"}} for _ in range(10)
        ]
        return post("/", {"resourceType": "Bundle", "type": "transaction", "entry": entries})

    def search() -> bytes:
        return get(f"Observation?patient=p{choose.randrange(patients)}&code={choose.choice(CODES)}")

    return {
        "read": (1, lambda: get(f"Observation/o{choose.randrange(observations)}")),
        "search patient+code": (1, search),
        "create": (1, lambda: post("/Observation", new())),
        "transaction 10": (10, transaction),
    }


def run(url: str, observations: int, clients: int, seconds: float, rounds: int) -> None:
    """Measure and print."""
    least, served = free_port(), free_port()
    token = asyncio.run(prepare(url, observations, f"http://127.0.0.1:{served}/fhir"))
    environment = {**os.environ, "FHIR_BRIDGE_DATABASE_URL": url, "FHIR_BRIDGE_PORT": str(served)}
    queries = requests(token, observations)
    read = queries["read"][1]
    baseline_command = [sys.executable, __file__, "--baseline", url, str(least)]
    command = [sys.executable, "-m", "fhir_bridge.cli", "serve"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(BARE)
    ratios, expected = [], 0
    before = asyncio.run(stored_events(url))
    with running(baseline_command, least, environment), running(command, served, environment):

        def line(name: str, port: int, events: int, make: Make) -> float:
            nonlocal expected
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                warm, *_ = runner.run(measure(port, clients, 0.5, make))
                count, per_second, median, slow = runner.run(measure(port, clients, seconds, make))
                expected += (warm + count) * events
                late = runner.run(audited(url, before + expected)) if events else 0.0
            print(
                f"{name:22} {per_second:7,.0f}/s   median {median:6.1f} ms   p95 {slow:6.1f} ms"
                + (f"   audited after {late:4.1f} s" if events else ""),
                flush=True,
            )
            return per_second

        for _ in range(rounds):
            bare = line("baseline: bytes by id", least, 0, read)
            ratios.append(line("read", served, 1, read) / bare)
        for name, (events, make) in queries.items():
            if name != "read":
                line(name, served, events, make)
    shares = ", ".join(f"{ratio:.0%}" for ratio in ratios)
    stored = asyncio.run(stored_events(url)) - before
    print(f"read is {shares} of the baseline; {stored:,} AuditEvents for {expected:,} accesses")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--observations", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3, help="of baseline and read, in turn")
    parser.add_argument("--baseline", nargs=2, metavar=("URL", "PORT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.baseline:
        serve_baseline(options.baseline[0], int(options.baseline[1]))
        return
    with database() as url:
        run(url, options.observations, options.clients, options.seconds, options.rounds)


if __name__ == "__main__":
    main()
