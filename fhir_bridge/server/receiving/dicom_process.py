"""The process that receives DICOM objects over the network and from a folder, beside the web workers."""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import ssl
import sys
from multiprocessing.connection import Connection

from fhir_bridge.mapping import CrosswalkError, MappingErrors, SiteError
from fhir_bridge.pipeline.instances import InstanceReceiver
from fhir_bridge.plugins.extras import MissingExtra, require
from fhir_bridge.server.receiving.dicom_folder import watch
from fhir_bridge.server.settings import Settings
from fhir_bridge.server.supervisor import STARTUP_FAILURE

__all__ = ["run"]


def run(settings: Settings, ready: Connection) -> None:
    """Receive until requested to stop (SIGTERM, SIGINT); the entry of its process."""
    try:
        require("dicom")
        asyncio.run(_receive(settings, ready))
    except (
        SiteError,
        CrosswalkError,
        MappingErrors,
        MissingExtra,
        ssl.SSLError,
        OSError,
    ) as error:
        print(f"DICOM can't be received: {error}", file=sys.stderr, flush=True)  # noqa: T201 - for who started it
        sys.exit(STARTUP_FAILURE)


async def _receive(settings: Settings, ready: Connection) -> None:
    from fhir_bridge.server.receiving.dimse import StorageProvider  # pynetdicom, where it is asked for
    from fhir_bridge.storage import Store, database_url

    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    parent = multiprocessing.parent_process()
    if parent is not None:
        loop.add_reader(parent.sentinel, stopped.set)  # `serve` was killed
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    url = await asyncio.to_thread(database_url, settings.database_url, data_dir=settings.database_dir)
    async with await Store.open(url, migrate=False, max_size=4, known=settings.definitions()) as store:
        receiver = InstanceReceiver(store, url, settings.site, mapping=settings.dicom_mapping)
        provider = StorageProvider(settings, receiver, loop) if settings.dicom is not None else None
        if provider is not None:
            provider.start()
        watching = None
        if settings.dicom_folder is not None:
            watching = asyncio.create_task(watch(settings.dicom_folder, receiver, stopped))
        ready.send(True)
        ready.close()
        await stopped.wait()
        if provider is not None:
            # In a thread: an object under way is kept on this loop, and answered.
            await asyncio.to_thread(provider.stop)
        if watching is not None:
            await watching
