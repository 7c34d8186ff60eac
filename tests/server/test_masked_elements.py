"""Elements without a value, for which extensions stand (R4 json.html#null): no page and no operation fails for one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

import pytest

from fhir_bridge.predictions import plugin as predictions
from fhir_bridge.server import Settings, create_app
from tests.server.conftest import FHIR, Hospital, bare_plugins, furnish, observation, running

Made = dict[str, Any]
LOINC = "http://loinc.org"
MASKED = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}


def coded(code: str, system: str = LOINC) -> Made:
    return {
        "coding": [{"system": system, "code": code, "display": f"display {code}"}],
        "text": f"text {code}",
    }


def clinical(kind: str) -> Made:
    return coded("active", f"http://terminology.hl7.org/CodeSystem/{kind}-clinical")


HUMAN: Made = {
    "identifier": [{"system": "urn:oid:2.25.1", "value": "7", "type": coded("MR"), "use": "usual"}],
    "name": [
        {"use": "official", "family": "C", "given": ["A", "B"], "prefix": ["Dr"], "suffix": ["jr"]},
        {"use": "nickname", "text": "Abe"},
    ],
    "telecom": [{"system": "phone", "value": "1", "use": "home", "rank": 1}],
    "address": [
        {"line": ["Street 1"], "city": "Town", "postalCode": "1", "country": "IT", "text": "Street 1"}
    ],
    "gender": "female",
    "birthDate": "1961-04-05",
    "active": True,
}
PERSON = HUMAN | {
    "resourceType": "Patient",
    "maritalStatus": coded("M"),
    "deceasedBoolean": False,
    "contact": [{"name": HUMAN["name"][0], "telecom": HUMAN["telecom"], "relationship": [coded("N")]}],
    "communication": [{"language": {"text": "Italian"}, "preferred": True}],
    "generalPractitioner": [{"reference": "Practitioner/veiled-doctor", "display": "Dr"}],
}  # fmt: skip
VALUE = {
    "value": 5.4,
    "unit": "mmol/L",
    "system": "http://unitsofmeasure.org",
    "code": "mmol/L",
    "comparator": "<",
}
RANGE = [
    {
        "low": {"value": 1, "unit": "mmol/L"},
        "high": {"value": 9, "unit": "mmol/L"},
        "text": "up to 9",
        "type": coded("normal"),
    }
]
LAB = observation("x", "x") | {
    "code": coded("2093-3"),
    "valueQuantity": VALUE,
    "issued": "2026-03-05T09:00:00+01:00",
    "interpretation": [coded("L", "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation")],
    "note": [{"text": "a note", "time": "2026-03-05T09:00:00Z", "authorString": "me"}],
    "method": coded("m"),
    "bodySite": coded("b"),
    "referenceRange": RANGE,
    "performer": [{"reference": "Practitioner/veiled-doctor", "display": "Dr"}],
    "component": [
        {"code": coded("8480-6"), "valueQuantity": VALUE, "referenceRange": RANGE, "interpretation": [coded("N")]}
    ],
}  # fmt: skip
RECORD: list[Made] = [
    LAB,
    {**{name: value for name, value in LAB.items() if name != "valueQuantity"}, "valueCodeableConcept": coded("pos")},
    {**{name: value for name, value in LAB.items() if name != "valueQuantity"}, "valueString": "text"},
    {"resourceType": "Condition", "clinicalStatus": clinical("condition"), "code": coded("38341003"),
     "onsetDateTime": "2020-01-01", "recordedDate": "2020-01-02", "severity": coded("s"), "note": [{"text": "n"}],
     "category": [coded("problem-list-item", "http://terminology.hl7.org/CodeSystem/condition-category")]},
    {"resourceType": "AllergyIntolerance", "clinicalStatus": clinical("allergyintolerance"), "code": coded("91936005"),
     "criticality": "high", "recordedDate": "2020-01-01", "category": ["food", "medication"],
     "reaction": [{"manifestation": [coded("rash")], "severity": "mild", "description": "d"}]},
    {"resourceType": "MedicationRequest", "status": "active", "intent": "order", "authoredOn": "2020-01-01",
     "medicationCodeableConcept": coded("1191", "http://www.nlm.nih.gov/research/umls/rxnorm"),
     "dosageInstruction": [{"text": "daily", "patientInstruction": "p", "timing": {"code": coded("QD")},
                            "doseAndRate": [{"doseQuantity": {"value": 1, "unit": "mg"}}]}]},
    {"resourceType": "MedicationStatement", "status": "active", "effectiveDateTime": "2020-01-01",
     "medicationCodeableConcept": coded("1191"), "dosage": [{"text": "daily"}]},
    {"resourceType": "Immunization", "status": "completed", "vaccineCode": coded("207"), "lotNumber": "l",
     "occurrenceDateTime": "2021-01-01", "note": [{"text": "n"}]},
    {"resourceType": "Procedure", "status": "completed", "code": coded("p"), "performedDateTime": "2020-01-01",
     "note": [{"text": "n"}]},
    {"resourceType": "Encounter", "status": "finished", "serviceType": coded("s"), "type": [coded("t")],
     "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB", "display": "ambulatory"},
     "period": {"start": "2020-01-01T10:00:00Z", "end": "2020-01-01T11:00:00Z"}, "reasonCode": [coded("r")]},
    {"resourceType": "DiagnosticReport", "status": "final", "code": coded("58410-2"), "conclusion": "c",
     "effectiveDateTime": "2020-01-01", "issued": "2020-01-01T10:00:00Z", "conclusionCode": [coded("c")],
     "category": [coded("LAB")],
     "presentedForm": [{"contentType": "text/plain", "title": "t", "data": "eA==", "creation": "2020-01-01"}]},
    {"resourceType": "DocumentReference", "status": "current", "type": coded("34133-9"), "date": "2020-01-01T10:00:00Z",
     "description": "d", "content": [{"attachment": {"contentType": "text/plain", "title": "t", "data": "eA=="}}]},
    {"resourceType": "ImagingStudy", "status": "available", "started": "2020-01-01T10:00:00Z", "description": "d",
     "identifier": [{"system": "urn:dicom:uid", "value": "urn:oid:1.2.3"}], "numberOfSeries": 1,
     "modality": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"}],
     "procedureCode": [coded("p")],
     "series": [{"uid": "1.2.3.4", "number": 1, "description": "d", "bodySite": {"code": "b", "display": "b"},
                 "modality": {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"},
                 "instance": [{"uid": "1.2.3.4.5", "sopClass": {"system": "urn:ietf:rfc:3986", "code": "urn:oid:1.2"},
                               "number": 1, "title": "t"}]}]},
    {"resourceType": "Consent", "status": "active", "scope": coded("patient-privacy"), "category": [coded("59284-0")],
     "policy": [{"uri": "urn:x"}],
     "dateTime": "2020-01-01", "provision": {"type": "permit", "period": {"start": "2020-01-01"}}},
    {"resourceType": "FamilyMemberHistory", "status": "completed", "name": "n", "relationship": coded("FTH"),
     "condition": [{"code": coded("c"), "note": [{"text": "n"}]}], "date": "2020-01-01", "sex": coded("male")},
    {"resourceType": "ServiceRequest", "status": "active", "intent": "order", "code": coded("s"),
     "authoredOn": "2020-01-01", "note": [{"text": "n"}]},
    {"resourceType": "CarePlan", "status": "active", "intent": "plan", "title": "t", "description": "d",
     "category": [coded("c")], "period": {"start": "2020-01-01"}},
    {"resourceType": "DeviceUseStatement", "status": "active", "device": {"display": "a device"},
     "timingDateTime": "2020-01-01", "recordedOn": "2020-01-01"},
    {"resourceType": "RiskAssessment", "status": "final", "code": coded("r"), "occurrenceDateTime": "2020-01-01",
     "prediction": [{"outcome": coded("o"), "probabilityDecimal": 0.1}], "note": [{"text": "n"}]},
]  # fmt: skip


def masked(resource: Made) -> Iterator[Made]:
    """Each primitive in turn without its value; and each list of primitives with a null beside its values."""

    def variants(node: Any) -> Iterator[Any]:
        if isinstance(node, list):
            for number, item in enumerate(node):
                for variant in variants(item):
                    yield [*node[:number], variant, *node[number + 1 :]]
            return
        for name, value in node.items():
            others = {other: item for other, item in node.items() if other != name}
            if isinstance(value, list) and value and not isinstance(value[0], dict):
                yield others | {
                    name: [None, *value],
                    f"_{name}": [{"extension": [MASKED]}, *[None] * len(value)],
                }
                yield others | {f"_{name}": [{"extension": [MASKED]} for _ in value]}
            elif isinstance(value, dict | list):
                for variant in variants(value):
                    yield others | {name: variant}
            elif name not in ("resourceType", "id", "reference"):
                yield others | {f"_{name}": {"extension": [MASKED]}}

    yield from variants(deepcopy(resource))


@pytest.fixture(scope="module")
def clinic(database_url: str) -> Iterator[Hospital]:
    plugins = bare_plugins()
    plugins.register(predictions)
    with running(create_app(Settings(database_url=database_url), plugins=plugins)) as http:
        served = Hospital(http)
        served.run(furnish, served.services)
        yield served


def put(clinic: Hospital, resource: Made, headers: dict[str, str]) -> bool:
    """Whether it is a resource that may be stored."""
    path = f"/fhir/{resource['resourceType']}/{resource['id']}"
    answer = clinic.http.put(path, json=resource, headers=headers)
    assert answer.status_code in (200, 201, 422), answer.text
    return answer.status_code != 422


STUDIES = "/dicomweb/studies?PatientID=7&includefield=all"
ABOUT_PATIENTS = (
    "/?name=A",
    "/patients/{}",
    "/smart/launch?patient={}",
    "/fhir/Patient/{}/$everything",
    "/fhir/Patient/{}/$summary",
    "/fhir/Patient/{}?_format=xml",
    "/fhir/Patient/{}/$predict",
    STUDIES,
)
EVERYTHING = (
    *ABOUT_PATIENTS,
    "/",
    "/fhir/Patient/{}/*",
    "/fhir/Patient/{}?_summary=true",
    "/fhir/Observation/$lastn?patient={}",
    "/fhir/Observation?patient={}&_include=*",
)


def look(clinic: Hospital, patient: str, headers: dict[str, str], paths: Sequence[str] = EVERYTHING) -> None:
    """Pages and operations about a patient."""
    for path in (path.format(patient) for path in paths):
        answer = clinic.http.get(path, headers=headers if path.startswith(("/fhir", "/dicomweb")) else {})
        assert answer.status_code < 500, (path, answer.text)
        if path.startswith("/patients/") or path.endswith(("$summary", "$everything")):
            assert answer.status_code == 200, (path, answer.text)
    stored = clinic.http.get(f"/fhir/Patient/{patient}", headers=headers).json()
    described = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": stored}]}
    assert clinic.http.post("/fhir/Patient/$match", json=described, headers=headers).status_code < 500


def signed_in(clinic: Hospital) -> dict[str, str]:
    headers = clinic.token("user/*.cruds", patient=None)
    clinic.sign_in("clara")
    put(clinic, HUMAN | {"resourceType": "Practitioner", "id": "veiled-doctor"}, headers)
    return headers


def test_a_patient_of_whom_something_is_masked_is_shown_and_chosen(clinic: Hospital) -> None:
    headers, shown = signed_in(clinic), 0
    for variant in masked(PERSON):
        if put(clinic, variant | {"id": "veiled"}, headers):
            shown += 1
            look(clinic, "veiled", headers, ABOUT_PATIENTS)
            query = clinic.request("app", "launch/patient patient/*.rs", None, aud=FHIR)
            assert clinic.http.get("/oauth/authorize", params=query).status_code < 500
    assert shown > 40
    assert put(clinic, PERSON | {"id": "veiled"}, headers)
    study = next(one for one in RECORD if one["resourceType"] == "ImagingStudy")
    by = {"subject": {"reference": "Patient/veiled"}, "referrer": {"reference": "Practitioner/veiled-doctor"}}
    assert put(clinic, study | by | {"id": "veiled-study"}, headers)
    for variant in masked(HUMAN):
        put(clinic, variant | {"resourceType": "Practitioner", "id": "veiled-doctor"}, headers)
        look(clinic, "veiled", headers, ("/patients/{}", "/fhir/Patient/{}/$summary", STUDIES))


@pytest.mark.parametrize("resource", RECORD, ids=lambda resource: str(resource["resourceType"]))
def test_a_record_in_which_something_is_masked_is_shown(clinic: Hospital, resource: Made) -> None:
    headers, kind, stored = signed_in(clinic), resource["resourceType"], 0
    patient = f"of-{kind}-{RECORD.index(resource)}".lower()
    assert put(clinic, PERSON | {"id": patient}, headers)
    element = (
        "patient"
        if kind in ("AllergyIntolerance", "Immunization", "Consent", "FamilyMemberHistory")
        else "subject"
    )
    about = {element: {"reference": f"Patient/{patient}"}}
    assert put(clinic, resource | about | {"id": f"{patient}-plain"}, headers)
    for number, variant in enumerate(masked(resource)):
        stored += put(clinic, variant | about | {"id": f"{patient}-{number}"}, headers)
    assert stored > 2
    look(clinic, patient, headers)
