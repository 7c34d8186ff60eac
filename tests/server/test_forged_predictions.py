"""However a caller names a model, a prediction or another record's resource, the checks see what will be stored."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from fhir_bridge.fhir.access import EVERYTHING
from tests.server.conftest import FHIR, Hospital, observation

LABEL = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "AIAST"}
MODEL = {
    "resourceType": "Device",
    "id": "model",
    "identifier": [{"system": "urn:oid:2.25.9", "value": "M1"}],
    "type": {"coding": [{"system": "http://example.org/type", "code": "Artificial-Intelligence"}]},
}
PREDICTION = observation("predicted", "anna", code="77-7") | {
    "meta": {"security": [LABEL]},
    "identifier": [{"system": "urn:oid:2.25.9", "value": "P1"}],
}
PUMP = {"resourceType": "Device", "id": "pump", "identifier": [{"system": "urn:oid:2.25.9", "value": "D1"}]}
UUID = "urn:uuid:0d1c0d5e-9d0f-4f0d-8d38-1b8d1f5a7c11"
KINDS = ["single", "batch", "transaction"]


@pytest.fixture(scope="module", autouse=True)
def stored(hospital: Hospital) -> None:
    for resource in (MODEL, PREDICTION, PUMP):
        hospital.run(
            hospital.services.store.update, resource["resourceType"], resource["id"], resource, EVERYTHING
        )


@pytest.fixture(scope="module")
def clara(hospital: Hospital) -> dict[str, str]:
    return hospital.token("user/*.cruds", patient=None)


def bundle(kind: str, *entries: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def entry(method: str, url: str, resource: dict[str, Any], **request: str) -> dict[str, Any]:
    return {"resource": resource, "request": {"method": method, "url": url, **request}}


def send(
    hospital: Hospital, token: dict[str, str], kind: str, method: str, url: str, resource: dict[str, Any]
) -> httpx.Response:
    """A write alone or as an entry; the response of a batch is that of its entry."""
    if method == "POST":
        resource = {name: value for name, value in resource.items() if name != "id"}
    if kind == "single":
        return hospital.http.request(method, f"/fhir/{url}", json=resource, headers=token)
    answer = hospital.http.post("/fhir", json=bundle(kind, entry(method, url, resource)), headers=token)
    if kind == "batch":
        response = answer.json()["entry"][0]["response"]
        return httpx.Response(int(response["status"][:3]), json=response.get("outcome", {}))
    return answer


NAMES = [
    "Device/model",
    "Device/model/_history/1",
    f"{FHIR}/Device/model",
    f"{FHIR}/Device/model/_history/1",
    "HTTP://127.0.0.1:8000/fhir/Device/model",
    "Device?_id=model",
    "Device?identifier=urn:oid:2.25.9|M1",
    f"{FHIR}/Device?identifier=urn:oid:2.25.9|M1",
    "#d",
    "./Device/model",
    "/Device/model",
    "Device//model",
    "Device/model/",
    "Device/model#part",
    "Device/%6Dodel",
    "Practitioner/../Device/model",
    "../fhir/Device/model",
    f"{FHIR}/./Device/model",
    f"{FHIR}//Device/model",
    "https://127.0.0.1:8000/fhir/Device/model",
    "http://localhost:8000/fhir/Device/model",
    "http://127.0.0.1:9000/fhir/Device/model",
    "https://hospital.example/proxied/fhir/Device/model/_history/1",
    "//hospital.example/fhir/Device/model",
    "https://hospital.example/Device/x/../model#part",
    f"{FHIR.removesuffix('/fhir')}/Device/model",
]
"""The model's reference, and what a client may take for it."""
WRITES = [
    ("POST", "Observation"),
    ("PUT", "Observation/forged"),
    ("PUT", "Observation?identifier=urn:oid:2.25.9|F"),
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("method", "url"), WRITES, ids=["create", "update", "conditional update"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_result_can_be_said_to_be_of_a_model(
    hospital: Hospital, clara: dict[str, str], name: str, method: str, url: str, kind: str
) -> None:
    body = observation("forged", "anna") | {"device": {"reference": name}}
    if name == "#d":
        body["contained"] = [MODEL | {"id": "d"}]
    answer = send(hospital, clara, kind, method, url, body)
    assert answer.status_code == 403, answer.text
    assert "FB-REST-012" in answer.text
    assert hospital.http.get("/fhir/Observation/forged", headers=clara).status_code == 404


@pytest.mark.parametrize("element", ["code", "category", "component", "identifier"])
@pytest.mark.parametrize("kind", KINDS)
def test_nor_can_a_copy_without_label_and_device_pass_as_a_prediction(
    hospital: Hospital, clara: dict[str, str], element: str, kind: str
) -> None:
    concept = {"coding": [{"system": "https://fhir-bridge.org/fhir/CodeSystem/prediction", "code": "score2"}]}
    value = {
        "code": concept,
        "category": [concept],
        "component": [{"code": concept, "valueString": "high"}],
        "identifier": [{"system": "https://fhir-bridge.org/fhir/identifier/prediction", "value": "of-anna"}],
    }[element]
    body = observation("forged", "anna") | {element: value}
    answer = send(hospital, clara, kind, "PUT", "Observation/forged", body)
    assert answer.status_code == 403, answer.text
    assert "FB-REST-012" in answer.text
    inside = observation("forged", "anna") | {
        "contained": [body | {"id": "c"}],
        "hasMember": [{"reference": "#c"}],
    }
    assert send(hospital, clara, kind, "PUT", "Observation/forged", inside).status_code == 403
    assert hospital.http.get("/fhir/Observation/forged", headers=clara).status_code == 404


@pytest.mark.parametrize("name", ["Device/pump", "http://elsewhere.example/fhir/Device/other"])
def test_another_device_may_be_named(hospital: Hospital, clara: dict[str, str], name: str) -> None:
    body = observation("pumped", "anna") | {"device": {"reference": name}}
    assert send(hospital, clara, "single", "POST", "Observation", body).status_code == 201


@pytest.mark.parametrize("element", ["performer", "agent"])
def test_nor_by_another_element_that_says_who_made_it(
    hospital: Hospital, clara: dict[str, str], element: str
) -> None:
    who = {"reference": "Device?_id=model"}
    if element == "performer":
        body: dict[str, Any] = {
            "resourceType": "Procedure",
            "status": "completed",
            "subject": {"reference": "Patient/anna"},
            "performer": [{"actor": who}],
        }
    else:
        body = {
            "resourceType": "Provenance",
            "target": [{"reference": "Observation/anna-lab"}],
            "recorded": "2026-03-05T08:00:00Z",
            "agent": [{"who": {"reference": "Practitioner/clara"}, "onBehalfOf": who}],
        }
    answer = hospital.http.post(f"/fhir/{body['resourceType']}", json=body, headers=clara)
    assert answer.status_code == 403, answer.text


def test_nor_by_the_name_of_an_entry_that_turns_out_to_be_the_model(
    hospital: Hospital, clara: dict[str, str]
) -> None:
    """A conditional create that matches gives its name to what it matched."""
    named = {
        **entry("POST", "Device", {"resourceType": "Device"}, ifNoneExist="identifier=urn:oid:2.25.9|M1"),
        "fullUrl": UUID,
    }
    body = observation("x", "anna") | {"device": {"reference": UUID}}
    del body["id"]
    answer = hospital.http.post(
        "/fhir", json=bundle("transaction", named, entry("POST", "Observation", body)), headers=clara
    )
    assert answer.status_code == 403, answer.text
    assert "Bundle.entry[1]" in answer.text


@pytest.mark.parametrize(
    "target",
    [
        "Observation/predicted",
        "Observation?_id=predicted",
        f"{FHIR}/Observation/predicted",
        "http://localhost:8000/fhir/Observation/predicted",
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_no_provenance_about_a_prediction(
    hospital: Hospital, clara: dict[str, str], target: str, kind: str
) -> None:
    body = {
        "resourceType": "Provenance",
        "target": [{"reference": target}],
        "recorded": "2026-03-05T08:00:00Z",
        "agent": [{"who": {"reference": "Practitioner/clara"}}],
    }
    assert send(hospital, clara, kind, "POST", "Provenance", body).status_code == 403


@pytest.mark.parametrize("url", ["Observation?_id=predicted", "Observation?identifier=urn:oid:2.25.9|P1"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_prediction_is_not_changed_by_what_finds_it(
    hospital: Hospital, clara: dict[str, str], url: str, kind: str
) -> None:
    body = observation("predicted", "anna", code="77-7") | {"status": "amended"}
    for resource in (body, {name: value for name, value in body.items() if name != "id"}):
        answer = send(hospital, clara, kind, "PUT", url, resource)
        assert answer.status_code == 403, answer.text
    current = hospital.http.get("/fhir/Observation/predicted", headers=clara).json()
    assert (current["status"], current["meta"]["versionId"]) == ("final", "1")


@pytest.mark.parametrize("kind", KINDS)
def test_labels_stay_whatever_finds_the_resource(
    hospital: Hospital, clara: dict[str, str], kind: str
) -> None:
    restricted = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    mark = [{"system": "urn:oid:2.25.9", "value": f"L-{kind}"}]
    body = observation("labelled", "anna") | {"identifier": mark}
    labelled = body | {"id": f"labelled-{kind}", "meta": {"security": [restricted]}}
    hospital.run(hospital.services.store.update, "Observation", labelled["id"], labelled, EVERYTHING)
    del body["id"]
    changed = body | {"status": "amended"}
    answer = send(hospital, clara, kind, "PUT", f"Observation?identifier=urn:oid:2.25.9|L-{kind}", changed)
    assert answer.status_code == 200, answer.text
    stored = hospital.http.get(f"/fhir/Observation/{labelled['id']}", headers=clara).json()
    assert (stored["status"], stored["meta"]["security"]) == ("amended", [restricted])


@pytest.mark.parametrize(
    "name", ["Device?identifier=urn:oid:2.25.9|D1", "Device?_id=pump", f"{FHIR}/Device/pump"]
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_search_in_place_of_a_reference_is_resolved(
    hospital: Hospital, clara: dict[str, str], name: str, kind: str
) -> None:
    body = observation("x", "anna", code="88-8") | {"device": {"reference": name}}
    answer = send(hospital, clara, kind, "POST", "Observation", body)
    assert answer.status_code in (200, 201), answer.text
    found = hospital.http.get("/fhir/Observation?code=88-8&_count=100", headers=clara).json()["entry"]
    assert {item["resource"]["device"]["reference"] for item in found} == {"Device/pump"}


@pytest.mark.parametrize(
    "query", ["identifier=urn:oid:2.25.9|none", "identifier=M1,D1", "nonsense=1", "", "type=%00", "type=%ff"]
)
@pytest.mark.parametrize("kind", KINDS)
def test_one_that_finds_nothing_several_or_can_not_be_read_is_refused(
    hospital: Hospital, clara: dict[str, str], query: str, kind: str
) -> None:
    body = observation("x", "anna") | {"device": {"reference": f"Device?{query}"}}
    assert send(hospital, clara, kind, "POST", "Observation", body).status_code == 400


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_caller_may_not_search_it_can_not_refer_to_by_search(hospital: Hospital, kind: str) -> None:
    token = hospital.token("launch/patient patient/Observation.cruds")
    for name in ("Device?identifier=urn:oid:2.25.9|D1", "Device?_id=model"):
        body = observation("x", "anna") | {"device": {"reference": name}}
        assert send(hospital, token, kind, "POST", "Observation", body).status_code == 403
