"""Cycles of garbage, collected when nobody waits.

Python collects them in the middle of whatever runs, and looks at every living object each time it looks at all: with a
large Bundle in memory that takes a tenth of a second, again and again, in which nothing else goes on. Here only the
young ones are looked at on the way, and all of them in pauses between requests.
"""

from __future__ import annotations

import asyncio
import gc

from fhir_bridge.server.admission import Admission

__all__ = ["collect_in_pauses", "prepare"]

YOUNG = 5_000
"""Objects more than before, from which the young ones are looked at."""
NEVER = 1_000_000_000
PAUSE_SECONDS = 5.0
MOST_PAUSES = 24
"""After so many in which there always was a request, it is done all the same."""


def prepare() -> None:
    """Look at young objects only, from now on; for a process in which `collect_in_pauses` runs."""
    gc.set_threshold(YOUNG, 20, NEVER)


async def collect_in_pauses(admission: Admission) -> None:
    """Look at all objects now and then, where no request is under way."""
    passed = 0
    while True:
        await asyncio.sleep(PAUSE_SECONDS)
        passed += 1
        if (not admission.under_way and gc.get_count()[2]) or passed > MOST_PAUSES:
            gc.collect()
            passed = 0
