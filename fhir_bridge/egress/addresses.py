"""What a host name leads to, and whether that may be connected to."""

from __future__ import annotations

import asyncio
import socket

from fhir_bridge.egress.allowed import Allowed, EgressRefused

__all__ = ["permitted_address"]


async def permitted_address(allowed: Allowed, host: str, port: int | None) -> str:
    """The IP address to connect to, looked up once: looked up again, the name may lead elsewhere.

    Raises:
        EgressRefused: the name leads to a private network that is not listed.
        OSError: the name is not known.
    """
    answers = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in answers))
    # All of them: a name that leads to a private address beside a public one is not to be trusted.
    if not addresses or not all(map(allowed.permits, addresses)):
        raise EgressRefused(
            f"{host} leads to a private address whose network is not listed (FHIR_BRIDGE_EGRESS_NETWORKS)"
        )
    return addresses[0]
