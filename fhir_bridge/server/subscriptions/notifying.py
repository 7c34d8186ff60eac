"""Tells subscribers what happened: in order, again until they take it, and never more than they may read by then."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import httpx

from fhir_bridge.egress import EgressRefused
from fhir_bridge.fhir.access import EVERYTHING, AccessFilter
from fhir_bridge.fhir.record import OTHER_PERSON, owners_of
from fhir_bridge.fhir.serialization import dumps, loads_exact
from fhir_bridge.governance import audit
from fhir_bridge.server.leasing import LEASE, heartbeat, pause
from fhir_bridge.server.subscriptions.channels import Channel, NotTaken, Subscriber
from fhir_bridge.server.subscriptions.model import Owner, SubscriptionError, read_subscription
from fhir_bridge.server.subscriptions.notification import Kind, bundle, status_of
from fhir_bridge.server.subscriptions.owners import Owners
from fhir_bridge.storage import Store
from fhir_bridge.storage.errors import Forbidden, Gone, NotFound, VersionConflict
from fhir_bridge.storage.subscriptions import Delivery, Event, Subscriptions

__all__ = ["Notifier", "notify"]

IDLE_SECONDS = 0.5
MOST_FAILURES: Final = 12
"""Tries, over some 45 minutes, after which the subscription is in error."""
OWNERS_SECONDS: Final = 10
"""How often it is asked whether subscribers may still subscribe, where nothing is due to them."""
AT_ONCE: Final = 8
"""Receivers that are subscriber at the same time: one that is slow holds up no other."""
_GONE: Final = "who subscribed is not registered any more, or took the permission back"

_log = logging.getLogger("fhir_bridge.worker")


Redact = Callable[[bytes, AccessFilter], bytes]


class Notifier:
    """Delivers events.

    Args:
        base: the FHIR base URL, for links.
        channel: sends, to its own kind of Subscriptions.
        redact: takes out of a resource what plug-ins take out.
    """

    def __init__(
        self,
        store: Store,
        owners: Owners,
        channel: Channel,
        redact: Redact,
        base: str,
    ) -> None:
        self._store = store
        self._owners = owners
        self._channel = channel
        self._redact = redact
        self._base = base
        self._events = Subscriptions(store.pool, f"worker-{os.getpid()}-{secrets.token_hex(4)}")
        self._owners_asked = -math.inf
        self.known: frozenset[str] = frozenset()
        """Ids of those that there were to tell in the last turn."""

    async def turn(self) -> bool:
        """Tell whoever something is due to; False where there was nobody."""
        known = {subscriber.id: subscriber for subscriber in await self._current()}
        if time.monotonic() - self._owners_asked > OWNERS_SECONDS:
            self._owners_asked = time.monotonic()
            for subscriber in [
                subscriber
                for subscriber in known.values()
                if await self._owners.access(subscriber.owner) is None
            ]:
                await self._state(subscriber, "off", _GONE)
                del known[subscriber.id]
        self.known = frozenset(known)
        waiting = {
            subscriber.id: 0
            if subscriber.watched.status == "requested"
            or subscriber.watched.over
            or self._channel.greets(subscriber.id)
            else subscriber.watched.heartbeat or None
            for subscriber in known.values()
        }
        if not waiting:
            return False
        due = await self._events.lease(waiting, LEASE)
        several = asyncio.Semaphore(AT_ONCE)

        async def one(delivery: Delivery) -> None:
            async with several, heartbeat(lambda: self._events.renew(delivery, LEASE)):
                await self._notify(delivery, known[delivery.id])

        await asyncio.gather(*map(one, due))
        return bool(due)

    async def _current(self) -> list[Subscriber]:
        """Those that are requested or active, and can be followed."""
        results = []
        for identity, version, content in await self._events.live(["requested", "active"]):
            resource = loads_exact(content)
            owner = Owner.of(resource)
            try:
                watched = read_subscription(resource)
            except SubscriptionError as error:
                watched, owner = None, None
                _log.warning("Subscription/%s is not followed: %s", identity, error)
            if watched is None or owner is None:
                continue
            if watched.channel == self._channel.name and self._channel.serves(identity):
                results.append(Subscriber(identity, version, resource, watched, owner))
        return results

    async def _notify(self, delivery: Delivery, subscriber: Subscriber) -> None:
        access = await self._owners.access(subscriber.owner)
        if access is None:
            await self._state(subscriber, "off", _GONE)
            await self._events.release(delivery)
            return
        if subscriber.watched.over:
            await self._state(subscriber, "off", "its end has come")
            await self._events.release(delivery)
            return
        try:
            number = await self._send(delivery, subscriber, access)
        except (NotTaken, EgressRefused, ValueError) as error:
            reason = str(error)
        except httpx.HTTPError as error:
            reason = f"the endpoint does not answer ({type(error).__name__})"
        else:
            await self._events.taken(delivery, number)
            return
        if not self._channel.repeats:
            await self._events.release(delivery)
            return
        _log.warning("Subscription/%s: %s", subscriber.id, reason)
        if delivery.failures + 1 >= MOST_FAILURES:
            await self._state(subscriber, "error", reason)
        await self._events.failed(delivery)

    async def _send(self, delivery: Delivery, subscriber: Subscriber, access: AccessFilter) -> int:
        """Tell what is due, and give the number up to which everything was sent."""
        watched = subscriber.watched
        requested = watched.status == "requested"
        if requested or self._channel.greets(subscriber.id):
            if watched.topic is not None:
                await self._post(subscriber, self._notification(subscriber, "handshake", delivery.events))
            if requested:
                await self._state(subscriber, "active", "")
            return delivery.delivered
        events = await self._events.events(
            subscriber.id, delivery.delivered, delivery.events, max(watched.most, 1)
        )
        if not events:
            if watched.topic is not None:
                await self._post(subscriber, self._notification(subscriber, "heartbeat", delivery.events))
            return delivery.delivered
        contents = await self._readable(events, access)
        readable = [event for event in events if (event.type, event.id) in contents]
        if not readable:  # withheld since: there is nothing to tell, not even that there was something
            return events[-1].number
        await self._audit(subscriber, contents)
        if watched.topic is not None:
            whole = contents if watched.content == "full-resource" else {}
            content = self._notification(subscriber, "event-notification", delivery.events, readable, whole)
            await self._post(subscriber, content)
        elif not watched.payload:
            await self._channel.send(subscriber, "POST", watched.endpoint, b"")
        else:
            for (kind, identity), resource in contents.items():
                address = f"{watched.endpoint.rstrip('/')}/{kind}/{identity}"
                await self._channel.send(subscriber, "PUT", address, dumps(resource))
        return events[-1].number

    async def _readable(
        self, events: Sequence[Event], access: AccessFilter
    ) -> dict[tuple[str, str], dict[str, Any]]:
        """What the subscriber may read of it now, as it is now."""
        results: dict[tuple[str, str], dict[str, Any]] = {}
        for place in dict.fromkeys((event.type, event.id) for event in events):
            try:
                stored = await self._store.read(*place, access)
            except (NotFound, Gone, Forbidden):
                continue
            results[place] = loads_exact(self._redact(stored.bytes, access))
        return results

    async def _audit(
        self, subscriber: Subscriber, contents: Mapping[tuple[str, str], dict[str, Any]]
    ) -> None:
        """Record what is about to leave, before it does."""
        owner = subscriber.owner
        context = audit.Context(
            self._base,
            owner.client,
            address=self._channel.address(subscriber),
            purpose=owner.purpose or None,
        )
        records = []
        for (kind, identity), resource in contents.items():
            event = audit.notification(context, f"{kind}/{identity}", f"Subscription/{subscriber.id}")
            patients = [patient for patient in owners_of(resource).patients if patient != OTHER_PERSON]
            records += audit.records(event, patients)
        await self._store.append_audit(records)

    def _notification(
        self,
        subscriber: Subscriber,
        kind: Kind,
        count: int,
        events: Sequence[Event] = (),
        contents: Mapping[tuple[str, str], Mapping[str, Any]] | None = None,
    ) -> bytes:
        watched = subscriber.watched
        status = status_of(
            self._base,
            subscriber.id,
            watched.topic,
            watched.status,
            kind,
            count,
            events,
            focus=watched.content != "empty",
        )
        return dumps(bundle(self._base, subscriber.id, status, events, contents or {}))

    async def _post(self, subscriber: Subscriber, content: bytes) -> None:
        await self._channel.send(subscriber, "POST", subscriber.watched.endpoint, content)

    async def _state(self, subscriber: Subscriber, status: str, error: str) -> None:
        """Set the state; where the subscriber changed it in the meantime, theirs counts."""
        resource = {**subscriber.resource, "status": status}
        resource.pop("error", None)
        if error:
            resource["error"] = error
        try:
            await self._store.update(
                "Subscription", subscriber.id, resource, EVERYTHING, if_match=str(subscriber.version)
            )
        except (VersionConflict, NotFound, Gone):
            _log.info("Subscription/%s was changed meanwhile", subscriber.id)


async def notify(notifier: Notifier, stopped: asyncio.Event) -> None:
    """Tell subscribers until `stopped`; what is under way then is finished."""
    while not stopped.is_set():
        try:
            busy = await notifier.turn()
        except Exception as error:  # noqa: BLE001 - the database is away, in one of many ways: it comes back
            _log.warning("subscriptions wait: the database does not answer (%s)", type(error).__name__)
            busy = False
        if not busy:
            await pause(stopped, IDLE_SECONDS)
