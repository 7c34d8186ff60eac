"""How fast a card comes: `python benchmarks/cds_hooks.py [--patients N] [--clients N] [--site FILE]`.

`fhir-bridge serve` with one web worker, on the embedded PostgreSQL in a temporary folder, six models enabled; an EHR
that signs a token for each call of `patient-view`. "new": patients of whom no model has said anything, so all models
run within the call; "known": the same patients again, by another person. With one client and with several. Prints
milliseconds, how many calls gave fewer cards than most, and the processor time of a call by process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
from joserfc import jwt
from joserfc.jwk import ECKey
from predictions import cohort
from processor_time import postmaster_of, seconds_of
from serving import database, free_port, running

from fhir_bridge.storage import Store
from fhir_bridge.storage.accounts import Accounts

SITE = """
site: benchmark
demo_key: true
parameters:
  predictions:
    score2: {enabled: true, region: moderate}
    pooled-cohort: {enabled: true}
    prevent-total-cvd-10: {enabled: true}
    cha2ds2-va: {enabled: true}
    hcm-risk-scd: {enabled: true}
    smart2: {enabled: true, region: low}
"""
SERVICE = "predictions-patient-view"
KEY = ECKey.generate_key("P-384", {"kid": "ehr"})


class Ehr:
    """Calls the service, on a connection of its own."""

    def __init__(self, port: int, root: str) -> None:
        self._port = port
        self._root = root

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)

    def request(self, patient: str, person: str) -> bytes:
        """The call, signed."""
        now = int(time.time())
        claims = {
            "iss": "ehr",
            "aud": f"{self._root}/cds-services/{SERVICE}",
            "exp": now + 290,
            "iat": now,
            "jti": str(uuid.uuid4()),
        }
        token = jwt.encode({"alg": "ES384", "kid": "ehr", "typ": "JWT"}, claims, KEY, algorithms=["ES384"])
        context = {"userId": person, "patientId": patient}
        body = json.dumps({"hook": "patient-view", "hookInstance": str(uuid.uuid4()), "context": context})
        return (
            f"POST /cds-services/{SERVICE} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    async def call(self, patient: str, person: str) -> tuple[float, int]:
        """Milliseconds, and how many cards there were."""
        request = self.request(patient, person)
        start = time.perf_counter()
        self._writer.write(request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        content = await self._reader.readexactly(
            int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])
        )
        spent = (time.perf_counter() - start) * 1000
        if int(head[9:12]) != 200:
            raise RuntimeError(f"the server answered {content.decode()}")
        return spent, len(json.loads(content)["cards"])


def processor_seconds(port: int, postmaster: int) -> dict[str, float]:
    """Seconds of processor time so far: of the web worker, of the models, of what else serves, and of PostgreSQL."""
    listening = next(
        item.pid
        for item in psutil.net_connections("tcp")
        if item.status == "LISTEN" and item.laddr.port == port
    )
    web = psutil.Process(listening)
    own = web.cpu_times()
    spent = {
        "web": own.user + own.system,
        "models": 0.0,
        "background": 0.0,
        "PostgreSQL": seconds_of(postmaster),
    }
    for process in web.children():
        part = "models" if "model_process" in " ".join(process.cmdline()) else "background"
        spent[part] += seconds_of(process.pid)
    return spent


async def measure(port: int, root: str, url: str, patients: Sequence[str], clients: int, person: str) -> None:
    """Each patient once, by so many clients at the same time."""
    waiting = list(reversed(patients))
    results: list[tuple[float, int]] = []

    async def client() -> None:
        ehr = Ehr(port, root)
        await ehr.open()
        while waiting:
            results.append(await ehr.call(waiting.pop(), person))

    postmaster = postmaster_of(url)
    before = processor_seconds(port, postmaster)
    await asyncio.gather(*(client() for _ in range(clients)))
    after = processor_seconds(port, postmaster)
    times = sorted(spent for spent, _ in results)
    counts = [cards for _, cards in results]
    usual = max(set(counts), key=counts.count)
    parts = {name: (after[name] - before[name]) / len(results) * 1000 for name in after}
    print(
        f"{person:12} {clients} clients  median {times[len(times) // 2]:6.1f} ms  "
        f"p95 {times[int(len(times) * 0.95)]:6.1f} ms  longest {times[-1]:6.1f} ms   {usual} cards, "
        f"fewer in {sum(count < usual for count in counts)} of {len(counts)}   processor time "
        f"{sum(parts.values()):.1f} ms ({', '.join(f'{name} {part:.1f}' for name, part in parts.items())})",
        flush=True,
    )


async def prepare(url: str, patients: int) -> None:
    async with await Store.open(url) as store:
        await store.load(cohort(patients))
        async with store.connection() as connection:
            await connection.execute("ANALYZE")
        jwks: dict[str, Any] = {"keys": [KEY.as_dict(private=False)]}
        await Accounts(store).add_client("ehr", "EHR", "key", "system/*.cruds", jwks=jwks)


def run(url: str, patients: int, clients: int, site: Path) -> None:
    """Measure and print."""
    port = free_port()
    root = f"http://127.0.0.1:{port}"
    asyncio.run(prepare(url, 2 * patients + 10))
    environment = {
        **os.environ,
        "FHIR_BRIDGE_DATABASE_URL": url,
        "FHIR_BRIDGE_PORT": str(port),
        "FHIR_BRIDGE_SITE": str(site),
        "FHIR_BRIDGE_CDS_SECONDS": os.environ.get("FHIR_BRIDGE_CDS_SECONDS", "0.45"),
    }
    with running([sys.executable, "-m", "fhir_bridge.cli", "serve"], port, environment):
        time.sleep(12)  # the models are started with the server
        names = [f"p{number}" for number in range(2 * patients + 10)]
        first, alone, together = names[:10], names[10 : 10 + patients], names[10 + patients :]
        asyncio.run(measure(port, root, url, first, 1, "first ten"))
        asyncio.run(measure(port, root, url, alone, 1, "new"))
        asyncio.run(measure(port, root, url, alone, 1, "known"))
        asyncio.run(measure(port, root, url, together, clients, "new"))
        asyncio.run(measure(port, root, url, together, clients, "known"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=200)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--site", type=Path, help="a site file with other models")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, database() as url:
        site = options.site or Path(folder) / "site.yaml"
        if options.site is None:
            site.write_text(SITE)
        run(url, options.patients, options.clients, site)


if __name__ == "__main__":
    main()
