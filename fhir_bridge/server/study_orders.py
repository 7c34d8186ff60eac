"""What is written while serving: studies, orders and reports are joined, merges that reached no record are reported."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from fhir_bridge.pipeline.merged_numbers import report_merges
from fhir_bridge.pipeline.numbered_orders import join_orders
from fhir_bridge.pipeline.study_orders import join_changed
from fhir_bridge.server.consuming import Consumer
from fhir_bridge.storage import Store
from fhir_bridge.storage.changes import Change
from fhir_bridge.storage.numbered_orders import CHANGING_TYPES
from fhir_bridge.storage.study_patients import JOINED_TYPES

__all__ = ["merged_numbers_consumer", "numbered_orders_consumer", "study_orders_consumer"]

Names = Sequence[tuple[str, str]]


def study_orders_consumer() -> Consumer:
    """Joins what changed with the studies of its patient. Its own writes come again, and change nothing more."""
    return _consumer("study orders", join_changed, JOINED_TYPES, deleted=False)


def numbered_orders_consumer() -> Consumer:
    """Joins what names an order by its number to the order. Its own writes come again, and change nothing more."""
    return _consumer("numbered orders", join_orders, CHANGING_TYPES)


def merged_numbers_consumer() -> Consumer:
    """Enters merges in the inbox that reached no record."""
    return _consumer("merged numbers", report_merges, ("Patient",))


def _consumer(
    name: str,
    work: Callable[[Store, Names], Awaitable[object]],
    types: tuple[str, ...],
    *,
    deleted: bool = True,
) -> Consumer:
    """A consumer that is given the names (type, id) of what changed; deleted: of what was deleted, too."""

    async def take(store: Store, changes: Sequence[Change]) -> None:
        names = {(change.type, change.id) for change in changes if deleted or not change.deleted}
        if names:
            await work(store, sorted(names))

    return Consumer(name, take, types)
