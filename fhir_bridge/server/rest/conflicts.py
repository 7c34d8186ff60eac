"""Writes that read first: again where another writer came in between."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from fhir_bridge.storage.errors import VersionConflict

__all__ = ["TIMES", "again_after_conflict"]

TIMES = 50
"""Each conflict means that another writer got through."""

T = TypeVar("T")


async def again_after_conflict(write: Callable[[], Awaitable[T]]) -> T:
    """What `write` gives, which reads and then writes.

    Raises:
        VersionConflict: others wrote each time in between.
    """
    for _ in range(TIMES - 1):
        try:
            return await write()
        except VersionConflict:
            continue
    return await write()
