"""What a request costs: `python benchmarks/rest.py [--seconds N] [--rounds N] [--only NAME ...]`.

The floor, SEKMET (`peers.py`) and `fhir-bridge serve` with one web worker, in turn in one run, each with the same data,
20 Observations a patient; the floor and this server on a PostgreSQL of their own, embedded, with its default settings
(fsync on). Every request to this server carries a SMART token, is checked for access and leaves an AuditEvent.

Prints milliseconds of processor time a request, of the server's processes and of PostgreSQL's, until nothing waits any
more: not only is the last AuditEvent stored, but the processes rest, so that what follows writes (index, change feed,
jobs) is counted. Then requests a second by the clock, where the clients, in this process, take their part of the
machine. Then the shares beside their goals; writing transactions a create; rows and bytes of an Observation by table.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import psycopg
import uvloop
from peers import TOKEN, serving_least, serving_sekmet
from processor_time import postmaster_of, seconds_of
from serving import Connection, Make, database, free_port, measure, prepare, running
from storage import CODES, observation

CLIENTS = (1, 8, 64)
COUNTED = (1, 8)
"""Clients at which processor time is measured; at the others the clock alone."""
QUIET_SECONDS = 0.6
"""As long as the background worker looks for nothing new, and a little more."""
REST_SECONDS = 4.0
QUIET_SHARE = 0.04
"""Of a processor, that processes take at most which rest."""
EVENTS = {"read": 1, "search": 1, "create": 1, "transaction of 10": 10}
"""The requests, and the AuditEvents that each leaves."""
GOALS = {
    "read": (0.70, None),
    "search": (0.85, None),
    "create": (0.45, 1.4),
    "transaction of 10": (0.35, 2.0),
}
"""Of the floor, and times SEKMET's; at 8 clients."""


@dataclass(frozen=True, slots=True)
class Program:
    """A server that runs."""

    name: str
    port: int
    process: int
    postmaster: int | None
    makes: dict[str, Make]
    rest: tuple[float, float] = (0.0, 0.0)
    """Of a processor, that it and its database take while nobody asks."""

    def seconds(self) -> tuple[float, float]:
        """Processor time so far: its own, and its database's."""
        return seconds_of(self.process), seconds_of(self.postmaster)


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a request: milliseconds of the server and of its database; requests a second."""

    server: float
    database: float
    rate: float

    @property
    def whole(self) -> float:
        return self.server + self.database

    def __str__(self) -> str:
        return f"{self.whole:.3f} ({self.server:.3f} + {self.database:.3f})"


def requests(token: str, observations: int) -> dict[str, Make]:
    """What is asked."""
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
        result = observation(choose.randrange(10**9), patients)
        del result["id"], result["meta"]
        return result

    def transaction() -> bytes:
        entries = [
            {"resource": new(), "request": {"method": "POST", "url": "Observation"}} for _ in range(10)
        ]
        return post("/", {"resourceType": "Bundle", "type": "transaction", "entry": entries})

    return {
        "read": lambda: get(f"Observation/o{choose.randrange(observations)}"),
        "search": lambda: get(
            f"Observation?patient=p{choose.randrange(patients)}&code={choose.choice(CODES)}"
        ),
        "create": lambda: post("/Observation", new()),
        "transaction of 10": transaction,
    }


def quiet(program: Program) -> float:
    """Wait until its processes rest; how long that took."""
    begun, last = time.perf_counter(), sum(program.seconds())
    for _ in range(100):
        time.sleep(QUIET_SECONDS)
        now = sum(program.seconds())
        if now - last <= QUIET_SECONDS * QUIET_SHARE:
            return time.perf_counter() - begun
        last = now
    raise RuntimeError(f"{program.name} does not come to rest")


def at_rest(program: Program) -> Program:
    """The program with what it takes while nobody asks."""
    quiet(program)
    before = program.seconds()
    time.sleep(REST_SECONDS)
    server, postgres = (
        (now - then) / REST_SECONDS for now, then in zip(program.seconds(), before, strict=True)
    )
    return replace(program, rest=(server, postgres))


def cost(program: Program, name: str, clients: int, seconds: float) -> tuple[int, Cost]:
    """Requests, and what each takes."""
    before = program.seconds()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        count, rate, *_ = runner.run(measure(program.port, clients, seconds, program.makes[name]))
    # What it takes while nobody asks is not the requests', however long they are waited for.
    waited = quiet(program) if clients in COUNTED else 0.0
    server, postgres = (
        now - then - share * waited
        for now, then, share in zip(program.seconds(), before, program.rest, strict=True)
    )
    return count, Cost(server / count * 1000, postgres / count * 1000, rate)


def entries_of(program: Program, path: str) -> set[str]:
    """The ids on a page of a search."""
    head = program.makes["read"]().partition(b" HTTP/1.1")[2]

    async def ask() -> set[str]:
        connection = await Connection.to(program.port)
        status, body = await connection.exchange(f"GET /fhir/{path} HTTP/1.1".encode() + head)
        connection.close()
        if status != 200:
            raise RuntimeError(f"{program.name} answered {status}: {body[:500]!r}")
        return {entry["resource"]["id"] for entry in orjson.loads(body).get("entry", ())}

    return asyncio.run(ask())


def number(url: str, statement: str) -> int:
    """The one number that a statement gives."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return int(row[0])


def sizes(url: str) -> dict[str, tuple[int, int]]:
    """Rows and bytes (indexes included) of each table."""
    with psycopg.connect(url, autocommit=True) as connection:
        tables = connection.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        ).fetchall()
    return {
        table: (
            number(url, f"SELECT count(*) FROM {table}"),
            number(url, f"SELECT pg_total_relation_size('{table}')"),
        )
        for (table,) in tables
    }


def run(programs: list[Program], options: argparse.Namespace) -> tuple[dict[tuple[str, str, int], Cost], int]:
    """The medians of what requests cost, by request, program and clients; and the events that ours has to have left."""
    results: dict[tuple[str, str, int], list[Cost]] = {}
    events = 0
    for name in options.only:
        for program in programs:
            # Its code, plans and connections are there then; and what came before has ended.
            count, _ = cost(program, name, COUNTED[-1], options.seconds / 2)
            events += count * EVENTS[name] if program.name == "served" else 0
        for clients in CLIENTS:
            for _ in range(options.rounds if clients in COUNTED else 1):
                for program in programs:
                    count, result = cost(program, name, clients, options.seconds)
                    results.setdefault((name, program.name, clients), []).append(result)
                    events += count * EVENTS[name] if program.name == "served" else 0
            for program in programs:
                line = "   ".join(
                    str(item) if clients in COUNTED else f"{item.rate:,.0f}/s"
                    for item in results[name, program.name, clients]
                )
                print(f"{name:18}{clients:3} clients  {program.name:8}{line}", flush=True)
    middle = statistics.median
    return {
        place: Cost(
            middle(each.server for each in items),
            middle(each.database for each in items),
            middle(each.rate for each in items),
        )
        for place, items in results.items()
    }, events


def report(costs: dict[tuple[str, str, int], Cost], names: list[str], programs: list[Program]) -> None:
    """Shares, goals, and rates by the clock."""
    print("\nby processor time                 1 client    8 clients    goal")
    for name in names:
        for peer, goal in zip(("floor", "SEKMET"), GOALS[name], strict=True):
            if peer in {program.name for program in programs}:
                shares = [
                    costs[name, peer, clients].whole / costs[name, "served", clients].whole
                    for clients in COUNTED
                ]
                text = f"{name}, {'of the floor' if peer == 'floor' else 'times SEKMET'}"
                print(
                    f"{text:34}{shares[0]:8.2f}{shares[1]:13.2f}    " + (f"≥ {goal:.2f}" if goal else ""),
                    flush=True,
                )
    print("\nrequests a second by the clock    " + "".join(f"{clients:>10}" for clients in CLIENTS))
    for name in names:
        for program in programs:
            rates = "".join(f"{costs[name, program.name, clients].rate:10,.0f}" for clients in CLIENTS)
            print(f"{name + ', ' + program.name:34}{rates}")


def report_rows(program: Program, url: str) -> None:
    """What a create leaves in the database."""
    count = 1000
    before, first = sizes(url), number(url, "SELECT pg_current_xact_id()::text::bigint")

    async def create() -> None:
        left = [count]

        async def client() -> None:
            connection = await Connection.to(program.port)
            while left[0] > 0:
                left[0] -= 1
                await connection.exchange(program.makes["create"]())
            connection.close()

        await asyncio.gather(*(client() for _ in range(8)))

    asyncio.run(create())
    quiet(program)
    last, after = number(url, "SELECT pg_current_xact_id()::text::bigint"), sizes(url)
    # The searches for these numbers took one each.
    print(f"\n{(last - first - 1) / count:.2f} writing transactions a create at 8 clients")
    for table, (rows, size) in sorted(after.items()):
        more, grown = (rows - before[table][0]) / count, (size - before[table][1]) / count
        if more:
            print(f"{table:22}{more:6.2f} rows{grown:8.0f} bytes an Observation")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--observations", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=0.8, help="of requests, each time")
    parser.add_argument("--rounds", type=int, default=2, help="in turn")
    parser.add_argument("--only", nargs="*", choices=list(EVENTS), default=list(EVENTS))
    parser.add_argument("--no-peer", action="store_true", help="without SEKMET")
    options = parser.parse_args()
    with ExitStack() as stack:
        urls = [stack.enter_context(database()) for _ in range(2)]
        port = free_port()
        base = f"http://127.0.0.1:{port}/fhir"
        token = asyncio.run(prepare(urls[1], options.observations, base))
        least, process = stack.enter_context(serving_least(urls[0], options.observations))
        makes: Callable[[str], dict[str, Make]] = lambda value: requests(value, options.observations)  # noqa: E731
        programs = [Program("floor", least, process, postmaster_of(urls[0]), makes(""))]
        environment = {**os.environ, "FHIR_BRIDGE_DATABASE_URL": urls[1], "FHIR_BRIDGE_PORT": str(port)}
        command = [sys.executable, "-m", "fhir_bridge.cli", "serve"]
        process = stack.enter_context(running(command, port, environment))
        served = Program("served", port, process, postmaster_of(urls[1]), makes(token))
        programs.append(served)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fhir-bridge-benchmark-")))
        if not options.no_peer:
            peer = stack.enter_context(serving_sekmet(options.observations, folder))
            if peer is not None:
                programs.append(Program("SEKMET", *peer, None, makes(TOKEN)))
        programs = [at_rest(program) for program in programs]
        for program in programs:
            server, postgres = program.rest
            print(f"at rest {program.name:8}{server * 1000:6.1f} + {postgres * 1000:.1f} ms a second")
        query = f"Observation?patient=p3&code={CODES[3]}"
        answers = {program.name: entries_of(program, query) for program in programs}
        if len({frozenset(ids) for ids in answers.values()}) > 1 or not answers["floor"]:
            raise RuntimeError(f"the answers differ: {answers}")
        time.sleep(1)
        stored = "SELECT count(*) FROM audit_index WHERE head"
        before = number(urls[1], stored)
        costs, events = run(programs, options)
        time.sleep(1)
        if (left := number(urls[1], stored) - before) != events:
            raise RuntimeError(f"{left:,} AuditEvents for {events:,} accesses")
        report(costs, options.only, programs)
        if "create" in options.only:
            report_rows(served, urls[1])


if __name__ == "__main__":
    main()
