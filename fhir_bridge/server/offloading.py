"""Work of the processor that would hold up the event loop, in threads: few of them, for they share one interpreter.

Each thread that computes delays the event loop by up to the interpreter's switch interval whenever the loop wants to go
on; with Python's own pool of many threads and interval of 5 ms a hostile client could add up seconds.
"""

from __future__ import annotations

import asyncio
import contextvars
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

__all__ = ["THREADS", "offloaded", "prepare"]

# Two: one long computation leaves another thread; with more of them the event loop
# waits for its turn behind all.
THREADS = 2
SWITCH_SECONDS = 0.001

P = ParamSpec("P")
T = TypeVar("T")

_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="work")


def prepare() -> None:
    """Let the event loop have the interpreter back soon. For a process that serves."""
    sys.setswitchinterval(SWITCH_SECONDS)


async def offloaded(work: Callable[P, T], *values: P.args, **named: P.kwargs) -> T:
    """What `work` gives, computed in a thread. Cancelled before it begins, it never does; afterwards it runs on."""
    # As `asyncio.to_thread` does: what plug-ins keep in context variables goes along.
    context = contextvars.copy_context()
    call = partial(context.run, work, *values, **named)
    return await asyncio.get_running_loop().run_in_executor(_threads, call)
