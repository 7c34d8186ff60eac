"""What one hostile client costs the others: `python benchmarks/limits.py [--observations N] [--workers N]`.

`fhir-bridge serve` on the embedded PostgreSQL in a temporary folder. Each hostile request is sent once while two other
callers, each with a token of its own, read a Patient and search a patient's Observations, one request after the other
with a pause. Prints for each: the status (and of a batch how many entries were carried out), its time, the delay of the
others (median, 95th percentile, longest; less the median of quiet reading), and the peak memory of the web workers.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import psutil
from serving import database, free_port, running
from storage import CODES, cohort, observation

from fhir_bridge.storage import Store
from fhir_bridge.storage.accounts import Accounts
from fhir_bridge.storage.grants import Grant, Grants

SCOPE = "system/*.cruds"
PAUSE = 0.01
Request = tuple[str, str, bytes]
"""Method, path below the base, body."""


async def tokens(url: str, observations: int, base: str, count: int) -> list[str]:
    """Load the data; give tokens of several clients."""
    issued = []
    async with await Store.open(url) as store:
        await store.load(cohort(observations))
        async with store.connection() as connection:
            await connection.execute("ANALYZE")
        grants = Grants(store)
        for number in range(count):
            name = f"client-{number}"
            await Accounts(store).add_client(name, name, "none", SCOPE, redirect_uris=["https://a.example/"])
            grant = await grants._create_grant(Grant(name, SCOPE, base, purpose="TREAT"))
            issued.append((await grants.issue(grant, SCOPE, refresh=False)).access)
    return issued


def bundle(kind: str, entries: list[dict[str, Any]]) -> bytes:
    return orjson.dumps({"resourceType": "Bundle", "type": kind, "entry": entries})


def get(url: str) -> dict[str, Any]:
    return {"request": {"method": "GET", "url": url}}


def hostile(patients: int) -> dict[str, list[Request]]:
    """What is sent, some of it several times at once."""

    def new(number: int) -> dict[str, Any]:
        result = observation(number, patients)
        del result["id"], result["meta"]
        return {"resource": result, "request": {"method": "POST", "url": "Observation"}}

    def basic(more: bytes) -> bytes:
        return b'{"resourceType":"Basic","code":{"text":"x"}' + more + b"}"

    def large(kind: str, element: str, count: int, value: Callable[[int], Any], **more: Any) -> Request:
        resource = {"resourceType": kind, **more, element: [value(n) for n in range(count)]}
        return "POST", kind, orjson.dumps(resource)

    names = large("Patient", "name", 150_000, lambda n: {"family": f"Grande{n}"})
    identifiers = large("Patient", "identifier", 100_000, lambda n: {"system": "urn:a", "value": f"v{n}"})
    members = large(
        "Group",
        "member",
        100_000,
        lambda n: {"entity": {"reference": f"Patient/p{n}"}},
        type="person",
        actual=True,
    )
    some_names = large("Patient", "name", 80_000, lambda n: {"family": f"Grande{n}"})
    keys = b"".join(b',"k%d":1' % number for number in range(100_000))
    extensions = b",".join([b'{"url":"http://x","valueString":"y"}'] * 20_000)
    deep = b',"extension":' + b'[{"url":"u","extension":' * 90 + b"[]" + b"}]" * 90
    systems = {"url": "http://hl7.org/fhir/ValueSet/observation-status"}
    query = "&".join(f"{name}={value}" for name, value in systems.items())
    many = [f"code=http://loinc.org|{code}" for code in CODES]
    return {
        "quiet": [],
        "batch: 100 searches of 1000": [("POST", "", bundle("batch", [get("Observation?_count=1000")] * 100))],
        "5 such batches at once": [("POST", "", bundle("batch", [get("Observation?_count=1000")] * 100))] * 5,
        "batch: 5000 searches of 1": [("POST", "", bundle("batch", [get("Observation?_count=1")] * 5000))],
        "batch: 2000 reads": [("POST", "", bundle("batch", [get(f"Patient/p{n % patients}") for n in range(2000)]))],
        "batch: 500 histories": [("POST", "", bundle("batch", [get("Observation/o1/_history/1")] * 500))],
        "batch: 500 expansions": [("POST", "", bundle("batch", [get(f"ValueSet/$expand?{query}")] * 500))],
        "transaction of 5000": [("POST", "", bundle("transaction", [new(n) for n in range(5000)]))],
        "page of 1000": [("GET", "Observation?_count=1000", b"")] * 8,
        "history of 1000": [("GET", "_history?_count=1000", b"")] * 8,
        "sorted, all": [("GET", "Observation?_sort=-value-quantity,date&_count=1000", b"")] * 8,
        "text search": [("GET", "Patient?name:contains=zzzz&_sort=birthdate&_total=accurate", b"")] * 8,
        "1000 values": [("GET", "Observation?" + "code=" + ",".join(many * 20), b"")] * 8,
        "100,000 unknown keys": [("POST", "Basic", basic(keys))],
        "8 times 100,000 unknown keys": [("POST", "Basic", basic(keys))] * 8,
        "16 MB of numbers": [("POST", "Basic", basic(b',"x":[' + b"1," * 8_000_000 + b"1]"))],
        "16 MB of empty objects": [("POST", "Basic", basic(b',"x":[' + b"{}," * 5_000_000 + b"{}]"))],
        "16 MB of one text": [("POST", "Basic", basic(b',"x":"' + b"a" * 16_000_000 + b'"'))],
        "deeply nested": [("POST", "Basic", basic(deep))] * 8,
        "a number of 10,000 digits": [("POST", "Basic", basic(b',"x":' + b"9" * 10_000))] * 8,
        "20,000 extensions": [
            ("POST", "Basic", basic(b',"extension":[' + extensions + b"]"))
        ],
        "80,000 names": [some_names],
        "3 times 80,000 names": [some_names] * 3,
        "150,000 names": [names],
        "3 times 150,000 names": [names] * 3,
        "3 times 100,000 identifiers": [identifiers] * 3,
        "group of 100,000": [members],
    }  # fmt: skip


@dataclass
class Client:
    """A caller with keep-alive connections of its own."""

    port: int
    token: str

    async def send(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes, float]:
        """Status, body and seconds of one request on a connection of its own."""
        start = time.perf_counter()
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**20)
        head = f"{method} /fhir/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self.token}\r\n"
        head += (
            f"Connection: close\r\nContent-Type: application/fhir+json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.replace("|", "%7C").encode() + body)
        try:
            answer = await reader.read()
        except ConnectionError:
            answer = b"HTTP/1.1 000 "
        writer.close()
        head_of_answer, _, content = answer.partition(b"\r\n\r\n")
        return int(head_of_answer[9:12] or 0), content, time.perf_counter() - start


async def read_on(
    client: Client, path: Callable[[int], str], until: asyncio.Event, times: list[float]
) -> None:
    """Read one thing after the other, on one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    number = 0
    while not until.is_set():
        number += 1
        request = (
            f"GET /fhir/{path(number)} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {client.token}\r\n\r\n"
        )
        start = time.perf_counter()
        writer.write(request.encode())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if b" 200 " not in head[:20]:
            print("  a reader got", head[:15], flush=True)
        await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        times.append(time.perf_counter() - start)
        await asyncio.sleep(PAUSE)
    writer.close()


def outcome(status: int, body: bytes) -> str:
    """The status; of a Bundle, how many entries were carried out."""
    if b'"batch-response"' not in body[:200] and b'"transaction-response"' not in body[:200]:
        return str(status)
    entries = orjson.loads(body).get("entry", [])
    done = sum(entry["response"]["status"].startswith("2") for entry in entries)
    return f"{status} ({done} of {len(entries)})"


class Memory:
    """Peak memory of the web workers since it was last set back, in MB."""

    def __init__(self, port: int) -> None:
        self.pids = [
            process.pid
            for process in psutil.Process().children(recursive=True)
            if any(
                connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
                for connection in process.net_connections(kind="tcp")
            )
        ]

    def reset(self) -> None:
        for pid in self.pids:
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def peak(self) -> float:
        values = []
        for pid in self.pids:
            status = Path(f"/proc/{pid}/status").read_text()
            values.append(int(status.partition("VmHWM:")[2].split()[0]) / 1024)
        return max(values)


async def scenario(
    port: int, value: list[str], patients: int, sent: list[Request]
) -> tuple[str, float, list[float]]:
    """Send while others read: outcome, seconds, and the others' times."""
    until, times = asyncio.Event(), list[float]()
    readers = [
        read_on(Client(port, value[1]), lambda n: f"Patient/p{n % patients}", until, times),
        read_on(
            Client(port, value[2]), lambda n: f"Observation?patient=p{n % patients}&_count=5", until, times
        ),
    ]
    tasks = [asyncio.create_task(reader) for reader in readers]
    await asyncio.sleep(0.3)
    times.clear()
    start = time.perf_counter()
    answers = await asyncio.gather(*(Client(port, value[0]).send(*request) for request in sent))
    if not sent:
        await asyncio.sleep(2)
    spent = time.perf_counter() - start
    await asyncio.sleep(0.3)
    until.set()
    await asyncio.gather(*tasks)
    outcomes = sorted({outcome(status, body) for status, body, _ in answers})
    return ", ".join(outcomes), spent, times


async def measure(port: int, value: list[str], patients: int, only: list[str]) -> None:
    memory = Memory(port)
    print(f"{'request':30} {'answer':>22} {'s':>6}   {'delay of others, ms':>22} {'peak MB':>8}")
    print(f"{'':30} {'':>22} {'':>6}   {'median':>6} {'p95':>7} {'longest':>7}")
    quiet = 0.0
    for name, sent in hostile(patients).items():
        if only and name != "quiet" and not any(part in name for part in only):
            continue
        memory.reset()
        answered, spent, times = await scenario(port, value, patients, sent)
        times.sort()
        median = statistics.median(times)
        if name == "quiet":
            quiet, median = median, median * 2
            times = [item + quiet for item in times]
        late = [
            (median - quiet) * 1000,
            (times[int(len(times) * 0.95)] - quiet) * 1000,
            (times[-1] - quiet) * 1000,
        ]
        print(
            f"{name:30} {answered[:22]:>22} {spent:6.1f}   "
            f"{late[0]:6.0f} {late[1]:7.0f} {late[2]:7.0f} {memory.peak():8.0f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--observations", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=[], help="parts of names of requests")
    options = parser.parse_args()
    with database() as url:
        port = free_port()
        value = asyncio.run(tokens(url, options.observations, f"http://127.0.0.1:{port}/fhir", 3))
        environment = {
            **os.environ,
            "FHIR_BRIDGE_DATABASE_URL": url,
            "FHIR_BRIDGE_PORT": str(port),
            "FHIR_BRIDGE_WORKERS": str(options.workers),
        }
        with running([sys.executable, "-m", "fhir_bridge.cli", "serve"], port, environment):
            time.sleep(2)
            asyncio.run(measure(port, value, options.observations // 20, options.only))


if __name__ == "__main__":
    main()
