"""`serve`: the database, the web workers and the background worker, started and stopped together."""

from __future__ import annotations

import asyncio
import gc
import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import uvicorn

from fhir_bridge.mapping import Site
from fhir_bridge.parent_death import end_with_parent_thread
from fhir_bridge.server import database_process, garbage, offloading, worker
from fhir_bridge.server.app import create_app
from fhir_bridge.server.connection import bounded
from fhir_bridge.server.receiving import process as mllp
from fhir_bridge.server.settings import Settings
from fhir_bridge.server.supervisor import Child, Started, Supervisor, end_with_parent

__all__ = ["serve", "web_worker"]

DRAIN_SECONDS = 20
"""How long a worker that was reported to stop may take to finish the requests it has."""
GRACE_SECONDS = DRAIN_SECONDS + 10.0

_log = logging.getLogger("fhir_bridge.server")
_listening: list[socket.socket] = []
"""Sockets that this process has bound for others."""


def serve(settings: Settings) -> None:
    """Serve until stopped by a signal: SIGTERM or SIGINT; a second one does not wait for requests under way.

    Prepares the database (embedded unless a URL is set; migrated) once, before any worker starts.

    Raises:
        SystemExit: the port is taken, or a worker could not start.
    """
    from fhir_bridge.storage import DatabaseLocation
    from fhir_bridge.storage.migration import upgrade

    location = DatabaseLocation.choose(settings.database_url, settings.database_dir)
    url = location.open()
    upgrade(url)
    # Workers get the address, and not each a start of the embedded server.
    settings.database_url = url
    if settings.site is not None:  # what predicts while serving, and worker processes, read it there
        os.environ["FHIR_BRIDGE_SITE"] = str(settings.site)
        Site.load(settings.site)  # a site file that can't be used stops here, and not in each worker
    if settings.auth == "none":
        print(_LOUD.format(root=settings.root), file=sys.stderr, flush=True)  # noqa: T201 - the person must see it
    # Not essential: requests are answered without it, and it is started again.
    beside = [Child("background worker", lambda: _background(settings), essential=False)]
    if (folder := location.data_dir) is not None:
        beside.append(Child("keeper of the database", lambda: _keeper(folder), essential=False))
    if settings.mllp is not None:
        # One process, however many web workers there are: messages of one patient stay in order.
        messages = _bound(settings.mllp_host, settings.mllp)
        beside.append(Child("MLLP listener", lambda: _mllp(settings, messages)))
    if settings.dicom is not None or settings.dicom_folder is not None:
        beside.append(Child("DICOM receiver", lambda: _dicom(settings)))
    if settings.workers == 1:
        _serve_here(settings, beside)
    else:
        _serve_by_workers(settings, beside)


def _serve_here(settings: Settings, beside: list[Child]) -> None:
    """One web worker is this process itself."""
    supervisor = Supervisor(beside, grace=GRACE_SECONDS)
    failed: list[int] = []
    supervisor.start()  # what belongs to one process is made after it, else `_process` could not copy this one
    server = _Server(_config(settings), partial(_announce, settings), settings)
    # uvicorn wants the main thread, for signals.

    def watch() -> None:
        failed.append(supervisor.run())
        server.leave()

    watcher = threading.Thread(target=watch, name="supervisor")
    watcher.start()
    try:
        # Without a handler of our own, SIGTERM would end this process before it stops the others.
        with _handling(_leave, signal.SIGTERM):
            _prepare()
            server.run()
    except KeyboardInterrupt:
        pass
    finally:
        supervisor.stop()
        watcher.join()
    if failed and failed[0]:
        raise SystemExit(failed[0])


def _serve_by_workers(settings: Settings, beside: list[Child]) -> None:
    """Several web workers are processes that accept from one socket."""
    # Bound once, here: workers inherit the socket, and a port that is taken shows before any of them starts.
    listening = uvicorn.Config("", host=settings.host, port=settings.port, log_level="error").bind_socket()
    _listening.append(listening)
    children = [
        Child(f"web worker {number}", lambda: _web(settings, listening))
        for number in range(1, settings.workers + 1)
    ]
    supervisor = Supervisor([*children, *beside], grace=GRACE_SECONDS, on_ready=partial(_announce, settings))
    with _handling(lambda *_: supervisor.stop(), signal.SIGTERM, signal.SIGINT):
        supervisor.start()
        failed = supervisor.run()
    listening.close()
    if failed:
        raise SystemExit(failed)


@contextmanager
def _handling(handler: Callable[..., object], *signals: signal.Signals) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in signals}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _leave(_number: int, _frame: object) -> None:
    raise SystemExit(0)


def _process(name: str, target: Callable[..., None], *arguments: object) -> BaseProcess:
    """A process that is started: a copy of this one, which has imported all that it needs, or a new one."""
    # A copy would inherit the event loop, threads and database connections, so there must be none.
    process: BaseProcess
    if sys.platform == "linux" and threading.active_count() == 1:
        gc.freeze()  # what both share stays shared while no collection writes to it
        copied = (os.getpid(), target, arguments)
        process = multiprocessing.get_context("fork").Process(target=_copy, args=copied, daemon=True)
    else:
        process = multiprocessing.get_context("spawn").Process(target=target, args=arguments, daemon=True)
    process.name = f"fhir-bridge-{name}"
    process.start()
    return process


def _copy(parent: int, target: Callable[..., None], arguments: tuple[object, ...]) -> None:
    """In a copy of the process that serves: leave what is not this one's, then do its work."""
    # Those that are copied later hold the pipe by whose end this one would notice that it was left alone.
    end_with_parent_thread(signal.SIGTERM, parent)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)  # handlers of `serve`
    for bound in _listening:
        if bound not in arguments:
            bound.close()
    gc.enable()
    target(*arguments)


def _reporting(name: str, target: Callable[..., None], *arguments: object) -> Started:
    """A process that reports when it is ready."""
    reader, writer = multiprocessing.Pipe(duplex=False)
    process = _process(name, target, *arguments, writer)
    # Our copy of the writing end: while it is open, the reader gets no end of file when the worker dies.
    writer.close()
    return process, reader


def _web(settings: Settings, listening: socket.socket) -> Started:
    return _reporting("web", web_worker, settings, listening)


def _mllp(settings: Settings, listening: socket.socket) -> Started:
    return _reporting("mllp", mllp.run, settings, listening)


def _dicom(settings: Settings) -> Started:
    from fhir_bridge.server.receiving import dicom_process

    return _reporting("dicom", dicom_process.run, settings)


def _keeper(folder: Path) -> Started:
    return _process("database", database_process.run, folder), None


def _background(settings: Settings) -> Started:
    return _process("worker", worker.run, settings), None


def _bound(host: str, port: int) -> socket.socket:
    """A listening socket, made once: a listener that is started anew goes on with it.

    Raises:
        SystemExit: the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host.strip("[]"), port))
    except OSError as error:
        raise SystemExit(f"MLLP can't listen on {host} port {port}: {error.strerror}") from error
    listening.set_inheritable(True)
    _listening.append(listening)
    return listening


def _announce(settings: Settings) -> None:
    """Say where the server is, once it answers."""
    line = f"Ready: FHIR at {settings.fhir_base}, listening on {settings.host} port {settings.port}."
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - for the person, or the script, that waits for it


class _Server(uvicorn.Server):
    """A server that reports when it has started."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], object], settings: Settings) -> None:
        super().__init__(config)
        self._on_started = on_started
        self._settings = settings
        self._warming: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_started()
            if self._settings.site is not None and self._settings.warm_models:
                from fhir_bridge.predictions.warming import keep_warm

                self._warming = asyncio.create_task(keep_warm(str(self._settings.site)), name="models")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._warming is not None:
            self._warming.cancel()
        await super().shutdown(sockets)

    def leave(self) -> None:
        """Stop as after SIGTERM."""
        self.should_exit = True


def web_worker(settings: Settings, listening: socket.socket, ready: Connection) -> None:
    """The entry of one web worker process; it ends with the process that started it."""

    def report() -> None:
        ready.send(True)
        ready.close()

    server = _Server(_config(settings), report, settings)
    parent = multiprocessing.parent_process()
    if parent is not None:
        end_with_parent(parent.sentinel, server.leave)
    _prepare()
    # Without `reload` and `workers`: uvicorn's own supervisor pings its children and kills busy ones.
    server.run([listening])


def _prepare() -> None:
    """Let nothing but requests take the event loop's time."""
    offloading.prepare()
    garbage.prepare()


WEBSOCKET_BYTES = 4_096
"""Of a message that a client sends: it binds, and says nothing else."""
_LOUD = """
*** NO AUTHORIZATION (--auth none) ***
*** Anyone on this machine may read and change every record at {root}. ***
*** Never use this with real patients. ***
"""


def _config(settings: Settings) -> uvicorn.Config:
    """No access log and no Server header: addresses of searches hold names, versions help attackers."""
    # uvicorn's own limits would not reach the head of a request (`connection`).
    # Off where no proxy is named: anybody could send X-Forwarded-For, and with it count as another network.
    return uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        http=bounded(settings.max_connections),
        ws="websockets-sansio",
        ws_max_size=WEBSOCKET_BYTES,
        ws_per_message_deflate=False,
        log_level="error",  # a line for each malformed request would fill the disk of whoever is attacked
        access_log=False,
        server_header=False,
        proxy_headers=settings.forwarded_allow_ips is not None,
        forwarded_allow_ips=settings.forwarded_allow_ips,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
