"""Parts of resources: `_summary` and `_elements` of searches and reads, and what must not be written back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_bridge.fhir.definitions import type_definition
from fhir_bridge.fhir.serialization import loads_exact
from fhir_bridge.fhir.subsets import SUBSETTED, is_subset, subset
from tests.server.conftest import Hospital, observation

RESULT: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "part",
    "meta": {"tag": [{"system": "urn:t", "code": "x"}]},
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">5</div>'},
    "modifierExtension": [{"url": "urn:m", "valueBoolean": True}],
    "status": "final",
    "_status": {"extension": [{"url": "urn:e", "valueString": "s"}]},
    "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}], "text": "Hb"},
    "subject": {"reference": "Patient/anna"},
    "valueQuantity": {"value": Decimal("5.10"), "unit": "mmol/L"},
    "note": [{"text": "n"}],
    "component": [
        {
            "code": {"text": "c"},
            "valueQuantity": {"value": 1},
            "referenceRange": [{"text": "0-1"}],
        }
    ],
}


def test_a_summary_has_what_r4_marks() -> None:
    part = subset(RESULT, summary="true")
    assert set(part) == set(RESULT) - {"text", "note"}
    assert "referenceRange" not in part["component"][0]
    assert part["component"][0]["valueQuantity"] == {"value": 1}
    assert part["meta"]["tag"] == [{"system": "urn:t", "code": "x"}, SUBSETTED]


def test_text_and_data_share_out_the_narrative() -> None:
    text, data = subset(RESULT, summary="text"), subset(RESULT, summary="data")
    assert set(text) == {
        "resourceType", "id", "meta", "text", "modifierExtension", "status", "_status", "code"
    }  # fmt: skip
    assert set(data) == set(RESULT) - {"text"}


def test_elements_bring_those_that_must_be_there() -> None:
    part = subset(RESULT, elements=["value", "subject"])
    assert set(part) == {
        "resourceType", "id", "meta", "modifierExtension", "status", "_status", "code", "subject", "valueQuantity"
    }  # fmt: skip
    assert "valueQuantity" in subset(RESULT, elements=["valueQuantity"])
    assert "subject" not in subset(RESULT, elements=["colour"])


@given(
    elements=st.sets(st.sampled_from([element.name for element in type_definition("Observation").children()]))
)
def test_a_part_has_nothing_that_the_whole_has_not(elements: set[str]) -> None:
    part = subset(RESULT, elements=[name.removesuffix("[x]") for name in elements])
    assert {name: value for name, value in part.items() if name != "meta"}.items() <= RESULT.items()
    assert is_subset(part)
    assert not is_subset(RESULT)


@pytest.fixture(scope="module")
def headers(hospital: Hospital) -> dict[str, str]:
    headers = hospital.token("user/*.cruds")
    body = {
        **observation("part", "anna"),
        "valueQuantity": {"value": 5, "unit": "mmol/L"},
        "note": [{"text": "n"}],
    }
    assert hospital.http.put("/fhir/Observation/part", json=body, headers=headers).status_code == 201
    return headers


@pytest.mark.parametrize(
    ("query", "there", "missing"),
    [
        ("_summary=true", "valueQuantity", "note"),
        ("_summary=data", "note", "text"),
        ("_summary=text", "status", "note"),
        ("_elements=note", "note", "valueQuantity"),
        ("_elements=Observation.note,Patient.name", "note", "valueQuantity"),
        ("_elements=Patient.name", "code", "note"),
    ],
)
def test_a_part_is_searched_and_read_alike(
    hospital: Hospital, headers: dict[str, str], query: str, there: str, missing: str
) -> None:
    read = hospital.http.get(f"/fhir/Observation/part?{query}", headers=headers)
    (entry,) = hospital.http.get(f"/fhir/Observation?_id=part&{query}", headers=headers).json()["entry"]
    version = hospital.http.get(f"/fhir/Observation/part/_history/1?{query}", headers=headers)
    bundle = {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [{"request": {"method": "GET", "url": f"Observation/part?{query}"}}],
    }
    batch = hospital.http.post("/fhir", json=bundle, headers=headers).json()["entry"][0]["resource"]
    assert read.json() == entry["resource"] == version.json() == batch
    assert there in read.json()
    assert missing not in read.json()
    assert SUBSETTED in read.json()["meta"]["tag"]


def test_a_part_keeps_the_digits_of_decimals(hospital: Hospital, headers: dict[str, str]) -> None:
    start = b'{"resourceType":"Observation","id":"digits","status":"final","code":{"text":"x"},'
    body = start + b'"valueQuantity":{"value":5.10}}'
    sent = headers | {"Content-Type": "application/fhir+json"}
    hospital.http.put("/fhir/Observation/digits", content=body, headers=sent)
    part = hospital.http.get("/fhir/Observation/digits?_elements=value", headers=headers).content
    assert str(loads_exact(part)["valueQuantity"]["value"]) == "5.10"


def test_pages_of_parts_follow_each_other(hospital: Hospital, headers: dict[str, str]) -> None:
    query = "Observation?_elements=status&_count=1&_sort=_id"
    first = hospital.http.get(f"/fhir/{query}", headers=headers).json()
    following = next(link["url"] for link in first["link"] if link["relation"] == "next")
    second = hospital.http.get(following[following.index("/fhir/") :], headers=headers).json()
    assert "subject" not in second["entry"][0]["resource"]


@pytest.mark.parametrize(
    "query",
    ["_summary=all", "_summary=count", "_elements=", "_elements=a b", "_elements=x&_summary=true",
     "_summary=true&_summary=data"],
)  # fmt: skip
def test_what_is_no_part_is_refused(hospital: Hospital, headers: dict[str, str], query: str) -> None:
    assert hospital.http.get(f"/fhir/Observation/part?{query}", headers=headers).status_code == 400


def test_a_part_does_not_take_the_place_of_the_whole(hospital: Hospital, headers: dict[str, str]) -> None:
    part = hospital.http.get("/fhir/Observation/part?_summary=true", headers=headers).json()
    answers = [
        hospital.http.put("/fhir/Observation/part", json=part, headers=headers),
        hospital.http.post("/fhir/Observation", json=part, headers=headers),
    ]
    assert [answer.status_code for answer in answers] == [422, 422]
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"resource": part, "request": {"method": "PUT", "url": "Observation/part"}}],
    }
    assert hospital.http.post("/fhir", json=bundle, headers=headers).status_code == 422
    assert "note" in hospital.http.get("/fhir/Observation/part", headers=headers).json()
