"""Create, read, update, delete, history: what is stored is what is served."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from fhir_bridge.fhir.access import EVERYTHING, AccessFilter, AccessRule
from fhir_bridge.storage import (
    BadResource,
    BadSearch,
    Forbidden,
    Gone,
    MultipleMatches,
    NotFound,
    Store,
    VersionConflict,
)
from tests.storage.cohort import observation, with_store

ANNA = AccessFilter((AccessRule("*", frozenset("cruds"), patient="anna"),), subject="anna")
BEA = AccessFilter((AccessRule("*", frozenset("cruds"), patient="bea"),), subject="bea")


def test_bytes_are_served_as_stored_with_every_digit(database_url: str) -> None:
    text = (
        b'{"resourceType":"Observation","valueQuantity":{"value":37.00,"unit":"\xc2\xb0C"},"status":"final"}'
    )

    async def work(store: Store) -> None:
        written = await store.create(text, EVERYTHING)
        stored = await store.read("Observation", written.stored.id, EVERYTHING)
        assert stored == written.stored
        assert b'"value":37.00,' in stored.bytes
        assert f'"versionId":"{stored.version}"'.encode() in stored.bytes
        assert stored.last_updated.isoformat(timespec="milliseconds")[:23].encode() in stored.bytes
        exact = await store.create(
            {"resourceType": "Observation", "valueQuantity": {"value": Decimal("1.50")}}, EVERYTHING
        )
        assert b"1.50" in (await store.read("Observation", exact.stored.id, EVERYTHING)).bytes

    with_store(database_url, work)


def test_update_delete_and_the_versions_left_behind(database_url: str) -> None:
    async def work(store: Store) -> None:
        first = await store.update("Observation", "o1", observation("o1", "anna"), EVERYTHING)
        assert first.outcome == "created"
        same = await store.update(
            "Observation", "o1", first.stored.bytes and observation("o1", "anna"), EVERYTHING
        )
        assert (same.outcome, same.stored) == ("unchanged", first.stored)
        second = await store.update(
            "Observation", "o1", observation("o1", "anna", "2345-7"), EVERYTHING, if_match='W/"1"'
        )
        assert (second.outcome, second.stored.version) == ("updated", 2)
        with pytest.raises(VersionConflict):
            await store.update("Observation", "o1", observation("o1", "anna"), EVERYTHING, if_match='W/"1"')
        with pytest.raises(VersionConflict):
            await store.update("Observation", "new", observation("new", "anna"), EVERYTHING, if_match="1")
        assert (await store.delete("Observation", "o1", EVERYTHING)).outcome == "deleted"
        assert (await store.delete("Observation", "o1", EVERYTHING)).outcome == "unchanged"
        with pytest.raises(Gone):
            await store.read("Observation", "o1", EVERYTHING)
        with pytest.raises(Gone):
            await store.vread("Observation", "o1", "3", EVERYTHING)
        assert (await store.vread("Observation", "o1", "1", EVERYTHING)) == first.stored
        again = await store.update("Observation", "o1", observation("o1", "anna"), EVERYTHING)
        assert (again.outcome, again.stored.version) == ("created", 4)
        history = await store.history(EVERYTHING, "Observation", "o1")
        assert [(entry.stored.version, entry.method) for entry in history.entries] == [
            (4, "PUT"),
            (3, "DELETE"),
            (2, "PUT"),
            (1, "POST"),
        ]
        page = await store.history(EVERYTHING, "Observation", "o1", count=3)
        assert page.next is not None
        rest = await store.history(EVERYTHING, "Observation", "o1", count=3, cursor=page.next)
        assert [entry.stored.version for entry in rest.entries] == [1]
        of_type = await store.history(EVERYTHING, "Observation", count=2)
        assert [entry.stored.id for entry in of_type.entries] == ["o1", "o1"]

    with_store(database_url, work)


def test_what_does_not_exist_and_what_is_hidden_look_the_same(fresh_database_url: str) -> None:
    async def work(store: Store) -> None:
        await store.update("Observation", "of-anna", observation("of-anna", "anna"), EVERYTHING)
        texts = []
        for identity in ("of-anna", "nowhere"):
            for call in (
                store.read("Observation", identity, BEA),
                store.vread("Observation", identity, "1", BEA),
                store.history(BEA, "Observation", identity),
                store.delete("Observation", identity, BEA),
            ):
                with pytest.raises(NotFound) as caught:
                    await call
                texts.append(caught.value.message.replace(identity, "x"))
        assert texts[:4] == texts[4:]
        await store.delete("Observation", "of-anna", EVERYTHING)
        with pytest.raises(NotFound):
            await store.read("Observation", "of-anna", BEA)
        with pytest.raises(Gone):
            await store.read("Observation", "of-anna", ANNA)
        with pytest.raises(Forbidden):
            await store.read("Observation", "of-anna", AccessFilter())

    with_store(fresh_database_url, work)


def test_writes_stay_within_the_callers_bounds(fresh_database_url: str) -> None:
    async def work(store: Store) -> None:
        await store.update("Observation", "o", observation("o", "anna"), ANNA)
        refusals = []
        for call in (
            store.create(observation("x", "bea"), ANNA),
            store.update("Observation", "o", observation("o", "bea"), ANNA),
            store.update("Observation", "o", observation("o", "bea"), BEA),
            store.create({"resourceType": "Organization", "name": "H"}, ANNA),
        ):
            with pytest.raises(Forbidden) as caught:
                await call
            refusals.append(caught.value.message)
        assert (await store.read("Observation", "o", ANNA)).version == 1
        reader = AccessFilter((AccessRule("Observation", frozenset("rs")),))
        for refused in (
            store.create(observation("x", "bea"), reader),
            store.update("Observation", "o", observation("o", "anna"), reader),
            store.delete("Observation", "o", reader),
        ):
            with pytest.raises(Forbidden):
                await refused

    with_store(fresh_database_url, work)


def test_an_old_version_about_another_patient_stays_hidden(fresh_database_url: str) -> None:
    async def work(store: Store) -> None:
        await store.update("Observation", "o", observation("o", "anna"), EVERYTHING)
        await store.update("Observation", "o", observation("o", "bea"), EVERYTHING)
        with pytest.raises(NotFound):
            await store.vread("Observation", "o", "1", BEA)
        with pytest.raises(NotFound):
            await store.vread("Observation", "o", "1", ANNA)
        page = await store.history(BEA, "Observation", "o")
        assert [entry.stored.version for entry in page.entries] == [2]

    with_store(fresh_database_url, work)


def test_conditional_create_and_update(fresh_database_url: str) -> None:
    criteria = [("identifier", "urn:x|1")]
    patient = {"resourceType": "Patient", "identifier": [{"system": "urn:x", "value": "1"}]}

    async def work(store: Store) -> None:
        first = await store.create(patient, EVERYTHING, if_none_exist=criteria)
        again = await store.create(patient, EVERYTHING, if_none_exist=criteria)
        assert (again.outcome, again.stored) == ("unchanged", first.stored)
        updated = await store.conditional_update(
            "Patient", criteria, {**patient, "gender": "male"}, EVERYTHING
        )
        assert (updated.outcome, updated.stored.id) == ("updated", first.stored.id)
        await store.create(patient, EVERYTHING)
        with pytest.raises(MultipleMatches):
            await store.create(patient, EVERYTHING, if_none_exist=criteria)
        for criteria_of_no_use in ([("colour", "red")], [("_count", "1")], [*criteria, ("_sort", "_id")], []):
            with pytest.raises(BadSearch):
                await store.create(patient, EVERYTHING, if_none_exist=criteria_of_no_use)

    with_store(fresh_database_url, work)


def test_conditional_creates_at_the_same_time_make_one(fresh_database_url: str) -> None:
    patient = {"resourceType": "Patient", "identifier": [{"system": "urn:x", "value": "1"}]}

    async def work(store: Store) -> None:
        made = await asyncio.gather(
            *(store.create(patient, EVERYTHING, if_none_exist=[("identifier", "urn:x|1")]) for _ in range(6))
        )
        assert sorted(written.outcome for written in made) == ["created", *["unchanged"] * 5]
        assert len({written.stored.id for written in made}) == 1

    with_store(fresh_database_url, work)


@pytest.mark.parametrize(
    "resource",
    [
        observation("nul", "anna", "1\0"),
        observation("surrogate", "anna", "\ud800"),
        observation("x" * 65, "anna"),
        observation("sl/ash", "anna"),
        observation("type", "anna", note={1}),
    ],
    ids=["nul", "surrogate", "long id", "slash in id", "no JSON"],
)
def test_what_can_not_be_written_is_refused(database_url: str, resource: dict[str, Any]) -> None:
    async def work(store: Store) -> None:
        with pytest.raises(BadResource):
            await store.update("Observation", resource["id"], resource, EVERYTHING)
        assert (await store.load([resource])).rejected == 1

    with_store(database_url, work)


def test_extreme_values_are_stored(database_url: str) -> None:
    extremes = observation(
        "extreme",
        "anna",
        "c" * 5000,
        valueQuantity={"value": Decimal("1E+5000"), "unit": "u" * 3000},
        note=[{"text": "\n" * 100}],
        effectiveDateTime="9999-12-31T23:59:59Z",
    )

    async def work(store: Store) -> None:
        await store.update("Observation", "extreme", extremes, EVERYTHING)
        found = await store.search("Observation", [("code", "c" * 5000), ("date", "9999")], EVERYTHING)
        assert found.total == 1

    with_store(database_url, work)


@pytest.mark.parametrize("identity", ["a\0b", "", "a/b", "x" * 65, "ä"])
def test_what_can_be_no_id_is_not_found(database_url: str, identity: str) -> None:
    async def work(store: Store) -> None:
        for call in (store.read, store.delete):
            with pytest.raises(NotFound):
                await call("Observation", identity, EVERYTHING)
        with pytest.raises(NotFound):
            await store.vread("Observation", identity, "1", EVERYTHING)
        with pytest.raises(NotFound):
            await store.history(EVERYTHING, "Observation", identity)

    with_store(database_url, work)


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{}", b'{"resourceType":"Nonsense"}', b'{"resourceType":1}', b"\xff"]
)
def test_what_is_no_resource_is_refused(database_url: str, text: bytes) -> None:
    async def work(store: Store) -> None:
        with pytest.raises(BadResource):
            await store.create(text, EVERYTHING)

    with_store(database_url, work)


def test_url_and_resource_must_agree(database_url: str) -> None:
    async def work(store: Store) -> None:
        with pytest.raises(BadResource):
            await store.update("Observation", "other", observation("one", "anna"), EVERYTHING)
        with pytest.raises(BadResource):
            await store.update("Patient", "one", observation("one", "anna"), EVERYTHING)

    with_store(database_url, work)
