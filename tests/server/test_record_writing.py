"""A token bound to a patient can't create in, or move into or out of, another patient's record."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.record import has_patient
from fhir_bridge.storage import Forbidden
from tests.server.conftest import Hospital, observation, patient

ALLERGY = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
BODIES: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
    ("Observation", observation("x", "bert"), {"performer": [{"reference": "Patient/anna"}]}),
    (
        "AllergyIntolerance",
        {
            "clinicalStatus": {"coding": [{"system": ALLERGY, "code": "active"}]},
            "patient": {"reference": "Patient/bert"},
            "code": {"text": "nuts"},
        },
        {"recorder": {"reference": "Patient/anna"}, "asserter": {"reference": "Patient/anna"}},
    ),
    (
        "DocumentReference",
        {
            "status": "current",
            "subject": {"reference": "Patient/bert"},
            "content": [{"attachment": {"contentType": "text/plain", "data": "eA=="}}],
        },
        {"author": [{"reference": "Patient/anna"}]},
    ),
    (
        "Communication",
        {"status": "completed", "subject": {"reference": "Patient/bert"}},
        {"sender": {"reference": "Patient/anna"}, "recipient": [{"reference": "Patient/anna"}]},
    ),
    (
        "Appointment",
        {
            "status": "proposed",
            "participant": [
                {"actor": {"reference": "Patient/bert"}, "status": "accepted"},
                {"actor": {"reference": "Patient/anna"}, "status": "accepted"},
            ],
        },
        {},
    ),
    (
        "Provenance",
        {
            "target": [{"reference": "Observation/bert-lab"}],
            "recorded": "2026-03-05T08:00:00Z",
            "agent": [{"who": {"reference": "Patient/anna"}}],
        },
        {},
    ),
)


def to_anna(body: dict[str, Any]) -> dict[str, Any]:
    """The same about anna alone."""
    if body["resourceType"] == "Appointment":
        return body | {"participant": body["participant"][1:]}
    if body["resourceType"] == "Provenance":
        return body | {"target": [{"reference": "Observation/anna-lab"}]}
    name = "patient" if "patient" in body else "subject"
    return body | {name: {"reference": "Patient/anna"}}


def send(
    hospital: Hospital, token: dict[str, str], kind: str, method: str, url: str, body: dict[str, Any]
) -> int:
    """The status of a write, single or as an entry."""
    if method == "POST":
        body = {name: value for name, value in body.items() if name != "id"}
    if kind == "single":
        return hospital.http.request(method, f"/fhir/{url}", json=body, headers=token).status_code
    entry = {"resource": body, "request": {"method": method, "url": url}}
    bundle = {"resourceType": "Bundle", "type": kind, "entry": [entry]}
    answer = hospital.http.post("/fhir", json=bundle, headers=token)
    if kind == "transaction" and answer.status_code != 200:
        return answer.status_code
    return int(answer.json()["entry"][0]["response"]["status"][:3])


@pytest.fixture(scope="module")
def token(hospital: Hospital) -> dict[str, str]:
    return hospital.token("launch/patient patient/*.cruds")


@pytest.fixture(scope="module")
def clinician(hospital: Hospital) -> dict[str, str]:
    return hospital.token("user/*.rs")


@pytest.fixture
def body(request: pytest.FixtureRequest) -> dict[str, Any]:
    kind, about, more = request.param
    return {**about, **more, "resourceType": kind, "id": "x"}


@pytest.mark.parametrize("body", BODIES, indirect=True, ids=[kind for kind, _, _ in BODIES])
@pytest.mark.parametrize("kind", ["single", "batch", "transaction"])
def test_creating_is_refused(
    hospital: Hospital, token: dict[str, str], body: dict[str, Any], kind: str
) -> None:
    name = body["resourceType"]
    assert send(hospital, token, kind, "POST", name, body) == 403
    own = to_anna(body)
    assert send(hospital, token, kind, "POST", name, own) == 201


@pytest.mark.parametrize("body", BODIES, indirect=True, ids=[kind for kind, _, _ in BODIES])
@pytest.mark.parametrize("kind", ["single", "batch", "transaction"])
@pytest.mark.parametrize("conditional", [False, True])
def test_moving_is_refused_in_both_directions(
    hospital: Hospital,
    token: dict[str, str],
    clinician: dict[str, str],
    body: dict[str, Any],
    kind: str,
    *,
    conditional: bool,
) -> None:
    name, store = body["resourceType"], hospital.services.store
    foreign, own = body | {"id": "theirs"}, to_anna(body) | {"id": "mine"}
    for resource in (foreign, own):
        hospital.run(store.update, name, resource["id"], resource, EVERYTHING)
    out, taken = foreign | {"id": "mine"}, own | {"id": "theirs"}

    def url(identity: str) -> str:
        return f"{name}?_id={identity}" if conditional else f"{name}/{identity}"

    assert send(hospital, token, kind, "PUT", url("mine"), out) == 403
    assert send(hospital, token, kind, "PUT", url("theirs"), taken) == 403
    for resource in (foreign, own):
        stored = hospital.http.get(f"/fhir/{name}/{resource['id']}", headers=clinician).json()
        del stored["meta"]
        assert stored == resource
    changed = own | {"language": "de"}
    assert send(hospital, token, kind, "PUT", url("mine"), changed) == 200


@pytest.mark.parametrize(
    "subject",
    [
        "Patient/bert",
        "Patient/bert/_history/1",
        "http://127.0.0.1:8000/fhir/Patient/bert",
        "HTTP://127.0.0.1:8000/fhir/Patient/bert",
        "http://127.0.0.1:8000/fhir/Patient/bert/_history/1",
        "Patient?identifier=urn:oid:2.25.1|MRN-bert",
        "http://127.0.0.1:8000/fhir/Patient?identifier=urn:oid:2.25.1|MRN-bert",
        "https://elsewhere.example/fhir/Patient/anna",
        "urn:uuid:0d1c0d5e-9d0f-4f0d-8d38-1b8d1f5a7c11",
        "#p",
    ],
)
@pytest.mark.parametrize("kind", ["single", "batch", "transaction"])
def test_no_way_to_write_a_reference_leads_into_another_record(
    hospital: Hospital, token: dict[str, str], subject: str, kind: str
) -> None:
    body = observation("x", "bert") | {"subject": {"reference": subject}}
    body["performer"] = [{"reference": "Patient/anna"}]
    if subject == "#p":
        body["contained"] = [{"resourceType": "Patient", "id": "p"}]
    assert send(hospital, token, kind, "POST", "Observation", body) in (400, 403)


@pytest.mark.parametrize(
    "subject",
    [
        "http://127.0.0.1:8000/fhir/Patient/anna",
        "Patient?identifier=urn:oid:2.25.1|MRN-anna",
        "http://127.0.0.1:8000/fhir/Patient?_id=anna",
    ],
)
@pytest.mark.parametrize("kind", ["single", "batch", "transaction"])
def test_and_the_own_is_reached_in_each(
    hospital: Hospital, token: dict[str, str], subject: str, kind: str
) -> None:
    body = observation("x", "anna", code="5-0") | {"subject": {"reference": subject}}
    assert send(hospital, token, kind, "POST", "Observation", body) == 201
    found = hospital.http.get("/fhir/Observation?code=5-0", headers=token).json()["entry"]
    assert {entry["resource"]["subject"]["reference"] for entry in found} == {"Patient/anna"}


def test_a_contained_resource_about_another_patient_is_refused(
    hospital: Hospital, token: dict[str, str]
) -> None:
    specimen = {"resourceType": "Specimen", "id": "s", "subject": {"reference": "Patient/bert"}}
    body = observation("x", "anna") | {"contained": [specimen], "specimen": {"reference": "#s"}}
    assert hospital.http.post("/fhir/Observation", json=body, headers=token).status_code == 403
    specimen["subject"] = {"reference": "Patient/anna"}
    assert hospital.http.post("/fhir/Observation", json=body, headers=token).status_code == 201


def test_types_about_no_patient_are_not_made_by_a_bound_token(
    hospital: Hospital, token: dict[str, str]
) -> None:
    access = _access(hospital, token)
    for name in sorted(definitions.resource_types()):
        if not has_patient(name):
            resource = {"resourceType": name}
            with pytest.raises(Forbidden):
                hospital.run(hospital.services.store.create, resource, access)


def _access(hospital: Hospital, token: dict[str, str]) -> Any:
    caller = hospital.run(hospital.services.tokens.caller, token["Authorization"].partition(" ")[2])
    return caller.access


def test_a_patient_may_not_be_written_by_a_bound_token_under_another_id(hospital: Hospital) -> None:
    token = hospital.token("launch/patient patient/*.cruds")
    assert (
        hospital.http.post("/fhir/Patient", json=patient("anna", "Alpha"), headers=token).status_code == 403
    )
