"""What a Subscription is checked for when it is written, and what the server adds to it."""

from __future__ import annotations

from typing import Any, Final

from fhir_bridge.egress import Allowed, EgressRefused
from fhir_bridge.server.subscriptions.model import (
    MARK,
    REST_HOOK,
    Owner,
    SubscriptionError,
    Watched,
    read_subscription,
)
from fhir_bridge.server.subscriptions.sealing import Seal

__all__ = ["prepare"]

_ASKED: Final = ("requested", "off")
"""States that a subscriber may ask for; the others only the server sets (R4 subscription-status)."""


def prepare(resource: dict[str, Any], owner: Owner, allowed: Allowed, seal: Seal) -> Watched:
    """Check a Subscription and make it ready to be stored: its owner noted, its headers sealed. Changes `resource`.

    Raises:
        SubscriptionError: it can't be followed.
    """
    if resource.get("status") not in _ASKED:
        raise SubscriptionError(
            "Subscription.status", "a subscriber asks for requested or off; others the server sets"
        )
    watched = read_subscription(resource)
    try:
        if watched.channel == REST_HOOK:
            allowed.check(watched.endpoint)
    except EgressRefused as error:
        raise SubscriptionError("Subscription.channel.endpoint", str(error)) from error
    if watched.headers:
        try:
            sealed = [seal.closed(header, owner.client, watched.endpoint) for header in watched.headers]
        except ValueError as error:
            raise SubscriptionError("Subscription.channel.header", str(error)) from error
        resource["channel"]["header"] = sealed
    meta = resource.setdefault("meta", {})
    others = [
        part for part in meta.get("extension", []) if not (isinstance(part, dict) and part.get("url") == MARK)
    ]
    meta["extension"] = [*others, owner.extension()]
    return watched
