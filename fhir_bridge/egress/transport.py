"""HTTP that connects to permitted addresses alone, whatever a name leads to by then."""

from __future__ import annotations

import ssl
from functools import cache
from typing import Any

import httpx

from fhir_bridge.egress.addresses import permitted_address
from fhir_bridge.egress.allowed import Allowed

__all__ = ["GuardedTransport", "client"]


def client(allowed: Allowed, *, seconds: float = 10, **options: Any) -> httpx.AsyncClient:
    """An HTTP client for what leaves.

    It follows no redirect, which could lead elsewhere, and takes no proxy from the environment.

    Args:
        seconds: for each of connecting, sending and receiving.
        options: further ones of `httpx.AsyncClient`.
    """
    return httpx.AsyncClient(
        transport=GuardedTransport(allowed),
        timeout=seconds,
        follow_redirects=False,
        trust_env=False,
        **options,
    )


@cache
def _certificates() -> ssl.SSLContext:
    """The authorities that are trusted: reading them takes longer than most requests, so once for all clients."""
    return httpx.create_ssl_context(trust_env=False)


class GuardedTransport(httpx.AsyncBaseTransport):
    """Looks a name up once, checks what it leads to, and connects to exactly that.

    A check before a request alone would be worth nothing: the name may lead elsewhere when it is looked up again.
    """

    def __init__(self, allowed: Allowed) -> None:
        self._allowed = allowed
        # One a name: a connection that one name's certificate vouches for must not serve another name.
        self._transports: dict[str, httpx.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request.

        Raises:
            EgressRefused: the address is not listed, or leads to a private network that is not.
            httpx.TransportError: it can't be reached.
        """
        self._allowed.check(str(request.url))
        host = request.url.host
        address = await self._address(request)
        transport = self._transports.get(host)
        if transport is None:
            transport = httpx.AsyncHTTPTransport(verify=_certificates(), trust_env=False)
            self._transports[host] = transport
        direct = httpx.Request(
            request.method,
            request.url.copy_with(host=address),
            headers=request.headers,  # Host among them, as the name
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": host},
        )
        return await transport.handle_async_request(direct)

    async def _address(self, request: httpx.Request) -> str:
        """The address to connect to."""
        host = request.url.host
        try:
            return await permitted_address(self._allowed, host, request.url.port)
        except OSError as error:
            raise httpx.ConnectError(f"{host} is not known", request=request) from error

    async def aclose(self) -> None:
        """Close all connections."""
        for transport in self._transports.values():
            await transport.aclose()
