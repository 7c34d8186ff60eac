"""Deletions for a caller whose scope is of a category: the last content decides who learns of one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server.bulk import ASYNC, backend, hospital_with_blobs, work
from tests.server.conftest import Hospital

CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
PROBLEMS = "http://terminology.hl7.org/CodeSystem/condition-category"
LAB = f"system/Observation.rs?category={CATEGORY}|laboratory"
LISTED = f"system/Condition.rs?category={PROBLEMS}|problem-list-item"
IDS = ("lab", "vital", "was-lab", "became-lab", "none", "kept")


@pytest.fixture(scope="module")
def served(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    with hospital_with_blobs(database_url, tmp_path_factory.mktemp("blobs")) as hospital:
        yield hospital


def observation(identity: str, code: str | None) -> dict[str, Any]:
    category = [{"coding": [{"system": CATEGORY, "code": code}]}] if code else []
    result: dict[str, Any] = {
        "resourceType": "Observation",
        "id": identity,
        "status": "final",
        "code": {"text": "x"},
    }
    return result | ({"category": category} if code else {}) | {"subject": {"reference": "Patient/anna"}}


def condition(identity: str, code: str) -> dict[str, Any]:
    category = [{"coding": [{"system": PROBLEMS, "code": code}]}]
    subject = {"reference": "Patient/anna"}
    return {"resourceType": "Condition", "id": identity, "subject": subject, "category": category}


@pytest.fixture(scope="module")
def full(served: Hospital) -> dict[str, str]:
    headers = backend(served, "system/*.cruds")

    def put(one: dict[str, Any]) -> None:
        answer = served.http.put(f"/fhir/{one['resourceType']}/{one['id']}", headers=headers, json=one)
        assert answer.status_code in (200, 201), answer.text

    for identity, *codes in (
        ("lab", "laboratory"), ("vital", "vital-signs"), ("was-lab", "laboratory", "vital-signs"),
        ("became-lab", "vital-signs", "laboratory"), ("none", None), ("kept", "laboratory"),
    ):  # fmt: skip
        for code in codes:
            put(observation(identity, code))
    put(condition("problem", "problem-list-item"))
    put(condition("diagnosis", "encounter-diagnosis"))
    for name in ("Observation/lab", "Observation/vital", "Observation/was-lab", "Observation/became-lab",
                 "Observation/none", "Condition/problem", "Condition/diagnosis"):  # fmt: skip
        assert served.http.delete(f"/fhir/{name}", headers=headers).status_code in (200, 204)
    return headers


@pytest.fixture(scope="module")
def lab(served: Hospital, full: dict[str, str]) -> dict[str, str]:
    return backend(served, f"{LAB} {LISTED}")


def statuses(served: Hospital, headers: dict[str, str], suffix: str, ids: Any = IDS) -> dict[str, int]:
    return {
        one: served.http.get(f"/fhir/Observation/{one}{suffix}", headers=headers).status_code for one in ids
    }


def of_history(answer: httpx.Response) -> list[tuple[str, str]]:
    return [
        (entry["request"]["method"], entry["fullUrl"].split("/fhir/")[1])
        for entry in answer.json().get("entry", [])
    ]


def test_reads_and_histories_tell_who_could_read_the_last_content(
    served: Hospital, full: dict[str, str], lab: dict[str, str]
) -> None:
    stated = {"lab": 410, "became-lab": 410, "kept": 200}
    hidden = dict.fromkeys(("vital", "was-lab", "none", "nobody"), 404)
    assert statuses(served, lab, "", (*IDS, "nobody")) == stated | hidden
    assert statuses(served, full, "", (*IDS, "nobody")) == dict.fromkeys(IDS, 410) | {
        "kept": 200,
        "nobody": 404,
    }
    for suffix in ("/_history", "/_history?_count=0"):
        assert statuses(served, lab, suffix, (*IDS, "nobody")) == dict.fromkeys(stated, 200) | hidden
    # The first version of one that was of another category then is not the caller's.
    assert statuses(served, lab, "/_history/1") == dict.fromkeys(("lab", "kept"), 200) | dict.fromkeys(
        ("vital", "was-lab", "became-lab", "none"), 404
    )
    assert statuses(served, lab, "/_history/2", ("lab", "vital", "was-lab", "became-lab")) == {
        "lab": 410, "vital": 404, "was-lab": 404, "became-lab": 200
    }  # fmt: skip
    versions = served.http.get("/fhir/Observation/became-lab/_history", headers=lab)
    assert [method for method, _ in of_history(versions)] == ["DELETE", "PUT"]


def test_the_history_of_a_type_has_those_deletions_and_no_others(
    served: Hospital, lab: dict[str, str]
) -> None:
    problems = of_history(served.http.get("/fhir/Condition/_history?_count=100", headers=lab))
    assert problems == [("DELETE", "Condition/problem"), ("POST", "Condition/problem")]
    found = of_history(served.http.get("/fhir/Observation/_history?_count=100", headers=lab))
    deleted = {name for method, name in found if method == "DELETE"}
    assert deleted == {"Observation/lab", "Observation/became-lab"}
    named = {name for _, name in found} - {"Observation/anna-lab", "Observation/bert-lab"}
    assert named == deleted | {"Observation/kept"}


def test_a_bound_caller_of_a_category_learns_of_them_too(served: Hospital, full: dict[str, str]) -> None:
    bound = served.token("patient/*.rs", patient="anna")
    assert statuses(served, bound, "") == dict.fromkeys(IDS, 410) | {"kept": 200}
    other = served.token("patient/*.rs", patient="bert")
    assert statuses(served, other, "") == dict.fromkeys(IDS, 404)


def test_an_export_since_then_lists_them(served: Hospital, lab: dict[str, str], tmp_path: Path) -> None:
    begun = served.http.get("/fhir/$export?_since=2020-01-01T00:00:00Z", headers=lab | ASYNC)
    assert begun.status_code == 202, begun.text
    work(served)
    manifest = served.http.get(begun.headers["Content-Location"], headers=lab).json()
    gone: set[str] = set()
    for file in manifest["deleted"]:
        for line in served.http.get(file["url"], headers=lab).text.splitlines():
            gone |= {entry["request"]["url"] for entry in json.loads(line)["entry"]}
    assert gone == {"Observation/lab", "Observation/became-lab", "Condition/problem"}
