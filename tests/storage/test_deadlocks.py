"""Transactions that would wait for each other all get through."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from psycopg.errors import DeadlockDetected

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.storage import Store
from fhir_bridge.storage.deadlocks import TIMES, again_after_deadlock
from fhir_bridge.storage.errors import VersionConflict
from fhir_bridge.storage.writing import Operation


def test_what_is_ended_for_others_is_done_again_and_not_for_ever() -> None:
    calls: list[int] = []

    async def write(fails: int) -> int:
        calls.append(1)
        if len(calls) <= fails:
            raise DeadlockDetected
        return len(calls)

    assert asyncio.run(again_after_deadlock(lambda: write(2))) == 3
    calls.clear()
    with pytest.raises(VersionConflict):
        asyncio.run(again_after_deadlock(lambda: write(TIMES)))


def test_transactions_in_opposite_orders_all_succeed(database_url: str) -> None:
    async def run() -> list[Any]:
        async with await Store.open(database_url, max_size=6) as store:

            def operations(turn: int) -> list[Operation]:
                names = ["one", "two", "three"] if turn % 2 else ["three", "two", "one"]
                return [
                    Operation(
                        "update", "Basic", name,
                        {"resourceType": "Basic", "id": name, "code": {"text": f"{turn}"}},
                        criteria=[("_id", f"nobody-{name}")] if turn < 2 else None,
                    )
                    for name in names
                ]  # fmt: skip

            return await asyncio.gather(
                *(store.write(operations(turn), EVERYTHING) for turn in range(30)), return_exceptions=True
            )

    results = asyncio.run(run())
    assert [
        result
        for result in results
        if isinstance(result, Exception) and not isinstance(result, VersionConflict)
    ] == []
