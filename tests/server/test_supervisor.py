"""The supervisor with small processes: who ends is replaced, ever later; who can't start stops all; none is left."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from pathlib import Path

import psutil
import pytest

from fhir_bridge.server import supervisor
from fhir_bridge.server.supervisor import STARTUP_FAILURE, Child, Started, Supervisor
from tests.server import children

_spawning = multiprocessing.get_context("spawn")


class Family:
    """Children of one kind, with the process ids of all that were started."""

    def __init__(self, target: Callable[[Connection], None], count: int = 1) -> None:
        self.target = target
        self.started: list[int] = []
        self.members = [Child(f"child {number}", self._start) for number in range(count)]

    def _start(self) -> Started:
        reader, writer = _spawning.Pipe(duplex=False)
        process = _spawning.Process(target=self.target, args=(writer,), daemon=True)
        process.start()
        writer.close()
        assert process.pid is not None
        self.started.append(process.pid)
        return process, reader

    def ready(self) -> None:
        until(lambda: all(child.was_ready for child in self.members))


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


@contextmanager
def supervised(family: Family, grace: float = 20) -> Iterator[Supervisor]:
    watched = Supervisor(family.members, grace=grace)
    watched.start()
    thread = threading.Thread(target=watched.run)
    thread.start()
    try:
        yield watched
    finally:
        watched.stop()
        thread.join(60)
        assert not thread.is_alive()
        assert not any(psutil.pid_exists(pid) for pid in family.started)


def test_a_process_that_was_killed_is_replaced_and_the_other_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE", 0.05)
    family = Family(children.stays, 2)
    with supervised(family):
        family.ready()
        kept, lost = family.started
        os.kill(lost, signal.SIGKILL)
        until(lambda: len(family.started) == 3)
        assert psutil.pid_exists(kept)


def test_one_that_ends_again_and_again_is_started_ever_later(caplog: pytest.LogCaptureFixture) -> None:
    family = Family(children.fails_later)
    family.members[0].pause = 0.01
    with supervised(family):
        until(lambda: len(family.started) == 4)
        until(lambda: len(caplog.messages) >= 4)
    pauses = [message.rpartition("starts in ")[2] for message in caplog.messages[:4]]
    assert pauses == ["0.01 seconds", "0.02 seconds", "0.04 seconds", "0.08 seconds"]


def test_one_that_can_not_start_ends_all_with_its_exit_code() -> None:
    failing, staying = Family(children.can_not_start), Family(children.stays)
    watched = Supervisor([*staying.members, *failing.members], grace=20)
    watched.start()
    assert watched.run() == STARTUP_FAILURE
    assert not any(psutil.pid_exists(pid) for pid in staying.started)


def test_one_that_does_not_end_is_killed_after_the_grace() -> None:
    family = Family(children.ignores_sigterm)
    with supervised(family, grace=0.3):
        family.ready()


def test_the_grace_is_spent_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float | None] = []

    def counted(objects: list[object], timeout: float | None) -> list[object]:
        waits.append(timeout)
        return list(wait(objects, timeout))  # type: ignore[arg-type]

    family = Family(children.ignores_sigterm)
    monkeypatch.setattr(supervisor, "wait", counted)
    with supervised(family, grace=0.3):
        family.ready()
        waits.clear()
    assert len(waits) < 10


def test_a_second_signal_does_not_wait() -> None:
    family = Family(children.ignores_sigterm)
    with supervised(family, grace=600) as watched:
        family.ready()
        watched.stop()


def test_a_process_that_is_silent_is_left_alone() -> None:
    """One that is stopped answers nothing, as one on a busy machine may not."""
    family = Family(children.stays)
    with supervised(family):
        family.ready()
        (pid,) = family.started
        os.kill(pid, signal.SIGSTOP)
        time.sleep(1.0)
        os.kill(pid, signal.SIGCONT)
        assert family.started == [pid]
        assert psutil.pid_exists(pid)


ORPHAN = """
import multiprocessing, sys, time

def child(ready):
    import os
    from fhir_bridge.server.supervisor import end_with_parent
    end_with_parent(multiprocessing.parent_process().sentinel, lambda: os._exit(0))
    ready.send(os.getpid())
    time.sleep(600)

if __name__ == "__main__":
    spawning = multiprocessing.get_context("spawn")
    reader, writer = spawning.Pipe(duplex=False)
    spawning.Process(target=child, args=(writer,)).start()
    print(reader.recv(), flush=True)
    time.sleep(600)
"""


def test_a_process_ends_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    program = tmp_path / "orphan.py"
    program.write_text(ORPHAN)
    with subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert psutil.pid_exists(child)
        parent.kill()
        parent.wait()
        until(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)
