"""Searches that ask terminology (`:in`, `:not-in`, `:below`, `:above`), and searches in a compartment."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.conftest import FHIR, Hospital, observation

SYSTEM = "urn:tests:organs"
CODES = {"o1": "organ", "o2": "heart", "o3": "valve", "o4": "liver"}


@pytest.fixture(scope="module")
def headers(hospital: Hospital) -> dict[str, str]:
    headers = hospital.token("user/*.cruds")
    concepts = [
        {
            "code": "organ",
            "concept": [{"code": "heart", "concept": [{"code": "valve"}]}, {"code": "liver"}],
        }
    ]
    system = {
        "resourceType": "CodeSystem",
        "id": "organs",
        "url": SYSTEM,
        "status": "active",
        "content": "complete",
        "hierarchyMeaning": "is-a",
        "concept": concepts,
    }
    heart = {"system": SYSTEM, "filter": [{"property": "concept", "op": "is-a", "value": "heart"}]}
    value_set = {
        "resourceType": "ValueSet",
        "id": "heart",
        "url": "http://tests.example/heart",
        "status": "active",
        "compose": {"include": [heart]},
    }
    for resource in (system, value_set, *map(organ, CODES)):
        address = f"/fhir/{resource['resourceType']}/{resource['id']}"
        assert hospital.http.put(address, json=resource, headers=headers).status_code == 201
    return headers


def organ(identity: str) -> dict[str, Any]:
    code = {"coding": [{"system": SYSTEM, "code": CODES[identity]}]}
    return observation(identity, "anna" if identity < "o3" else "bert") | {"code": code}


def ids(hospital: Hospital, query: str, headers: dict[str, str]) -> list[str]:
    answer = hospital.http.get(f"/fhir/{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    return sorted(entry["resource"]["id"] for entry in answer.json().get("entry", []))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("code:in=http://tests.example/heart", "o2 o3"),
        ("code:in=ValueSet/heart", "o2 o3"),
        (f"code={SYSTEM}|&code:not-in=http://tests.example/heart", "o1 o4"),
        (f"code:below={SYSTEM}|heart", "o2 o3"),
        (f"code:below={SYSTEM}|valve,{SYSTEM}|liver", "o3 o4"),
        (f"code:above={SYSTEM}|valve", "o1 o2 o3"),
        (f"code:above={SYSTEM}|organ", "o1"),
    ],
)
def test_terminology_says_which_codes_are_meant(
    hospital: Hospital, headers: dict[str, str], query: str, expected: str
) -> None:
    assert ids(hospital, f"Observation?{query}", headers) == expected.split()


def test_a_chain_asks_terminology_too(hospital: Hospital, headers: dict[str, str]) -> None:
    query = "Patient?_has:Observation:patient:code:in=http://tests.example/heart"
    assert ids(hospital, query, headers) == ["anna", "bert"]


def test_a_code_that_is_written_takes_part_at_once(hospital: Hospital, headers: dict[str, str]) -> None:
    value_set = {
        "resourceType": "ValueSet",
        "id": "growing",
        "url": "http://tests.example/growing",
        "status": "active",
        "compose": {"include": [{"system": SYSTEM, "concept": [{"code": "liver"}]}]},
    }
    address, query = "/fhir/ValueSet/growing", "Observation?code:in=http://tests.example/growing"
    hospital.http.put(address, json=value_set, headers=headers)
    assert ids(hospital, query, headers) == ["o4"]
    value_set["compose"]["include"][0]["concept"].append({"code": "organ"})  # type: ignore[index]
    hospital.http.put(address, json=value_set, headers=headers)
    assert ids(hospital, query, headers) == ["o1", "o4"]


@pytest.mark.parametrize(
    "query",
    [
        "code:in=http://tests.example/nowhere",
        "code:in=ValueSet/nowhere",
        "code:below=heart",
        f"code:below={SYSTEM}|nowhere",
        "code:above=urn:nowhere|heart",
        "code:in=",
        "date:in=http://tests.example/heart",
    ],
)
def test_what_terminology_does_not_know_is_refused(
    hospital: Hospital, headers: dict[str, str], query: str
) -> None:
    answer = hospital.http.get(f"/fhir/Observation?{query}", headers=headers)
    assert answer.status_code == 400
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_a_compartment_is_searched_by_its_address(hospital: Hospital, headers: dict[str, str]) -> None:
    found = ids(hospital, f"Patient/anna/Observation?code={SYSTEM}|", headers)
    assert found == ["o1", "o2"]
    assert ids(hospital, f"Patient/nobody/Observation?code={SYSTEM}|", headers) == []
    first = hospital.http.get("/fhir/Patient/anna/Observation?_count=1&_sort=_id", headers=headers).json()
    following = next(link["url"] for link in first["link"] if link["relation"] == "next")
    assert following.startswith(f"{FHIR}/Patient/anna/Observation?")
    second = hospital.http.get(following.removeprefix(FHIR.removesuffix("/fhir")), headers=headers).json()
    assert second["entry"][0]["resource"]["id"] != first["entry"][0]["resource"]["id"]
    elsewhere = following.removeprefix(FHIR.removesuffix("/fhir")).replace("/anna/", "/bert/")
    assert hospital.http.get(elsewhere, headers=headers).status_code == 400


def test_a_compartment_gives_no_access(hospital: Hospital) -> None:
    own = hospital.token("launch/patient patient/*.rs")
    assert ids(hospital, "Patient/bert/Observation", own) == []
    assert "o1" in ids(hospital, "Patient/anna/Observation", own)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("Patient/anna/Organization", 400),
        ("Organization/x/Observation", 400),
        ("Patient/anna/Colour", 404),
    ],
)
def test_what_is_no_compartment_is_refused(
    hospital: Hospital, headers: dict[str, str], path: str, status: int
) -> None:
    assert hospital.http.get(f"/fhir/{path}", headers=headers).status_code == status
