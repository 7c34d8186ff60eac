"""`$status` and `$events` of a Subscription (R4 back-port of Subscriptions)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.server.subscriptions.model import SubscriptionError, Watched, read_subscription
from fhir_bridge.server.subscriptions.notification import Kind, bundle, status_of
from fhir_bridge.storage import Store
from fhir_bridge.storage.errors import BadResource, Forbidden, Gone, NotFound
from fhir_bridge.storage.subscriptions import Event, Subscriptions

__all__ = ["Events", "Status"]

MOST_EVENTS = 200


class Status:
    """How a Subscription stands, or all that the caller may see."""

    name = "status"
    types: tuple[str, ...] = ("Subscription",)
    access = "rs"

    async def __call__(self, request: Any, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """A searchset of statuses. Parameters: `id` and `status`, where no instance is addressed."""
        named = [request.id] if request.id else _list(parameters.get("id"))
        states = set(_list(parameters.get("status")))
        asked = [("_id", ",".join(named))] if named else []
        page = await request.store.search("Subscription", asked, request.access, count=1000)
        results = []
        for entry in page.entries:
            resource = entry.resource()
            if states and resource.get("status") not in states:
                continue
            count, _ = await Subscriptions(request.store.pool).counts(entry.id)
            results.append(_status(request.base, entry.id, resource, "query-status", count))
        return {
            "resourceType": "Bundle",
            "type": "searchset",
            "total": len(results),
            "entry": [
                {"fullUrl": f"urn:uuid:{one['id']}", "resource": one, "search": {"mode": "match"}}
                for one in results
            ],
        }


class Events:
    """Events of a Subscription, for a receiver that missed some."""

    name = "events"
    types: tuple[str, ...] = ("Subscription",)
    levels = frozenset({"instance"})
    access = "r"

    async def __call__(self, request: Any, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """A notification Bundle. Parameters: `eventsSinceNumber`, `eventsUntilNumber`, `content`.

        Raises:
            NotFound: no Subscription is addressed.
            BadResource: a number or content that is none.
        """
        if not request.id:
            raise NotFound("$events is asked of one Subscription: Subscription/id/$events")
        stored = await request.store.read("Subscription", request.id, request.access)
        resource = stored.resource()
        events = Subscriptions(request.store.pool)
        count, _ = await events.counts(request.id)
        first, last = (
            _number(parameters, "eventsSinceNumber", 1),
            _number(parameters, "eventsUntilNumber", count),
        )
        matches = await events.events(request.id, first - 1, last, MOST_EVENTS)
        contents = await _readable(request.store, matches, request.access)
        readable = [event for event in matches if (event.type, event.id) in contents]
        content = str(parameters.get("content", "id-only"))
        if content not in ("empty", "id-only", "full-resource"):
            raise BadResource("content is empty, id-only or full-resource")
        focus = content != "empty"
        status = _status(request.base, request.id, resource, "query-event", count, readable, focus=focus)
        return bundle(
            request.base, request.id, status, readable, contents if content == "full-resource" else {}
        )


def _status(
    base: str,
    identity: str,
    resource: Mapping[str, Any],
    kind: Kind,
    count: int,
    events: list[Event] | None = None,
    *,
    focus: bool = True,
) -> dict[str, Any]:
    watched: Watched | None
    try:
        watched = read_subscription(resource)
    except SubscriptionError:  # it was loaded, and is not followed
        watched = None
    return status_of(
        base,
        identity,
        watched.topic if watched else None,
        str(resource.get("status", "")),
        kind,
        count,
        events or [],
        focus=focus,
        error=str(resource.get("error", "")),
    )


async def _readable(
    store: Store, events: list[Event], access: AccessFilter
) -> dict[tuple[str, str], dict[str, Any]]:
    results = {}
    for place in dict.fromkeys((event.type, event.id) for event in events):
        try:
            results[place] = (await store.read(*place, access)).resource()
        except (NotFound, Gone, Forbidden):
            continue
    return results


def _list(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [] if value is None else [value]
    return [part for one in values for part in str(one).split(",") if part]


def _number(parameters: Mapping[str, Any], name: str, otherwise: int) -> int:
    text = str(parameters.get(name, otherwise))
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:
        raise BadResource(f"{name} is a number, 0 or more")
    return int(text)
