"""Bundles at their edges: fields of the wrong kind, reads beside writes, addresses in answers."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.server.conftest import FHIR, Hospital, observation, patient


@pytest.fixture(scope="module")
def clara(hospital: Hospital) -> dict[str, str]:
    return hospital.token("user/*.cruds", patient=None)


def entry(method: str, url: str, resource: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"request": {"method": method, "url": url, **more}}
    return made if resource is None else made | {"resource": resource}


def send(hospital: Hospital, token: dict[str, str], kind: str, *entries: dict[str, Any]) -> httpx.Response:
    body = {"resourceType": "Bundle", "type": kind, "entry": list(entries)}
    return hospital.http.post("/fhir", json=body, headers=token)


def new(identity: str) -> dict[str, Any]:
    return patient(identity, "Gamma")


@pytest.mark.parametrize(
    "broken",
    [
        entry("PUT", "Patient/edge", new("edge"), ifMatch=5),
        entry("PUT", "Patient/edge", new("edge"), ifMatch=['W/"1"']),
        entry("POST", "Patient", new("edge"), ifNoneExist={"name": "x"}),
        entry("POST", "Patient", new("edge"), ifNoneExist=""),
        entry("PUT", "Patient/edge", new("edge"), ifNoneExist="_id=edge"),
        entry("POST", "Patient", new("edge"), ifNoneExist="name=%00"),
        entry("PUT", "Patient?name=%00", new("edge")),
        entry("PUT", "Patient/edge?name=x", new("edge")),
        entry("DELETE", "Patient/edge?name=x"),
        entry("GET", "Patient?name=%ff"),
        entry("GET", "Patient?_cursor=AAA"),
        entry(
            "POST", "Observation", observation("edge", "x") | {"subject": {"reference": "Patient?name=%00"}}
        ),
    ],
)
@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_what_is_wrong_with_an_entry_is_said_of_that_entry(
    hospital: Hospital, clara: dict[str, str], kind: str, broken: dict[str, Any]
) -> None:
    answer = send(hospital, clara, kind, entry("GET", "Patient/anna"), broken)
    if kind == "transaction":
        assert answer.status_code == 400
        outcome = answer.json()
    else:
        assert answer.status_code == 200
        first, second = answer.json()["entry"]
        assert first["response"]["status"] == "200 OK"
        assert second["response"]["status"] == "400 Bad Request"
        outcome = second["response"]["outcome"]
    assert "Bundle.entry[1]" in str(outcome["issue"][0])
    assert hospital.http.get("/fhir/Patient/edge", headers=clara).status_code == 404


def test_a_transaction_that_reads_what_is_not_there_stores_nothing(
    hospital: Hospital, clara: dict[str, str]
) -> None:
    write = entry("PUT", "Patient/unstored", new("unstored"))
    answer = send(hospital, clara, "transaction", write, entry("GET", "Patient/nobody"))
    assert answer.status_code == 404
    assert "Bundle.entry[1]" in str(answer.json()["issue"][0])
    assert hospital.http.get("/fhir/Patient/unstored", headers=clara).status_code == 404


def test_a_transaction_reads_what_it_wrote_and_keeps_the_order_of_entries(
    hospital: Hospital, clara: dict[str, str]
) -> None:
    read, write = entry("GET", "Patient/written"), entry("PUT", "Patient/written", new("written"))
    answer = send(hospital, clara, "transaction", read, write, entry("HEAD", "Patient/written"))
    assert answer.status_code == 200
    found, stored, head = answer.json()["entry"]
    assert found["resource"]["name"][0]["family"] == "Gamma"
    assert stored["response"]["status"] == "201 Created"
    assert (head["response"]["status"], "resource" in head) == ("200 OK", False)


def test_the_refusal_of_a_write_names_its_place_among_all_entries(
    hospital: Hospital, clara: dict[str, str]
) -> None:
    stale = entry("PUT", "Patient/anna", patient("anna", "Alpha"), ifMatch='W/"77"')
    answer = send(hospital, clara, "transaction", entry("GET", "Patient/anna"), stale)
    assert answer.status_code == 412
    assert "Bundle.entry[1]" in str(answer.json()["issue"][0])


def test_addresses_in_the_answer_are_whole(hospital: Hospital, clara: dict[str, str]) -> None:
    search = entry("GET", f"{FHIR}/Observation?patient=anna&_count=1&nonsense=1")
    answer = send(hospital, clara, "batch", search, entry("POST", "Patient", new("x")))
    found, made = answer.json()["entry"]
    bundle = found["resource"]
    match, notes = bundle["entry"]
    assert match["fullUrl"].startswith(f"{FHIR}/Observation/")
    assert notes["search"]["mode"] == "outcome"
    links = {link["relation"]: link["url"] for link in bundle["link"]}
    assert links["self"] == f"{FHIR}/Observation?patient=anna&_count=1"
    assert hospital.http.get(links["next"], headers=clara).status_code == 200
    assert made["fullUrl"].startswith(f"{FHIR}/Patient/")
    assert made["response"]["location"].startswith(f"{FHIR}/Patient/")


def test_one_entry_that_may_not_search_does_not_spoil_a_batch(hospital: Hospital) -> None:
    token = hospital.token("user/Observation.c user/Patient.r", patient=None)
    by_search = observation("x", "anna") | {"subject": {"reference": "Patient?name=Alpha"}}
    answer = send(
        hospital, token, "batch", entry("POST", "Observation", by_search), entry("GET", "Patient/anna")
    )
    assert [item["response"]["status"][:3] for item in answer.json()["entry"]] == ["403", "200"]
