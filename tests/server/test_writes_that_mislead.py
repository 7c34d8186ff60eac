"""Writes whose references lead nowhere, or that would change what their criteria exclude, are refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.patience import until
from tests.server.conftest import Hospital, observation


@pytest.fixture(scope="module")
def clara(hospital: Hospital) -> dict[str, str]:
    return hospital.token("user/*.cruds", patient=None)


@pytest.mark.parametrize(
    "reference",
    [
        "./Patient/anna",
        "Patient/anna#x",
        "patient/anna",
        "Nope/1",
        "/Patient/anna",
        "Patient/anna/",
        "garbage",
    ],
)
def test_a_reference_of_no_form_is_refused(hospital: Hospital, clara: dict[str, str], reference: str) -> None:
    body = observation("odd", "anna") | {"subject": {"reference": reference}}
    answer = hospital.http.post("/fhir/Observation", json=body, headers=clara)
    assert answer.status_code == 422, answer.text
    binary = {
        "resourceType": "Binary",
        "contentType": "text/plain",
        "securityContext": {"reference": reference},
    }
    answer = hospital.http.post("/fhir/Binary", json=binary, headers=clara)
    assert answer.status_code == 422, "an unreadable protection is no protection"


def test_a_binary_is_not_protected_by_another_server(hospital: Hospital, clara: dict[str, str]) -> None:
    headers = clara | {
        "X-Security-Context": "http://other.example/Patient/anna",
        "Content-Type": "text/plain",
    }
    answer = hospital.http.post("/fhir/Binary", content=b"x", headers=headers)
    assert answer.status_code == 422, answer.text


@pytest.mark.parametrize("kind", ["single", "transaction"])
def test_an_update_whose_criteria_match_nothing_changes_nothing(
    hospital: Hospital, clara: dict[str, str], kind: str
) -> None:
    before = hospital.http.get("/fhir/Observation/anna-lab", headers=clara).json()
    body: dict[str, Any] = {**before, "status": "amended"}
    path = "Observation?identifier=urn:oid:2.25.9|nobody"
    if kind == "single":
        answer = hospital.http.put(f"/fhir/{path}", json=body, headers=clara)
    else:
        entry = {"resource": body, "request": {"method": "PUT", "url": path}}
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
        answer = hospital.http.post("/fhir", json=bundle, headers=clara)
    assert answer.status_code == 412, answer.text
    assert hospital.http.get("/fhir/Observation/anna-lab", headers=clara).json() == before
    assert (
        hospital.http.put(f"/fhir/{path}", json=body | {"id": f"new-{kind}"}, headers=clara).status_code
        == 201
    )


def test_a_patient_does_not_see_what_else_a_search_asked_for(
    hospital: Hospital, clara: dict[str, str]
) -> None:
    path = "/fhir/Observation?patient=anna,bert&code:text=secretword,Kalium"
    assert hospital.http.get(path, headers=clara).status_code == 200
    until(
        lambda: '"query"' in hospital.http.get("/fhir/AuditEvent?_count=500", headers=clara).text,
        "the search was not recorded",
    )
    own = hospital.token("patient/*.rs", user="anna")
    for address in ("/fhir/AuditEvent?_count=500", "/fhir/AuditEvent/_history?_count=500"):
        answer = hospital.http.get(address, headers=own)
        assert answer.status_code in (200, 403), answer.text
        assert '"query"' not in answer.text


def test_a_put_that_is_to_create_changes_nothing_that_is_there(
    hospital: Hospital, clara: dict[str, str]
) -> None:
    body = observation("only-new", "anna")
    headers = clara | {"If-None-Match": "*"}
    assert hospital.http.put("/fhir/Observation/only-new", json=body, headers=headers).status_code == 201
    changed = hospital.http.put(
        "/fhir/Observation/only-new", json=body | {"status": "amended"}, headers=headers
    )
    assert changed.status_code == 412
    request = {"method": "PUT", "url": "Observation/only-new", "ifNoneMatch": "*"}
    entry = {"resource": body | {"status": "amended"}, "request": request}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    assert hospital.http.post("/fhir", json=bundle, headers=clara).status_code == 412


def test_what_a_second_header_of_a_name_says_is_not_lost(hospital: Hospital, clara: dict[str, str]) -> None:
    identifier = [{"system": "urn:oid:2.25.9", "value": "headers"}]
    body = {"resourceType": "Basic", "code": {"text": "x"}, "identifier": identifier}
    criteria = ("If-None-Exist", "identifier=urn:oid:2.25.9|headers")
    preferences = [("Prefer", "handling=strict"), ("Prefer", "return=minimal")]
    made = hospital.http.post("/fhir/Basic", json=body, headers=[*clara.items(), criteria, *preferences])
    assert (made.status_code, made.content) == (201, b"")
    other = ("If-None-Exist", "identifier=urn:oid:2.25.9|another")
    again = hospital.http.post("/fhir/Basic", json=body, headers=[*clara.items(), other, criteria])
    assert again.status_code == 400


@pytest.mark.parametrize(("version", "status"), [("4.0", 201), ("3.0", 415), ('"5.0"', 415)])
def test_a_body_of_another_version_of_fhir_is_not_misread(
    hospital: Hospital, clara: dict[str, str], version: str, status: int
) -> None:
    headers = clara | {"Content-Type": f"application/fhir+json; fhirVersion={version}"}
    answer = hospital.http.post(
        "/fhir/Basic", content=b'{"resourceType":"Basic","code":{"text":"x"}}', headers=headers
    )
    assert answer.status_code == status, answer.text


def test_one_transaction_does_not_make_two_under_one_criterion(
    hospital: Hospital, clara: dict[str, str]
) -> None:
    identifier = [{"system": "urn:oid:2.25.9", "value": "twice"}]
    entry = {
        "resource": {"resourceType": "Basic", "code": {"text": "x"}, "identifier": identifier},
        "request": {"method": "POST", "url": "Basic", "ifNoneExist": "identifier=urn:oid:2.25.9|twice"},
    }
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry, entry]}
    assert hospital.http.post("/fhir", json=bundle, headers=clara).status_code == 412
    total = hospital.http.get("/fhir/Basic?identifier=twice&_summary=count", headers=clara).json()["total"]
    assert total == 0
