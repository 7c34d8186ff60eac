"""Waiting for the change feed, which stays behind the oldest transaction of the whole database server."""

from __future__ import annotations

import asyncio

from fhir_bridge.storage import Store
from fhir_bridge.storage.changes import end_of_feed
from tests.patience import PATIENCE

__all__ = ["shown"]


async def shown(store: Store) -> None:
    """Wait until the feed shows all that was written."""
    async with store.connection() as connection:
        row = await (await connection.execute("SELECT pg_current_xact_id()::text::bigint")).fetchone()
    assert row is not None
    async with asyncio.timeout(PATIENCE):
        while True:
            async with store.connection() as connection:
                if (await end_of_feed(connection))[0] >= row[0]:
                    return
            await asyncio.sleep(0.02)
