"""Over REST a reference leads to what is there, and what others refer to stays; the refusal shows nothing hidden."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.storage import DanglingReference, Referred, Store
from fhir_bridge.storage.writing import Operation
from tests.server.bulk import backend
from tests.server.conftest import BASE, Hospital, observation, patient

CLARA = "user/*.cruds"


def about(identity: str, of: str, **more: Any) -> dict[str, Any]:
    return observation(identity, of) | more


def post(hospital: Hospital, resource: dict[str, Any], headers: dict[str, str]) -> Any:
    return hospital.http.post(f"/fhir/{resource['resourceType']}", json=resource, headers=headers)


def text_of(answer: Any) -> str:
    return str(answer.json()["issue"][0])


def test_what_is_referred_to_has_to_be_there(hospital: Hospital) -> None:
    headers = hospital.token(CLARA)
    refused = post(hospital, about("x", "nobody"), headers)
    assert refused.status_code == 422
    assert "Patient/nobody" in text_of(refused)
    assert "FB-STORE-032" in text_of(refused)
    refused = hospital.http.put(
        "/fhir/Observation/new",
        json=about("new", "anna", hasMember=[{"reference": "Observation/none"}]),
        headers=headers,
    )
    assert (refused.status_code, "Observation/none" in text_of(refused)) == (422, True)
    extension = [
        {"url": "https://x.example/e", "valueReference": {"reference": f"{BASE}/fhir/Location/none"}}
    ]
    assert post(hospital, about("x", "anna", extension=extension), headers).status_code == 422
    assert hospital.http.get("/fhir/Observation/new", headers=headers).status_code == 404
    for reference in (
        {"reference": "Observation/none/_history/1"},
        {"reference": "https://elsewhere.example/fhir/Observation/none"},
        {"identifier": {"system": "https://x.example", "value": "1"}, "type": "Observation"},
        {"reference": "#inside"},
        {"reference": "Observation/anna-lab"},
    ):
        inside = [observation("inside", "anna")] if reference.get("reference") == "#inside" else []
        body = about("x", "anna", hasMember=[reference], **({"contained": inside} if inside else {}))
        answer = post(hospital, body, headers)
        assert answer.status_code == 201, (reference, answer.text)


def test_to_research_a_version_is_as_its_resource(hospital: Hospital) -> None:
    """Else it could add to the record of a patient who denies it: what is hidden is as not there."""
    headers = backend(hospital, "system/*.cruds", purpose="HRESCH")
    for reference in ("Patient/nobody/_history/1", f"{BASE}/fhir/Patient/nobody/_history/1"):
        body = about("x", "anna", subject={"reference": reference})
        assert post(hospital, body, headers).status_code == 422, reference
    known = about("x", "anna", subject={"reference": "Patient/anna/_history/1"})
    assert post(hospital, known, headers).status_code == 201


def test_a_resource_may_refer_to_itself_and_to_what_comes_with_it(hospital: Hospital) -> None:
    headers = hospital.token(CLARA)
    own = about("circle", "anna", hasMember=[{"reference": "Observation/circle"}])
    assert hospital.http.put("/fhir/Observation/circle", json=own, headers=headers).status_code == 201

    def put(resource: dict[str, Any]) -> dict[str, Any]:
        name = f"{resource['resourceType']}/{resource['id']}"
        return {"resource": resource, "request": {"method": "PUT", "url": name}}

    def bundle(kind: str, *entries: dict[str, Any]) -> Any:
        body = {"resourceType": "Bundle", "type": kind, "entry": list(entries)}
        return hospital.http.post("/fhir", json=body, headers=headers)

    pair = [put(about("of-new", "new-one")), put(patient("new-one", "Gamma"))]
    answer = bundle("batch", pair[0])
    assert answer.json()["entry"][0]["response"]["status"].startswith("422")
    answer = bundle("transaction", put(patient("other-one", "Delta")), put(about("z", "missing-one")))
    assert (answer.status_code, "Bundle.entry[1]" in text_of(answer)) == (422, True)
    assert hospital.http.get("/fhir/Patient/other-one", headers=headers).status_code == 404
    assert bundle("transaction", *pair).status_code == 200
    gone = {"request": {"method": "DELETE", "url": "Patient/new-one"}}
    assert bundle("transaction", gone).status_code == 409
    answer = bundle("transaction", gone, put(about("again", "new-one")))
    assert answer.status_code == 422
    both = {"request": {"method": "DELETE", "url": "Observation/of-new"}}
    assert bundle("transaction", gone, both).status_code == 200


def test_what_others_refer_to_is_not_deleted(hospital: Hospital) -> None:
    headers = hospital.token(CLARA)
    identity = post(hospital, patient("x", "Epsilon"), headers).json()["id"]
    of = post(hospital, about("x", identity), headers).json()["id"]
    answer = hospital.http.delete(f"/fhir/Patient/{identity}", headers=headers)
    assert answer.status_code == 409
    assert f"Observation/{of}" in text_of(answer)
    assert "FB-STORE-033" in text_of(answer)
    assert hospital.http.get(f"/fhir/Patient/{identity}", headers=headers).status_code == 200
    # It names what this caller may read, and nothing else.
    answer = hospital.http.delete(f"/fhir/Patient/{identity}", headers=hospital.token("user/Patient.cruds"))
    assert (answer.status_code, of in answer.text) == (409, False)
    assert hospital.http.delete(f"/fhir/Observation/{of}", headers=headers).status_code == 204
    assert hospital.http.delete(f"/fhir/Patient/{identity}", headers=headers).status_code == 204
    refused = post(hospital, about("x", identity), headers)
    assert refused.status_code == 422


def test_a_bounded_caller_does_not_learn_what_is_there(hospital: Hospital) -> None:
    headers = hospital.token("launch/patient patient/*.cruds")
    answers = [
        post(hospital, about("x", "anna", hasMember=[{"reference": f"Observation/{name}"}]), headers)
        for name in ("bert-lab", "nowhere")
    ]
    assert answers[0].status_code == answers[1].status_code == 201
    reader = hospital.token("user/Observation.cruds")
    answers = [
        post(hospital, about("x", "anna", performer=[{"reference": f"Practitioner/{name}"}]), reader)
        for name in ("clara", "nowhere")
    ]
    assert answers[0].status_code == answers[1].status_code == 201


def test_what_a_load_left_dangling_may_be_edited(hospital: Hospital) -> None:
    headers = hospital.token(CLARA)
    loaded = about("loaded", "anna", performer=[{"reference": "Practitioner/never-came"}])
    hospital.run(hospital.services.store.load, [loaded])
    for status in ("amended", "corrected"):
        answer = hospital.http.put(
            "/fhir/Observation/loaded", json=loaded | {"status": status}, headers=headers
        )
        assert answer.status_code == 200, answer.text
    other = loaded | {"performer": [{"reference": "Practitioner/nor-this"}]}
    assert hospital.http.put("/fhir/Observation/loaded", json=other, headers=headers).status_code == 422


@pytest.mark.parametrize("turns", [20])
def test_a_write_and_the_deletion_of_what_it_names_never_both_succeed(
    fresh_database_url: str, turns: int
) -> None:
    async def attempt(work: Any) -> bool:
        try:
            await work
        except (DanglingReference, Referred):
            return False
        return True

    async def run() -> None:
        async with await Store.open(fresh_database_url, check_references=True) as store:
            for turn in range(turns):
                name = f"p{turn}"
                await store.update("Patient", name, patient(name, "Alpha"), EVERYTHING)
                writes = [
                    attempt(store.create(observation("x", name), EVERYTHING)),
                    attempt(store.delete("Patient", name, EVERYTHING)),
                    attempt(
                        store.write(
                            [Operation("update", "Observation", f"o{turn}", observation(f"o{turn}", name))],
                            EVERYTHING,
                        )
                    ),
                ]
                created, deleted, updated = await asyncio.gather(*writes)
                found = await store.search("Observation", [("subject", f"Patient/{name}")], EVERYTHING)
                assert len(found.entries) == created + updated
                assert not (deleted and found.entries)
                assert deleted or found.entries

    asyncio.run(run())
