"""Business time: in whatever order a result's messages arrive, the same version is current in the end."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.storage import Store
from tests.storage.cohort import converted, troponin, with_store

LAB = "urn:fhir-bridge:hl7v2:LAB"
MESSAGES = {
    "P": converted(troponin("preliminary", "12"), LAB, "2024-03-01T09:00:00+01:00"),
    "F": converted(troponin("final", "14"), LAB, "2024-03-01T10:00:00+01:00"),
    "C": converted(troponin("corrected", "41"), LAB, "2024-03-01T11:00:00+01:00"),
    "D": converted(troponin("entered-in-error", "41"), LAB, "2024-03-01T12:00:00+01:00"),
}
SAME_TIME = {
    letter: converted({**message, "id": "troponin-2"}, LAB, "2024-03-01T09:00:00+01:00")
    for letter, message in MESSAGES.items()
}


def _content(stored: Any) -> dict[str, Any]:
    resource: dict[str, Any] = stored.resource()
    resource["meta"] = {
        name: value for name, value in resource["meta"].items() if name not in ("versionId", "lastUpdated")
    }
    return resource


@pytest.mark.parametrize("messages", [MESSAGES, SAME_TIME], ids=["later and later", "all at one time"])
def test_every_order_of_preliminary_final_corrected_deleted_ends_the_same(
    database_url: str, messages: dict[str, Any]
) -> None:
    async def work(store: Store) -> None:
        for number, order in enumerate(itertools.permutations("PFCD")):
            identity = f"{messages['P']['id']}-{number}"
            batch = 1 if number % 2 else 500  # each message a load of its own, or all in one batch
            outputs = [{**messages[letter], "id": identity} for letter in order]
            result = await store.load(outputs, batch=batch)
            assert result.created == 1
            assert result.created + result.updated + result.stale == 4
            current = await store.read("Observation", identity, EVERYTHING)
            assert _content(current) == {**messages["D"], "id": identity}, order
            page = await store.history(EVERYTHING, "Observation", identity)
            assert len(page.entries) == 4
            assert page.entries[0].stored.version == current.version
            before = current
            again = await store.load(outputs)
            assert (again.unchanged, again.created, again.updated, again.stale) == (4, 0, 0, 0)
            assert await store.read("Observation", identity, EVERYTHING) == before
            found = await store.search(
                "Observation", [("_id", identity), ("status", "entered-in-error")], EVERYTHING
            )
            assert found.total == 1

    with_store(database_url, work)


def test_an_older_message_goes_to_history_and_is_reported(fresh_database_url: str) -> None:
    async def work(store: Store) -> None:
        await store.load([MESSAGES["F"]])
        result = await store.load([MESSAGES["P"]])
        assert (result.stale, result.updated) == (1, 0)
        assert [issue.code for issue in result.issues] == ["FB-STALE"]
        assert (await store.read("Observation", "troponin-1", EVERYTHING)).version == 1
        late = await store.vread("Observation", "troponin-1", "2", EVERYTHING)
        assert late.resource()["status"] == "preliminary"

    with_store(fresh_database_url, work)


def test_two_contents_of_one_time_and_status_are_a_conflict_and_end_the_same(fresh_database_url: str) -> None:
    one = converted(troponin("final", "1"), LAB, "2024-03-01T09:00:00Z")
    two = converted(troponin("final", "2"), LAB, "2024-03-01T09:00:00Z")

    async def work(store: Store) -> None:
        for number, order in enumerate(([one, two], [two, one])):
            outputs = [{**message, "id": f"conflict-{number}"} for message in order]
            result = await store.load(outputs)
            assert result.conflicts == 1
            assert "FB-STORE-013" in {issue.code for issue in result.issues}
            assert (await store.load(outputs)).unchanged == 2
            current = await store.read("Observation", f"conflict-{number}", EVERYTHING)
            other = await store.history(EVERYTHING, "Observation", f"conflict-{number}")
            assert {entry.stored.resource()["valueString"] for entry in other.entries} == {"1", "2"}
            assert other.entries[0].stored == current

    with_store(fresh_database_url, work)


def test_a_result_of_another_laboratory_is_never_mixed_in(fresh_database_url: str) -> None:
    first = converted(troponin("final", "1", note=[{"text": "first"}]), LAB, "2024-03-01T09:00:00Z")
    other = converted(troponin("corrected", "2"), "urn:fhir-bridge:hl7v2:OTHER", "2024-03-01T10:00:00Z")

    async def work(store: Store) -> None:
        await store.load([first, other])
        current = (await store.read("Observation", "troponin-1", EVERYTHING)).resource()
        assert current["valueString"] == "2"
        assert "note" not in current

    with_store(fresh_database_url, work)


def test_messages_without_time_go_by_arrival(fresh_database_url: str) -> None:
    def row(value: str) -> dict[str, Any]:
        return converted(troponin("final", value), "urn:fhir-bridge:csv:labs")

    async def work(store: Store) -> None:
        for value in ("1", "2", "1"):
            await store.load([row(value)])
            stored = await store.read("Observation", "troponin-1", EVERYTHING)
            assert stored.resource()["valueString"] == value
        assert stored.version == 3

    with_store(fresh_database_url, work)
