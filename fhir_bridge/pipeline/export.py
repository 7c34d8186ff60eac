"""Everything current in a store as NDJSON, one file a resource type."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.definitions import resource_types
from fhir_bridge.storage import Store

__all__ = ["export_store"]

_PAGE = 500


async def export_store(
    store: Store,
    folder: Path,
    *,
    leave_out: frozenset[str] = frozenset(),
    on_type: Callable[[str], None] = lambda _: None,
) -> dict[str, int]:
    """Write `<Type>.ndjson` files of the stored bytes into `folder` and return the counts; memory for one page."""
    folder.mkdir(parents=True, exist_ok=True)
    counts: dict[str, int] = {}
    for resource_type in sorted(resource_types() - leave_out):
        on_type(resource_type)
        page = await store.search(resource_type, [("_sort", "_id")], EVERYTHING, count=_PAGE)
        if not page.entries:
            continue
        with (folder / f"{resource_type}.ndjson").open("wb") as file:
            while True:
                for entry in page.entries:
                    file.write(entry.bytes + b"\n")
                counts[resource_type] = counts.get(resource_type, 0) + len(page.entries)
                if page.next is None:
                    break
                page = await store.search(
                    resource_type, [("_sort", "_id")], EVERYTHING, count=_PAGE, cursor=page.next
                )
    return counts
