"""Pages of bounded size: whatever fits on a page, all pages together are what an unbounded search gives, in order."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.storage import Store
from fhir_bridge.storage.page_bytes import that_fit

SIZES = [10, 5_000, 20, 200, 9_000, 3_000, 10, 10, 40_000, 700, 1]


@pytest.fixture(scope="module")
def store_url(database_url: str) -> str:
    async def load() -> None:
        async with await Store.open(database_url) as store:
            for number, size in enumerate(SIZES):
                body: dict[str, Any] = {
                    "resourceType": "Basic",
                    "id": f"b{number}",
                    "code": {"coding": [{"system": "urn:x", "code": f"c{number % 3}"}], "text": "x" * size},
                }
                if number % 4:
                    body["created"] = f"20{10 + number * 7 % 11}-01-01"
                await store.update("Basic", f"b{number}", body, EVERYTHING)
            for size in SIZES:
                body = {"resourceType": "Basic", "id": "often", "code": {"text": "y" * size}}
                await store.update("Basic", "often", body, EVERYTHING)

    asyncio.run(load())
    return database_url


async def pages(ask: Any, most_bytes: int | None) -> list[list[tuple[str, int, int]]]:
    """Id, version and size of the entries of each page, to the last."""
    found, cursor = [], None
    while True:
        page = await ask(cursor, most_bytes)
        entries = [getattr(entry, "stored", entry) for entry in page.entries]
        found.append([(entry.id, entry.version, len(entry.bytes)) for entry in entries])
        if page.next is None:
            return found
        assert entries, "a page without entries has no next one"
        cursor = page.next


@settings(max_examples=6)
@given(
    limits=st.lists(st.integers(1, 60_000), min_size=2, max_size=4),
    count=st.integers(1, 14),
    kind=st.sampled_from(["", "created", "-created,code", "-_lastUpdated", "history", "instance"]),
)
def test_pages_of_any_size_give_the_same_in_the_same_order(
    store_url: str, limits: list[int], count: int, kind: str
) -> None:
    async def work() -> None:
        async with await Store.open(store_url) as store:

            async def ask(cursor: str | None, most_bytes: int | None) -> Any:
                if kind in ("history", "instance"):
                    more = {} if most_bytes is None else {"most_bytes": most_bytes}
                    identity = "often" if kind == "instance" else None
                    return await store.history(
                        EVERYTHING, "Basic", identity, count=count, cursor=cursor, **more
                    )
                parameters = [("_sort", kind)] if kind else []
                return await store.search(
                    "Basic", parameters, EVERYTHING, count=count, cursor=cursor, most_bytes=most_bytes
                )

            whole = [entry for page in await pages(ask, None) for entry in page]
            for limit in limits:
                bounded = await pages(ask, limit)
                assert [entry for page in bounded for entry in page] == whole
                for page in bounded:
                    assert len(page) == 1 or sum(size for *_, size in page) <= limit

    asyncio.run(work())


def test_rows_up_to_the_first_that_does_not_fit() -> None:
    assert that_fit([("a", True), ("b", True)]) == [("a", True), ("b", True)]
    assert that_fit([("a", True), ("b", False), ("c", True)]) == [("a", True)]
    assert that_fit([]) == []
