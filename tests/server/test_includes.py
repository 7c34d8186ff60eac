"""What comes along with the matches of a search, over HTTP: marked, audited, not counted, bounded by the token."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.conftest import FHIR, Hospital
from tests.server.test_audit import entity, latest


@pytest.fixture(scope="module")
def headers(hospital: Hospital) -> dict[str, str]:
    return hospital.token("user/*.cruds")


def answered(hospital: Hospital, query: str, headers: dict[str, str]) -> dict[str, Any]:
    answer = hospital.http.get(f"/fhir/{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    bundle: dict[str, Any] = answer.json()
    return bundle


def modes(bundle: dict[str, Any]) -> list[tuple[str, str]]:
    return [(entry["fullUrl"].removeprefix(f"{FHIR}/"), entry["search"]["mode"]) for entry in bundle["entry"]]


def test_what_comes_along_is_marked_and_not_counted(hospital: Hospital, headers: dict[str, str]) -> None:
    query = "Observation?_id=anna-lab,bert-lab&_include=Observation:patient&_sort=_id&_total=accurate"
    bundle = answered(hospital, query, headers)
    assert bundle["total"] == 2
    assert modes(bundle) == [
        ("Observation/anna-lab", "match"),
        ("Observation/bert-lab", "match"),
        ("Patient/anna", "include"),
        ("Patient/bert", "include"),
    ]


def test_each_page_brings_its_own_along(hospital: Hospital, headers: dict[str, str]) -> None:
    query = "Observation?_id=anna-lab,bert-lab&_include=Observation:patient&_sort=_id&_count=1"
    first = answered(hospital, query, headers)
    assert modes(first) == [("Observation/anna-lab", "match"), ("Patient/anna", "include")]
    following = next(link["url"] for link in first["link"] if link["relation"] == "next")
    second = answered(hospital, following.removeprefix(f"{FHIR}/"), headers)
    assert modes(second) == [("Observation/bert-lab", "match"), ("Patient/bert", "include")]


def test_a_search_by_post_and_one_in_a_batch_bring_the_same_along(
    hospital: Hospital, headers: dict[str, str]
) -> None:
    query = "_id=anna-lab&_include=Observation:patient"
    expected = [("Observation/anna-lab", "match"), ("Patient/anna", "include")]
    form = headers | {"Content-Type": "application/x-www-form-urlencoded"}
    posted = hospital.http.post("/fhir/Observation/_search", content=query, headers=form)
    assert modes(posted.json()) == expected
    entries = [{"request": {"method": "GET", "url": f"Observation?{query}"}}]
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": entries}
    (entry,) = hospital.http.post("/fhir", json=bundle, headers=headers).json()["entry"]
    assert modes(entry["resource"]) == expected


def test_the_audit_names_the_patients_of_what_came_along(hospital: Hospital, headers: dict[str, str]) -> None:
    before = len(latest(hospital, "search-type"))
    answered(hospital, "Patient?_id=bert&_revinclude=Observation:patient", headers)
    new = latest(hospital, "search-type")[before:]
    assert {entity(event, "1")["what"]["reference"] for event in new} == {"Patient/bert"}


def test_a_token_of_one_type_brings_no_other_along(hospital: Hospital) -> None:
    only = hospital.token("user/Observation.rs")
    bundle = answered(hospital, "Observation?_id=anna-lab&_include=*", only)
    assert modes(bundle) == [("Observation/anna-lab", "match")]
    assert "entry" not in answered(hospital, "Observation?patient.name=a", only)


def test_a_patient_reaches_nothing_of_another_by_chain_or_include(hospital: Hospital) -> None:
    own = hospital.token("patient/*.rs", user="anna")
    assert {
        name for name, _ in modes(answered(hospital, "Patient?_revinclude=Observation:patient", own))
    } >= {
        "Patient/anna",
        "Observation/anna-lab",
    }
    everything = answered(hospital, "Patient?_revinclude=Observation:patient", own)
    assert not [name for name, _ in modes(everything) if "bert" in name]
    assert "entry" not in answered(hospital, "Observation?patient._id=bert", own)


def test_conditions_take_chains_and_no_includes(hospital: Hospital, headers: dict[str, str]) -> None:
    body = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
    answer = hospital.http.put("/fhir/Observation?_include=*", json=body, headers=headers)
    assert answer.status_code == 400
    created = hospital.http.post(
        "/fhir/Observation",
        json=body,
        headers=headers | {"If-None-Exist": "_id=anna-lab&patient._id=anna"},
    )
    assert created.status_code == 200


def test_the_capability_statement_lists_what_may_come_along(hospital: Hospital) -> None:
    statement = hospital.http.get("/fhir/metadata").json()
    resources = {resource["type"]: resource for resource in statement["rest"][0]["resource"]}
    assert "Observation:patient" in resources["Observation"]["searchInclude"]
    assert "Observation:patient" in resources["Patient"]["searchRevInclude"]


@pytest.mark.parametrize(
    "query",
    [
        "_revinclude=AuditEvent:patient",
        "_revinclude=AuditEvent:*",
        "_revinclude:iterate=AuditEvent:*",
        "_has:AuditEvent:patient:action=R",
        "_has:Observation:patient:_has:AuditEvent:entity:action=R",
    ],
)
def test_no_search_leads_to_audit_events_and_the_answer_says_what_does(
    hospital: Hospital, query: str
) -> None:
    token = hospital.token("user/*.rs", patient=None)
    answer = hospital.http.get(f"/fhir/Patient?{query}", headers=token)
    assert answer.status_code == 400
    assert "AuditEvent?patient=" in answer.text
