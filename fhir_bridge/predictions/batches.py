"""Many stored resources by id, some hundred a query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.storage import Store, Stored

__all__ = ["read_many"]

AT_ONCE: Final = 500


async def read_many(store: Store, kind: str, ids: Sequence[str]) -> dict[str, Stored]:
    """Those of the resources that are there, by id, in the order asked; whatever the access."""
    known: dict[str, Stored] = {}
    for start in range(0, len(ids), AT_ONCE):
        some = ids[start : start + AT_ONCE]
        page = await store.search(kind, [("_id", ",".join(some))], EVERYTHING, count=len(some))
        known |= {stored.id: stored for stored in page.entries}
    return {identity: known[identity] for identity in ids if identity in known}
