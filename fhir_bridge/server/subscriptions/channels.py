"""How what happened reaches a subscriber: by requests to an endpoint (rest-hook), or on a websocket (`sockets`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol

import httpx

from fhir_bridge.egress import origin_of
from fhir_bridge.server.subscriptions.model import REST_HOOK, Owner, Watched
from fhir_bridge.server.subscriptions.sealing import Seal

__all__ = ["Channel", "NotTaken", "RestHook", "Subscriber"]

_JSON: Final = "application/fhir+json"


class NotTaken(Exception):
    """The receiver did not take it; the message says why, without anything of a patient."""


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A Subscription as it is now."""

    id: str
    version: int
    resource: dict[str, Any]
    watched: Watched
    owner: Owner


class Channel(Protocol):
    """Sends.

    Attributes:
        name: `channel.type` of the Subscriptions that it is for.
        repeats: whether what is not taken is sent again after a pause; else when the subscriber is there again.
    """

    name: str
    repeats: bool

    def serves(self, identity: str) -> bool:
        """Whether this process sends to the subscriber."""

    def greets(self, identity: str) -> bool:
        """Whether the subscriber has just come, and waits for a handshake."""

    def address(self, subscriber: Subscriber) -> str:
        """Where it goes, for AuditEvents."""

    async def send(self, subscriber: Subscriber, method: str, address: str, content: bytes) -> None:
        """Send one message.

        Raises:
            NotTaken, EgressRefused, httpx.HTTPError, ValueError: it was not taken.
        """


class RestHook:
    """Requests to the endpoint.

    Args:
        seal: opens the headers of channels.
        http: a client of the egress port.
    """

    name = REST_HOOK
    repeats = True

    def __init__(self, seal: Seal, http: httpx.AsyncClient) -> None:
        self._seal = seal
        self._http = http

    def serves(self, identity: str) -> bool:  # noqa: ARG002
        """All of them."""
        return True

    def greets(self, identity: str) -> bool:  # noqa: ARG002
        """Only once, when it is requested."""
        return False

    def address(self, subscriber: Subscriber) -> str:
        """The origin of the endpoint."""
        return origin_of(subscriber.watched.endpoint)

    async def send(self, subscriber: Subscriber, method: str, address: str, content: bytes) -> None:
        """See `Channel.send`."""
        watched = subscriber.watched
        opened = (
            self._seal.opened(header, subscriber.owner.client, watched.endpoint) for header in watched.headers
        )
        headers = {**dict(opened), **({"Content-Type": _JSON} if content else {})}
        # The answer's body is left unread: it may be endless.
        async with self._http.stream(
            method, address, content=content, headers=headers, timeout=watched.seconds
        ) as answer:
            if not answer.is_success:
                raise NotTaken(f"the endpoint answers {answer.status_code}")
