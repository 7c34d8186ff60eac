"""Escapes in search values (R4 search.html#escaping): of commas, bars, dollars and backslashes themselves."""

from __future__ import annotations

import pytest

from tests.server.conftest import Hospital, observation, patient


@pytest.fixture(scope="module")
def clara(hospital: Hospital) -> dict[str, str]:
    token = hospital.token("user/*.cruds", patient=None)
    escaped = patient("escaped", "Sm,ith|$x") | {"identifier": [{"system": "urn:a|b", "value": "v,1|2$3\\4"}]}
    result = observation("escaped", "anna", code="a$b")
    result["code"]["coding"][0]["system"] = "urn:x"
    for resource in (escaped, result):
        answer = hospital.http.put(f"/fhir/{resource['resourceType']}/escaped", headers=token, json=resource)
        assert answer.status_code in (200, 201), answer.text
    return token


@pytest.mark.parametrize(
    ("path", "name", "value"),
    [
        ("Patient", "name", r"Sm\,ith\|\$x"),
        ("Patient", "family:exact", r"Sm\,ith\|\$x"),
        ("Patient", "family:contains", r"m\,i"),
        ("Patient", "family:exact", r"nobody,Sm\,ith\|\$x"),
        ("Patient", "identifier", r"v\,1\|2\$3\\4"),
        ("Patient", "identifier", r"urn:a\|b|v\,1\|2\$3\\4"),
        ("Patient", "identifier", r"urn:a\|b|"),
        ("Observation", "code", r"urn:x|a\$b"),
        ("Observation", "code-value-quantity", r"urn:x|a\$b$5.4"),
    ],
)
def test_an_escaped_mark_is_a_character(
    hospital: Hospital, clara: dict[str, str], path: str, name: str, value: str
) -> None:
    answer = hospital.http.get(f"/fhir/{path}", params={name: value}, headers=clara)
    assert [entry["resource"]["id"] for entry in answer.json().get("entry", [])] == ["escaped"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("name", r"Sm,nobody"), ("identifier", r"v,1|2$3\4"), ("family:exact", r"Sm,ith|$x")],
)
def test_without_an_escape_it_divides(
    hospital: Hospital, clara: dict[str, str], name: str, value: str
) -> None:
    answer = hospital.http.get("/fhir/Patient", params={name: value, "_id": "escaped"}, headers=clara)
    found = [entry["resource"]["id"] for entry in answer.json().get("entry", [])]
    assert found == (["escaped"] if name == "name" else [])


@pytest.mark.parametrize("query", ["_id=", "name=", "identifier=", "_lastUpdated=", "subject="])
def test_a_parameter_without_a_value_is_refused(
    hospital: Hospital, clara: dict[str, str], query: str
) -> None:
    kind = "Observation" if query == "subject=" else "Patient"
    assert hospital.http.get(f"/fhir/{kind}?{query}", headers=clara).status_code == 400
