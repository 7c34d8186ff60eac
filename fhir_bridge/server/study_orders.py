"""What is written while serving: studies, orders and reports are joined, merges that reached no record are reported."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_bridge.pipeline.merged_numbers import report_merges
from fhir_bridge.pipeline.numbered_orders import join_orders
from fhir_bridge.pipeline.study_orders import join_changed
from fhir_bridge.server.consuming import Consumer
from fhir_bridge.storage import Store
from fhir_bridge.storage.changes import Change
from fhir_bridge.storage.numbered_orders import CHANGING_TYPES
from fhir_bridge.storage.study_patients import JOINED_TYPES

__all__ = ["merged_numbers_consumer", "numbered_orders_consumer", "study_orders_consumer"]


def study_orders_consumer() -> Consumer:
    """Joins what changed with the studies of its patient. Its own writes come again, and change nothing more."""

    async def take(store: Store, changes: Sequence[Change]) -> None:
        names = {(change.type, change.id) for change in changes if not change.deleted}
        if names:
            await join_changed(store, sorted(names))

    return Consumer("study orders", take, JOINED_TYPES)


def numbered_orders_consumer() -> Consumer:
    """Joins what names an order by its number to the order. Its own writes come again, and change nothing more."""

    async def take(store: Store, changes: Sequence[Change]) -> None:
        names = {(change.type, change.id) for change in changes}
        if names:
            await join_orders(store, sorted(names))

    return Consumer("numbered orders", take, CHANGING_TYPES)


def merged_numbers_consumer() -> Consumer:
    """Enters merges in the inbox that reached no record."""

    async def take(store: Store, changes: Sequence[Change]) -> None:
        names = {(change.type, change.id) for change in changes}
        if names:
            await report_merges(store, sorted(names))

    return Consumer("merged numbers", take, ("Patient",))
