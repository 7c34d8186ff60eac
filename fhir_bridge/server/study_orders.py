"""Studies, orders and reports that are written while serving are joined, too."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_bridge.pipeline.study_orders import join_changed
from fhir_bridge.server.consuming import Consumer
from fhir_bridge.storage import Store
from fhir_bridge.storage.changes import Change
from fhir_bridge.storage.study_patients import JOINED_TYPES

__all__ = ["study_orders_consumer"]


def study_orders_consumer() -> Consumer:
    """Joins what changed with the studies of its patient. Its own writes come again, and change nothing more."""

    async def take(store: Store, changes: Sequence[Change]) -> None:
        names = {(change.type, change.id) for change in changes if not change.deleted}
        if names:
            await join_changed(store, sorted(names))

    return Consumer("study orders", take, JOINED_TYPES)
