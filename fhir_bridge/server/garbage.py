"""Cycles of garbage, collected when nobody waits; memory given back to the system when it is free.

Python collects them in the middle of whatever runs, and looks at every living object each time it looks at all: with a
large Bundle in memory that takes a tenth of a second, again and again, in which nothing else goes on. Here only the
young ones are looked at on the way, and all of them in pauses between requests.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc

from fhir_bridge.server.admission import Admission

__all__ = ["collect_in_pauses", "prepare"]

YOUNG = 20_000
"""Objects more than before, from which the young ones are looked at."""
NEVER = 1_000_000_000
PAUSE_SECONDS = 5.0
LARGE_BUFFER = 512 * 1024
"""Bytes from which on a buffer is the system's again as soon as it is freed."""
ARENAS = 2
"""Heaps of the C library, which each thread would otherwise have for itself and keep."""
FREE_HEAP = 8 * 1024 * 1024
"""Free bytes at a heap's end that are kept: what an answer of some megabytes is made of is not the system's in between,
which takes as long as to make it."""
_MMAP_THRESHOLD, _ARENA_MAX, _TRIM_THRESHOLD = -3, -8, -1
"""Names of `mallopt` (glibc's malloc.h)."""
MOST_PAUSES = 24
"""After so many in which there always was a request, it is done all the same."""


def prepare() -> None:
    """Look at young objects only, from now on; for a process in which `collect_in_pauses` runs."""
    # Threshold 2 is out of reach, so the oldest generation is collected by `collect_in_pauses` alone.
    gc.set_threshold(YOUNG, 20, NEVER)
    gc.enable()  # off while a server starts: nearly all that is made then lives as long as it does
    _give_back_large_buffers()


def _give_back_large_buffers() -> None:
    """glibc keeps buffers as large as the largest that was ever freed: after a body of 16 MB, nearly all of them."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library
        return
    # A fixed threshold also ends glibc's own adaptation, which raises it with every freed buffer up to 32 MB.
    mallopt(_MMAP_THRESHOLD, LARGE_BUFFER)
    mallopt(_ARENA_MAX, ARENAS)
    mallopt(_TRIM_THRESHOLD, FREE_HEAP)


async def collect_in_pauses(admission: Admission) -> None:
    """Look at all objects now and then, where no request is under way."""
    passed = 0
    while True:
        await asyncio.sleep(PAUSE_SECONDS)
        passed += 1
        # The third count is of collections of the middle generation since: without
        # one, nothing can have become old.
        if (not admission.under_way and gc.get_count()[2]) or passed > MOST_PAUSES:
            gc.collect()
            passed = 0
