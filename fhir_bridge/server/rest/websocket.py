"""Websockets of Subscriptions: the token by which one is bound, and where it is opened."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from starlette.responses import Response
from starlette.websockets import WebSocket

from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.server.rest.auditing import audit_operation
from fhir_bridge.server.rest.call import FHIR_JSON, Call, check_format_value
from fhir_bridge.server.rest.call_operations import CallOperation, Pairs
from fhir_bridge.server.rest.refusal import refuse
from fhir_bridge.server.services import Services
from fhir_bridge.server.settings import Settings, is_loopback
from fhir_bridge.server.subscriptions.model import WEBSOCKET, Owner, SubscriptionError, read_subscription
from fhir_bridge.server.subscriptions.owners import owner_of
from fhir_bridge.server.subscriptions.sockets import MOST_BOUND, PATH, REFUSED, SECONDS
from fhir_bridge.storage.subscriptions import Subscriptions

__all__ = ["BindingToken", "subscribe", "websocket_url"]


def websocket_url(settings: Settings) -> str:
    """Where a websocket is opened: `wss` where the server is at https."""
    return "ws" + settings.root.removeprefix("http") + PATH


async def subscribe(websocket: WebSocket) -> None:
    """A websocket that a client opens."""
    services: Services = websocket.app.state.services
    # The token that it will send says who it is; without authorization nobody is asked, as elsewhere (`rest.endpoint`).
    if services.settings.auth == "none" and not (
        is_loopback(websocket.client.host if websocket.client else "")
        and is_loopback((websocket.url.hostname or "").lower())
        and "origin" not in websocket.headers
    ):
        await websocket.close(REFUSED)
        return
    await services.sockets.serve(websocket)


class BindingToken(CallOperation):
    """Gives who subscribed a token, for a websocket of these Subscriptions (R4 back-port of Subscriptions)."""

    name = "get-ws-binding-token"
    types: tuple[str, ...] = ("Subscription",)
    access = "r"
    definition = "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/backport-subscription-get-ws-binding-token"

    async def serve(self, call: Call, parameters: Pairs, body: dict[str, Any] | None) -> Response:  # noqa: ARG002
        """See `CallOperation.serve`."""
        for name, value in parameters:
            if name == "_format":
                check_format_value(value)
            elif name != "id" or call.id:
                raise refuse(400, "FB-REST-008", f"this operation takes no parameter {name[:40]}")
        named = [call.id] if call.id else [value for name, value in parameters if name == "id"]
        named = list(dict.fromkeys(named))
        if not 0 < len(named) <= MOST_BOUND:
            raise refuse(400, "FB-REST-008", f"id names a Subscription; up to {MOST_BOUND} are taken")
        for identity in named:
            await _check(call, identity)
        token, expires = await Subscriptions(call.services.store.pool).offer(named, SECONDS)
        await audit_operation(call)
        results = [
            {"name": "token", "valueString": token},
            {
                "name": "expiration",
                "valueDateTime": expires.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            },
            *({"name": "subscription", "valueString": identity} for identity in named),
            {"name": "websocket-url", "valueUrl": websocket_url(call.services.settings)},
        ]
        return Response(dumps({"resourceType": "Parameters", "parameter": results}), media_type=FHIR_JSON)


async def _check(call: Call, identity: str) -> None:
    """Refuse a Subscription that is another's, is of another channel, or is over.

    Raises:
        Refusal: 403, 422. StorageError: it is not there.
    """
    resource = (await call.services.store.read("Subscription", identity, call.access)).resource()
    theirs, ours = Owner.of(resource), owner_of(call.caller)
    if theirs is None or (theirs.client, theirs.account) != (ours.client, ours.account):
        raise refuse(403, "FB-SUB-002", "this Subscription is another subscriber's")
    try:
        watched = read_subscription(resource)
    except SubscriptionError as error:  # it was loaded, and is not followed
        raise refuse(422, "FB-SUB-001", str(error), source=error.element) from error
    if watched.channel != WEBSOCKET:
        raise refuse(
            422, "FB-SUB-001", "this Subscription is no websocket's", source="Subscription.channel.type"
        )
    if watched.status not in ("requested", "active"):
        raise refuse(
            422, "FB-SUB-001", f"this Subscription is {watched.status}", source="Subscription.status"
        )
