"""Transactions that wait for each other: PostgreSQL ends one of them, which is done again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from psycopg.errors import DeadlockDetected

from fhir_bridge.storage.errors import VersionConflict

__all__ = ["again_after_deadlock"]

TIMES = 8
PAUSE_SECONDS = 0.05

T = TypeVar("T")


async def again_after_deadlock(write: Callable[[], Awaitable[T]]) -> T:
    """What a transaction gives; one that was ended for others is nothing done, and begins again after a moment.

    Raises:
        VersionConflict: it was ended each time.
    """
    for turn in range(TIMES):
        try:
            return await write()
        except DeadlockDetected:
            # Unequal pauses, so that the same ones do not meet again.
            await asyncio.sleep(PAUSE_SECONDS * (turn + 1) * random.random())  # noqa: S311 - no secret
    raise VersionConflict("transactions on the same resources came between each time: try again")
