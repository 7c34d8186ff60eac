"""How fast the terminology answers: `python benchmarks/terminology.py [--concepts N] [--clients N] [--seconds N]`.

First in this process: a code system of N concepts and value sets on it, asked for codes drawn at random from all of it
and a tenth as many that it has not, so that no cache of answers helps; by the second of processor time. Then over HTTP:
`fhir-bridge serve` with one web worker, and the floor of benchmarks/peers.py (bytes by id, without token, audit or
access) beside it. Prints answers a second, and `$lookup` as a share of the floor.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvloop
from peers import serving_least
from serving import database, free_port, measure, prepare, running

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.storage import Store
from fhir_bridge.terminology import Terminology
from fhir_bridge.terminology.operations.parameters import from_query
from fhir_bridge.terminology.operations.service import Request, TerminologyService

SYSTEM = "https://benchmark.example.org/CodeSystem/tree"
ALL, BELOW = "https://benchmark.example.org/ValueSet/all", "https://benchmark.example.org/ValueSet/below"


def code_system(concepts: int) -> dict[str, Any]:
    """A tree: each concept has ten below it."""
    rows = [{"code": f"c{number}", "display": f"Concept number {number}"} for number in range(concepts)]
    for number, row in enumerate(rows[1:], 1):
        row["property"] = [{"code": "parent", "valueCode": f"c{(number - 1) // 10}"}]  # type: ignore[assignment]
    metadata = {
        "resourceType": "CodeSystem",
        "id": "tree",
        "url": SYSTEM,
        "status": "active",
        "content": "complete",
    }
    return {**metadata, "caseSensitive": True, "concept": rows}


def value_set(url: str, **include: Any) -> dict[str, Any]:
    """A value set of the tree."""
    compose = {"include": [{"system": SYSTEM, **include}]}
    return {
        "resourceType": "ValueSet",
        "id": url.rpartition("/")[2],
        "url": url,
        "status": "active",
        "compose": compose,
    }


def resources(concepts: int) -> list[dict[str, Any]]:
    """The tree, all of it, and what is below one concept."""
    below = value_set(BELOW, filter=[{"property": "concept", "op": "is-a", "value": "c3"}])
    return [code_system(concepts), value_set(ALL), below]


def in_process(concepts: int, seconds: float) -> None:
    """Rates of the Python API."""
    with tempfile.TemporaryDirectory() as folder:
        for resource in resources(concepts):
            Path(folder, f"{resource['resourceType']}-{resource['id']}.json").write_text(json.dumps(resource))
        terminology = Terminology([Path(folder)])
        terminology.load()
    choose = random.Random(7)
    codes = [f"c{choose.randrange(concepts + concepts // 10)}" for _ in range(200_000)]
    content = terminology.library.code_system(SYSTEM)
    service = TerminologyService(terminology.library)
    assert content is not None

    def operation(run: Callable[[Request], Any], **more: str) -> Callable[[str], Any]:
        return lambda code: run(Request(from_query([*more.items(), ("code", code)])))

    queries: dict[str, Callable[[str], Any]] = {
        "code in a code system": content.find,
        "code in a value set: all codes": lambda code: terminology.member(ALL, SYSTEM, code),
        "code in a value set: is-a": lambda code: terminology.member(BELOW, SYSTEM, code),
        "lookup": lambda code: terminology.lookup(SYSTEM, code),
        "subsumption": lambda code: terminology.subsumes(SYSTEM, "c3", code),
        "validation and meaning: all codes": lambda code: terminology.validate_code(ALL, SYSTEM, code),
        "validation and meaning: is-a": lambda code: terminology.validate_code(BELOW, SYSTEM, code),
        "CodeSystem/$validate-code": operation(service.validate_code_system, url=SYSTEM),
        "ValueSet/$validate-code": operation(service.validate_value_set, url=BELOW, system=SYSTEM),
    }
    for name, ask in queries.items():
        ask(codes[0])
        start, count = time.process_time(), 0
        while (spent := time.process_time() - start) < seconds:
            for code in codes[count % 200_000 :][:1000]:
                ask(code)
            count += 1000
        print(f"{name:34} {count / spent:10,.0f}/s")


async def load(url: str, concepts: int) -> None:
    """Write the resources."""
    async with await Store.open(url) as store:
        for resource in resources(concepts):
            await store.update(resource["resourceType"], resource["id"], resource, EVERYTHING)


def over_http(url: str, concepts: int, clients: int, seconds: float, rounds: int) -> None:
    """Rates of the REST API."""
    served = free_port()
    observations = 2000
    token = asyncio.run(prepare(url, observations, f"http://127.0.0.1:{served}/fhir"))
    asyncio.run(load(url, min(concepts, 10_000)))
    environment = {**os.environ, "FHIR_BRIDGE_DATABASE_URL": url, "FHIR_BRIDGE_PORT": str(served)}
    choose = random.Random(7)
    common = f"Host: 127.0.0.1\r\nAccept: application/fhir+json\r\nAuthorization: Bearer {token}\r\n"

    def get(path: Callable[[str], str]) -> Callable[[], bytes]:
        def make() -> bytes:
            code = f"c{choose.randrange(min(concepts, 10_000))}"
            return f"GET /fhir/{path(code)} HTTP/1.1\r\n{common}\r\n".encode()

        return make

    read = get(lambda _: f"Observation/o{choose.randrange(observations)}")
    queries = {
        "CodeSystem/$lookup": get(lambda code: f"CodeSystem/$lookup?system={SYSTEM}&code={code}"),
        "CodeSystem/$validate-code": get(lambda code: f"CodeSystem/$validate-code?url={SYSTEM}&code={code}"),
        "ValueSet/$validate-code": get(
            lambda code: f"ValueSet/$validate-code?url={BELOW}&system={SYSTEM}&code={code}"
        ),
        "ValueSet/$expand, ten codes": get(lambda _: f"ValueSet/$expand?url={ALL}&count=10"),
    }
    command = [sys.executable, "-m", "fhir_bridge.cli", "serve"]
    with serving_least(url, observations) as (least, _), running(command, served, environment):

        def line(name: str, port: int, make: Callable[[], bytes]) -> float:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(measure(port, clients, 0.5, make))
                _, per_second, median, slow = runner.run(measure(port, clients, seconds, make))
            print(
                f"{name:34} {per_second:7,.0f}/s   median {median:5.1f} ms   p95 {slow:5.1f} ms", flush=True
            )
            return per_second

        shares = []
        for _ in range(rounds):
            bare = line("floor: bytes by id", least, read)
            line("read", served, read)
            shares.append(line("CodeSystem/$lookup", served, queries["CodeSystem/$lookup"]) / bare)
        for name, make in queries.items():
            line(name, served, make)
    print("$lookup is " + ", ".join(f"{share:.0%}" for share in shares) + " of the floor")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--concepts", type=int, default=100_000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3, help="of floor and $lookup, in turn")
    options = parser.parse_args()
    in_process(options.concepts, options.seconds)
    with database() as url:
        over_http(url, options.concepts, options.clients, options.seconds, options.rounds)


if __name__ == "__main__":
    main()
