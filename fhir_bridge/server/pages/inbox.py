"""The inbox: what waits for people, as `fhir-bridge inbox list` shows it. It names files and records, no patients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_args

from fhir_bridge.storage import Store
from fhir_bridge.storage.inbox import Kind

__all__ = ["inbox_values"]

_PAGE: Final = 100
_TITLES: Final[Mapping[str, str]] = {
    "held": "Waits for its patient",
    "refused": "Key under another patient",
    "duplicate": "Two contents of one thing",
    "ambiguous": "Fits several",
    "failed": "Could not be converted",
}


async def inbox_values(store: Store, kind: str, after: str) -> dict[str, Any]:
    """The values of the page: open entries, oldest first, `_PAGE` at a time."""
    wanted: Kind | None = next((name for name in get_args(Kind) if name == kind), None)
    # A key is a bigint: more digits would be an error of the database.
    start = int(after) if after.isdecimal() and len(after) < 19 else 0
    entries = await store.read_inbox(kind=wanted, after=start, limit=_PAGE + 1)
    return {
        "entries": entries[:_PAGE],
        "titles": _TITLES,
        "kind": wanted or "",
        "following": entries[_PAGE - 1].key if len(entries) > _PAGE else None,
    }
