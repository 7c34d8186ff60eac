"""What the benchmarks of the server share: a database, a server process, clients that send requests."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

from storage import cohort

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

    @classmethod
    async def to(cls, port: int) -> Connection:
        """A new connection to this machine."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def exchange(self, request: bytes) -> tuple[int, bytes]:
        """Send a request, read the whole answer; gives its status and body."""
        self._writer.write(request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        body = await self._reader.readexactly(length)
        return int(head[9:12]), body

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
        connection = await Connection.to(port)
        while True:
            start = time.perf_counter()
            status, body = await connection.exchange(make())
            if status not in (200, 201):
                raise RuntimeError(f"the server answered {status}: {body[:500]!r}")
            times.append((stop := time.perf_counter()) - start)
            if stop >= end:
                break
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


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as result:
        result.bind(("127.0.0.1", 0))
        port: int = result.getsockname()[1]
        return port


@contextmanager
def running(command: list[str], port: int, environment: dict[str, str]) -> Iterator[int]:
    """A server process, from when it answers until it has ended; its number."""
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
        yield process.pid
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
        token = (await grants.issue_backend(grant)).access
        async with store.connection() as connection:
            # It would end after five minutes, which a run may take on a busy machine.
            await connection.execute("UPDATE oauth_token SET expires = now() + interval '1 day'")
        return token
