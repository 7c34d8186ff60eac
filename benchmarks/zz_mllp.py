"""HL7 v2 over MLLP into the store: messages and resources a second, committed, and the time to the acknowledgment.

    python benchmarks/mllp.py [--seconds N] [--senders N]

`serve` on an embedded PostgreSQL of its own; senders in this process, each with a connection of its own, that send the
next message once the one before is acknowledged (as interface engines do), and one run in which each sends 16 ahead.
Every message is of another order; a thousand patients recur. Reports wall time (what a sender sees) and the processor
time of the server's processes, for machines on which others work too.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
from processor_time import postmaster_of, seconds_of

from fhir_bridge.storage.embedded import EmbeddedServer

GOALS = {5: "100 messages/s", 28: "1,000 resources/s"}
VT, FS = b"\x0b", b"\x1c\r"


def oru(number: int, results: int) -> bytes:
    """Results of an order of its own."""
    at = f"202601{1 + number // 1440 % 28:02d}{number // 60 % 24:02d}{number % 60:02d}00+0100"
    lines = [
        f"MSH|^~\\&|LAB|HOSP|||{at}||ORU^R01|M{number}|P|2.5.1",
        f"PID|1||{number % 1000}^^^HOSP^MR||Keller^Ada||19600102|F",
        f"OBR|1|P{number}|F{number}|58410-2^CBC panel^LN|||{at}|||||||||||||||{at}||LAB|F",
        *(
            f"OBX|{n}|NM|{1000 + n}-1^Test {n}^LN|{n}|{(number + n) % 90}|g/L|1-99||||F|||{at}"
            for n in range(1, results + 1)
        ),
    ]
    return VT + "\r".join(lines).encode() + FS


async def send(port: int, numbers: range, results: int, ahead: int, times: list[float]) -> None:
    """One sender, with up to `ahead` messages that are not acknowledged yet."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    window = asyncio.Semaphore(ahead)
    sent: asyncio.Queue[float] = asyncio.Queue()

    async def listen() -> None:
        for _ in numbers:
            frame = await reader.readuntil(b"\x1c\r")
            if b"MSA|AA|" not in frame:
                raise SystemExit(f"not accepted: {frame!r}")
            times.append(time.perf_counter() - await sent.get())
            window.release()

    listening = asyncio.create_task(listen())
    for number in numbers:
        await window.acquire()
        sent.put_nowait(time.perf_counter())
        writer.write(oru(number, results))
        await writer.drain()
    await listening
    writer.close()


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--senders", type=int, default=8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedServer.start(Path(folder) / "database", settings={'shared_preload_libraries':'auto_explain','auto_explain.log_min_duration':'40ms','auto_explain.log_analyze':'on','auto_explain.log_timing':'off','auto_explain.log_nested_statements':'on'})
        site = Path(folder) / "site.yaml"
        site.write_text(
            "site: bench\nzone: Europe/Berlin\ndemo_key: true\nidentity:\n  authorities: {HOSP: urn:oid:2.999.1}\n"
        )
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE bench")
            row = connection.execute("SELECT pg_postmaster_start_time()").fetchone()
            assert row is not None
        port, web = 22575, 22576
        environment = {
            **os.environ,
            "FHIR_BRIDGE_DATABASE_URL": server.url("bench"),
            "FHIR_BRIDGE_SITE": str(site),
            "FHIR_BRIDGE_PORT": str(web),
        }
        command = [sys.executable, "-m", "fhir_bridge.cli", "serve", "--auth", "none", "--mllp", str(port)]
        with subprocess.Popen(command, env=environment) as process:
            try:
                await_port(port, process)
                measure(process.pid, server.url("bench"), port, options)
            finally:
                process.terminate()
        import shutil; [shutil.copy(p,'/tmp/ci/') for p in Path(folder).rglob('*.log')]; server.release()


def await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until the listener accepts."""
    import socket

    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise SystemExit("serve ended")


def measure(listener: int, url: str, port: int, options: argparse.Namespace) -> None:
    """Each run, and a line for it."""
    postmaster = postmaster_of(url)
    number = 0
    print("obx  ahead  messages  wall s  msg/s  resources/s  p50 ms  p95 ms  python s  postgres s")
    for results, ahead in ((5, 1), (5, 1), (5, 16), (28, 1), (28, 16)):
        count = options.messages // (1 if results == 5 else 4)
        each = count // options.senders
        stored = resources(url)
        python, postgres = seconds_of(listener), seconds_of(postmaster)
        begun = time.perf_counter()
        times: list[float] = []

        async def all_send(
            each: int = each,
            results: int = results,
            ahead: int = ahead,
            times: list[float] = times,
            at: int = number,
        ) -> None:
            ranges = [range(at + n * each, at + (n + 1) * each) for n in range(options.senders)]
            await asyncio.gather(*(send(port, one, results, ahead, times) for one in ranges))

        asyncio.run(all_send())
        wall = time.perf_counter() - begun
        number += each * options.senders
        sent = len(times)
        times.sort()
        created = resources(url) - stored
        print(
            f"{results:3}  {ahead:5}  {sent:8}  {wall:6.2f}  {sent / wall:5.0f}  {created / wall:11.0f}  "
            f"{times[sent // 2] * 1000:6.1f}  {times[sent * 95 // 100] * 1000:6.1f}  "
            f"{seconds_of(listener) - python:8.2f}  {seconds_of(postmaster) - postgres:10.2f}"
            f"   goal {GOALS[results]}",
            flush=True,
        )


def resources(url: str) -> int:
    """Resources in the store."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM resource WHERE NOT deleted").fetchone()
    assert row is not None
    return int(row[0])


if __name__ == "__main__":
    main()
