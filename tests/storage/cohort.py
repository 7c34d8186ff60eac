"""Resources that the storage tests store. All made up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import psycopg
import sqlalchemy
from alembic import command
from alembic.config import Config
from sqlalchemy.pool import NullPool

from fhir_bridge.fhir.canonical import SOURCE_EXTENSION
from fhir_bridge.plugins import shipped
from fhir_bridge.storage import Change, Store
from tests.patience import PATIENCE

T = TypeVar("T")


def with_store(url: str, work: Callable[[Store], Awaitable[T]]) -> T:
    """Run `work` with an open store."""

    async def run() -> T:
        async with await Store.open(url) as store:
            return await work(store)

    return asyncio.run(run())


def converted(
    resource: dict[str, Any],
    source: str,
    time: str | None = None,
    *,
    delta: bool = False,
    cleared: tuple[str, ...] = (),
) -> dict[str, Any]:
    """A resource as a mapping gives it: with its source and business time."""
    parts: list[dict[str, Any]] = []
    if time is not None:
        parts.append({"url": "time", "valueDateTime": time})
    if delta:
        parts.append({"url": "update", "valueCode": "delta"})
    parts += [{"url": "cleared", "valueString": name} for name in cleared]
    meta: dict[str, Any] = {"source": source}
    if parts:
        meta["extension"] = [{"url": SOURCE_EXTENSION, "extension": parts}]
    return {**resource, "meta": meta}


def troponin(status: str, value: str, **more: Any) -> dict[str, Any]:
    """A troponin result of the patient anna."""
    return {
        "resourceType": "Observation",
        "id": "troponin-1",
        "status": status,
        "code": {"coding": [{"system": "http://loinc.org", "code": "67151-1"}]},
        "subject": {"reference": "Patient/anna"},
        "effectiveDateTime": "2024-03-01T08:00:00+01:00",
        "valueString": value,
        **more,
    }


def observation(identity: str, patient: str, code: str = "718-7", **more: Any) -> dict[str, Any]:
    """An Observation with a LOINC code."""
    return {
        "resourceType": "Observation",
        "id": identity,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": f"Patient/{patient}"},
        **more,
    }


def downgrade(url: str, to: str) -> None:
    """Take a database back to an earlier revision."""
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=NullPool
    )
    config = Config()
    config.set_main_option("script_location", str(shipped("migrations")))
    config.set_main_option("path_separator", "os")
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, to)
        connection.commit()
    engine.dispose()


async def settled(
    store: Store,
    after: tuple[int, int] | None = None,
    count: int = 1,
    wanted: Callable[[Change], bool] = lambda _: True,
) -> list[Change]:
    """The changes, once no other database of this server holds an older transaction open."""
    changes: list[Change] = []
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        changes = [change for change in await store.changes(after) if wanted(change)]
        if len(changes) >= count:
            break
        await asyncio.sleep(0.05)
    return changes
