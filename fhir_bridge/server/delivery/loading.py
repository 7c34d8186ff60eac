"""`load --to`: what files hold goes through the outbox to another FHIR server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from fhir_bridge import egress
from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.server.delivery.sending import Sender, digest_of
from fhir_bridge.server.delivery.targets import Target
from fhir_bridge.server.settings import Settings
from fhir_bridge.storage import Store
from fhir_bridge.storage.outbox import Outbox

__all__ = ["Emptied", "deliver_all"]

BATCH: Final = 500
STEP_SECONDS: Final = 0.2


class Emptied:
    """What came of a load.

    Attributes:
        queued: resources that were to be sent; unchanged: those that the target has just so.
        counts: how many of these are in each state by now.
        problems: reason -> how many wait or were refused for it.
        unreachable: why the target takes nothing, where it does not.
    """

    def __init__(self) -> None:
        self.queued = 0
        self.unchanged = 0
        self.counts: dict[str, int] = {}
        self.problems: dict[str, int] = {}
        self.unreachable = ""


async def deliver_all(
    url: str,
    settings: Settings,
    target: Target,
    resources: Iterator[dict[str, Any]],
    *,
    seconds: float,
    on_progress: Callable[[int], None],
) -> Emptied:
    """Put resources into the outbox, then send until nothing is left that can be sent.

    What is left then is sent by `serve`, where its file of targets has the target, or by the same command again.

    Args:
        url: of the database.
        seconds: for which a target that takes nothing is waited for.
    """
    result = Emptied()
    async with await Store.open(url, max_size=12, known=settings.definitions()) as store:
        outbox = Outbox(store.pool)
        batch: dict[tuple[str, str], bytes] = {}
        names: set[tuple[str, str]] = set()

        async def flush() -> None:
            contents = [(*place, content, digest_of(content)) for place, content in batch.items()]
            queued, unchanged = await outbox.put(target.name, contents)
            result.queued += queued
            result.unchanged += unchanged
            names.update(batch)
            batch.clear()

        # All of it before anything is sent: references within the files lead somewhere then.
        for resource in resources:
            batch[resource["resourceType"], resource["id"]] = dumps(resource)
            if len(batch) >= BATCH:
                await flush()
        await flush()
        http = egress.client(settings.allowed)
        sender = await Sender.of(store, target, settings.allowed, http, _as_it_is, settings.fhir_base)
        try:
            await _empty(outbox, sender, names, seconds, on_progress)
        finally:
            await sender.close()
            await http.aclose()
        result.unreachable = sender.reason
        for state, reason, count in await outbox.summary(target.name, sorted(names)):
            result.counts[state] = result.counts.get(state, 0) + count
            if reason:
                result.problems[reason] = result.problems.get(reason, 0) + count
    return result


def _as_it_is(content: bytes, _: AccessFilter) -> bytes:
    """What a person sends from files is not redacted: it is not read from the store."""
    return content


async def _empty(
    outbox: Outbox,
    sender: Sender,
    names: set[tuple[str, str]],
    seconds: float,
    on_progress: Callable[[int], None],
) -> None:
    """Send, until what waits has waited for something in vain."""
    name = sender.target.name
    end = time.monotonic() + seconds
    before = -1
    while True:
        busy = await sender.turn()
        waiting = await outbox.waiting(name)
        on_progress(max(0, len(names) - waiting))
        if not waiting:
            return
        if busy or waiting != before:
            before = waiting
            if busy:
                end = time.monotonic() + seconds
                continue
        if time.monotonic() > end:
            return
        await asyncio.sleep(STEP_SECONDS)
