"""Servers as copies of a process that has imported what they need: each start takes a second of computing less."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import subprocess
from collections.abc import Mapping
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
    from fhir_bridge.server.serve import serve
    from fhir_bridge.server.settings import Settings

    try:
        serve(Settings())
    finally:
        # multiprocessing ends copies without it: an embedded database would not be given back.
        atexit._run_exitfuncs()
