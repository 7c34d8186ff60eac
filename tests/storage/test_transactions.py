"""Transaction Bundles: all or nothing; batches: each entry alone."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from fhir_bridge.fhir.access import EVERYTHING, AccessFilter, AccessRule
from fhir_bridge.storage import (
    BadReference,
    BadResource,
    BadSearch,
    MultipleMatches,
    Store,
    TransactionFailed,
    VersionConflict,
    Written,
)
from tests.storage.cohort import observation, settled, with_store


def _bundle(kind: str, *entries: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def _post(resource: dict[str, Any], full_url: str | None = None, **request: str) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "resource": resource,
        "request": {"method": "POST", "url": resource["resourceType"], **request},
    }
    if full_url:
        entry["fullUrl"] = full_url
    return entry


PATIENT = {"resourceType": "Patient", "identifier": [{"system": "urn:x", "value": "1"}]}
UUID = "urn:uuid:05efabf0-4be2-4561-91ce-51548425acb9"


def _of(reference: str) -> dict[str, Any]:
    found = observation("ignored", "x")
    del found["id"]
    return {**found, "subject": {"reference": reference}}


async def _run(
    store: Store, bundle: dict[str, Any], access: AccessFilter = EVERYTHING
) -> list[dict[str, Any]]:
    response = orjson.loads(
        orjson.dumps(await store.transaction(bundle, access, base="http://localhost/fhir"))
    )
    entries: list[dict[str, Any]] = response["entry"]
    return entries


def test_references_between_entries_become_real(database_url: str) -> None:
    async def work(store: Store) -> None:
        responses = await _run(store, _bundle("transaction", _post(_of(UUID)), _post(PATIENT, UUID)))
        assert [entry["response"]["status"] for entry in responses] == ["201 Created", "201 Created"]
        patient = responses[1]["response"]["location"].split("/")[-3]
        found = await store.search("Observation", [("patient", patient)], EVERYTHING)
        assert found.entries[0].resource()["subject"]["reference"] == f"Patient/{patient}"

    with_store(database_url, work)


def test_one_refused_entry_refuses_all(fresh_database_url: str) -> None:
    async def work(store: Store) -> None:
        await store.update("Observation", "o", observation("o", "anna"), EVERYTHING)
        put = {
            "resource": observation("o", "anna", "1-1"),
            "request": {"method": "PUT", "url": "Observation/o", "ifMatch": 'W/"7"'},
        }
        with pytest.raises(TransactionFailed) as caught:
            await _run(store, _bundle("transaction", _post(PATIENT), put))
        assert caught.value.position == 1
        assert isinstance(caught.value.cause, VersionConflict)
        assert caught.value.status == 412
        bounded = AccessFilter((AccessRule("*", frozenset("cruds"), patient="anna"),))
        with pytest.raises(TransactionFailed):
            await _run(
                store, _bundle("transaction", _post(_of("Patient/anna")), _post(_of("Patient/bea"))), bounded
            )
        assert (await store.search("Patient", [], EVERYTHING)).total == 0
        assert (await store.search("Observation", [], EVERYTHING)).total == 1
        assert len(await settled(store)) == 1

    with_store(fresh_database_url, work)


def test_the_entries_of_a_batch_stand_alone(fresh_database_url: str) -> None:
    async def work(store: Store) -> None:
        missing = {"request": {"method": "GET", "url": "Patient/none"}}
        responses = await _run(store, _bundle("batch", missing, _post(PATIENT)))
        assert [entry["response"]["status"] for entry in responses] == ["404 Not Found", "201 Created"]
        assert responses[0]["response"]["outcome"]["issue"][0]["code"] == "not-found"

    with_store(fresh_database_url, work)


def test_conditional_entries_and_references(fresh_database_url: str) -> None:
    async def work(store: Store) -> None:
        conditional = _post(PATIENT, UUID, ifNoneExist="identifier=urn:x|1")
        first = await _run(store, _bundle("transaction", conditional, _post(_of(UUID))))
        second = await _run(store, _bundle("transaction", conditional, _post(_of(UUID))))
        assert first[0]["fullUrl"] == second[0]["fullUrl"]
        assert second[0]["response"]["status"] == "200 OK"
        searched = await _run(store, _bundle("transaction", _post(_of("Patient?identifier=urn:x|1"))))
        assert searched[0]["response"]["status"] == "201 Created"
        found = await store.search(
            "Observation", [("subject", first[0]["fullUrl"].rpartition("fhir/")[2])], EVERYTHING
        )
        assert found.total == 3
        with pytest.raises(TransactionFailed) as caught:
            await _run(store, _bundle("transaction", _post(_of("Patient?identifier=urn:x|2"))))
        assert isinstance(caught.value.cause, BadReference)
        with pytest.raises(TransactionFailed) as caught:
            await _run(store, _bundle("transaction", _post(_of("urn:uuid:nobody"))))
        assert isinstance(caught.value.cause, BadReference)
        with pytest.raises(TransactionFailed) as caught:
            await _run(store, _bundle("transaction", _post(_of("Patient?identifier=urn:x|1&family="))))
        assert isinstance(caught.value.cause, BadSearch)
        gone = {"request": {"method": "DELETE", "url": "Observation?code=718-7&_id=none"}}
        assert (await _run(store, _bundle("transaction", gone)))[0]["response"]["status"] == "204 No Content"

    with_store(fresh_database_url, work)


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_transactions_at_once_that_look_for_the_same_patient_all_get_through(
    fresh_database_url: str, method: str
) -> None:
    criteria = "identifier=urn:x|1"
    entry = _post(PATIENT, UUID, ifNoneExist=criteria)
    if method == "PUT":
        entry["request"] = {"method": "PUT", "url": f"Patient?{criteria}"}

    async def work(store: Store) -> None:
        bundles = [
            _bundle(kind, entry, *results)
            for kind, results in (("transaction", [_post(_of(UUID))]), ("batch", []))
        ]
        answers = await asyncio.gather(*(_run(store, bundle) for bundle in bundles * 8))
        assert {item["response"]["status"][:3] for answer in answers for item in answer} == {"200", "201"}
        assert len((await store.search("Patient", [], EVERYTHING)).entries) == 1
        found = await store.search("Observation", [("patient.identifier", "urn:x|1")], EVERYTHING)
        assert len(found.entries) == 8

    with_store(fresh_database_url, work)


@pytest.mark.parametrize(("first", "second"), [("PUT", "PUT"), ("PUT", "POST")])
def test_two_entries_that_create_under_the_same_criteria_are_refused(
    database_url: str, first: str, second: str
) -> None:
    criteria = "identifier=urn:x|under-the-same"
    by = {
        "PUT": {"resource": PATIENT, "request": {"method": "PUT", "url": f"Patient?{criteria}"}},
        "POST": _post(PATIENT, ifNoneExist=criteria),
    }

    async def work(store: Store) -> None:
        with pytest.raises(TransactionFailed) as caught:
            await _run(store, _bundle("transaction", by[first], by[second]))
        assert isinstance(caught.value.cause, MultipleMatches)

    with_store(database_url, work)


def test_what_a_conditional_create_finds_is_not_deleted_with_it(fresh_database_url: str) -> None:
    criteria = "identifier=urn:x|1"
    create = _post(PATIENT, ifNoneExist=criteria)

    async def work(store: Store) -> None:
        (made,) = await _run(store, _bundle("transaction", create))
        by_id = "/".join(made["fullUrl"].split("/")[-2:])
        for address in (by_id, f"Patient?{criteria}"):
            gone = {"request": {"method": "DELETE", "url": address}}
            with pytest.raises(TransactionFailed) as caught:
                await _run(store, _bundle("transaction", gone, create))
            assert isinstance(caught.value.cause, BadResource)
            assert caught.value.position == 1
            assert len((await store.search("Patient", [], EVERYTHING)).entries) == 1

    with_store(fresh_database_url, work)


def test_of_writes_at_once_that_ask_for_nothing_to_be_there_one_gets_through(database_url: str) -> None:
    def named(number: int) -> dict[str, Any]:
        return {"resourceType": "Patient", "id": "one-of-them", "identifier": [{"value": str(number)}]}

    async def work(store: Store) -> None:
        async def update(number: int) -> Written:
            return await store.update("Patient", "one-of-them", named(number), EVERYTHING, absent=True)

        async def conditional(number: int) -> Written:
            criteria = [("identifier", f"urn:none|{number}")]
            return await store.conditional_update("Patient", criteria, named(number), EVERYTHING)

        for write in (update, conditional):
            results = await asyncio.gather(*map(write, range(6)), return_exceptions=True)
            refused = [result for result in results if not isinstance(result, Written)]
            assert len(refused) == 5
            assert all(isinstance(each, VersionConflict) for each in refused)
            page = await store.history(EVERYTHING, "Patient", "one-of-them")
            assert sum(entry.stored.bytes != b"" for entry in page.entries) == (1 if write is update else 2)
            await store.delete("Patient", "one-of-them", EVERYTHING)

    with_store(database_url, work)


def test_reads_in_a_transaction_see_its_writes(fresh_database_url: str) -> None:
    async def work(store: Store) -> None:
        responses = await _run(
            store,
            _bundle(
                "transaction",
                {"request": {"method": "GET", "url": "Patient?identifier=urn:x|1"}},
                _post(PATIENT),
            ),
        )
        assert responses[0]["resource"]["total"] == 1

    with_store(fresh_database_url, work)


@pytest.mark.parametrize(
    "bundle",
    [
        {"resourceType": "Patient"},
        {"resourceType": "Bundle", "type": "collection"},
        {"resourceType": "Bundle", "type": "batch", "entry": [{}]},
        _bundle("transaction", {"request": {"method": "PATCH", "url": "Patient/1"}}),
        _bundle("transaction", {"request": {"method": "POST", "url": "Patient"}}),
        _bundle("transaction", {"request": {"method": "PUT", "url": "Patient/1"}, "resource": PATIENT}),
        _bundle("transaction", {"request": {"method": "POST", "url": "Observation"}, "resource": PATIENT}),
    ],
)
def test_malformed_bundles_are_refused(database_url: str, bundle: dict[str, Any]) -> None:
    async def work(store: Store) -> None:
        with pytest.raises(BadResource):
            await store.transaction(bundle, EVERYTHING)

    with_store(database_url, work)


def test_a_resource_written_twice_is_refused(database_url: str) -> None:
    put = {"resource": observation("twice", "anna"), "request": {"method": "PUT", "url": "Observation/twice"}}

    async def work(store: Store) -> None:
        with pytest.raises(TransactionFailed):
            await _run(store, _bundle("transaction", put, put))

    with_store(database_url, work)
