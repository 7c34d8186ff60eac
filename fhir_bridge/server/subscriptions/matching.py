"""Which Subscriptions a change concerns: asked of the store with the subscriber's own access, consent included."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.fhir.serialization import loads_exact
from fhir_bridge.server.consuming import Consumer
from fhir_bridge.server.subscriptions.model import Owner, SubscriptionError, Watched, read_subscription
from fhir_bridge.server.subscriptions.owners import Owners
from fhir_bridge.storage import Store
from fhir_bridge.storage.changes import Change
from fhir_bridge.storage.errors import StorageError
from fhir_bridge.storage.subscriptions import Subscriptions

__all__ = ["subscription_consumer"]

_log = logging.getLogger("fhir_bridge.worker")


def subscription_consumer(owners: Owners) -> Consumer:
    """Notes the events of all active Subscriptions."""

    async def take(store: Store, changes: Sequence[Change]) -> None:
        events = Subscriptions(store.pool)
        latest = {(change.type, change.id): change for change in changes if not change.deleted}
        for identity, _, content in await events.live(["active"]):
            resource = loads_exact(content)
            owner = Owner.of(resource)
            try:
                watched = read_subscription(resource)
            except SubscriptionError as error:  # it was loaded, not written through the API
                _log.warning("Subscription/%s is not followed: %s", identity, error)
                continue
            concerned = [change for change in latest.values() if change.type == watched.type]
            if owner is None or not concerned or watched.over:
                continue
            access = await owners.access(owner)
            if access is None:
                continue  # the notifier ends it
            try:
                matched = await _matching(store, watched, concerned, access)
            except StorageError as error:
                _log.warning("Subscription/%s can't be asked for: %s", identity, error.code)
                continue
            await events.note(identity, [change for change in concerned if change.id in matched])

    return Consumer("subscriptions", take)


async def _matching(
    store: Store, watched: Watched, changes: Sequence[Change], access: AccessFilter
) -> frozenset[str]:
    """Ids of the changed resources that the criteria match and the subscriber may read."""
    wanted = ",".join(dict.fromkeys(change.id for change in changes))
    page = await store.search(
        watched.type, [*watched.parameters, ("_id", wanted)], access, count=len(changes)
    )
    return frozenset(entry.id for entry in page.entries)
