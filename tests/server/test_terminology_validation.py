"""What is written over REST is checked with: by `$validate` and on writes, in every worker."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.server import Settings, create_app
from fhir_bridge.server.validation import LOOK_SECONDS
from tests.fhir.definitions.makers import BASE, element, package, profile
from tests.server.conftest import Hospital, bare_plugins, observation, running
from tests.server.test_terminology import LAB, LAB_SET, Terminology, code_system, value_set

Found = list[tuple[str, str]]


@pytest.fixture(scope="module")
def terminology(hospital: Hospital) -> Terminology:
    return Terminology(hospital)


@pytest.fixture
def lab(terminology: Terminology) -> Iterator[Terminology]:
    """A laboratory's code system and value set, for one test."""
    terminology.put(code_system("krea", "hb"))
    terminology.put(value_set())
    yield terminology
    for path in ("CodeSystem/lab", "ValueSet/lab"):
        terminology.delete(path)


@pytest.fixture
def bound(tmp_path: Path, lab: Terminology, database_url: str) -> Iterator[Terminology]:
    """A worker of a site whose guide binds Observation.code to a value set that the guide does not hold (made)."""
    binding = {"strength": "required", "valueSet": LAB_SET}
    made = profile("Lab", "Observation", element("Observation.code", binding=binding))
    site = tmp_path / "site.yaml"
    site.write_text(f"site: lab\npackages: [{package(tmp_path, 'site.lab', made).name}]\n")
    app = create_app(Settings(database_url=database_url, pages=False, site=site), plugins=bare_plugins())
    with running(app) as http:
        found = Terminology.__new__(Terminology)
        found.http, found.headers = http, lab.headers
        yield found


def measured(code: str, system: str = LAB) -> dict[str, Any]:
    made = observation("measured", "anna")
    made["code"] = {"coding": [{"system": system, "code": code}]}
    del made["category"]
    return made


def reported_codes(terminology: Terminology, resource: dict[str, Any], **parameters: str) -> Found:
    query = "&".join(f"{name}={value}" for name, value in parameters.items())
    answer = terminology.post(f"/Observation/$validate?{query}", resource)
    return [
        (one["severity"], coding["code"])
        for one in answer["issue"]
        for coding in one["details"].get("coding", ())
    ]


def refused(terminology: Terminology, resource: dict[str, Any]) -> bool:
    path = f"/fhir/Observation/{resource['id']}"
    answer = terminology.http.put(path, json=resource, headers=terminology.headers)
    assert answer.status_code in (200, 201, 422), answer.text
    return answer.status_code == 422


WRONG_CODE = ("error", "FB-FHIR-022")
NOT_BOUND = ("error", "FB-FHIR-020")


def test_a_code_of_a_system_that_nobody_knows_is_left_be(terminology: Terminology) -> None:
    assert WRONG_CODE not in reported_codes(terminology, measured("krea", f"{LAB}-unknown"))


def test_a_code_is_judged_by_the_system_that_was_written(lab: Terminology) -> None:
    assert WRONG_CODE not in reported_codes(lab, measured("krea"))
    assert WRONG_CODE in reported_codes(lab, measured("crea"))
    assert not refused(lab, measured("hb"))
    assert refused(lab, measured("hg"))
    lab.put(code_system("hg"))
    assert not refused(lab, measured("hg"))
    assert refused(lab, measured("hb"))


def test_a_binding_is_judged_by_the_value_set_that_was_written(lab: Terminology, bound: Terminology) -> None:
    lab.put(value_set(compose={"include": [{"system": LAB, "concept": [{"code": "krea"}]}]}))
    assert NOT_BOUND not in reported_codes(bound, measured("krea"), profile=f"{BASE}Lab")
    assert NOT_BOUND in reported_codes(bound, measured("hb"), profile=f"{BASE}Lab")
    declared = {**measured("hb"), "meta": {"profile": [f"{BASE}Lab"]}}
    assert refused(bound, declared)
    assert not refused(lab, declared)  # who has no such guide knows no such profile
    lab.put(value_set())
    time.sleep(LOOK_SECONDS)
    assert not refused(bound, declared)


@pytest.mark.parametrize("gone", ["deleted", "retired", "restricted"])
def test_what_is_gone_judges_no_more(lab: Terminology, bound: Terminology, gone: str) -> None:
    wrong = {**measured("hg"), "meta": {"profile": [f"{BASE}Lab"]}}
    assert {WRONG_CODE, NOT_BOUND} <= set(reported_codes(bound, wrong))
    if gone == "deleted":
        lab.delete("CodeSystem/lab")
        lab.delete("ValueSet/lab")
    else:
        label = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "V"}
        more: dict[str, Any] = {"status": "retired"} if gone == "retired" else {"meta": {"security": [label]}}
        lab.put(code_system("krea", "hb", **more))
        lab.put(value_set(**more))
    assert not {WRONG_CODE, NOT_BOUND} & set(reported_codes(bound, wrong))


def test_every_worker_judges_with_what_one_has_written(lab: Terminology, database_url: str) -> None:
    app = create_app(Settings(database_url=database_url, pages=False), plugins=bare_plugins())
    with running(app) as http:
        other = Terminology.__new__(Terminology)
        other.http, other.headers = http, lab.headers
        for number in range(5):
            lab.put(code_system(f"code-{number}"))
            time.sleep(LOOK_SECONDS)  # for writes a look is good so long
            assert not refused(other, measured(f"code-{number}"))
            assert refused(other, measured(f"code-{number + 1}"))


def entry(method: str, resource: dict[str, Any]) -> dict[str, Any]:
    return {
        "resource": resource,
        "request": {"method": method, "url": f"{resource['resourceType']}/{resource['id']}"},
    }


def transaction(terminology: Terminology, status: int, *entries: dict[str, Any]) -> dict[str, Any]:
    return terminology.post(
        "/", {"resourceType": "Bundle", "type": "transaction", "entry": [*entries]}, status
    )


def test_a_transaction_is_judged_with_the_terminology_that_it_brings(lab: Terminology) -> None:
    transaction(lab, 422, entry("PUT", measured("new")))
    transaction(lab, 200, entry("PUT", code_system("new")), entry("PUT", measured("new")))
    assert refused(lab, measured("krea"))


def test_a_resource_that_the_tables_judge_asks_the_database_nothing(
    hospital: Hospital, terminology: Terminology, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    served = hospital.services.terminology
    look = served.refresh

    async def counted(store: Any, **how: Any) -> Any:
        looks.append(store)
        return await look(store, **how)

    monkeypatch.setattr(served, "refresh", counted)
    terminology.put({"resourceType": "Patient", "id": "asked", "gender": "female"})
    assert not looks
    entries = [entry("PUT", {**measured("krea"), "id": f"measured-{number}"}) for number in range(20)]
    transaction(terminology, 200, *entries)
    assert len(looks) == 1
