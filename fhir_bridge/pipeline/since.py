"""From when on changes are to be looked at, by what joins resources after a load."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

from fhir_bridge.storage import Store

__all__ = ["since_last"]

_OVERLAP: Final = timedelta(minutes=10)
"""How long a transaction may have taken whose changes are looked at again."""


@asynccontextmanager
async def since_last(store: Store, setting: str) -> AsyncIterator[datetime]:
    """The time from which on changes were not looked at yet; once the block is done, that is its beginning.

    Args:
        setting: where the time is kept.
    """
    stated = await store.setting(setting)
    async with store.pool.connection() as connection:
        row = await (await connection.execute("SELECT now()")).fetchone()
    assert row is not None
    yield datetime.fromisoformat(stated) if stated else datetime(1900, 1, 1, tzinfo=UTC)
    await store.set_setting(setting, (row[0] - _OVERLAP).isoformat())
