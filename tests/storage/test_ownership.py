"""Each source owns the elements it wrote: what several sources say of a person, merged."""

from __future__ import annotations

import itertools
from typing import Any

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.storage import Store
from tests.storage.cohort import converted, with_store

CSV, HL7, DICOM = (f"urn:fhir-bridge:{name}" for name in ("csv:patients", "hl7v2:ADT", "dicom:PACS"))
PRECEDENCE = {"Patient": ["csv", "hl7v2", "dicom", "vcf"]}


def _identifier(system: str, value: str) -> dict[str, str]:
    return {"system": f"urn:oid:{system}", "value": value}


RICH = {
    "resourceType": "Patient",
    "id": "anna",
    "identifier": [_identifier("2.25.1", "100")],
    "name": [{"family": "Rossi", "given": ["Anna"]}],
    "gender": "female",
    "birthDate": "1950-02-01",
    "address": [{"city": "Udine"}],
}
SPARSE = {
    "resourceType": "Patient",
    "id": "anna",
    "identifier": [_identifier("2.25.1", "100"), _identifier("2.25.2", "P7")],
    "name": [{"family": "ROSSI"}],
}


async def _patient(store: Store, identity: str = "anna") -> dict[str, Any]:
    resource = (await store.read("Patient", identity, EVERYTHING)).resource()
    resource.pop("meta")
    return resource


def test_a_sparse_patient_never_empties_a_rich_one(fresh_database_url: str) -> None:
    rich = converted(RICH, CSV, "2024-01-01T00:00:00Z")
    sparse = converted(SPARSE, DICOM, "2024-06-01T00:00:00Z")

    async def work(store: Store) -> None:
        for number, order in enumerate(([rich, sparse], [sparse, rich])):
            identity = f"anna-{number}"
            await store.load([{**message, "id": identity} for message in order], precedence=PRECEDENCE)
            expected = {
                **RICH,
                "id": identity,
                "identifier": [_identifier("2.25.1", "100"), _identifier("2.25.2", "P7")],
            }
            assert await _patient(store, identity) == expected
            meta = (await store.read("Patient", identity, EVERYTHING)).resource()["meta"]
            assert meta["source"] == CSV
            found = await store.search(
                "Patient", [("identifier", "urn:oid:2.25.2|P7"), ("_id", identity)], EVERYTHING
            )
            assert found.total == 1

    with_store(fresh_database_url, work)


def test_a_message_that_says_the_same_at_a_later_time_makes_no_version(fresh_database_url: str) -> None:
    async def work(store: Store) -> None:
        for hour in range(3):
            await store.load([converted(RICH, HL7, f"2024-01-01T0{hour}:00:00Z")])
        assert (await store.read("Patient", "anna", EVERYTHING)).version == 1

    with_store(fresh_database_url, work)


def test_a_delta_keeps_what_it_does_not_speak_of_and_takes_away_what_it_clears(
    fresh_database_url: str,
) -> None:
    snapshot = converted(RICH, HL7, "2024-01-01T00:00:00Z")
    moved = converted(
        {"resourceType": "Patient", "id": "anna", "address": [{"city": "Trieste"}]},
        HL7,
        "2024-02-01T00:00:00Z",
        delta=True,
        cleared=("birthDate",),
    )
    died = converted(
        {"resourceType": "Patient", "id": "anna", "deceasedDateTime": "2024-03-01"},
        HL7,
        "2024-03-01T00:00:00Z",
        delta=True,
    )
    alive = converted(
        {"resourceType": "Patient", "id": "anna", "deceasedBoolean": False},
        HL7,
        "2024-02-15T00:00:00Z",
        delta=True,
    )

    async def work(store: Store) -> None:
        for number, order in enumerate(itertools.permutations([snapshot, moved, died, alive])):
            identity = f"anna-{number}"
            outputs = [{**message, "id": identity} for message in order]
            await store.load(outputs, batch=1 + number % 4)
            expected = {
                **RICH,
                "id": identity,
                "address": [{"city": "Trieste"}],
                "deceasedDateTime": "2024-03-01",
            }
            del expected["birthDate"]
            assert await _patient(store, identity) == expected, number
            version = (await store.read("Patient", identity, EVERYTHING)).version
            assert (await store.load(outputs)).unchanged == 4
            assert (await store.read("Patient", identity, EVERYTHING)).version == version

    with_store(fresh_database_url, work)


def test_a_source_takes_away_only_what_it_said_itself(fresh_database_url: str) -> None:
    async def work(store: Store) -> None:
        await store.load(
            [
                converted(RICH, CSV, "2024-01-01T00:00:00Z"),
                converted({**SPARSE, "gender": "female"}, HL7, "2024-01-01T00:00:00Z"),
            ],
            precedence=PRECEDENCE,
        )
        without = {name: value for name, value in RICH.items() if name != "gender"}
        await store.load([converted(without, CSV, "2024-02-01T00:00:00Z")], precedence=PRECEDENCE)
        assert (await _patient(store))["gender"] == "female"

    with_store(fresh_database_url, work)


def test_disagreement_on_demographics_is_an_issue_without_values(fresh_database_url: str) -> None:
    async def work(store: Store) -> None:
        result = await store.load(
            [
                converted(RICH, CSV, "2024-01-01T00:00:00Z"),
                converted({**SPARSE, "birthDate": "1951-02-01"}, HL7, "2024-01-01T00:00:00Z"),
            ],
            precedence=PRECEDENCE,
        )
        assert [issue.code for issue in result.issues] == ["FB-STORE-014"]
        assert "birthDate" in result.issues[0].message
        assert "195" not in result.issues[0].message
        assert (await _patient(store))["birthDate"] == "1950-02-01"

    with_store(fresh_database_url, work)


def test_what_a_person_corrected_over_rest_stays_corrected(fresh_database_url: str) -> None:
    async def work(store: Store) -> None:
        await store.load([converted(RICH, HL7, "2024-01-01T00:00:00Z")])
        stored = (await store.read("Patient", "anna", EVERYTHING)).resource()
        del stored["address"]
        await store.update("Patient", "anna", {**stored, "birthDate": "1950-01-02"}, EVERYTHING)
        later = {**RICH, "name": [{"family": "Bianchi"}]}
        await store.load([converted(later, HL7, "2024-02-01T00:00:00Z")])
        patient = await _patient(store)
        assert patient["birthDate"] == "1950-01-02"
        assert patient["name"] == [{"family": "Bianchi"}]
        assert "address" not in patient

    with_store(fresh_database_url, work)


def test_a_deleted_resource_stays_deleted_until_its_source_has_news(fresh_database_url: str) -> None:
    async def work(store: Store) -> None:
        await store.load([converted(RICH, HL7, "2024-02-01T00:00:00Z")])
        await store.delete("Patient", "anna", EVERYTHING)
        await store.load([converted(RICH, HL7, "2024-02-01T00:00:00Z")])
        await store.load([converted({**RICH, "gender": "unknown"}, HL7, "2024-01-01T00:00:00Z")])
        assert (await store.search("Patient", [], EVERYTHING)).total == 0
        await store.load([converted({**RICH, "gender": "unknown"}, HL7, "2024-03-01T00:00:00Z")])
        assert (await _patient(store))["gender"] == "unknown"

    with_store(fresh_database_url, work)
