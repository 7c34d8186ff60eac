"""Who may send over MLLP and DICOM: listed addresses, or who shows a certificate; by default this machine alone."""

from __future__ import annotations

import ipaddress
import logging
import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from fhir_bridge.server.settings import Settings

__all__ = ["dicom_tls_context", "may_send", "may_send_objects", "tls_context"]

_log = logging.getLogger("fhir_bridge.mllp")

HANDSHAKE_SECONDS: Final = 20.0
"""How long a peer may say nothing within a handshake, or within a message, over TLS."""


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        peer = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    # ::ffff:10.0.0.1 is how a socket of both families shows an IPv4 peer.
    return getattr(peer, "ipv4_mapped", None) or peer


def may_send_objects(settings: Settings, title: str, address: str) -> bool:
    """Whether an application entity at an address may send DICOM objects; as `may_send` where none are listed."""
    peer = _address(address)
    if peer is None:
        return False
    senders = settings.dicom_senders
    if senders:
        return any(named in (None, title) and peer in network for named, network in senders)
    return peer.is_loopback or settings.dicom_client_ca is not None


def may_send(settings: Settings, address: str) -> bool:
    """Whether an address may send. Where certificates are asked for, the handshake has checked that one is there."""
    peer = _address(address)
    if peer is None:
        return False
    networks = settings.mllp_networks
    if networks:
        return any(peer in network for network in networks)
    return peer.is_loopback or settings.mllp_client_ca is not None


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """TLS of MLLP as it is set; None for plain connections.

    Raises:
        OSError, ssl.SSLError: a file can't be read, or is none of its kind.
    """
    context = _tls(settings.mllp_certificate, settings.mllp_key, settings.mllp_client_ca)
    if context is not None:
        context.sslobject_class = _Reported
    return context


def dicom_tls_context(settings: Settings) -> ssl.SSLContext | None:
    """TLS of DICOM; as `tls_context`."""
    return _tls(settings.dicom_certificate, settings.dicom_key, settings.dicom_client_ca, _LateHandshake)


class _Reported(ssl.SSLObject):
    """Says why a handshake failed: the event loop closes such a connection without a word."""

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            why = getattr(error, "verify_message", None) or error.reason or type(error).__name__
            _log.warning("a sender's TLS handshake failed: %s", str(why).lower().replace("_", " "))
            raise


class _LateHandshake(ssl.SSLContext):
    """Leaves the handshake to the first read, in the thread of the association.

    pynetdicom makes it where it accepts connections: there one peer that says nothing would keep all others waiting.
    """

    def wrap_socket(
        self, sock: socket.socket, server_side: bool = False, *_: Any, **__: Any
    ) -> ssl.SSLSocket:
        sock.settimeout(HANDSHAKE_SECONDS)
        return super().wrap_socket(sock, server_side=server_side, do_handshake_on_connect=False)


def _tls(
    certificate: Path | None,
    key: Path | None,
    client_ca: Path | None,
    kind: type[ssl.SSLContext] = ssl.SSLContext,
) -> ssl.SSLContext | None:
    if certificate is None:
        return None
    context = kind(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    if client_ca is not None:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
