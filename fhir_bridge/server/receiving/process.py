"""The process that listens for MLLP, beside the web workers: one, however many of them there are."""

from __future__ import annotations

import asyncio
import gc
import logging
import multiprocessing
import signal
import socket
import ssl
import sys
from multiprocessing.connection import Connection

from fhir_bridge.mapping import CrosswalkError, MappingErrors, SiteError
from fhir_bridge.server import offloading
from fhir_bridge.server.receiving.intake import Intake
from fhir_bridge.server.receiving.mllp import Listener
from fhir_bridge.server.settings import Settings
from fhir_bridge.server.supervisor import STARTUP_FAILURE
from fhir_bridge.storage.errors import OtherSiteKey

__all__ = ["run"]

_log = logging.getLogger("fhir_bridge.mllp")


def run(settings: Settings, listening: socket.socket, ready: Connection) -> None:
    """Listen until requested to stop (SIGTERM, SIGINT); the entry of its process."""
    try:
        asyncio.run(_listen(settings, listening, ready))
    except (SiteError, CrosswalkError, MappingErrors, OtherSiteKey, ssl.SSLError) as error:
        print(f"MLLP can't be served: {error}", file=sys.stderr, flush=True)  # noqa: T201 - for who started it
        sys.exit(STARTUP_FAILURE)


async def _listen(settings: Settings, listening: socket.socket, ready: Connection) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    parent = multiprocessing.parent_process()
    if parent is not None:
        loop.add_reader(parent.sentinel, stopped.set)  # `serve` was killed
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    intake = Intake(settings)
    await intake.start(recover=True)
    listener = Listener(settings, intake)
    gc.collect()
    gc.freeze()  # definitions and mapping stay as long as the process: collections need not walk them
    gc.set_threshold(50_000, 20, 20)
    offloading.prepare()  # large messages are processed in a thread of their own
    await listener.start(listening)
    ready.send(True)
    ready.close()
    await stopped.wait()
    await listener.stop()
    await intake.stop()
