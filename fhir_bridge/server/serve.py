"""`serve`: the database, the web workers and the background worker, started and stopped together."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys

import uvicorn
from fastapi import FastAPI

from fhir_bridge.mapping import Site
from fhir_bridge.server import worker
from fhir_bridge.server.app import create_app
from fhir_bridge.server.settings import Settings

__all__ = ["serve", "web_worker"]

_log = logging.getLogger("fhir_bridge.server")

_FACTORY = "fhir_bridge.server.serve:web_worker"
_ENVIRONMENT = "FHIR_BRIDGE_"


def web_worker() -> FastAPI:
    """The application of one worker process; its settings come from the environment that `serve` prepared."""
    return create_app(Settings())


def serve(settings: Settings) -> None:
    """Serve until stopped by a signal.

    Prepares the database (embedded unless a URL is set; migrated) once, before any worker starts.

    Raises:
        SystemExit: the port is taken, or a worker could not start.
    """
    from fhir_bridge.storage import database_url
    from fhir_bridge.storage.migration import upgrade

    url = database_url(settings.database_url, data_dir=settings.database_dir)
    upgrade(url)
    settings.database_url = url
    if settings.site is not None:
        os.environ[_ENVIRONMENT + "SITE"] = str(settings.site)
        Site.load(settings.site)  # a site file that can't be used stops here, and not in each worker
    if settings.auth == "none":
        print(_LOUD.format(root=settings.root), file=sys.stderr, flush=True)  # noqa: T201 - the person must see it
    background = multiprocessing.get_context("spawn").Process(
        target=worker.run, args=(settings,), name="fhir-bridge-worker", daemon=True
    )
    background.start()
    # Without a handler of our own, SIGTERM would end this process before it stops the others.
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        if settings.workers == 1:
            uvicorn.Server(_config(settings, create_app(settings))).run()
        else:
            _share(settings)
            from uvicorn.supervisors import Multiprocess

            config = _config(settings, _FACTORY)
            Multiprocess(config, sockets=[config.bind_socket()]).run()
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)
        background.terminate()
        background.join(10)


def _leave(_number: int, _frame: object) -> None:
    raise SystemExit(0)


_LOUD = """
*** NO AUTHORIZATION (--auth none) ***
*** Anyone on this machine may read and change every record at {root}. ***
*** Never use this with real patients. ***
"""


def _config(settings: Settings, app: FastAPI | str) -> uvicorn.Config:
    """No access log and no Server header: addresses of searches hold names, versions help attackers."""
    return uvicorn.Config(
        app,
        factory=isinstance(app, str),
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        http="httptools",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=settings.forwarded_allow_ips is not None,
        forwarded_allow_ips=settings.forwarded_allow_ips,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=20,
    )


def _share(settings: Settings) -> None:
    """Settings for the worker processes."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if value is not None:
            os.environ[_ENVIRONMENT + name.upper()] = str(value)
