"""What waits in the inbox is processed while serving, too: once a Patient changes, and when a site's files did."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

from fhir_bridge.pipeline.inbox import replay_waiting
from fhir_bridge.server.consuming import Consumer
from fhir_bridge.storage import Store
from fhir_bridge.storage.changes import Change

__all__ = ["inbox_consumer", "replay_inbox"]

_log = logging.getLogger("fhir_bridge.worker")


def inbox_consumer(url: str, site: Path | None) -> Consumer:
    """Processes what waits again after a Patient was written: its identifiers or links may be what was missing."""

    async def take(store: Store, _: Sequence[Change]) -> None:
        await replay_inbox(store, url, site)

    return Consumer("inbox", take, ("Patient",))


async def replay_inbox(store: Store, url: str, site: Path | None) -> None:
    """Process again what may have found its patient since; nothing where nothing waits.

    Raises:
        SiteError: the site file can't be used.
    """
    if not await store.read_inbox(limit=1):
        return
    # In a thread with a loop and connections of its own: converting is synchronous and takes long.
    done = await asyncio.to_thread(replay_waiting, url, site, patients=True)
    if done is not None and done.done:
        _log.info("inbox: %d settled, %d waiting", done.done, done.waiting)
