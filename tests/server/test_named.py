"""What names a patient who denies a purpose is hidden from it; in the patient's record it is not by that."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.bulk import backend
from tests.server.conftest import Hospital
from tests.server.test_hidden import DENIED

Made = dict[str, Any]
ANNA = {"reference": "Patient/anna"}
OBSERVATION = {"status": "final", "code": {"text": "x"}}


def made(kind: str, identity: str, **more: Any) -> Made:
    return {"resourceType": kind, "id": identity, **more}


def to(name: str) -> dict[str, str]:
    return {"reference": name}


LED = [
    made("Device", "worn", patient=ANNA),
    made("Group", "alone", type="person", actual=True, member=[{"entity": ANNA}]),
    made("Encounter", "visit", status="finished", subject=ANNA, **{"class": {"code": "AMB"}}),
    made("Encounter", "of-group", status="finished", subject=to("Group/alone"), **{"class": {"code": "AMB"}}),
    made("Specimen", "blood", subject=ANNA),
    made("Specimen", "of-device", subject=to("Device/worn")),
]
"""What others name in place of the patient."""

INNER = made("Patient", "anna")
URN = "urn:uuid:5f2f7a36-55f0-4a2b-9a3e-7b7ae3d2c112"
VISITED = {"resourceType": "Observation", **OBSERVATION, "encounter": {"reference": "Encounter/visit"}}
MEASURED = {"resourceType": "Observation", **OBSERVATION, "subject": ANNA}


def parameters(identity: str, *held: Made) -> Made:
    return made("Parameters", identity, parameter=[{"name": "r", "resource": one} for one in held])


NAMING = [
    made("Observation", "by-device", **OBSERVATION, subject=to("Device/worn")),
    made("Observation", "by-group", **OBSERVATION, subject=to("Group/alone")),
    made("Observation", "by-visit", **OBSERVATION, encounter=to("Encounter/visit")),
    made("Observation", "by-group-visit", **OBSERVATION, encounter=to("Encounter/of-group")),
    made("Observation", "by-blood", **OBSERVATION, specimen=to("Specimen/blood")),
    made("Observation", "by-device-blood", **OBSERVATION, specimen=to("Specimen/of-device")),
    made("Observation", "by-focus", **OBSERVATION, focus=[ANNA]),
    made("QuestionnaireResponse", "own", status="completed", author=ANNA, source=ANNA),
    made("Communication", "received", status="completed", recipient=[ANNA]),
    made("Communication", "sent", status="completed", sender=ANNA),
    made("Task", "focus", status="requested", intent="order", focus=ANNA),
    made("Task", "visit", status="requested", intent="order", focus=to("Encounter/visit")),
    made(
        "DocumentReference",
        "source",
        status="current",
        content=[{"attachment": {"title": "x"}}],
        context={"sourcePatientInfo": ANNA},
    ),
    made("CareTeam", "member", participant=[{"member": ANNA}]),
    made("Account", "paid", status="active", guarantor=[{"party": ANNA}]),
    made("DetectedIssue", "implied", status="final", implicated=[to("Observation/by-device")]),
    parameters("held", INNER),
    made("Parameters", "deep", parameter=[{"name": "a", "part": [{"name": "b", "resource": MEASURED}]}]),
    made("Parameters", "valued", parameter=[{"name": "p", "valueReference": ANNA}]),
    made(
        "Bundle",
        "holds",
        type="collection",
        entry=[{"fullUrl": URN, "resource": parameters("inner", MEASURED)}],
    ),
    made("Bundle", "by-visit", type="collection", entry=[{"fullUrl": URN, "resource": VISITED}]),
]

OTHERS = [
    # Of another patient, and with what is Anna's beside: about nobody but Bert.
    made(
        "Observation", "of-bert", **OBSERVATION, subject=to("Patient/bert"), encounter=to("Encounter/of-bert")
    ),
    made("Encounter", "of-bert", status="finished", subject=to("Patient/bert"), **{"class": {"code": "AMB"}}),
    made("Observation", "of-nobody", **OBSERVATION, device=to("Device/shelf")),
    made("Device", "shelf", deviceName=[{"name": "x", "type": "other"}]),
    parameters("others", made("Patient", "bert")),
]


def names(resources: list[Made]) -> set[str]:
    return {f"{one['resourceType']}/{one['id']}" for one in resources}


def opted_out(patient: str) -> Made:
    rule = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTIN"}]}
    return DENIED | {"id": f"no-{patient}", "patient": to(f"Patient/{patient}"), "policyRule": rule}


@pytest.fixture(scope="module")
def clara(hospital: Hospital) -> dict[str, str]:
    headers = hospital.token("user/*.cruds", patient=None)
    entries = [
        {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}}
        for one in (*LED, *NAMING, *OTHERS)
    ]
    body = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    answer = hospital.http.post("/fhir", headers=headers, json=body)
    assert answer.status_code == 200, answer.text
    return headers


@pytest.fixture(scope="module")
def research(hospital: Hospital, clara: dict[str, str]) -> dict[str, str]:
    return backend(hospital, "system/*.rs", purpose="HRESCH")


def seen(hospital: Hospital, headers: dict[str, str], resources: list[Made]) -> set[str]:
    """What of them a caller reads, which is what the caller finds, counts, and sees in histories."""
    read, found, past = set(), set(), set()
    for name in names(resources):
        kind, _, identity = name.partition("/")
        if hospital.http.get(f"/fhir/{name}", headers=headers).status_code == 200:
            read.add(name)
        page = hospital.http.get(f"/fhir/{kind}?_id={identity}&_total=accurate", headers=headers).json()
        assert page["total"] == len(page.get("entry", []))
        found |= {name} if page["total"] else set()
        versions = hospital.http.get(f"/fhir/{name}/_history/1", headers=headers).status_code
        assert (versions == 200) == (name in read)
    everything = hospital.http.get("/fhir/_history?_count=500", headers=headers).json()
    for entry in everything.get("entry", []):
        past.add("/".join(entry["fullUrl"].split("/")[-2:]))
    assert read == found == past & names(resources)
    return read


def test_what_names_a_patient_who_opts_out_is_hidden_from_the_next_request_on(
    hospital: Hospital, clara: dict[str, str], research: dict[str, str]
) -> None:
    everything = LED + NAMING + OTHERS
    assert seen(hospital, research, everything) == names(everything)
    out = opted_out("anna")
    assert hospital.http.put(f"/fhir/Consent/{out['id']}", headers=clara, json=out).status_code == 201
    assert seen(hospital, research, everything) == names(OTHERS)
    # Who has another purpose sees all; the patient, only what is about nobody else in the narrow reading.
    assert seen(hospital, clara, everything) == names(everything)
    bound = hospital.token("patient/*.rs", patient="anna")
    record = {
        "Device/worn",
        "Group/alone",
        "Encounter/visit",
        "Specimen/blood",
        "Parameters/held",
        "Parameters/deep",
    }
    assert seen(hospital, bound, everything) == record
    # An index of before is made anew, and nothing is hidden by rows of an earlier version.
    hospital.sql("DELETE FROM named")
    assert hospital.http.get("/fhir/Communication/sent", headers=research).status_code == 200
    store = hospital.services.store
    hospital.run(store.reindex)
    assert seen(hospital, research, everything) == names(OTHERS)
    # The past of what names nobody any more still names.
    renamed = made("Communication", "sent", status="completed", sender=to("Practitioner/clara"))
    assert hospital.http.put("/fhir/Communication/sent", headers=clara, json=renamed).status_code == 200
    assert hospital.http.get("/fhir/Communication/sent", headers=research).status_code == 200
    assert hospital.http.get("/fhir/Communication/sent/_history/1", headers=research).status_code == 404
    # Where what is followed moves to another patient, all that follows it moves with it.
    moved = made("Device", "worn", patient=to("Patient/bert"))
    assert hospital.http.put("/fhir/Device/worn", headers=clara, json=moved).status_code == 200
    assert hospital.http.get("/fhir/Observation/by-device-blood", headers=research).status_code == 200
    gone = out | {"status": "inactive"}
    assert hospital.http.put(f"/fhir/Consent/{out['id']}", headers=clara, json=gone).status_code == 200
    assert seen(hospital, research, everything) == names(everything)
