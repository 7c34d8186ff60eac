"""Who may send messages over MLLP: listed addresses, or who shows a certificate; by default this machine alone."""

from __future__ import annotations

import ipaddress
import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fhir_bridge.server.settings import Settings

__all__ = ["may_send", "tls_context"]


def may_send(settings: Settings, address: str) -> bool:
    """Whether an address may send. Where certificates are asked for, the handshake has checked that one is there."""
    try:
        peer = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    # ::ffff:10.0.0.1 is how a socket of both families shows an IPv4 peer.
    mapped = getattr(peer, "ipv4_mapped", None)
    peer = mapped or peer
    networks = settings.mllp_networks
    if networks:
        return any(peer in network for network in networks)
    return peer.is_loopback or settings.mllp_client_ca is not None


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """TLS as it is set; None for plain connections.

    Raises:
        OSError, ssl.SSLError: a file can't be read, or is none of its kind.
    """
    if settings.mllp_certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(settings.mllp_certificate, settings.mllp_key)
    if settings.mllp_client_ca is not None:
        context.load_verify_locations(settings.mllp_client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
