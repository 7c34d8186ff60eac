"""Long computations on the event loop, in pieces: between them others have their turn."""

from __future__ import annotations

import asyncio
import time

__all__ = ["Pause"]

PIECE_SECONDS = 0.003


class Pause:
    """Take one after each step of a long loop: it gives way once the steps have taken some milliseconds."""

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next = time.perf_counter() + PIECE_SECONDS

    async def take(self) -> None:
        """Let others run, where it is time."""
        if time.perf_counter() >= self._next:
            await asyncio.sleep(0)
            self._next = time.perf_counter() + PIECE_SECONDS
