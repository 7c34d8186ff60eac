"""A fair share of a worker: how much of what is costly runs at once, in all and for one caller."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

__all__ = ["ByteLimit", "ByteLimitReached", "Slots"]


class Slots:
    """Places for work that holds a connection of the database for a while.

    Args:
        total: places in all; fewer than connections, so that some are left for reads, sign-ins and tokens.
        each: places of one caller, so that others get theirs at once.
    """

    def __init__(self, total: int, each: int) -> None:
        self._all = asyncio.Semaphore(total)
        self._each = each
        # Weak: a caller without requests needs no entry, and callers are as many as tokens.
        self._callers: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def taken(self, caller: str | None) -> AsyncIterator[None]:
        """A place for the block; waits for one.

        Args:
            caller: who is counted; None where nobody is distinguished.
        """
        if caller is None:
            async with self._all:
                yield
            return
        own = self._callers.setdefault(caller, asyncio.Semaphore(self._each))
        # Their own first: a caller who has all of theirs must not wait in one of the places for all.
        async with own, self._all:
            yield


class ByteLimitReached(Exception):
    """The requests hold all the bytes that they may."""


class ByteLimit:
    """Bytes that all requests together may hold.

    Args:
        most: bytes.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0

    def take(self, size: int) -> None:
        """Hold so many bytes more.

        Raises:
            ByteLimitReached: they would be too many.
        """
        if self._held + size > self._most:
            raise ByteLimitReached
        self._held += size

    def give(self, size: int) -> None:
        """Hold so many bytes less."""
        self._held -= size
