"""What a write costs: `python benchmarks/writes.py [--clients N] [--requests N] [--rounds N] [--profile FILE]`.

`fhir-bridge serve` with one web worker beside the least that a Python server can do (Starlette and psycopg, which parse
the body and insert it with what a search by patient and code needs; no token, validation, audit), each on the same
embedded PostgreSQL with fsync on, in turn. Prints milliseconds of processor time a request, of the server and of all
PostgreSQL processes, once everything is written; commits a request (`pg_stat_database`); and the rows and bytes that an
Observation has, by table.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import secrets
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import psycopg
import uvicorn
from psycopg_pool import AsyncConnectionPool
from rest import Connection, audited, database, free_port, prepare, requests, running, stored_events
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

TICKS = os.sysconf("SC_CLK_TCK")

LEAST = """
CREATE TABLE IF NOT EXISTS least (type text, id text, patient text, code text, bytes bytea, PRIMARY KEY (type, id));
CREATE INDEX IF NOT EXISTS least_search ON least (type, patient, code);
"""


def least(url: str) -> Starlette:
    """Stores what it is sent."""
    pool = AsyncConnectionPool(url, min_size=1, max_size=8, open=False, kwargs={"autocommit": True})
    insert = b"INSERT INTO least VALUES (%s, %s, %s, %s, %s)"

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await pool.open()
        yield
        await pool.close()

    def row(resource: dict[str, object]) -> tuple[object, ...]:
        resource["id"] = secrets.token_hex(16)
        subject, code = resource["subject"], resource["code"]
        return (
            resource["resourceType"],
            resource["id"],
            subject["reference"],  # type: ignore[index]
            code["coding"][0]["code"],  # type: ignore[index]
            orjson.dumps(resource),
        )

    async def create(request: Request) -> Response:
        values = row(orjson.loads(await request.body()))
        async with pool.connection() as connection:
            await connection.execute(insert, values)
        return Response(values[4], 201, media_type="application/fhir+json")  # type: ignore[arg-type]

    async def transaction(request: Request) -> Response:
        rows = [row(entry["resource"]) for entry in orjson.loads(await request.body())["entry"]]
        async with pool.connection() as connection, connection.transaction(), connection.cursor() as cursor:
            await cursor.executemany(insert, rows)
        return Response(orjson.dumps([values[1] for values in rows]), media_type="application/fhir+json")

    routes = [Route("/fhir/", transaction, methods=["POST"]), Route("/fhir/{type}", create, methods=["POST"])]
    return Starlette(routes=routes, lifespan=lifespan)


def seconds_of(roots: list[int]) -> float:
    """Processor time of these processes and all that descend from them."""
    parents: dict[int, int] = {}
    spent: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(fields[1])
            spent[int(entry.name)] = sum(int(field) for field in fields[11:15])
    total = 0
    for process, ticks in spent.items():
        ancestor: int | None = process
        while ancestor and ancestor not in roots:
            ancestor = parents.get(ancestor)
        total += ticks if ancestor else 0
    return total / TICKS


async def send(port: int, clients: int, count: int, make: Callable[[], bytes]) -> None:
    """Send so many requests."""
    left = [count]

    async def client() -> None:
        connection = Connection(*await asyncio.open_connection("127.0.0.1", port))
        while left[0] > 0:
            left[0] -= 1
            status = await connection.exchange(make())
            if status not in (200, 201):
                raise RuntimeError(f"the server answered {status}")
        connection.close()

    await asyncio.gather(*(client() for _ in range(clients)))


def commits(url: str) -> int:
    """Transactions committed so far."""
    with psycopg.connect(url, autocommit=True) as connection:
        time.sleep(10.5)  # a backend that is idle reports after ten seconds
        row = connection.execute(
            "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
    assert row is not None
    return int(row[0])


def sizes(url: str) -> dict[str, tuple[int, int]]:
    """Rows and bytes (indexes included) of each table."""
    with psycopg.connect(url, autocommit=True) as connection:
        tables = [
            str(row[0])
            for row in connection.execute(
                "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            )
        ]
        results: dict[str, tuple[int, int]] = {}
        for table in tables:
            row = connection.execute(
                f"SELECT count(*), pg_total_relation_size('{table}') FROM {table}".encode()
            ).fetchone()
            assert row is not None
            results[table] = (row[0], row[1])
    return results


def run(url: str, options: argparse.Namespace) -> None:
    """Measure and print."""
    floor, served = free_port(), free_port()
    token = asyncio.run(prepare(url, options.observations, f"http://127.0.0.1:{served}/fhir"))
    environment = {**os.environ, "FHIR_BRIDGE_DATABASE_URL": url, "FHIR_BRIDGE_PORT": str(served)}
    queries = requests(token, options.observations)
    names = {"create": 1, "transaction 10": 10}
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(LEAST)
        row = connection.execute("SELECT pg_backend_pid()").fetchone()
        assert row is not None
        postmaster = int((Path("/proc") / str(row[0]) / "stat").read_text().rpartition(")")[2].split()[1])
    least_command = [sys.executable, __file__, "--least", url, str(floor)]
    command = [sys.executable, "-m", "fhir_bridge.cli", "serve"]
    shares: dict[str, list[float]] = {name: [] for name in names}
    with running(least_command, floor, environment), running(command, served, environment):
        children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()

        def root_of(port: int) -> int:
            for child in children:
                line = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
                if (b"--least" in line) == (port == floor) and postmaster != int(child):
                    return int(child)
            raise RuntimeError("the server is not there")

        def cost(name: str, port: int) -> float:
            make, count = queries[name][1], options.requests // names[name]
            asyncio.run(send(port, options.clients, max(50, count // 10), make))
            time.sleep(0.5)
            before = asyncio.run(stored_events(url))
            first = commits(url)
            server, postgres = seconds_of([root_of(port)]), seconds_of([postmaster])
            asyncio.run(send(port, options.clients, count, make))
            if port == served:
                asyncio.run(audited(url, before + count * names[name]))
            time.sleep(0.5)
            server, postgres = seconds_of([root_of(port)]) - server, seconds_of([postmaster]) - postgres
            done = (commits(url) - first) / count
            print(
                f"{name:16}{'floor' if port == floor else 'served':8}{(server + postgres) / count * 1000:7.3f} ms "
                f"({server / count * 1000:.3f} + {postgres / count * 1000:.3f})   {done:.2f} commits",
                flush=True,
            )
            return server + postgres

        for name in names:
            for _ in range(options.rounds):
                shares[name].append(cost(name, floor) / cost(name, served))
        before, observations = sizes(url), 1000
        asyncio.run(send(served, options.clients, observations, queries["create"][1]))
        time.sleep(1)
        after = sizes(url)
    for name, values in shares.items():
        print(
            f"{name}: of the floor {sorted(values)[len(values) // 2]:.2f} ({', '.join(f'{v:.2f}' for v in values)})"
        )
    for table, (count, size) in sorted(after.items()):
        rows, grown = (count - before[table][0]) / observations, (size - before[table][1]) / observations
        if rows:
            print(f"{table:22} {rows:6.2f} rows {grown:8.0f} bytes an Observation")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--observations", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--least", nargs=2, metavar=("URL", "PORT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.least:
        random.seed(1)
        config = uvicorn.Config(
            least(options.least[0]), port=int(options.least[1]), loop="uvloop", http="httptools",
            log_level="warning", access_log=False,
        )  # fmt: skip
        uvicorn.Server(config).run()
        return
    with database() as url:
        run(url, options)


if __name__ == "__main__":
    main()
