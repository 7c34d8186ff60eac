"""Chains into contained resources, over HTTP: found with what contains them, by who may read that."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_bridge.fhir.access import EVERYTHING
from tests.server.conftest import FHIR, Hospital, observation

DRUGS = "http://example.org/drugs"


def order(
    identity: str, patient: str, *, drug: str | None = None, stored: str | None = None
) -> dict[str, Any]:
    """A prescription of a contained Medication, or of a stored one."""
    body: dict[str, Any] = {
        "resourceType": "MedicationRequest",
        "id": identity,
        "status": "active",
        "intent": "order",
        "subject": {"reference": f"Patient/{patient}"},
        "medicationReference": {"reference": "#m" if stored is None else f"Medication/{stored}"},
    }
    return body if stored is not None else {**body, "contained": [medication("m", drug)]}


def medication(identity: str, drug: str | None) -> dict[str, Any]:
    body: dict[str, Any] = {"resourceType": "Medication", "id": identity, "status": "active"}
    if drug is not None:
        body |= {"code": {"coding": [{"system": DRUGS, "code": drug}]}}
    return body


def measured(identity: str, patient: str, name: str, *, referred: bool = True) -> dict[str, Any]:
    """An Observation with a contained Device, with components too, whose rows are numbered."""
    device = {"resourceType": "Device", "id": "dv", "deviceName": [{"name": name, "type": "other"}]}
    part = {"code": {"text": "a", "coding": [{"code": "a"}]}, "valueString": "x"}
    more = {"device": {"reference": "#dv"}} if referred else {"focus": [{"reference": "#dv"}]}
    return observation(identity, patient) | {"contained": [device], "component": [part], **more}


RESOURCES = [
    medication("aspirin", "aspirin"),
    order("anna-inside", "anna", drug="aspirin"),
    order("bert-inside", "bert", drug="aspirin"),
    order("anna-stored", "anna", stored="aspirin"),
    order("anna-other", "anna", drug="ibuprofen"),
    order("anna-none", "anna"),
    measured("anna-device", "anna", "Gerätx"),
    measured("anna-focus", "anna", "Gerätx", referred=False),
    # A patient inside is nobody's record, and has a name.
    observation("stranger", "anna")
    | {
        "contained": [{"resourceType": "Patient", "id": "p", "name": [{"family": "Nobody"}]}],
        "subject": {"reference": "#p"},
    },
]


@pytest.fixture(scope="module")
def headers(hospital: Hospital) -> dict[str, str]:
    headers = hospital.token("user/*.cruds")
    for resource in RESOURCES:
        put(hospital, resource, headers)
    return headers


def put(hospital: Hospital, body: dict[str, Any], headers: dict[str, str]) -> None:
    answer = hospital.http.put(f"/fhir/{body['resourceType']}/{body['id']}", json=body, headers=headers)
    assert answer.status_code in (200, 201), answer.text


def found(hospital: Hospital, query: str, headers: dict[str, str]) -> set[str]:
    answer = hospital.http.get(f"/fhir/{query}&_count=100", headers=headers)
    assert answer.status_code == 200, answer.text
    return {
        entry["fullUrl"].removeprefix(f"{FHIR}/").partition("/")[2]
        for entry in answer.json().get("entry", [])
    }


QUERIES = {
    f"MedicationRequest?medication.code={DRUGS}|aspirin": "anna-inside bert-inside anna-stored",
    "MedicationRequest?medication:Medication.code=aspirin": "anna-inside bert-inside anna-stored",
    "MedicationRequest?medication.code=ibuprofen": "anna-other",
    "MedicationRequest?patient=anna&medication.code=aspirin": "anna-inside anna-stored",
    "MedicationRequest?patient=anna&medication.code=aspirin,ibuprofen": "anna-inside anna-stored anna-other",
    "MedicationRequest?medication.code:not=aspirin": "anna-other anna-none",
    "MedicationRequest?medication.code:missing=true": "anna-none",
    "MedicationRequest?patient=bert&medication.code:missing=false": "bert-inside",
    "MedicationRequest?medication.status=active&patient=bert": "bert-inside",
    "MedicationRequest?medication.code=nothing": "",
    "MedicationRequest?_filter=medication.code eq aspirin": "anna-inside bert-inside anna-stored",
    "Patient?_has:MedicationRequest:patient:medication.code=aspirin": "anna bert",
    "Observation?device.device-name=geratx": "anna-device",
    "Observation?device:Device.device-name:exact=Gerätx": "anna-device",
    "Observation?focus:Device.device-name=geratx": "anna-focus",
    "Observation?subject:Patient.family=nobody": "stranger",
    "Observation?patient.family=nobody": "stranger",
    # What is contained is found through what contains it alone.
    "Medication?code=aspirin": "aspirin",
    "Device?device-name=geratx": "",
    "Patient?family=nobody": "",
}


@pytest.mark.parametrize("query", QUERIES)
def test_a_chain_looks_into_contained_resources(
    hospital: Hospital, headers: dict[str, str], query: str
) -> None:
    assert found(hospital, query, headers) == set(QUERIES[query].split())


def test_a_caller_finds_by_it_what_the_caller_may_read(hospital: Hospital, headers: dict[str, str]) -> None:
    own = hospital.token("patient/*.rs", user="anna")
    query = "MedicationRequest?medication.code=aspirin"
    assert found(hospital, query, own) == {"anna-inside", "anna-stored"}
    # Of Medications nothing may be found, and of the prescription all that is in it.
    only = hospital.token("user/MedicationRequest.rs")
    assert found(hospital, query, only) == {"anna-inside", "bert-inside"}
    assert found(hospital, "Patient?_has:MedicationRequest:patient:medication.code=aspirin", own) == {"anna"}


def test_a_new_version_a_deletion_and_a_new_index_count(hospital: Hospital, headers: dict[str, str]) -> None:
    query = "MedicationRequest?medication.code=changed"
    for drug, expected in (("changed", {"x"}), ("other", set()), ("changed", {"x"}), ("changed", {"x"})):
        put(hospital, order("x", "bert", drug=drug), headers)
        assert found(hospital, query, headers) == expected
    hospital.run(hospital.services.store.reindex)
    assert found(hospital, query, headers) == {"x"}
    assert hospital.http.delete("/fhir/MedicationRequest/x", headers=headers).status_code in (200, 204)
    assert found(hospital, query, headers) == set()
    assert "x" not in found(hospital, "MedicationRequest?medication.code:missing=true", headers)


def test_what_is_referred_to_often_costs_once(hospital: Hospital, headers: dict[str, str]) -> None:
    names = [{"family": f"F{number}"} for number in range(2_000)]
    body = {
        "resourceType": "List",
        "id": "many",
        "status": "current",
        "mode": "working",
        "contained": [{"resourceType": "Patient", "id": "p", "name": names}],
        "entry": [{"item": {"reference": "#p"}} for _ in range(2_000)],
    }
    put(hospital, body, headers)
    assert found(hospital, "List?item:Patient.family=f1999", headers) == {"many"}


def test_a_long_or_malformed_contained_resource_is_stored(
    hospital: Hospital, headers: dict[str, str]
) -> None:
    identity = "i" * 3_000
    body = order("long", "bert", drug="long") | {"medicationReference": {"reference": f"#{identity}"}}
    resources: list[Any] = [medication(identity, "long"), {"resourceType": "Medication"}, {}]
    load = [body | {"contained": resources}, order("none", "bert") | {"contained": ["x", None]}]
    for resource in load:
        hospital.run(
            hospital.services.store.update, "MedicationRequest", resource["id"], resource, EVERYTHING
        )
    assert found(hospital, "MedicationRequest?medication.code=long", headers) == {"long"}
