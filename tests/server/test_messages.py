"""`$process-message`: what a message brings is stored once, under ids of this server, or refused as a whole."""

from __future__ import annotations

import copy
from typing import Any

import httpx
import pytest

from tests.server.conftest import FHIR, Hospital, observation

ELSEWHERE = "https://lab.example/fhir"


@pytest.fixture(scope="module")
def clinician(hospital: Hospital) -> dict[str, str]:
    return hospital.token("user/*.cruds") | {"Content-Type": "application/fhir+json"}


def message(identity: str, *resources: dict[str, Any], base: str = ELSEWHERE) -> dict[str, Any]:
    header = {
        "resourceType": "MessageHeader",
        "id": identity,
        "eventCoding": {"system": "http://terminology.hl7.org/CodeSystem/v2-0003", "code": "R01"},
        "source": {"endpoint": f"{base}/$process-message"},
        "focus": [{"reference": f"{base}/{resources[0]['resourceType']}/{resources[0]['id']}"}]
        if resources
        else [],
    }
    entries = [{"fullUrl": f"urn:uuid:{identity}", "resource": header}]
    entries += [
        {"fullUrl": f"{base}/{each['resourceType']}/{each['id']}", "resource": each} for each in resources
    ]
    return {"resourceType": "Bundle", "type": "message", "entry": copy.deepcopy(entries)}


def someone(identity: str, family: str) -> dict[str, Any]:
    name = [{"family": family}]
    return {"resourceType": "Patient", "id": identity, "name": name}


def send(hospital: Hospital, headers: dict[str, str], content: dict[str, Any]) -> httpx.Response:
    return hospital.http.post("/fhir/$process-message", json=content, headers=headers)


def response(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    assert answer.json()["type"] == "message"
    found: dict[str, Any] = answer.json()["entry"][0]["resource"]
    return found


def named(hospital: Hospital, headers: dict[str, str], family: str) -> list[dict[str, Any]]:
    found = hospital.http.get(f"/fhir/Patient?family={family}", headers=headers).json()
    return [entry["resource"] for entry in found.get("entry", [])]


def test_what_a_message_brings_is_stored_with_its_references(
    hospital: Hospital, clinician: dict[str, str]
) -> None:
    result = observation("1", "1")
    answer = send(hospital, clinician, message("m-1", result, someone("1", "Messaged")))
    acknowledged = response(answer)
    assert acknowledged["response"] == {"identifier": "m-1", "code": "ok"}
    assert acknowledged["destination"] == [{"endpoint": f"{ELSEWHERE}/$process-message"}]
    (patient,) = named(hospital, clinician, "Messaged")
    assert patient["id"] != "1"
    found = hospital.http.get(f"/fhir/Observation?patient={patient['id']}", headers=clinician).json()
    assert found["entry"][0]["resource"]["subject"] == {"reference": f"Patient/{patient['id']}"}


def test_a_message_that_comes_again_changes_nothing_and_is_acknowledged(
    hospital: Hospital, clinician: dict[str, str]
) -> None:
    send(hospital, clinician, message("m-2", someone("2", "Before")))
    send(hospital, clinician, message("m-3", someone("2", "After")))
    again = send(hospital, clinician, message("m-2", someone("2", "Before")))
    assert response(again)["response"]["code"] == "ok"
    assert named(hospital, clinician, "Before") == []
    (patient,) = named(hospital, clinician, "After")
    assert patient["meta"]["versionId"] == "2"


def test_two_senders_may_have_a_patient_of_one_id_each(hospital: Hospital, clinician: dict[str, str]) -> None:
    send(hospital, clinician, message("m-4", someone("4", "Here")))
    send(hospital, clinician, message("m-4", someone("4", "There"), base="https://other.example/fhir"))
    assert len(named(hospital, clinician, "Here")) == len(named(hospital, clinician, "There")) == 1


def test_what_has_an_address_of_this_server_keeps_it(hospital: Hospital, clinician: dict[str, str]) -> None:
    send(hospital, clinician, message("m-5", observation("messaged", "anna"), base=FHIR))
    read = hospital.http.get("/fhir/Observation/messaged", headers=clinician)
    assert read.json()["subject"] == {"reference": "Patient/anna"}


def test_a_message_with_an_invalid_resource_is_answered_and_stores_nothing(
    hospital: Hospital, clinician: dict[str, str]
) -> None:
    wrong = someone("7", "Wrong") | {"gender": "none"}
    answer = send(hospital, clinician, message("m-6", someone("6", "Right"), wrong))
    acknowledged = response(answer)
    assert acknowledged["response"]["code"] == "fatal-error"
    details = answer.json()["entry"][1]
    assert details["fullUrl"] == acknowledged["response"]["details"]["reference"]
    assert "gender" in details["resource"]["issue"][0]["diagnostics"]
    assert named(hospital, clinician, "Right") == []
    # A message that was refused may come again, corrected, under its id.
    again = send(hospital, clinician, message("m-6", someone("6", "Right"), someone("7", "Wrong")))
    assert response(again)["response"]["code"] == "ok"
    assert len(named(hospital, clinician, "Right")) == 1


def test_a_message_may_bring_no_more_than_its_sender_may_write(hospital: Hospital) -> None:
    headers = {"Content-Type": "application/fhir+json"}
    content = message("m-8", observation("8", "8"), someone("8", "Forbidden"))
    assert send(hospital, headers, content).status_code == 401
    reader = headers | hospital.token("user/*.rs")
    assert send(hospital, reader, content).status_code == 403
    some = headers | hospital.token("user/Observation.cruds user/MessageHeader.cruds user/Patient.rs")
    assert send(hospital, some, content).status_code == 403
    assert named(hospital, reader, "Forbidden") == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda bundle: bundle.update(type="transaction"),
        lambda bundle: bundle.update(entry=[]),
        lambda bundle: bundle.update(entry=bundle["entry"][1:]),
        lambda bundle: bundle["entry"][0]["resource"].pop("id"),
        lambda bundle: bundle["entry"][1].pop("fullUrl"),
        lambda bundle: bundle["entry"][1].pop("resource"),
        lambda bundle: bundle["entry"].append(bundle["entry"][1]),
        lambda bundle: bundle["entry"].append("text"),
        lambda bundle: bundle["entry"][1]["resource"].update(resourceType=7),
    ],
)
def test_what_is_no_message_is_refused(hospital: Hospital, clinician: dict[str, str], spoil: Any) -> None:
    content = message("m-9", someone("9", "Spoilt"))
    spoil(content)
    answer = send(hospital, clinician, content)
    assert answer.status_code == 400, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_messages_are_answered_at_once(hospital: Hospital, clinician: dict[str, str]) -> None:
    answer = hospital.http.post(
        "/fhir/$process-message?async=true", json=message("m-10", someone("10", "Late")), headers=clinician
    )
    assert answer.status_code == 400
    assert hospital.http.get("/fhir/$process-message", headers=clinician).status_code == 405
