"""Notification Bundles of the R4 back-port of Subscriptions (backport-subscription-notification-r4)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from fhir_bridge.server.subscriptions.model import BACKPORT
from fhir_bridge.storage.subscriptions import Event

__all__ = ["Kind", "bundle", "status_of"]

Kind = Literal["handshake", "heartbeat", "event-notification", "query-status", "query-event"]


def status_of(
    base: str,
    subscription: str,
    topic: str | None,
    status: str,
    kind: Kind,
    count: int,
    events: Sequence[Event] = (),
    *,
    focus: bool = True,
    error: str = "",
) -> dict[str, Any]:
    """The status as Parameters (backport-subscription-status-r4).

    Args:
        count: events since the subscription began.
        focus: whether the events name their resources.
    """
    parameters: list[dict[str, Any]] = [
        {"name": "subscription", "valueReference": {"reference": f"{base}/Subscription/{subscription}"}},
        *([{"name": "topic", "valueCanonical": topic}] if topic else []),
        {"name": "status", "valueCode": status},
        {"name": "type", "valueCode": kind},
        {"name": "events-since-subscription-start", "valueString": str(count)},
    ]
    for event in events:
        part: list[dict[str, Any]] = [
            {"name": "event-number", "valueString": str(event.number)},
            {
                "name": "timestamp",
                "valueInstant": event.at.astimezone(UTC).isoformat(timespec="milliseconds"),
            },
        ]
        if focus:
            part.append({"name": "focus", "valueReference": {"reference": f"{base}/{event.type}/{event.id}"}})
        parameters.append({"name": "notification-event", "part": part})
    if error:
        parameters.append({"name": "error", "valueCodeableConcept": {"text": error}})
    return {
        "resourceType": "Parameters",
        "id": str(uuid.uuid4()),
        "meta": {"profile": [BACKPORT + "backport-subscription-status-r4"]},
        "parameter": parameters,
    }


def bundle(
    base: str,
    subscription: str,
    status: Mapping[str, Any],
    events: Sequence[Event],
    contents: Mapping[tuple[str, str], Mapping[str, Any]],
    *,
    kind: Literal["history", "searchset"] = "history",
) -> dict[str, Any]:
    """The status, then the events' resources.

    Args:
        contents: resources by type and id, where the notification holds them whole; an event whose resource is not
            among them is named in the status alone.
    """
    first: dict[str, Any] = {"fullUrl": f"urn:uuid:{status['id']}", "resource": status}
    entries = [first]
    if kind == "history":
        first["request"] = {"method": "GET", "url": f"{base}/Subscription/{subscription}/$status"}
        first["response"] = {"status": "200"}
    for place in dict.fromkeys((event.type, event.id) for event in events):
        if place in contents:
            address = f"{base}/{place[0]}/{place[1]}"
            entries.append(
                {
                    "fullUrl": address,
                    "resource": contents[place],
                    "request": {"method": "PUT", "url": f"{place[0]}/{place[1]}"},
                    "response": {"status": "200"},
                }
            )
    profile = {"meta": {"profile": [BACKPORT + "backport-subscription-notification-r4"]}}
    return {
        "resourceType": "Bundle",
        "id": str(uuid.uuid4()),
        **(profile if kind == "history" else {}),
        "type": kind,
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "entry": entries,
    }
