"""What clients of others send beside R4's own forms, and what they show of a refusal."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.conftest import Hospital, observation, patient


@pytest.fixture(scope="module")
def clinician(hospital: Hospital) -> dict[str, str]:
    return hospital.token("user/*.cruds")


def test_criteria_in_the_address_make_a_create_conditional(
    hospital: Hospital, clinician: dict[str, str]
) -> None:
    """As fhirpy sends them; R4 has them in If-None-Exist."""
    body = patient("once", "Once")
    criteria = "identifier=urn:oid:2.25.1|MRN-once"
    first = hospital.http.post(f"/fhir/Patient?{criteria}", json=body, headers=clinician)
    again = hospital.http.post(f"/fhir/Patient?{criteria}&_format=json", json=body, headers=clinician)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]


def test_criteria_of_a_create_are_in_one_place_and_known(
    hospital: Hospital, clinician: dict[str, str]
) -> None:
    body = patient("twice", "Twice")
    both = clinician | {"If-None-Exist": "identifier=a"}
    assert hospital.http.post("/fhir/Patient?identifier=a", json=body, headers=both).status_code == 400
    assert hospital.http.post("/fhir/Patient?unknown=a", json=body, headers=clinician).status_code == 400
    writer = hospital.token("user/Patient.c")
    assert hospital.http.post("/fhir/Patient?identifier=a", json=body, headers=writer).status_code == 403


@pytest.mark.parametrize("kind", ["application/merge-patch+json", "application/json"])
def test_a_merge_patch_changes_what_it_names(
    hospital: Hospital, clinician: dict[str, str], kind: str
) -> None:
    body = patient("x", "Merged") | {"telecom": [{"system": "phone", "value": "1"}], "active": True}
    made = hospital.http.post("/fhir/Patient", json=body, headers=clinician).json()
    changes = {"gender": "other", "active": None, "telecom": [{"system": "email", "value": "a@b.example"}]}
    headers = clinician | {"Content-Type": kind}
    answer = hospital.http.patch(f"/fhir/Patient/{made['id']}", json=changes, headers=headers)
    assert answer.status_code == 200, answer.text
    result = answer.json()
    assert (result["gender"], result["telecom"], "active" in result) == ("other", changes["telecom"], False)
    assert result["name"] == body["name"]
    assert result["meta"]["versionId"] == "2"


def test_a_merge_patch_that_is_wrong_changes_nothing(hospital: Hospital, clinician: dict[str, str]) -> None:
    made = hospital.http.post("/fhir/Patient", json=patient("x", "Whole"), headers=clinician).json()
    headers = clinician | {"Content-Type": "application/merge-patch+json"}
    address = f"/fhir/Patient/{made['id']}"
    refused: list[tuple[Any, int]] = [
        ({"gender": "none"}, 422),
        ({"id": "other"}, 422),
        ({"resourceType": "Group"}, 422),
        ({"resourceType": None}, 422),
        ([], 400),
        ("text", 400),
    ]
    for changes, status in refused:
        answer = hospital.http.patch(address, json=changes, headers=headers)
        assert answer.status_code == status, (changes, answer.text)
    assert hospital.http.get(address, headers=clinician).json() == made
    as_fhir = clinician | {"Content-Type": "application/fhir+json"}
    assert hospital.http.patch(address, json={"gender": "other"}, headers=as_fhir).status_code == 400


@pytest.mark.parametrize("kind", ["transaction", "batch"])
def test_urls_of_entries_may_begin_with_a_slash_or_follow_from_the_resource(
    hospital: Hospital, clinician: dict[str, str], kind: str
) -> None:
    """Medplum's client sends the first, HAPI's the second."""
    entries = [
        {"request": {"method": "GET", "url": "/Patient/anna"}},
        {"request": {"method": "GET", "url": "/Observation?patient=anna&_count=1"}},
        {"request": {"method": "POST"}, "resource": observation("x", "anna")},
        {"request": {"method": "PUT"}, "resource": observation(f"of-{kind}", "anna")},
    ]
    answer = hospital.http.post(
        "/fhir", json={"resourceType": "Bundle", "type": kind, "entry": entries}, headers=clinician
    )
    states = [entry["response"]["status"][:3] for entry in answer.json()["entry"]]
    assert states == ["200", "200", "201", "201"]
    assert hospital.http.get(f"/fhir/Observation/of-{kind}", headers=clinician).status_code == 200


def test_urls_that_do_not_follow_are_asked_for(hospital: Hospital, clinician: dict[str, str]) -> None:
    wrong: list[dict[str, Any]] = [
        {"request": {"method": "PUT"}, "resource": {"resourceType": "Patient"}},
        {"request": {"method": "DELETE"}, "resource": patient("anna", "Alpha")},
        {"request": {"method": "POST"}, "resource": {"resourceType": ["Patient"]}},
        {"request": {"method": "POST"}},
        {"request": {"method": "GET", "url": "//Patient/anna"}},
    ]
    for entry in wrong:
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
        answer = hospital.http.post("/fhir", json=bundle, headers=clinician)
        assert answer.status_code == 400, (entry, answer.text)


def test_diagnostics_say_what_is_wrong_and_where(hospital: Hospital, clinician: dict[str, str]) -> None:
    """HAPI's client and others show them alone."""
    single = hospital.http.post(
        "/fhir/Patient", json={"resourceType": "Patient", "gender": "none"}, headers=clinician
    )
    assert "gender" in single.json()["issue"][0]["diagnostics"]
    entry = {
        "request": {"method": "POST", "url": "Patient"},
        "resource": {"resourceType": "Patient", "gender": "none"},
    }
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    found = hospital.http.post("/fhir", json=bundle, headers=clinician).json()["issue"][0]
    assert found["diagnostics"] == f"{found['details']['text']} (Bundle.entry[0])"


@pytest.mark.parametrize("kind", [{}, ["Patient"], 7, None, True, "", "Nonsense"])
def test_a_resource_of_no_type_is_a_finding(hospital: Hospital, clinician: dict[str, str], kind: Any) -> None:
    """schemathesis found that the server failed."""
    body = {"resourceType": kind, "gender": "female"}
    headers = clinician | {"Content-Type": "application/fhir+json"}
    answer = hospital.http.post("/fhir/Patient/$validate", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["issue"][0]["severity"] in ("error", "fatal")
    assert hospital.http.post("/fhir/Patient", json=body, headers=headers).status_code == 400
