"""Patch by JSON Patch and FHIRPath Patch, conditional patch and delete, and writers that come at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.server.conftest import Hospital, observation

JSON_PATCH = "application/json-patch+json"
FHIR = "application/fhir+json"


@pytest.fixture(scope="module")
def headers(hospital: Hospital) -> dict[str, str]:
    return hospital.token("user/*.cruds")


def created(hospital: Hospital, headers: dict[str, str], **more: Any) -> str:
    body = observation("x", "anna") | more
    body.pop("id")
    answer = hospital.http.post("/fhir/Observation", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    identity: str = answer.json()["id"]
    return identity


def json_patch(
    hospital: Hospital, address: str, operations: Any, headers: dict[str, str], **more: str
) -> Any:
    sent = headers | {"Content-Type": JSON_PATCH} | more
    return hospital.http.patch(f"/fhir/{address}", json=operations, headers=sent)


def fhirpath_patch(hospital: Hospital, address: str, headers: dict[str, str], *parts: dict[str, Any]) -> Any:
    parameters = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "operation", "part": [{"name": k, **v} for k, v in part.items()]} for part in parts
        ],
    }
    return hospital.http.patch(f"/fhir/{address}", json=parameters, headers=headers | {"Content-Type": FHIR})


def replace(path: str, value: str) -> dict[str, Any]:
    return {"type": {"valueCode": "replace"}, "path": {"valueString": path}, "value": {"valueCode": value}}


def test_a_json_patch_makes_a_version(hospital: Hospital, headers: dict[str, str]) -> None:
    identity = created(hospital, headers, valueQuantity={"value": 5.10, "unit": "mmol/L"})
    operations = [
        {"op": "test", "path": "/status", "value": "final"},
        {"op": "replace", "path": "/status", "value": "amended"},
    ]
    answer = json_patch(hospital, f"Observation/{identity}", operations, headers)
    assert answer.status_code == 200
    assert answer.headers["etag"] == 'W/"2"'
    assert answer.json()["status"] == "amended"
    read = hospital.http.get(f"/fhir/Observation/{identity}", headers=headers)
    assert read.json()["status"] == "amended"
    before = hospital.http.get(f"/fhir/Observation/{identity}/_history/1", headers=headers)
    assert before.json()["status"] == "final"


def test_a_fhirpath_patch_makes_a_version(hospital: Hospital, headers: dict[str, str]) -> None:
    identity = created(hospital, headers)
    answer = fhirpath_patch(
        hospital, f"Observation/{identity}", headers, replace("Observation.status", "amended")
    )
    assert answer.status_code == 200
    assert answer.json()["status"] == "amended"


def test_a_patch_that_changes_nothing_makes_no_version(hospital: Hospital, headers: dict[str, str]) -> None:
    identity = created(hospital, headers)
    operations = [{"op": "replace", "path": "/status", "value": "final"}]
    answer = json_patch(hospital, f"Observation/{identity}", operations, headers)
    assert (answer.status_code, answer.headers["etag"]) == (200, 'W/"1"')


def test_a_patch_of_another_version_is_refused(hospital: Hospital, headers: dict[str, str]) -> None:
    identity = created(hospital, headers)
    operations = [{"op": "replace", "path": "/status", "value": "amended"}]
    address = f"Observation/{identity}"
    assert json_patch(hospital, address, operations, headers, **{"If-Match": 'W/"7"'}).status_code == 412
    assert json_patch(hospital, address, operations, headers, **{"If-Match": 'W/"1"'}).status_code == 200


REFUSED = [
    ([{"op": "test", "path": "/status", "value": "registered"}], 422),
    ([{"op": "remove", "path": "/nowhere"}], 422),
    ([{"op": "replace", "path": "/id", "value": "other"}], 422),
    ([{"op": "remove", "path": "/status"}], 422),
    ([{"op": "add", "path": "/colour", "value": "red"}], 422),
    ([{"op": "fly", "path": "/status"}], 422),
    ([{"op": "test", "path": "/status", "value": "x"}] * 1_001, 400),
    ({"op": "remove"}, 400),
    ({"resourceType": "Parameters"}, 400),
]


@pytest.mark.parametrize(("operations", "status"), REFUSED)
def test_a_patch_that_can_not_be_applied_changes_nothing(
    hospital: Hospital, headers: dict[str, str], operations: Any, status: int
) -> None:
    identity = created(hospital, headers)
    answer = json_patch(hospital, f"Observation/{identity}", operations, headers)
    assert answer.status_code == status, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"
    read = hospital.http.get(f"/fhir/Observation/{identity}", headers=headers)
    assert read.headers["etag"] == 'W/"1"'


def test_a_patch_is_of_a_type_that_is_taken(hospital: Hospital, headers: dict[str, str]) -> None:
    identity = created(hospital, headers)
    for kind, body in (
        ("application/xml-patch+xml", "<diff/>"),
        ("text/plain", "x"),
        (FHIR, "[]"),
        (FHIR, "{}"),
    ):
        answer = hospital.http.patch(
            f"/fhir/Observation/{identity}", content=body, headers=headers | {"Content-Type": kind}
        )
        assert answer.status_code in (400, 415)


def test_what_is_not_there_can_not_be_patched(hospital: Hospital, headers: dict[str, str]) -> None:
    operations = [{"op": "replace", "path": "/status", "value": "amended"}]
    assert json_patch(hospital, "Observation/nowhere", operations, headers).status_code == 404
    identity = created(hospital, headers)
    hospital.http.delete(f"/fhir/Observation/{identity}", headers=headers)
    assert json_patch(hospital, f"Observation/{identity}", operations, headers).status_code == 410


def test_a_patch_can_not_move_a_resource_out_of_the_callers_record(hospital: Hospital) -> None:
    own = hospital.token("launch/patient patient/*.cruds")
    operations = [{"op": "replace", "path": "/subject/reference", "value": "Patient/bert"}]
    assert json_patch(hospital, "Observation/anna-lab", operations, own).status_code == 403
    assert json_patch(hospital, "Observation/bert-lab", operations, own).status_code == 404


def test_a_patch_needs_the_right_to_read(hospital: Hospital) -> None:
    writer = hospital.token("user/Observation.u")
    operations = [{"op": "test", "path": "/status", "value": "final"}]
    assert json_patch(hospital, "Observation/anna-lab", operations, writer).status_code == 403


def test_a_patch_makes_no_prediction_and_no_audit_event(hospital: Hospital, headers: dict[str, str]) -> None:
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "AIAST"}
    identity = created(hospital, headers)
    operations = [{"op": "add", "path": "/meta/security", "value": [label]}]
    assert json_patch(hospital, f"Observation/{identity}", operations, headers).status_code == 403
    assert json_patch(hospital, "AuditEvent/x", operations, headers).status_code == 405


def test_criteria_choose_what_is_patched_and_deleted(hospital: Hospital, headers: dict[str, str]) -> None:
    identity = created(hospital, headers, identifier=[{"system": "urn:p", "value": "only"}])
    operations = [{"op": "replace", "path": "/status", "value": "amended"}]
    answer = json_patch(hospital, "Observation?identifier=urn:p|only", operations, headers)
    assert (answer.status_code, answer.json()["id"]) == (200, identity)
    assert json_patch(hospital, "Observation?identifier=urn:p|none", operations, headers).status_code == 404
    assert json_patch(hospital, "Observation?status=final", operations, headers).status_code == 412
    assert json_patch(hospital, "Observation", operations, headers).status_code == 400
    http = hospital.http
    assert http.delete("/fhir/Observation?status=final", headers=headers).status_code == 412
    assert http.delete("/fhir/Observation", headers=headers).status_code == 400
    assert http.delete("/fhir/Observation?colour=red", headers=headers).status_code == 400
    assert http.delete("/fhir/Observation?identifier=urn:p|none", headers=headers).status_code == 204
    assert http.get(f"/fhir/Observation/{identity}", headers=headers).status_code == 200
    assert http.delete("/fhir/Observation?identifier=urn:p|only", headers=headers).status_code == 204
    assert http.get(f"/fhir/Observation/{identity}", headers=headers).status_code == 410


def test_patches_at_once_all_apply(hospital: Hospital, headers: dict[str, str]) -> None:
    identity = created(hospital, headers, note=[{"text": "0"}])
    # More at once than an operation is repeated would be refused, as is said to clients: 412.
    with ThreadPoolExecutor(6) as pool:
        statuses = list(
            pool.map(
                lambda number: (
                    json_patch(
                        hospital,
                        f"Observation/{identity}",
                        [{"op": "add", "path": "/note/-", "value": {"text": str(number)}}],
                        headers,
                    ).status_code
                ),
                range(1, 13),
            )
        )
    assert statuses == [200] * 12
    notes = hospital.http.get(f"/fhir/Observation/{identity}", headers=headers).json()["note"]
    assert sorted(int(note["text"]) for note in notes) == list(range(13))


def test_conditional_updates_at_once_meet_no_conflict(hospital: Hospital, headers: dict[str, str]) -> None:
    def put(number: int) -> int:
        body = observation("x", "anna") | {"identifier": [{"system": "urn:p", "value": "shared"}]}
        body |= {"note": [{"text": str(number)}]}
        body.pop("id")
        address = "/fhir/Observation?identifier=urn:p|shared"
        status: int = hospital.http.put(address, json=body, headers=headers).status_code
        return status

    with ThreadPoolExecutor(10) as pool:
        statuses = list(pool.map(put, range(30)))
    assert sorted(set(statuses)) == [200, 201]
    assert statuses.count(201) == 1
    found = hospital.http.get("/fhir/Observation?identifier=urn:p|shared&_summary=count", headers=headers)
    assert found.json()["total"] == 1
