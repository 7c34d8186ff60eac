"""Which changes go to a target: noted in the outbox by a consumer of the change feed."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.server.consuming import Consumer
from fhir_bridge.server.delivery.targets import Target
from fhir_bridge.storage import Store
from fhir_bridge.storage.changes import Change
from fhir_bridge.storage.errors import StorageError
from fhir_bridge.storage.outbox import Outbox

__all__ = ["fill", "forwarder"]

PAGE = 500

_log = logging.getLogger("fhir_bridge.worker")


def forwarder(target: Target) -> Consumer:
    """Notes what a target's searches match, and what changes of that which it was sent.

    It begins with the changes after the target was first named.
    """

    async def take(store: Store, changes: Sequence[Change]) -> None:
        outbox = Outbox(store.pool)
        # What no longer matches is sent all the same, once the target has it: a withdrawal is news.
        wanted = await outbox.sent_of(target.name, changes)
        for kind, parameters in target.searches:
            concerned = {change.id for change in changes if change.type == kind and not change.deleted}
            if concerned:
                matched = await _matching(store, kind, parameters, concerned)
                wanted |= {(kind, identity) for identity in matched}
        await outbox.note(target.name, [change for change in changes if (change.type, change.id) in wanted])
        if any(change.type == "Consent" for change in changes):
            await outbox.reconsider(target.name)

    return Consumer(f"outbox {target.name}", take)


async def fill(store: Store, target: Target) -> int:
    """Note what a target's searches match now: what was stored before the target was named. Gives how many are new.

    Raises:
        StorageError: a search can't be made.
    """
    outbox = Outbox(store.pool)
    count = 0
    for kind, parameters in target.searches:
        cursor = None
        while True:
            page = await store.search(kind, parameters, EVERYTHING, count=PAGE, cursor=cursor)
            count += await outbox.add(target.name, [(entry.type, entry.id) for entry in page.entries])
            cursor = page.next
            if cursor is None:
                break
    return count


async def _matching(
    store: Store, kind: str, parameters: Sequence[tuple[str, str]], identities: set[str]
) -> set[str]:
    """Ids of the changed resources that a search of the target matches.

    Whatever it may be sent now: that is decided when it is sent, and again when a consent changes.
    """
    wanted = ",".join(sorted(identities))
    try:
        page = await store.search(kind, [*parameters, ("_id", wanted)], EVERYTHING, count=len(identities))
    except StorageError as error:
        _log.warning("a search for what to send can't be made: %s %s", kind, error.code)
        return set()
    return {entry.id for entry in page.entries}
