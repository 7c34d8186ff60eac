"""A Subscription as the server follows it: what it waits for, and where that is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from fhir_bridge.fhir import definitions

__all__ = [
    "BACKPORT",
    "CHANGED",
    "CONTENTS",
    "MARK",
    "REST_HOOK",
    "WEBSOCKET",
    "Owner",
    "SubscriptionError",
    "Watched",
    "read_subscription",
]

BACKPORT: Final = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
CHANGED: Final = "https://fhir-bridge.org/fhir/SubscriptionTopic/resource-changed"
"""The topic that is served: a resource was created or updated; filters say which ones."""
MARK: Final = "https://fhir-bridge.org/fhir/StructureDefinition/subscriber"
"""Extension of `meta` that the server sets: for whom the subscription was made, and what they may read."""
REST_HOOK: Final = "rest-hook"
WEBSOCKET: Final = "websocket"
CHANNELS: Final = (REST_HOOK, WEBSOCKET)
CONTENTS: Final = ("empty", "id-only", "full-resource")
MOST_EVENTS: Final = 50
LONGEST_SECONDS: Final = 60


class SubscriptionError(ValueError):
    """FB-SUB-001: a Subscription that can't be followed; `element` says where."""

    def __init__(self, element: str, message: str) -> None:
        super().__init__(message)
        self.element = element


@dataclass(frozen=True, slots=True)
class Owner:
    """Who subscribed: a client, perhaps with a person, and what the token allowed. Checked anew at each delivery."""

    client: str
    account: str = ""
    grant: str = ""
    scope: str = ""
    patient: str = ""
    purpose: str = ""

    def extension(self) -> dict[str, Any]:
        """As it is kept in `meta`."""
        named = {name: getattr(self, name) for name in self.__slots__}
        return {
            "url": MARK,
            "extension": [{"url": name, "valueString": value} for name, value in named.items() if value],
        }

    @classmethod
    def of(cls, resource: Mapping[str, Any]) -> Owner | None:
        """As the server noted it; None where it has not."""
        meta = resource.get("meta")
        for extension in _extensions(meta):
            if extension.get("url") == MARK:
                named = {part.get("url"): part.get("valueString", "") for part in _extensions(extension)}
                return cls(**{name: named.get(name, "") for name in cls.__slots__})
        return None


@dataclass(frozen=True, slots=True)
class Watched:
    """What a Subscription asks for.

    Attributes:
        type, parameters: the resources that it is about, as a search.
        topic: the canonical of its topic; None for one by criteria alone.
        channel: `rest-hook` or `websocket`.
        endpoint: of a rest-hook.
        payload: whether the notification has a body.
        content: how much of a resource a topic's notification holds.
        headers: as in `channel.header`.
        most: events in one notification.
        seconds: for the receiver to answer.
        heartbeat: seconds without an event after which a heartbeat is sent; 0: none.
        end: when it ends.
    """

    status: str
    type: str
    parameters: tuple[tuple[str, str], ...]
    topic: str | None
    channel: str
    endpoint: str
    payload: bool
    content: str
    headers: tuple[str, ...]
    most: int
    seconds: int
    heartbeat: int
    end: datetime | None

    @property
    def over(self) -> bool:
        """Whether its end has come."""
        return self.end is not None and self.end <= datetime.now(UTC)


def read_subscription(resource: Mapping[str, Any]) -> Watched:
    """What a valid Subscription resource asks for.

    Raises:
        SubscriptionError: it can't be followed here.
    """
    criteria = str(resource.get("criteria", ""))
    topic = criteria if criteria.startswith(("http://", "https://", "urn:")) else None
    if topic is not None:
        if topic != CHANGED:
            raise SubscriptionError(
                "Subscription.criteria", f"there is no topic {topic[:100]!a}; there is {CHANGED}"
            )
        filters = [
            str(extension.get("valueString", ""))
            for extension in _extensions(resource.get("_criteria"))
            if extension.get("url") == BACKPORT + "backport-filter-criteria"
        ]
        if len(filters) != 1:
            raise SubscriptionError(
                "Subscription.criteria", "a topic needs one filter (backport-filter-criteria)"
            )
        criteria = filters[0]
    kind, _, query = criteria.partition("?")
    if kind not in definitions.resource_types():
        raise SubscriptionError(
            "Subscription.criteria", f"{kind[:40]!a} is no resource type; write Type?parameters"
        )
    if kind == "AuditEvent":
        raise SubscriptionError("Subscription.criteria", "AuditEvents are not followed by Subscriptions")
    channel = resource.get("channel")
    channel = channel if isinstance(channel, dict) else {}
    payload = channel.get("payload")
    if payload not in (None, "application/fhir+json", "application/json"):
        raise SubscriptionError("Subscription.channel.payload", "the payload is application/fhir+json")
    if channel.get("type") not in CHANNELS:
        raise SubscriptionError(
            "Subscription.channel.type", f"the channels that are served are {', '.join(CHANNELS)}"
        )
    endpoint = (
        _endpoint(channel, topic) if channel["type"] == REST_HOOK else _without_endpoint(channel, topic)
    )
    content = _values(channel.get("_payload")).get(
        "backport-payload-content", "id-only" if payload else "empty"
    )
    if content not in CONTENTS:
        raise SubscriptionError(
            "Subscription.channel.payload", f"the content is one of {', '.join(CONTENTS)}"
        )
    options = _values(channel)
    return Watched(
        status=str(resource.get("status", "")),
        type=kind,
        parameters=tuple(parse_qsl(query, keep_blank_values=True)),
        topic=topic,
        channel=channel["type"],
        endpoint=endpoint,
        payload=payload is not None,
        content=content,
        headers=tuple(map(str, channel.get("header", ()))),
        most=_number(options, "backport-max-count", MOST_EVENTS, MOST_EVENTS),
        seconds=_number(options, "backport-timeout", 10, LONGEST_SECONDS),
        heartbeat=_number(options, "backport-heartbeat-period", 0, 86_400),
        end=_moment(resource.get("end")),
    )


def _endpoint(channel: Mapping[str, Any], topic: str | None) -> str:
    """Where a rest-hook is sent to."""
    endpoint = channel.get("endpoint")
    if not isinstance(endpoint, str):
        raise SubscriptionError("Subscription.channel.endpoint", "rest-hook needs an endpoint")
    parts = urlsplit(endpoint)
    if parts.fragment or (topic is None and channel.get("payload") and parts.query):
        # Of R4's own kind the endpoint is a base, to which type and id are added.
        raise SubscriptionError(
            "Subscription.channel.endpoint", "the endpoint has a query or fragment that can't be kept"
        )
    return endpoint


def _without_endpoint(channel: Mapping[str, Any], topic: str | None) -> str:
    """A websocket is opened by the subscriber, for whom a topic is asked: R4's own kind only knows a ping."""
    if topic is None:
        raise SubscriptionError("Subscription.criteria", f"a websocket is told of a topic: {CHANGED}")
    for name in ("endpoint", "header"):
        if channel.get(name):
            raise SubscriptionError(f"Subscription.channel.{name}", f"a websocket has no {name}")
    return ""


def _extensions(node: Any) -> Iterator[dict[str, Any]]:
    extensions = node.get("extension") if isinstance(node, dict) else None
    yield from (item for item in extensions or () if isinstance(item, dict))


def _values(node: Any) -> dict[str, Any]:
    """The back-port's extensions of an element, by the last part of their URL."""
    return {
        str(extension.get("url", "")).removeprefix(BACKPORT): value
        for extension in _extensions(node)
        for name, value in extension.items()
        if name.startswith("value")
    }


def _number(options: Mapping[str, Any], name: str, otherwise: int, most: int) -> int:
    value = options.get(name, otherwise)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise SubscriptionError("Subscription.channel", f"{name} is a number, 0 or more")
    return min(value, most)


def _moment(text: Any) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise SubscriptionError("Subscription.end", "it is no instant") from error
    if moment.tzinfo is None:
        raise SubscriptionError("Subscription.end", "an instant has a zone")
    return moment
