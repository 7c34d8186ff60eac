"""`$status` and `$events` of a Subscription (R4 back-port of Subscriptions)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response

from fhir_bridge.fhir.serialization import dumps, loads_exact
from fhir_bridge.server.rest import hooks
from fhir_bridge.server.rest.call import FHIR_JSON, Call
from fhir_bridge.server.rest.call_operations import CallOperation, Pairs, audit_shown, only
from fhir_bridge.server.rest.documents import read_named
from fhir_bridge.server.subscriptions.model import CONTENTS, SubscriptionError, Watched, read_subscription
from fhir_bridge.server.subscriptions.notification import Kind, bundle, status_of
from fhir_bridge.storage.errors import BadResource
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
        counts = await Subscriptions(request.store.pool).counts([entry.id for entry in page.entries])
        results = [
            _status(request.base, entry.id, resource, "query-status", counts.get(entry.id, 0))
            for entry, resource in ((entry, entry.resource()) for entry in page.entries)
            if not states or resource.get("status") in states
        ]
        return {
            "resourceType": "Bundle",
            "type": "searchset",
            "total": len(results),
            "entry": [
                {"fullUrl": f"urn:uuid:{one['id']}", "resource": one, "search": {"mode": "match"}}
                for one in results
            ],
        }


class Events(CallOperation):
    """Events of a Subscription, for a receiver that missed some."""

    name = "events"
    types: tuple[str, ...] = ("Subscription",)
    access = "r"
    definition = (
        "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/backport-subscription-events"
    )
    levels = frozenset({"instance"})

    async def serve(self, call: Call, parameters: Pairs, body: dict[str, Any] | None) -> Response:  # noqa: ARG002
        """A notification Bundle of what the caller may read. See `CallOperation.serve`."""
        known = only(parameters, ("eventsSinceNumber", "eventsUntilNumber", "content"))
        content = known.get("content", "id-only")
        if content not in CONTENTS:
            raise BadResource(f"content is one of {', '.join(CONTENTS)}")
        store = call.services.store
        resource = (await store.read("Subscription", call.id, call.access)).resource()
        subscriptions = Subscriptions(store.pool)
        count = (await subscriptions.counts([call.id])).get(call.id, 0)
        first, last = _number(known, "eventsSinceNumber", 1), _number(known, "eventsUntilNumber", count)
        events = await subscriptions.events(call.id, first - 1, last, MOST_EVENTS)
        shown = await read_named(call, list(dict.fromkeys((event.type, event.id) for event in events)))
        places = [(stored.type, stored.id) for stored in shown]
        readable = [event for event in events if (event.type, event.id) in places]
        contents: dict[tuple[str, str], dict[str, Any]] = {}
        if content == "full-resource":
            texts = await hooks.redact_all(
                call.services.plugins, [stored.bytes for stored in shown], call.access
            )
            contents = dict(zip(places, map(loads_exact, texts), strict=True))
        await audit_shown(call, parameters, shown)
        status = _status(
            call.base, call.id, resource, "query-event", count, readable, focus=content != "empty"
        )
        return Response(dumps(bundle(call.base, call.id, status, readable, contents)), media_type=FHIR_JSON)


def _status(
    base: str,
    identity: str,
    resource: Mapping[str, Any],
    kind: Kind,
    count: int,
    events: Sequence[Event] = (),
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
        events,
        focus=focus,
        error=str(resource.get("error", "")),
    )


def _list(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [] if value is None else [value]
    return [part for one in values for part in str(one).split(",") if part]


def _number(parameters: Mapping[str, str], name: str, otherwise: int) -> int:
    text = parameters.get(name, str(otherwise))
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:
        raise BadResource(f"{name} is a number, 0 or more")
    return int(text)
