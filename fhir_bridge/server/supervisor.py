"""Processes that belong together: started, started anew where one ends by itself, and stopped as one.

A worker is alive as long as its process is. Nothing is asked of it: on a busy machine a worker that starts or that
computes may not answer for many seconds, and a supervisor that takes silence for death kills what it should keep.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

__all__ = ["STARTUP_FAILURE", "Child", "Started", "Supervisor", "end_with_parent"]

STARTUP_FAILURE = 3
"""Exit code of a worker that can't start, as uvicorn has it."""
FIRST_PAUSE = 0.5
"""Seconds before a process that ended is started anew; doubled each time, up to `LONGEST_PAUSE`."""
LONGEST_PAUSE = 30.0
STEADY_SECONDS = 60.0
"""A process that ran this long has earned a first pause again."""


_log = logging.getLogger("fhir_bridge.server")

Started = tuple[BaseProcess, Connection | None]
"""A process that runs, and where it reports that it is ready, if it does."""


@dataclass(slots=True)
class Child:
    """One process of the family.

    Attributes:
        name: for the log.
        start: starts it.
        essential: where it ends with `STARTUP_FAILURE` before it ever was ready, nothing is served and all stop.
    """

    name: str
    start: Callable[[], Started]
    essential: bool = True
    process: BaseProcess | None = None
    ready: Connection | None = None
    was_ready: bool = False
    since: float = 0.0
    pause: float = FIRST_PAUSE
    again: float = field(default=0.0)


class Supervisor:
    """Keeps processes running until it is stopped.

    Args:
        children: what runs.
        grace: seconds that they have to end after SIGTERM, before they are killed.
        on_ready: called once, when all essential ones have reported that they are ready.
    """

    def __init__(
        self, children: Sequence[Child], *, grace: float, on_ready: Callable[[], object] | None = None
    ) -> None:
        self._on_ready = on_ready
        self._children = list(children)
        self._grace = grace
        self._stopping = threading.Event()
        self._hurry = threading.Event()
        # A pipe, since `wait` watches descriptors, and a signal handler may do little more than write to one.
        self._reader, self._writer = os.pipe()

    def start(self) -> None:
        """Start them all."""
        for child in self._children:
            self._start(child)

    def stop(self) -> None:
        """Make `run` end; a second time, without waiting for what is under way. Safe in a signal handler."""
        if self._stopping.is_set():
            self._hurry.set()
        self._stopping.set()
        os.write(self._writer, b".")  # read by `_end_all` alone: until then every wait ends at once

    def run(self) -> int:
        """Watch until `stop`, then end all. Gives 0, or the exit code of a worker that could not start."""
        failed = 0
        try:
            while not self._stopping.is_set() and not failed:
                failed = self._watch()
        finally:
            self._end_all()
        return failed

    def _start(self, child: Child) -> None:
        # The mask is inherited by the process, and put back here at once.
        with _interrupt_blocked():
            child.process, child.ready = child.start()
        child.since, child.again = time.monotonic(), 0.0

    def _watch(self) -> int:
        """Wait for something to happen, and answer it."""
        sentinels = {item.process.sentinel: item for item in self._children if item.process is not None}
        reports = {item.ready: item for item in self._children if item.ready is not None}
        due = [item.again for item in self._children if item.again]
        timeout = max(0.0, min(due) - time.monotonic()) if due else None
        happened = wait([*sentinels, *reports, self._reader], timeout)
        # Reports before ends: of a worker that was ready and died both may be there.
        for event in happened:
            if isinstance(event, Connection) and event in reports:
                self._report(reports[event])
        for event in happened:
            if isinstance(event, int) and event in sentinels and (code := self._ended(sentinels[event])):
                return code
        for child in self._children:
            if child.again and child.again <= time.monotonic() and not self._stopping.is_set():
                self._start(child)
        return 0

    def _report(self, child: Child) -> None:
        assert child.ready is not None
        try:
            child.ready.recv()
            child.was_ready = True
            if self._on_ready is not None and all(
                item.was_ready for item in self._children if item.essential
            ):
                self._on_ready()
                self._on_ready = None
        except EOFError:  # it ended before
            pass
        child.ready.close()
        child.ready = None

    def _ended(self, child: Child) -> int:
        """A process ended by itself: plan another, or give the exit code that ends all."""
        process = child.process
        assert process is not None
        # It may have reported and ended between two looks.
        if child.ready is not None and child.ready.poll():
            self._report(child)
        process.join()
        code = process.exitcode or 0
        # A process that ended leaves its descriptor in the table; `wait` would report it for ever.
        self._forget(child)
        if self._stopping.is_set():
            return 0
        # Only before it ever was ready: a port or a database that is wrong is wrong for the next one as well.
        if child.essential and code == STARTUP_FAILURE and not child.was_ready:
            _log.error("the %s could not start", child.name)
            return code
        if time.monotonic() - child.since >= STEADY_SECONDS:
            child.pause = FIRST_PAUSE
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        _log.error("the %s ended (%s); another starts in %g seconds", child.name, how, child.pause)
        # After a pause, doubled each time: a worker that fails at its start must not take the machine.
        child.again = time.monotonic() + child.pause
        child.pause = min(child.pause * 2, LONGEST_PAUSE)
        return 0

    @staticmethod
    def _forget(child: Child) -> None:
        if child.ready is not None:
            child.ready.close()
        child.process = child.ready = None

    def _end_all(self) -> None:
        """SIGTERM to all, so that they finish what they have begun; SIGKILL to who does not end in time."""
        running = [child.process for child in self._children if child.process is not None]
        for process in running:
            process.terminate()
        end = time.monotonic() + self._grace
        while (left := [item for item in running if item.exitcode is None]) and not self._hurry.is_set():
            rest = end - time.monotonic()
            if rest <= 0:
                break
            if self._reader in wait([*(item.sentinel for item in left), self._reader], min(rest, 1.0)):
                os.read(self._reader, 1024)  # else each further wait would end at once
        for process in left:
            _log.error("process %s does not end and is killed", process.pid)
            process.kill()
        for child in self._children:
            if child.process is not None:
                child.process.join()
                self._forget(child)


@contextmanager
def _interrupt_blocked() -> Iterator[None]:
    """A process started here gets no SIGINT: Ctrl-C reaches the whole terminal, and who stops whom is decided here."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent(sentinel: int, end: Callable[[], object]) -> None:
    """Call `end` once the process behind the sentinel is gone, however it went. From a thread of its own."""

    # `wait` on the sentinel notices also a parent that was killed, which can signal nobody.
    def watch() -> None:
        wait([sentinel])
        end()

    threading.Thread(target=watch, name="parent", daemon=True).start()
