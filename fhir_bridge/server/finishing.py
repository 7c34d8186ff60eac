"""Work that is finished once it has begun, whether or not its client waits: a write with its AuditEvent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["finish_all", "finished"]

T = TypeVar("T")

_log = logging.getLogger("fhir_bridge.server")
# The event loop keeps only weak references to tasks: without one of ours a task may be collected while it runs.
_running: set[asyncio.Task[Any]] = set()


async def finished(work: Coroutine[Any, Any, T]) -> T:
    """What the work gives. Who waits may be cancelled; the work is not."""
    # Shielded: a client that hangs up cancels the wait for a write, not the write.
    task = asyncio.ensure_future(work)
    _running.add(task)
    task.add_done_callback(_end)
    try:
        return await asyncio.shield(task)
    finally:
        # What the work raised knows this frame: a reference back would keep its resources until garbage is collected.
        del task


def _end(task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.debug("work that was begun ended with %s", type(error).__name__)  # who waited was reported


async def finish_all() -> None:
    """Wait for all that has begun."""
    # Again and again: what ends may begin something else.
    while _running:
        await asyncio.wait(set(_running))
