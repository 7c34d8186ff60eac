"""`serve` as a person starts it: processes come up together, stay up, and go down together."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from tests.patience import PATIENCE, until
from tests.server.conftest import free_port
from tests.server.serving import Served, serving

BURNER = "import time\nend = time.monotonic() + 120\nwhile time.monotonic() < end:\n    sum(range(10_000))\n"


@contextmanager
def busy(count: int) -> Iterator[None]:
    """A machine on which this many processes compute."""
    burners = [subprocess.Popen([sys.executable, "-c", BURNER]) for _ in range(count)]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


def web_workers(served: Served) -> list[psutil.Process]:
    """The processes that accept from the port; a process is one once it serves."""
    found = []
    for process in psutil.Process(served.process.pid).children(recursive=True):
        try:
            listens = any(
                one.status == psutil.CONN_LISTEN and one.laddr.port == served.port
                for one in process.net_connections(kind="tcp")
            )
        except psutil.NoSuchProcess:
            continue
        if listens:
            found.append(process)
    return found


def until_serving(served: Served, count: int) -> set[int]:
    """Ids of the processes that answer, once there are this many: each request on a connection of its own."""
    end = time.monotonic() + PATIENCE
    answered: set[int] = set()
    while time.monotonic() < end and len(answered) < count:
        for process in web_workers(served):
            # Who has opened its database connections and accepts is done starting.
            if len(process.net_connections(kind="unix")) + len(process.net_connections(kind="tcp")) > 1:
                answered.add(process.pid)
        time.sleep(0.2)
    assert len(answered) >= count, f"{len(answered)} of {count} workers serve"
    return answered


def command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def all_ended(family: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs([one for one in family if "resource_tracker" not in command(one)], PATIENCE)
    return not alive


@pytest.fixture(scope="module", autouse=True)
def silent(database_url: str) -> Iterator[tuple[Served, set[int], float]]:
    """A server, its two workers, and since when these are stopped: while the other tests run."""
    with serving(database_url, workers=2, copied=False, auth="none") as served:
        workers = until_serving(served, 2)
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        yield served, workers, time.monotonic()
        for pid in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def test_one_worker_has_a_background_worker_that_is_replaced_and_ends_with_it(database_url: str) -> None:
    with serving(database_url, workers=1, copied=False, auth="none") as served:
        program = psutil.Process(served.process.pid)
        (background,) = program.children()
        background.kill()
        end = time.monotonic() + PATIENCE
        while not any("spawn_main" in command(one) for one in program.children()):
            assert time.monotonic() < end
            time.sleep(0.1)
        family = program.children(recursive=True)
        served.process.kill()
        served.process.wait(PATIENCE)
        assert all_ended(family)
    assert (
        served.said().count(f"Ready: FHIR at {served.base}, listening on 127.0.0.1 port {served.port}.\n")
        == 1
    )
    assert "background worker ended (signal 9)" in served.said()


def listeners(served: Served, port: int) -> list[int]:
    """The processes that have the listening socket of a port."""
    family = [
        psutil.Process(served.process.pid),
        *psutil.Process(served.process.pid).children(recursive=True),
    ]
    return [
        process.pid
        for process in family
        if any(
            one.status == psutil.CONN_LISTEN and one.laddr.port == port
            for one in process.net_connections(kind="tcp")
        )
    ]


def test_processes_share_what_is_theirs_alone_and_end_with_a_parent_that_is_killed(
    database_url: str, tmp_path: Path
) -> None:
    site, messages = tmp_path / "site.yaml", free_port()
    site.write_text("demo_key: true\n")
    with serving(database_url, workers=2, copied=False, auth="none", mllp=messages, site=site) as served:
        web = until_serving(served, 2)
        until(lambda: len(listeners(served, messages)) == 2, "the MLLP listener did not come up")
        # The one that starts them has both sockets, for those that it may start anew.
        assert set(listeners(served, served.port)) == {served.process.pid, *web}
        (listener,) = set(listeners(served, messages)) - {served.process.pid}
        assert listener not in web
        family = psutil.Process(served.process.pid).children(recursive=True)
        assert len(family) == 4
        served.process.kill()
        served.process.wait(PATIENCE)
        assert all_ended(family)


def test_two_workers_serve_are_left_alone_while_silent_are_replaced_and_drained(
    silent: tuple[Served, set[int], float],
) -> None:
    served, first, since = silent
    time.sleep(max(0.0, since + 7 - time.monotonic()))  # longer than uvicorn's supervisor waits for an answer
    for pid in first:
        os.kill(pid, signal.SIGCONT)
    assert served.get("metadata").json()["resourceType"] == "CapabilityStatement"
    assert until_serving(served, 2) == first

    lost = min(first)
    os.kill(lost, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(lost)] if psutil.pid_exists(lost) else [], timeout=30)
    after = until_serving(served, 2)
    assert first - {lost} < after

    family = psutil.Process(served.process.pid).children(recursive=True)
    assert _stored_while_stopping(served) == 201
    assert served.process.wait(PATIENCE) == 0
    assert all_ended(family)
    assert (
        served.said().count(f"Ready: FHIR at {served.base}, listening on 127.0.0.1 port {served.port}.\n")
        == 1
    )
    assert "NO AUTHORIZATION" in served.said()
    assert "Traceback" not in served.said()
    assert served.said().count("ended (signal 9); another starts in 0.5 seconds") == 1
    assert "killed" not in served.said()


def _stored_while_stopping(served: Served) -> int:
    """The status of a create whose body is on its way when SIGTERM comes."""
    body = b'{"resourceType":"Basic","code":{"text":"x"}}'

    def slow() -> Iterator[bytes]:
        yield body[:10]
        time.sleep(0.5)
        served.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        yield body[10:]

    headers = {"Content-Type": "application/fhir+json", "Content-Length": str(len(body))}
    return httpx.post(f"{served.base}/Basic", content=slow(), headers=headers, timeout=30).status_code


@pytest.mark.soak
def test_beside_busy_processes_both_workers_serve_and_none_is_killed(database_url: str) -> None:
    with busy(4), serving(database_url, workers=2, copied=False, auth="none") as served:
        first = until_serving(served, 2)
        for _ in range(20):
            assert served.get("metadata").status_code == 200
        assert until_serving(served, 2) == first
        served.process.send_signal(signal.SIGINT)
        assert served.process.wait(PATIENCE) == 0
    assert "ended" not in served.said()
    assert "killed" not in served.said()
