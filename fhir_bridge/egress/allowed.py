"""Which addresses data may be sent to. Nothing by default."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

__all__ = ["PORTS", "Allowed", "EgressRefused", "Network", "origin_of"]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443, "mllp": 2575, "mllps": 2575}
"""Schemes that can be sent to, and the port of an address that has none."""


class EgressRefused(Exception):
    """FB-EGRESS-001: an address that nothing may be sent to; the message names it, without path or query."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a site permits.

    Attributes:
        origins: `scheme://host:port`, in lower case; None: any that a registration names itself (key sets).
        networks: networks beside the public ones that a host may lead to.
    """

    origins: frozenset[str] | None = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, origins: str = "", networks: str = "") -> Allowed:
        """From settings: origins and networks, each divided by spaces or commas.

        Raises:
            ValueError: one that can't be read, or that is more than an origin.
        """
        return cls(
            frozenset(_listed(text) for text in origins.replace(",", " ").split()),
            tuple(ipaddress.ip_network(text) for text in networks.replace(",", " ").split()),
        )

    def registered(self) -> Allowed:
        """The same networks, for addresses that an administrator registered one by one."""
        return Allowed(None, self.networks)

    def check(self, url: str) -> None:
        """Whether the address of a request is listed; where its host is an IP address, whether that is permitted.

        Raises:
            EgressRefused: it is not, or it is no address of a server.
        """
        try:
            origin = origin_of(url)
        except ValueError as error:
            raise EgressRefused(f"{url[:100]!a} is no address that can be sent to: {error}") from error
        if self.origins is not None and origin not in self.origins:
            raise EgressRefused(f"{origin} is not listed (FHIR_BRIDGE_EGRESS)")
        try:
            permitted = self.permits(urlsplit(origin).hostname or "")
        except ValueError:  # a name: what it leads to is looked up when something is sent
            return
        if not permitted:
            raise EgressRefused(
                f"{origin} is a private address whose network is not listed (FHIR_BRIDGE_EGRESS_NETWORKS)"
            )

    def permits(self, address: str) -> bool:
        """Whether an IP address may be connected to: public, or in a listed network."""
        ip = ipaddress.ip_address(address.partition("%")[0])
        mapped = getattr(ip, "ipv4_mapped", None)  # ::ffff:10.0.0.1 is 10.0.0.1
        ip = mapped or ip
        return (ip.is_global and not ip.is_multicast) or any(
            ip in network for network in self.networks if network.version == ip.version
        )


def origin_of(url: str) -> str:
    """`scheme://host:port` of a URL, the port always written.

    Raises:
        ValueError: another scheme, no host, a user name or password, a port that is none.
    """
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    if scheme not in PORTS or not parts.hostname:
        raise ValueError("it needs http, https, ws, wss, mllp or mllps, and a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a name or password has no place in an address")
    host = parts.hostname.rstrip(".")
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{parts.port or PORTS[scheme]}"


def _listed(text: str) -> str:
    parts = urlsplit(text)
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"{text}: list scheme, host and port alone")
    return origin_of(text)
