"""Interactions as entries of a Bundle: patches, conditional deletions, histories, compartments, descriptions."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.server.conftest import FHIR, Hospital, observation, patient
from tests.server.test_bundle_edges import entry, send

SYSTEM = "urn:oid:2.25.9"


@pytest.fixture(scope="module")
def clara(hospital: Hospital) -> dict[str, str]:
    return hospital.token("user/*.cruds", patient=None)


def put(hospital: Hospital, token: dict[str, str], resource: dict[str, Any]) -> dict[str, Any]:
    answer = hospital.http.put(
        f"/fhir/{resource['resourceType']}/{resource['id']}", headers=token, json=resource
    )
    assert answer.status_code in (200, 201), answer.text
    stored: dict[str, Any] = answer.json()
    return stored


def read(hospital: Hospital, token: dict[str, str], path: str) -> dict[str, Any]:
    found: dict[str, Any] = hospital.http.get(f"/fhir/{path}", headers=token).json()
    return found


def json_patch(*operations: dict[str, Any]) -> dict[str, Any]:
    data = base64.b64encode(json.dumps(operations).encode()).decode()
    return {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data}


def replacing(path: str, value: str) -> dict[str, Any]:
    parts = [
        {"name": "type", "valueCode": "replace"},
        {"name": "path", "valueString": path},
        {"name": "value", "valueCode": value},
    ]
    return {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}


MALE = {"op": "replace", "path": "/gender", "value": "male"}


@pytest.mark.parametrize("kind", ["batch", "transaction"])
@pytest.mark.parametrize("patch", [json_patch(MALE), replacing("Patient.gender", "male")])
def test_an_entry_patches(
    hospital: Hospital, clara: dict[str, str], kind: str, patch: dict[str, Any]
) -> None:
    put(hospital, clara, patient("patched", "Gamma"))
    lab = observation("beside-patch", "patched")
    answer = send(
        hospital,
        clara,
        kind,
        entry("PATCH", "Patient/patched", patch),
        entry("PUT", f"Observation/{lab['id']}", lab),
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["entry"][0]["response"]["status"] == "200 OK"
    assert read(hospital, clara, "Patient/patched")["gender"] == "male"
    assert hospital.http.delete(f"/fhir/Observation/{lab['id']}", headers=clara).status_code == 204


def test_an_entry_patches_the_one_resource_that_criteria_match(
    hospital: Hospital, clara: dict[str, str]
) -> None:
    put(hospital, clara, patient("patched", "Gamma"))
    url = "Patient?identifier=urn:oid:2.25.1|MRN-patched"
    assert send(hospital, clara, "transaction", entry("PATCH", url, json_patch(MALE))).status_code == 200
    assert read(hospital, clara, "Patient/patched")["gender"] == "male"
    none = send(hospital, clara, "transaction", entry("PATCH", "Patient?identifier=nobody", json_patch(MALE)))
    assert none.status_code == 404


def test_a_patch_that_does_not_apply_fails_the_whole_transaction(
    hospital: Hospital, clara: dict[str, str]
) -> None:
    put(hospital, clara, patient("patched", "Gamma"))
    tested = json_patch({"op": "test", "path": "/gender", "value": "unknown"}, MALE)
    created = entry("PUT", "Patient/not-made", patient("not-made", "Gamma"))
    answer = send(hospital, clara, "transaction", created, entry("PATCH", "Patient/patched", tested))
    assert answer.status_code == 422
    assert "Bundle.entry[1]" in str(answer.json()["issue"][0])
    assert hospital.http.get("/fhir/Patient/not-made", headers=clara).status_code == 404
    batch = send(
        hospital, clara, "batch", entry("PATCH", "Patient/patched", tested), entry("GET", "Patient/anna")
    )
    assert [item["response"]["status"][:3] for item in batch.json()["entry"]] == ["422", "200"]
    invalid = json_patch({"op": "replace", "path": "/gender", "value": "purple"})
    assert send(hospital, clara, "transaction", entry("PATCH", "Patient/patched", invalid)).status_code == 422


def test_a_patch_of_another_version_is_refused(hospital: Hospital, clara: dict[str, str]) -> None:
    version = put(hospital, clara, patient("patched", "Gamma"))["meta"]["versionId"]
    stale = entry("PATCH", "Patient/patched", json_patch(MALE), ifMatch='W/"999"')
    assert send(hospital, clara, "transaction", stale).status_code == 412
    current = entry("PATCH", "Patient/patched", json_patch(MALE), ifMatch=f'W/"{version}"')
    assert send(hospital, clara, "transaction", current).status_code == 200


@pytest.mark.parametrize(
    "patch",
    [
        None,
        {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": "!"},
        {"resourceType": "Binary", "contentType": "text/plain", "data": "W10="},
        {"resourceType": "Binary", "contentType": "application/json-patch+json"},
        {"resourceType": "Parameters"},
        patient("patched", "Gamma"),
    ],
)
def test_what_is_no_patch_is_refused(
    hospital: Hospital, clara: dict[str, str], patch: dict[str, Any] | None
) -> None:
    put(hospital, clara, patient("patched", "Gamma"))
    assert send(hospital, clara, "transaction", entry("PATCH", "Patient/patched", patch)).status_code == 400


def test_a_patch_in_a_bundle_needs_the_rights_of_one_alone(hospital: Hospital) -> None:
    for scope in ("user/Patient.rs", "user/Patient.u", "user/Patient.cds"):
        token = hospital.token(scope, patient=None)
        assert (
            send(hospital, token, "transaction", entry("PATCH", "Patient/anna", json_patch(MALE))).status_code
            == 403
        )
    bound = hospital.token("patient/*.cruds", patient="anna")
    answer = send(hospital, bound, "batch", entry("PATCH", "Patient/bert", json_patch(MALE)))
    assert answer.json()["entry"][0]["response"]["status"].startswith("404")


def test_an_entry_deletes_the_one_resource_that_criteria_match(
    hospital: Hospital, clara: dict[str, str]
) -> None:
    put(hospital, clara, patient("leaving", "Gamma"))
    url = "Patient?identifier=urn:oid:2.25.1|MRN-leaving"
    for _ in range(2):  # what is gone is as good as deleted
        answer = send(hospital, clara, "transaction", entry("DELETE", url))
        assert answer.json()["entry"][0]["response"]["status"] == "204 No Content"
    assert hospital.http.get("/fhir/Patient/leaving", headers=clara).status_code == 410
    several = send(hospital, clara, "transaction", entry("DELETE", "Patient?family=Alpha,Beta"))
    assert several.status_code == 412


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("metadata", "CapabilityStatement"),
        (f"{FHIR}/metadata?mode=terminology", "TerminologyCapabilities"),
        ("Patient/anna/_history", "history"),
        ("Patient/_history?_count=1", "history"),
        ("_history?_count=1", "history"),
        ("Patient/anna/Observation?code=2093-3", "searchset"),
        ("Patient/anna/*", "searchset"),
        ("?_type=Patient", "searchset"),
        (f"{FHIR}?_type=Patient", "searchset"),
        ("Patient/anna/$everything", "searchset"),
        ("Observation/$lastn?patient=anna", "searchset"),
        ("Patient/anna/$meta", "Parameters"),
        (f"{FHIR}/Patient/anna/_history/1", "Patient"),
    ],
)
@pytest.mark.parametrize("bundle", ["batch", "transaction"])
def test_what_can_be_got_can_be_got_in_a_bundle(
    hospital: Hospital, clara: dict[str, str], bundle: str, url: str, kind: str
) -> None:
    answer = send(hospital, clara, bundle, entry("GET", url))
    assert answer.status_code == 200, answer.text
    (item,) = answer.json()["entry"]
    assert item["response"]["status"] == "200 OK"
    resource = item["resource"]
    assert kind in (resource["resourceType"], resource.get("type"))
    alone = hospital.http.get(f"/fhir/{url.removeprefix(FHIR).lstrip('/')}", headers=clara).json()
    for part in (resource, alone):
        part.pop("timestamp", None)
    assert resource == alone


@pytest.mark.parametrize(
    "url",
    [
        "//evil.example/Patient",
        "Patient/anna/Observation/x",
        "auth/token",
        "",
        "Patient/anna/_history/",
    ],
)
def test_another_address_is_refused(hospital: Hospital, clara: dict[str, str], url: str) -> None:
    answer = send(hospital, clara, "batch", entry("GET", url)).json()["entry"][0]["response"]
    assert answer["status"].startswith("400")


@pytest.mark.parametrize(
    "url", ["metadata", "Patient/_history", "Patient/anna/Observation", "Patient/anna/_history"]
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_only_types_and_resources_are_written(
    hospital: Hospital, clara: dict[str, str], url: str, method: str
) -> None:
    resource = None if method == "DELETE" else patient("anna", "Alpha")
    answer = send(hospital, clara, "transaction", entry(method, url, resource))
    assert answer.status_code == 400


def test_histories_and_compartments_in_a_bundle_stay_within_bounds_and_leave_events(
    hospital: Hospital, clara: dict[str, str]
) -> None:
    bound = hospital.token("patient/*.rs", patient="anna")
    urls = [
        "Patient/bert/_history",
        "_history",
        "Patient/bert/Observation",
        "?_type=Patient",
        "Patient/bert/*",
    ]
    items = send(hospital, bound, "batch", *(entry("GET", url) for url in urls)).json()["entry"]
    assert items[0]["response"]["status"].startswith("404")
    assert "bert" not in json.dumps([item.get("resource", {}).get("entry", []) for item in items])
    narrow = hospital.token("patient/Patient.r", patient="anna")
    refused = send(hospital, narrow, "transaction", entry("GET", "Patient/_history"))
    assert refused.status_code == 403
    hospital.run(hospital.services.audit.flush)
    seen = read(hospital, clara, "AuditEvent?patient=Patient/anna&subtype=history-system&_total=accurate")
    assert seen["total"] >= 1


# references by search to what the transaction itself writes


def created(full_url: str, resource: dict[str, Any], **more: Any) -> dict[str, Any]:
    content = {name: value for name, value in resource.items() if name != "id"}
    return entry("POST", resource["resourceType"], content, **more) | {"fullUrl": full_url}


def newcomer(value: str, family: str = "Gamma") -> dict[str, Any]:
    return patient("x", family) | {"identifier": [{"system": SYSTEM, "value": value}]}


def result_of(reference: str) -> dict[str, Any]:
    return observation("x", "x") | {"subject": {"reference": reference}}


def test_a_reference_by_search_finds_what_the_same_transaction_creates(
    hospital: Hospital, clara: dict[str, str]
) -> None:
    # In either order, and beside others of the type.
    answer = send(
        hospital,
        clara,
        "transaction",
        created(
            "urn:uuid:00000000-0000-4000-8000-000000000001", result_of(f"Patient?identifier={SYSTEM}|N1")
        ),
        created("urn:uuid:00000000-0000-4000-8000-000000000002", newcomer("N1")),
        created("urn:uuid:00000000-0000-4000-8000-000000000003", newcomer("N2")),
    )
    assert answer.status_code == 200, answer.text
    result, first, _ = (item["fullUrl"].removeprefix(f"{FHIR}/") for item in answer.json()["entry"])
    assert read(hospital, clara, result)["subject"]["reference"] == first


def test_a_reference_by_search_counts_what_is_stored_and_what_is_written_together(
    hospital: Hospital, clara: dict[str, str]
) -> None:
    put(hospital, clara, newcomer("N3") | {"id": "stored-n3"})
    both = send(
        hospital,
        clara,
        "transaction",
        created("urn:uuid:00000000-0000-4000-8000-000000000001", newcomer("N3")),
        created(
            "urn:uuid:00000000-0000-4000-8000-000000000002", result_of(f"Patient?identifier={SYSTEM}|N3")
        ),
    )
    assert both.status_code in (400, 412)
    assert "Bundle.entry[1]" in str(both.json()["issue"][0])
    # What the search found has another identifier after the transaction.
    moved = send(
        hospital,
        clara,
        "transaction",
        entry("PUT", "Patient/stored-n3", newcomer("N4") | {"id": "stored-n3"}),
        created(
            "urn:uuid:00000000-0000-4000-8000-000000000002", result_of(f"Patient?identifier={SYSTEM}|N3")
        ),
    )
    assert moved.status_code == 400
    renamed = send(
        hospital,
        clara,
        "transaction",
        entry("PUT", "Patient/stored-n3", newcomer("N4") | {"id": "stored-n3"}),
        created(
            "urn:uuid:00000000-0000-4000-8000-000000000002", result_of(f"Patient?identifier={SYSTEM}|N4")
        ),
    )
    assert renamed.status_code == 200, renamed.text


def test_entries_of_a_batch_do_not_see_each_other_by_search(
    hospital: Hospital, clara: dict[str, str]
) -> None:
    answer = send(
        hospital,
        clara,
        "batch",
        created(
            "urn:uuid:00000000-0000-4000-8000-000000000001", result_of(f"Patient?identifier={SYSTEM}|N5")
        ),
        created("urn:uuid:00000000-0000-4000-8000-000000000002", newcomer("N5")),
    )
    assert [item["response"]["status"][:3] for item in answer.json()["entry"]] == ["400", "201"]


def test_a_name_is_not_looked_for_in_what_is_written_with_it(
    hospital: Hospital, clara: dict[str, str]
) -> None:
    answer = send(
        hospital,
        clara,
        "transaction",
        created("urn:uuid:00000000-0000-4000-8000-000000000001", newcomer("N6", "Nowhere")),
        created("urn:uuid:00000000-0000-4000-8000-000000000002", result_of("Patient?family=Nowhere")),
    )
    assert answer.status_code == 400
    assert "not looked for in what is written with it" in answer.text


@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_the_answer_has_what_the_header_prefers(hospital: Hospital, clara: dict[str, str], kind: str) -> None:
    put(hospital, clara, patient(f"there-{kind}", "Gamma"))

    def answers(wanted: str | None, value: str) -> list[dict[str, Any]]:
        body = {
            "resourceType": "Bundle",
            "type": kind,
            "entry": [
                entry("POST", "Patient", newcomer(value)),
                entry("POST", "Patient", newcomer(value), ifNoneExist=f"_id=there-{kind}"),
                entry("PUT", f"Patient/put-{value}", newcomer(f"{value}-put") | {"id": f"put-{value}"}),
                entry("DELETE", f"Patient?_id=gone-{value}"),
            ],
        }
        headers = clara if wanted is None else clara | {"Prefer": f"return={wanted}"}
        answer = hospital.http.post("/fhir", json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        entries: list[dict[str, Any]] = answer.json()["entry"]
        assert [item["response"]["status"][:3] for item in entries] == ["201", "200", "201", "204"]
        return entries

    for wanted in (None, "minimal"):
        for item in answers(wanted, f"{kind}-{wanted}"):
            assert "resource" not in item
            assert "outcome" not in item["response"]
    created, matched, updated, deleted = answers("representation", f"{kind}-r")
    assert created["resource"]["meta"]["versionId"] == "1"
    assert created["response"]["location"].endswith(f"Patient/{created['resource']['id']}/_history/1")
    assert matched["resource"]["id"] == f"there-{kind}"
    assert updated["resource"]["id"] == f"put-{kind}-r"
    assert "resource" not in deleted
    for item in answers("OperationOutcome", f"{kind}-o"):
        assert item["response"]["outcome"]["resourceType"] == "OperationOutcome"
        assert "resource" not in item


def test_what_the_caller_may_not_read_is_not_in_the_answer(hospital: Hospital) -> None:
    creator = hospital.token("user/Patient.c", patient=None)
    body = {"resourceType": "Bundle", "type": "batch", "entry": [entry("POST", "Patient", newcomer("N9"))]}
    answer = hospital.http.post("/fhir", json=body, headers=creator | {"Prefer": "return=representation"})
    (item,) = answer.json()["entry"]
    assert item["response"]["status"][:3] == "201"
    assert "resource" not in item
