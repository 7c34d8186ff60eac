"""DICOM objects by C-STORE (PS3.4 B, PS3.7 9.1.1): success is answered once the object is committed."""

from __future__ import annotations

import asyncio
import logging
import socket
from pathlib import Path
from typing import Any, Final

from pynetdicom import AE, _config, evt

from fhir_bridge.pipeline.instances import InstanceReceiver, Kept
from fhir_bridge.pipeline.receiving import Unavailable
from fhir_bridge.server.receiving.peers import dicom_tls_context, may_send_objects
from fhir_bridge.server.settings import Settings

__all__ = ["StorageProvider"]

VERIFICATION: Final = "1.2.840.10008.1.1"
SUCCESS: Final = 0x0000
NOT_AUTHORIZED: Final = 0x0124
OUT_OF_RESOURCES: Final = 0xA700
"""The sender may try again."""
CAN_NOT_UNDERSTAND: Final = 0xC000
_COMMENT: Final = 64
"""Characters of Error Comment (0000,0902), an LO."""

_log = logging.getLogger("fhir_bridge.dicom")


class StorageProvider:
    """The application entity that receives. It has threads of its own; objects are kept on the event loop.

    Args:
        loop: where `receiver` is used.
    """

    def __init__(
        self, settings: Settings, receiver: InstanceReceiver, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._settings = settings
        self._receiver = receiver
        self._loop = loop
        self._server: Any = None
        title, _, port = str(settings.dicom).rpartition(":")
        self._address = (settings.dicom_host.strip("[]"), int(port))
        # Objects are written to a file as they come, pixels and all, and are never whole in memory.
        _config.STORE_RECV_CHUNKED_DATASET = True
        # Any storage class in any transfer syntax: the header is what is read.
        _config.UNRESTRICTED_STORAGE_SERVICE = True
        self._entity = AE(title)
        self._entity.require_called_aet = True
        self._entity.maximum_associations = settings.dicom_connections
        self._entity.network_timeout = self._entity.dimse_timeout = 60
        self._entity.acse_timeout = 20
        self._entity.add_supported_context(VERIFICATION)

    def start(self) -> None:
        """Listen.

        Raises:
            OSError: the port is taken. ssl.SSLError: a certificate can't be used.
        """
        self._server = self._entity.start_server(
            self._address,
            block=False,
            ssl_context=dicom_tls_context(self._settings),
            evt_handlers=[
                (evt.EVT_CONN_OPEN, _without_delay),
                (evt.EVT_C_ECHO, self._echo),
                (evt.EVT_C_STORE, self._store),
            ],
        )

    def stop(self) -> None:
        """End all associations; an object under way gets no success."""
        if self._server is not None:
            self._server.shutdown()

    def _may(self, event: Any) -> bool:
        requestor = event.assoc.requestor
        if may_send_objects(self._settings, requestor.ae_title.strip(), requestor.address):
            return True
        _log.warning("%s at %s is not in dicom_allow", requestor.ae_title.strip()[:16], requestor.address)
        return False

    def _echo(self, event: Any) -> int:
        return SUCCESS if self._may(event) else NOT_AUTHORIZED

    def _store(self, event: Any) -> Any:
        if not self._may(event):
            return NOT_AUTHORIZED
        path: Path = event.dataset_path
        try:
            kept = asyncio.run_coroutine_threadsafe(self._receiver.receive(path), self._loop).result()
        except Unavailable as error:
            _log.error("the database does not answer (%s): nothing is acknowledged", error)
            return OUT_OF_RESOURCES
        except Exception as error:  # noqa: BLE001 - one object must not end the association of others
            _log.error("receiving failed with %s", type(error).__name__, exc_info=error)
            return OUT_OF_RESOURCES
        return _status(kept)


def _status(kept: Kept) -> Any:
    if kept.outcome == "kept":
        return SUCCESS
    from pydicom.dataset import Dataset

    status = Dataset()
    status.Status = CAN_NOT_UNDERSTAND
    status.ErrorComment = kept.reason[:_COMMENT]
    return status


def _without_delay(event: Any) -> None:
    # Else each answer waits for the acknowledgement of the one before: 10 objects a second.
    connection = event.assoc.dul.socket
    if connection is not None and connection.socket is not None:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
