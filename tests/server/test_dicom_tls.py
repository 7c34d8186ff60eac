"""DICOM over TLS: who shows a certificate of the authority may send, from the addresses and titles that are listed."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from pynetdicom import AE

from fhir_bridge.pipeline.instances import Kept
from fhir_bridge.server import Settings
from fhir_bridge.server.receiving.dimse import StorageProvider
from tests.dicom_files import file_bytes, with_pixels
from tests.e2e.test_composites import instance
from tests.server.conftest import free_port
from tests.server.messages.test_senders import certificates as certificates

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

LITTLE = "1.2.840.10008.1.2.1"


class Receiver:
    """Takes all objects; which ones."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    async def receive(self, path: Path) -> Kept:
        self.sizes.append(path.stat().st_size)
        return Kept("kept", "1.2.3")


@contextmanager
def listening(certificates: Path, **more: Any) -> Iterator[tuple[int, Receiver]]:
    """The application entity that receives, over TLS, as `serve` starts it."""
    port, receiver, loop = free_port(), Receiver(), asyncio.new_event_loop()
    settings = Settings(
        dicom=f"BRIDGE:{port}",
        dicom_certificate=certificates / "server.pem",
        dicom_key=certificates / "server.key",
        dicom_client_ca=certificates / "ca.pem",
        **more,
    )
    provider = StorageProvider(settings, receiver, loop)  # type: ignore[arg-type]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    provider.start()
    try:
        yield port, receiver
    finally:
        provider.stop()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        _forget_sockets()


def _forget_sockets() -> None:
    """What pynetdicom leaves of a handshake that failed goes here, and not in another test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def sent(port: int, certificates: Path, name: str | None, title: str = "CT1") -> int | None:
    """Status of a C-STORE by who has this certificate; None where no association comes about."""
    context = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
    if name is not None:
        context.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
    one = with_pixels(instance(1))
    file_bytes(one)
    entity = AE(title)
    entity.acse_timeout = entity.connection_timeout = entity.network_timeout = 5
    entity.add_requested_context(one.SOPClassUID, LITTLE)
    association = entity.associate("127.0.0.1", port, ae_title="BRIDGE", tls_args=(context, "localhost"))
    if not association.is_established:
        return None
    try:
        status = association.send_c_store(one)
        return int(status.Status) if status else None
    finally:
        association.release()


def plain(port: int) -> bool:
    entity = AE("CT1")
    entity.acse_timeout = entity.connection_timeout = entity.network_timeout = 5
    entity.add_requested_context("1.2.840.10008.1.1")
    association = entity.associate("127.0.0.1", port, ae_title="BRIDGE")
    established = bool(association.is_established)
    association.abort()
    return established


def test_only_who_shows_a_certificate_may_send_objects(certificates: Path) -> None:
    with listening(certificates) as (port, receiver):
        assert sent(port, certificates, "sender") == 0
        assert sent(port, certificates, None) is None
        assert sent(port, certificates, "stranger") is None
        assert not plain(port)
        assert sent(port, certificates, "sender") == 0
        assert len(receiver.sizes) == 2


def test_who_says_nothing_keeps_nobody_waiting(certificates: Path) -> None:
    with (
        listening(certificates) as (port, _receiver),
        socket.create_connection(("127.0.0.1", port)),
        socket.create_connection(("127.0.0.1", port)) as other,
    ):
        other.send(b"\x16\x03\x01\x02\x00\x01")  # the beginning of a handshake
        assert sent(port, certificates, "sender") == 0


def test_a_certificate_does_not_replace_the_list_of_addresses_and_titles(certificates: Path) -> None:
    with listening(certificates, dicom_allow="CT1@10.0.0.0/8 CT2@127.0.0.1") as (port, receiver):
        assert sent(port, certificates, "sender", title="CT1") == 0x0124
        assert sent(port, certificates, "sender", title="CT2") == 0
        assert len(receiver.sizes) == 1


def test_certificates_are_asked_for_over_tls_only() -> None:
    for wrong in ({"dicom_client_ca": "ca.pem"}, {"dicom": "BRIDGE:11112", "dicom_host": "0.0.0.0"}):
        with pytest.raises(ValidationError):
            Settings(**wrong)
