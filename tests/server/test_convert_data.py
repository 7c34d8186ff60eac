"""`$convert-data`: what is sent comes back as FHIR, and is stored where the caller asks for it and may write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server.conftest import Hospital

MESSAGE = "\r".join(
    (
        r"MSH|^~\&|KIS|HOSP|FB|HOSP|20260301120000+0100||ADT^A01^ADT_A01|CD1|P|2.5.1",
        "EVN|A01|20260301120000+0100",
        "PID|1||CD-77^^^HOSP^MR||Converted^Ada||19600102|F",
        "PV1|1|I|CARD^12^A||||||||||||||||CD-100^^^HOSP^VN",
    )
)


@pytest.fixture(scope="module")
def writer(hospital: Hospital) -> dict[str, str]:
    return hospital.token("user/*.cruds") | {"Content-Type": "application/fhir+json"}


def convert(hospital: Hospital, headers: dict[str, str], data: str, kind: str, **more: Any) -> httpx.Response:
    parameters = [{"name": "inputData", "valueString": data}, {"name": "inputDataType", "valueString": kind}]
    parameters += [
        {"name": name, "valueBoolean" if isinstance(value, bool) else "valueString": value}
        for name, value in more.items()
    ]
    body = {"resourceType": "Parameters", "parameter": parameters}
    return hospital.http.post("/fhir/$convert-data", json=body, headers=headers)


def types(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [entry["resource"]["resourceType"] for entry in answer.json()["entry"]]


def found(hospital: Hospital, headers: dict[str, str], family: str) -> int:
    answer = hospital.http.get(f"/fhir/Patient?family={family}", headers=headers)
    return len(answer.json().get("entry", []))


def test_a_message_comes_back_as_a_bundle_and_is_not_stored(
    hospital: Hospital, writer: dict[str, str]
) -> None:
    answer = convert(hospital, writer, MESSAGE, "Hl7v2", rootTemplate="ADT_A01")
    assert {"Patient", "Encounter"} <= set(types(answer))
    assert answer.json()["type"] == "collection"
    assert found(hospital, writer, "Converted") == 0


def test_a_message_is_stored_where_that_is_asked_for(hospital: Hospital, writer: dict[str, str]) -> None:
    data = MESSAGE.replace("CD-77", "CD-78").replace("Converted", "Kept").replace("CD-100", "CD-101")
    answer = convert(hospital, writer, data, "Hl7v2", store=True)
    assert answer.status_code == 200, answer.text
    assert answer.json()["type"] == "transaction-response"
    assert found(hospital, writer, "Kept") == 1
    convert(hospital, writer, data, "Hl7v2", store=True)
    assert found(hospital, writer, "Kept") == 1


def test_a_message_that_is_stored_is_of_the_ledger_as_a_loaded_one_is(
    hospital: Hospital, writer: dict[str, str]
) -> None:
    data = MESSAGE.replace("CD-77", "CD-79").replace("Converted", "Newer").replace("CD-100", "CD-103")
    answer = convert(hospital, writer, data, "Hl7v2", store=True)
    places = [entry["response"]["location"] for entry in answer.json()["entry"]]
    (patient,) = [place for place in places if place.startswith("Patient/")]

    def current() -> dict[str, Any]:
        resource: dict[str, Any] = hospital.http.get(f"/fhir/{patient}", headers=writer).json()
        return resource

    first = current()
    for _ in range(2):  # sent again, by either way, it is the record that is known
        assert convert(hospital, writer, data, "Hl7v2", store=True).status_code == 200
        sent = {**writer, "Content-Type": "application/hl7-v2"}
        assert hospital.http.post("/hl7v2", content=data.encode(), headers=sent).status_code == 200
    assert current()["meta"]["versionId"] == first["meta"]["versionId"]
    older = data.replace("20260301120000", "20260301110000").replace("CD1", "CD0").replace("Newer", "Older")
    assert convert(hospital, writer, older, "Hl7v2", store=True).status_code == 200
    assert current()["name"][0]["family"] == "Newer", "a message that comes late does not become current"


def test_who_may_not_write_all_may_not_store_a_message(hospital: Hospital) -> None:
    creator = hospital.token("user/*.cr") | {"Content-Type": "application/fhir+json"}
    assert convert(hospital, creator, MESSAGE, "Hl7v2").status_code == 200
    assert convert(hospital, creator, MESSAGE, "Hl7v2", store=True).status_code == 403


def test_what_is_stored_in_part_says_what_is_missing(hospital: Hospital, writer: dict[str, str]) -> None:
    data = MESSAGE.replace("CD-77", "CD-80").replace("CD-100", "CD-102") + "\rZZZ|1|local"
    answer = convert(hospital, writer, data, "Hl7v2", store=True).json()
    stated = [
        issue for entry in answer["entry"] for issue in entry["response"].get("outcome", {}).get("issue", ())
    ]
    assert any("ZZZ" in issue["diagnostics"] for issue in stated)


def test_a_document_becomes_its_entries(hospital: Hospital, writer: dict[str, str], repository: Path) -> None:
    document = (repository / "mappings/ehr/ccda/examples/summary/document.xml").read_text()
    assert {"Composition", "Condition", "AllergyIntolerance", "Binary"} <= set(
        types(convert(hospital, writer, document, "Ccda"))
    )
    for _ in range(2):
        answer = convert(hospital, writer, document, "Ccda", store=True)
        assert answer.status_code == 200, answer.text
    patient = "Patient?identifier=urn:oid:2.25.1001.1|P-1"
    bundle = hospital.http.get(f"/fhir/{patient}", headers=writer).json()
    (entry,) = bundle["entry"]
    conditions = hospital.http.get(
        f"/fhir/Condition?patient={entry['resource']['id']}", headers=writer
    ).json()
    assert conditions["total"] == 4


def test_fhir_of_another_system_comes_back_normalised(hospital: Hospital, writer: dict[str, str]) -> None:
    patient = {
        "resourceType": "Patient", "id": "eP", "name": [{"family": "Foreign"}],
        "identifier": [{"system": "urn:oid:2.25.1001.1", "value": "CD-F-1"}],
    }  # fmt: skip
    result = {
        "resourceType": "Observation", "id": "eO", "status": "Final", "code": {"text": "x"},
        "subject": {"reference": "Patient/eP"}, "valueQuantity": {"value": 5.40, "unit": "mmHg"},
    }  # fmt: skip
    wrong = {**result, "id": "eW", "component": [{"valueInteger": 1}]}
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": one} for one in (patient, result, wrong)],
    }
    answer = convert(hospital, writer, json.dumps(bundle), "Fhir")
    assert types(answer) == ["Patient", "Observation", "OperationOutcome"]
    known, converted, outcome = (entry["resource"] for entry in answer.json()["entry"])
    assert known["id"] != "eP"
    assert converted["subject"] == {"reference": f"Patient/{known['id']}"}
    assert (converted["status"], converted["valueQuantity"]["code"]) == ("final", "mm[Hg]")
    assert any("component" in issue["diagnostics"] for issue in outcome["issue"])
    for _ in range(2):
        answer = convert(hospital, writer, json.dumps(bundle), "Fhir", store=True)
        assert answer.status_code == 200, answer.text
        assert found(hospital, writer, "Foreign") == 1
    stored = hospital.http.get(f"/fhir/Observation/{converted['id']}", headers=writer).json()
    assert (stored["valueQuantity"], stored["meta"]["versionId"]) == (converted["valueQuantity"], "1")


def test_fhir_without_id_is_known_by_its_content(hospital: Hospital, writer: dict[str, str]) -> None:
    patient = {"resourceType": "Patient", "name": [{"family": "Nameless"}]}
    assert types(convert(hospital, writer, json.dumps(patient), "Fhir")) == ["Patient"]
    for _ in range(2):
        assert convert(hospital, writer, json.dumps(patient), "Json", store=True).status_code == 200
    assert found(hospital, writer, "Nameless") == 1


def test_who_may_not_write_may_not_convert_or_store(hospital: Hospital) -> None:
    reader = hospital.token("user/*.rs") | {"Content-Type": "application/fhir+json"}
    assert convert(hospital, reader, MESSAGE, "Hl7v2").status_code == 403
    one_type = hospital.token("user/Observation.c") | {"Content-Type": "application/fhir+json"}
    data = MESSAGE.replace("Converted", "Refused")
    assert convert(hospital, one_type, data, "Hl7v2", store=True).status_code in (403, 404)
    everyone = hospital.token("user/*.cruds")
    assert found(hospital, everyone, "Refused") == 0
    assert hospital.http.post("/fhir/$convert-data", json={"resourceType": "Parameters"}).status_code == 401


@pytest.mark.parametrize(
    ("data", "kind", "status"),
    [
        ("MSH|", "Hl7v2", 422),
        ("MSH", "Hl7v2", 422),
        ("3", "Hl7v2", 422),
        ("<a/>", "Ccda", 422),
        ('<!DOCTYPE x [<!ENTITY a "b">]><a/>', "Ccda", 422),
        ("{", "Fhir", 422),
        ("[]", "Fhir", 422),
        ('{"resourceType": "Observation", "id": "o", "status": "final"}', "Fhir", 422),
        ('{"resourceType": "OperationOutcome", "id": "o"}', "Fhir", 422),
        ("x", "Fax", 400),
        ("", "Hl7v2", 400),
    ],
)
def test_what_can_not_be_converted_is_refused_with_the_reason(
    hospital: Hospital, writer: dict[str, str], data: str, kind: str, status: int
) -> None:
    answer = convert(hospital, writer, data, kind)
    assert answer.status_code == status, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_it_takes_post_alone(hospital: Hospital, writer: dict[str, str]) -> None:
    assert hospital.http.get("/fhir/$convert-data?inputData=x", headers=writer).status_code == 405


def test_a_document_that_is_stored_replaces_the_one_that_it_says_it_replaces(
    hospital: Hospital, writer: dict[str, str], repository: Path
) -> None:
    text = (repository / "mappings/ehr/ccda/examples/summary/document.xml").read_text()
    for old, new in (("P-1", "CD-P-1"), ("756.1", "756.99"), ("set-1", "cd-set-1")):
        text = text.replace(f'extension="{old}"', f'extension="{new}"')
    head, _, rest = text.partition("<component>")
    identity = head[head.index("<id root=") :].partition("/>")[0]
    empty = "<component><nonXMLBody><text>Replaced</text></nonXMLBody></component></ClinicalDocument>"
    related = (
        f'<relatedDocument typeCode="RPLC"><parentDocument>{identity}/></parentDocument></relatedDocument>'
    )
    moment = head[head.index("<effectiveTime value=") :].partition("/>")[0]
    newer = head.replace(
        identity, identity.replace("extension=", 'extension="new-').replace('new-"', "new-"), 1
    )
    newer = newer.replace(moment, '<effectiveTime value="20300101000000+0000"', 1)
    assert rest
    sent = [text, f"{newer}{related}{empty}", text]
    for number, document in enumerate(sent):
        answer = convert(hospital, writer, document, "Ccda", store=True)
        assert answer.status_code == 200, answer.text
        places = [entry["response"]["location"] for entry in answer.json()["entry"]]
        if number == 0:
            (condition, *_) = [place for place in places if place.startswith("Condition/")]
            (older, *_) = [place for place in places if place.startswith("DocumentReference/")]
        shown = hospital.http.get(f"/fhir/{condition}", headers=writer).json()
        status = [coding["code"] for coding in shown.get("verificationStatus", {}).get("coding", ())]
        assert (status == ["entered-in-error"]) == (number > 0)
    documents = [
        resource
        for place in (older,)
        if (resource := hospital.http.get(f"/fhir/{place}", headers=writer).json())
    ]
    assert [one["status"] for one in documents] == ["superseded"]
