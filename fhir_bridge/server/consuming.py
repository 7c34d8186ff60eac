"""What follows writes, by the background worker: consumers of the change feed, those of plug-ins among them."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pluggy

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.serialization import loads_exact
from fhir_bridge.predictions import triggers
from fhir_bridge.server.leasing import BEAT_SECONDS, LEASE, heartbeat, pause
from fhir_bridge.storage import Store
from fhir_bridge.storage.changes import Change, Place, end_of_feed, read_audit_changes, read_changes
from fhir_bridge.storage.consumers import Consumers

__all__ = ["Consumer", "consume", "consumers_of", "prediction_triggers"]

IDLE_SECONDS = 0.5
BATCH = 500
AFTER_COMMIT, AUDIT = "fhir_bridge_after_commit", "fhir_bridge_audit"

_log = logging.getLogger("fhir_bridge.worker")


@dataclass(frozen=True, slots=True)
class Consumer:
    """One who is given the changes.

    Attributes:
        name: of its cursor; for ever.
        take: takes some changes, in their order. What it raises brings the same changes again, after a pause.
        types: the resource types it is given; None for all.
        events: whether it is given AuditEvents, which have a feed of their own, and not the changes of resources.
    """

    name: str
    take: Callable[[Store, Sequence[Change]], Awaitable[None]]
    types: tuple[str, ...] | None = None
    events: bool = False


def consumers_of(plugins: pluggy.PluginManager) -> list[Consumer]:
    """Those of plug-ins: one a plug-in and hook, so that one that fails holds up no other."""
    consumers = []
    for plugin in plugins.get_plugins():
        name = plugins.get_name(plugin)
        # A hook caller without all other plug-ins calls this one alone.
        others = [other for other in plugins.get_plugins() if other is not plugin]
        hooks = {caller.name for caller in plugins.get_hookcallers(plugin) or ()}
        if AFTER_COMMIT in hooks:
            hook = plugins.subset_hook_caller(AFTER_COMMIT, others)
            # The name of the cursor is stored: it must not depend on the order of registration.
            consumers.append(Consumer(f"{AFTER_COMMIT} {name}", _with_changes(hook)))
        if AUDIT in hooks:
            hook = plugins.subset_hook_caller(AUDIT, others)
            consumers.append(Consumer(f"{AUDIT} {name}", _with_events(hook), events=True))
    return consumers


def prediction_triggers(site: str | None) -> list[Consumer]:
    """The consumer that lets models run on new data, where the site has such a model."""
    from fhir_bridge.predictions.site import site_settings

    models = triggers.triggered_models(site_settings(site)[0].parameters)

    async def take(store: Store, changes: Sequence[Change]) -> None:
        await triggers.add_trigger_jobs(store, changes, models)

    return [Consumer(triggers.CONSUMER, take, triggers.TYPES)] if models else []


def _with_changes(hook: Callable[..., Any]) -> Callable[[Store, Sequence[Change]], Awaitable[None]]:
    async def take(_: Store, changes: Sequence[Change]) -> None:
        # Plug-ins are written synchronously, and may block: never on the event loop.
        await asyncio.to_thread(hook, changes=changes)

    return take


def _with_events(hook: Callable[..., Any]) -> Callable[[Store, Sequence[Change]], Awaitable[None]]:
    async def take(store: Store, changes: Sequence[Change]) -> None:
        wanted = list(dict.fromkeys(change.id for change in changes if not change.deleted))
        # By id, since the change says which event, and the store knows what is in it;
        # those removed by age are missing.
        events: dict[str, bytes] = {}
        # A row may be served as a thousand.
        for start in range(0, len(wanted), BATCH):
            some = [("_id", ",".join(wanted[start : start + BATCH]))]
            page = await store.search("AuditEvent", some, EVERYTHING, count=BATCH)
            events.update((entry.id, entry.bytes) for entry in page.entries)

        def call() -> None:
            for identity in wanted:
                if identity in events:
                    hook(event=loads_exact(events[identity]))

        await asyncio.to_thread(call)

    return take


async def consume(store: Store, consumers: Sequence[Consumer], stopped: asyncio.Event) -> None:
    """Give each consumer its changes until `stopped`; what is being taken then is finished."""
    if not consumers:
        return
    cursors = Consumers(store.pool, f"worker-{os.getpid()}-{secrets.token_hex(4)}")
    # Consumers of a new plug-in begin at the end of the feed: it must have been read before anything else is.
    await _until_registered(cursors, consumers, stopped)
    await asyncio.gather(*(_serve(store, cursors, consumer, stopped) for consumer in consumers))


async def _until_registered(
    cursors: Consumers, consumers: Sequence[Consumer], stopped: asyncio.Event
) -> None:
    while not stopped.is_set():
        try:
            await cursors.register([consumer.name for consumer in consumers])
        except Exception as error:  # noqa: BLE001 - the database is away, in one of many ways: it comes back
            _log.warning("consumers wait: the database does not answer (%s)", type(error).__name__)
            await pause(stopped, IDLE_SECONDS)
        else:
            return


async def _serve(store: Store, cursors: Consumers, consumer: Consumer, stopped: asyncio.Event) -> None:
    turn = _Turn(store, cursors, consumer)
    while not stopped.is_set():
        try:
            busy = await turn.next()
        except Exception as error:  # noqa: BLE001 - the database is away, in one of many ways: it comes back
            _log.warning("%s waits: the database does not answer (%s)", consumer.name, type(error).__name__)
            # Another may have the lease by now: it is taken again, with the stored place.
            turn.place, busy = None, False
        if not busy:
            await pause(stopped, IDLE_SECONDS)
    with suppress(Exception):  # the lease ends by itself
        await cursors.release(consumer.name)


class _Turn:
    """One consumer's way along the feed, while this process has its lease."""

    def __init__(self, store: Store, cursors: Consumers, consumer: Consumer) -> None:
        self._store, self._cursors, self._consumer = store, cursors, consumer
        self.place: Place | None = None
        """How far it is; ahead of the stored cursor by changes of types that it is not given. None without lease."""
        self._leased = 0.0

    async def next(self) -> bool:
        """Give the next changes; False where there are none, or none for us."""
        name = self._consumer.name
        if self.place is None:
            self.place, self._leased = await self._cursors.lease(name, LEASE), time.monotonic()
        elif time.monotonic() - self._leased > BEAT_SECONDS:
            # Also where all changes are of other types: the stored cursor would stay behind by ever
            # more, and the lease would lapse.
            await self._advance(self.place)
        if self.place is None:
            return False
        async with self._store.pool.connection() as connection:
            # The end is read before the changes: what comes in between is beyond it, and read next time.
            end = await end_of_feed(connection)
            if self._consumer.events:
                changes = await read_audit_changes(connection, self.place, BATCH)
            else:
                changes = await read_changes(connection, self.place, BATCH, self._consumer.types)
        reached = max([self.place, *(change.place for change in changes[-1:])])
        # Nothing of these types is left before the end: there is no need to walk the others again.
        if len(changes) < BATCH:
            reached = max(reached, end)
        if not changes:
            # In memory only: a write for each look at an idle feed would never end,
            # since the write itself moves it.
            self.place = reached
            return False
        if not await self._taken(changes):
            self.place = None
            return False
        return await self._advance(reached)

    async def _advance(self, place: Place) -> bool:
        kept = await self._cursors.advance(self._consumer.name, place, LEASE)
        self.place, self._leased = place if kept else None, time.monotonic()
        return kept

    async def _taken(self, changes: Sequence[Change]) -> bool:
        name = self._consumer.name
        try:
            async with heartbeat(lambda: self._cursors.renew(name, LEASE)):
                await self._consumer.take(self._store, changes)
        except Exception as error:  # noqa: BLE001 - whatever a consumer raises holds up itself and nobody else
            # The type and place alone: a message may hold a value of a record.
            where = "".join(traceback.format_tb(error.__traceback__)[-1:])
            _log.error("%s raised %s; it is tried again\n%s", name, type(error).__name__, where)
            await self._cursors.fail(name)
            return False
        return True
