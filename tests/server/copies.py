"""Servers as copies of a process that has imported what they need: each start takes a second of computing less."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import subprocess
from collections.abc import Mapping
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path

__all__ = ["ServerCopy"]

IMPORTED = [
    "alembic.command",
    "fhir_bridge.adapters.ehr.hl7v2.adapter",
    "fhir_bridge.adapters.ehr.notes.statements",
    "fhir_bridge.pipeline.sinks",
    "fhir_bridge.server.serve",
    "fhir_bridge.storage.migration",
    "uvicorn.loops.uvloop",
    "uvicorn.protocols.websockets.websockets_sansio_impl",
]


class ServerCopy:
    """`serve` in a process of its own, with what tests use of `subprocess.Popen`.

    Args:
        environment: all of its environment.
        log: the file that has what it writes to standard error.
    """

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(IMPORTED)
        self._process: BaseProcess = context.Process(
            target=_serve, args=(dict(environment), str(log), str(Path.cwd()))
        )
        self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, once it has ended.

        Raises:
            subprocess.TimeoutExpired: it has not.
        """
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired("serve", timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _serve(environment: dict[str, str], log: str, folder: str) -> None:
    multiprocessing.set_start_method(None, force=True)  # as in a process that nobody has copied
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    errors = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(errors, 2)
    os.close(errors)
    _look_often()
    from fhir_bridge.server.serve import serve
    from fhir_bridge.server.settings import Settings

    try:
        serve(Settings())
    finally:
        # multiprocessing ends copies without it: an embedded database would not be given back.
        atexit._run_exitfuncs()


def _look_often() -> None:
    """Let the workers of this server, which are copies of it, look for work often and wait little for more of it.

    A test has little work and waits for each piece of it. A server that is no copy looks as often as a person's.
    """
    from fhir_bridge.pipeline import instances
    from fhir_bridge.server import background, consuming
    from fhir_bridge.server.delivery import sending
    from fhir_bridge.server.receiving import dicom_folder
    from fhir_bridge.server.subscriptions import notifying

    for module in (consuming, notifying, sending):
        module.IDLE_SECONDS = 0.1
    background.IDLE_SECONDS = 0.3  # each of some twenty tasks
    dicom_folder.LOOK_SECONDS = 0.5
    instances.DELAY = timedelta(seconds=0.5)
