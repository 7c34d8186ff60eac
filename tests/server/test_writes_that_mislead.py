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
