"""How the background worker waits, and how it keeps what it has leased while the work goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

__all__ = ["BEAT_SECONDS", "LEASE", "heartbeat", "pause"]

LEASE = timedelta(minutes=1)
"""After this time without a heartbeat another process takes over."""
# A third: two beats may be missed before the lease lapses.
BEAT_SECONDS = LEASE.total_seconds() / 3
"""How often a lease is renewed."""


async def pause(stopped: asyncio.Event, seconds: float) -> None:
    """Wait so long, or until `stopped`."""
    try:
        await asyncio.wait_for(stopped.wait(), seconds)
    except TimeoutError:
        return


@asynccontextmanager
async def heartbeat(renew: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
    """Renew a lease for as long as the block takes."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            await renew()

    heart = asyncio.create_task(beat())
    try:
        yield
    finally:
        # Not awaited: a renewal that hangs in the database must not hold up the work's end.
        heart.cancel()
