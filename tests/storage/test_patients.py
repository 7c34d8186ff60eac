"""One person, two records: merged (ADT A40) search and compartment follow, parted they are two again."""

from __future__ import annotations

import pytest

from fhir_bridge.fhir.access import EVERYTHING, AccessFilter, AccessRule
from fhir_bridge.storage import NotFound, OtherSiteKey, Store
from tests.storage.cohort import converted, observation, with_store

NEW = AccessFilter((AccessRule("*", frozenset("rs"), patient="new"),), subject="new")
OLD = AccessFilter((AccessRule("*", frozenset("rs"), patient="old"),), subject="old")
PATIENTS = [{"resourceType": "Patient", "id": name, "active": True} for name in ("new", "old")]
RESULTS = [observation("of-new", "new"), observation("of-old", "old")]


async def _seen(store: Store, access: AccessFilter) -> list[str]:
    page = await store.search("Observation", [], access)
    return [entry.id for entry in page.entries]


async def _check(store: Store, *, together: bool) -> None:
    both = ["of-new", "of-old"]
    assert await _seen(store, NEW) == (both if together else ["of-new"])
    assert await _seen(store, OLD) == (both if together else ["of-old"])
    by_patient = await store.search("Observation", [("patient", "new")], EVERYTHING)
    assert [entry.id for entry in by_patient.entries] == (both if together else ["of-new"])
    record = [stored.id async for stored in store.patient_record("new", EVERYTHING)]
    assert sorted(record) == sorted(["new", "of-new"] + (["old", "of-old"] if together else []))
    if together:
        assert (await store.read("Observation", "of-old", NEW)).id == "of-old"
    else:
        with pytest.raises(NotFound):
            await store.read("Observation", "of-old", NEW)


def test_merge_and_unmerge(fresh_database_url: str) -> None:
    async def work(store: Store) -> None:
        await store.load([*PATIENTS, *RESULTS])
        await _check(store, together=False)
        await store.link_patients("new", "old")
        await _check(store, together=True)
        merged = (await store.read("Patient", "old", EVERYTHING)).resource()
        assert merged["link"] == [{"other": {"reference": "Patient/new"}, "type": "replaced-by"}]
        await store.unlink_patients("new", "old")
        await _check(store, together=False)
        assert "link" not in (await store.read("Patient", "old", EVERYTHING)).resource()

    with_store(fresh_database_url, work)


def test_an_a40_message_merges_and_a_later_one_parts(fresh_database_url: str) -> None:
    adt = "urn:fhir-bridge:hl7v2:ADT"
    old = {"resourceType": "Patient", "id": "old"}
    link = [{"other": {"reference": "Patient/new"}, "type": "replaced-by"}]

    async def work(store: Store) -> None:
        await store.load([*PATIENTS, *RESULTS])
        await store.load([converted({**old, "link": link}, adt, "2024-01-01T00:00:00Z", delta=True)])
        await _check(store, together=True)
        patient = (await store.read("Patient", "old", EVERYTHING)).resource()
        assert patient["active"] is True
        await store.load([converted(old, adt, "2024-01-02T00:00:00Z", delta=True, cleared=("link",))])
        await _check(store, together=False)

    with_store(fresh_database_url, work)


def test_a_link_may_come_before_the_patients(fresh_database_url: str) -> None:
    link = [{"other": {"reference": "Patient/old"}, "type": "replaces"}]

    async def work(store: Store) -> None:
        await store.load([{"resourceType": "Patient", "id": "new", "link": link}])
        await store.load(RESULTS)
        await store.load([PATIENTS[1]])
        await _check(store, together=True)

    with_store(fresh_database_url, work)


def test_another_site_key_is_refused(fresh_database_url: str) -> None:
    async def work(store: Store) -> None:
        await store.load(PATIENTS, fingerprint="aaaa")
        with pytest.raises(OtherSiteKey) as caught:
            await store.load(RESULTS, fingerprint="bbbb")
        assert "aaaa" in caught.value.message
        assert "bbbb" in caught.value.message
        assert caught.value.issue.code == "FB-STORE-020"
        assert (await store.search("Observation", [], EVERYTHING)).total == 0
        await store.load(RESULTS, fingerprint="aaaa")

    with_store(fresh_database_url, work)
