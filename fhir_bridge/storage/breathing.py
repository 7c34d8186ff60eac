"""Long computations on the event loop, in pieces: between them others have their turn. Or beside it, in a thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

__all__ = ["LARGE", "LARGE_BYTES", "Pause", "beside", "is_large"]

# Short beside a network's round trip, long beside the cost of giving way.
PIECE_SECONDS = 0.003
LARGE_BYTES = 100_000
"""Bytes of a resource from which on reading it would hold up others."""
LARGE = 5_000
"""Values in a resource, or rows of its index, from which on working on them would hold up others: some milliseconds."""

T = TypeVar("T")

# One: two of them would contend with the event loop for the interpreter lock, and
# hold two large results in memory.
_thread = ThreadPoolExecutor(1, thread_name_prefix="storage")


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


def is_large(value: Any, most: int = LARGE) -> bool:
    """Whether JSON holds more than `most` objects, lists and values; looks no further than it must."""
    # No recursion: the nesting of what arrives is not to be trusted, and a stack of our own ends early.
    # Exact types: this is JSON, and most of a write's values pass here several times.
    left, ahead = most, [value] if isinstance(value, dict | list) else []
    while ahead:
        inner: Any = ahead.pop()
        left -= len(inner)
        if left < 0:
            return True
        for item in inner.values() if type(inner) is dict else inner:
            kind = type(item)
            if kind is dict or kind is list:
                ahead.append(item)
    return False


async def beside(large: bool, work: Callable[[], T]) -> T:
    """What `work` gives: computed at once, or, where it is `large`, in the one thread for such work."""
    return await asyncio.get_running_loop().run_in_executor(_thread, work) if large else work()
