"""Every access leaves an AuditEvent that nobody can change over the API."""

from __future__ import annotations

import base64
import json
from typing import Any

import psycopg
import pytest

from fhir_bridge.fhir.access import EVERYTHING, AccessFilter, AccessRule
from fhir_bridge.fhir.validation import get_validator
from tests.server.conftest import FHIR, Hospital, observation


def events(hospital: Hospital) -> list[dict[str, Any]]:
    hospital.run(hospital.services.audit.flush)
    page = hospital.run(hospital.services.store.search, "AuditEvent", [], EVERYTHING, count=1000)
    found = [stored.resource() for stored in page.entries]
    return sorted(found, key=lambda event: event["recorded"])


def latest(hospital: Hospital, subtype: str) -> list[dict[str, Any]]:
    return [event for event in events(hospital) if event["subtype"][0]["code"] == subtype]


def entity(event: dict[str, Any], role: str) -> dict[str, Any]:
    return next(item for item in event["entity"] if item.get("role", {}).get("code") == role)


def test_a_read_names_user_client_patient_and_request(hospital: Hospital) -> None:
    headers = hospital.token("user/*.rs") | {"X-Request-Id": "request-7"}
    hospital.http.get("/fhir/Observation/bert-lab", headers=headers)
    event = latest(hospital, "read")[-1]
    assert entity(event, "4")["what"]["reference"] == "Observation/bert-lab"
    assert entity(event, "1")["what"]["reference"] == "Patient/bert"
    assert event["action"] == "R"
    names = [agent["who"] for agent in event["agent"]]
    assert {"identifier": {"value": "app"}} in names
    assert any(who.get("reference") == "Practitioner/clara" for who in names)
    assert event["purposeOfEvent"][0]["coding"][0]["code"] == "TREAT"
    assert any(item["what"].get("identifier", {}).get("value") == "request-7" for item in event["entity"])


def test_a_search_leaves_an_event_for_each_patient_with_the_query(hospital: Hospital) -> None:
    headers = hospital.token("user/*.rs")
    before = len(latest(hospital, "search-type"))
    hospital.http.get("/fhir/Observation?code=2093-3", headers=headers)
    new = latest(hospital, "search-type")[before:]
    assert {entity(event, "1")["what"]["reference"] for event in new} == {"Patient/anna", "Patient/bert"}
    assert base64.b64decode(entity(new[0], "24")["query"]) == b"GET Observation?code=2093-3"
    hospital.http.get("/fhir/Observation?code=nothing", headers=headers)
    assert len(latest(hospital, "search-type")) == before + 3


def test_writes_are_recorded_before_the_answer(hospital: Hospital) -> None:
    headers = hospital.token("user/*.cruds")
    identity = hospital.http.post("/fhir/Observation", json=observation("x", "anna"), headers=headers).json()[
        "id"
    ]
    hospital.http.put(
        f"/fhir/Observation/{identity}",
        json=observation(identity, "anna") | {"status": "amended"},
        headers=headers,
    )
    hospital.http.delete(f"/fhir/Observation/{identity}", headers=headers)
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"resource": observation("x", "bert"), "request": {"method": "POST", "url": "Observation"}}
        ],
    }
    hospital.http.post("/fhir", json=bundle, headers=headers)
    assert not hospital.services.audit._waiting
    for subtype, action in (("create", "C"), ("update", "U"), ("delete", "D")):
        event = latest(hospital, subtype)[-1]
        assert event["action"] == action
        assert entity(event, "4")["what"]["reference"].startswith("Observation/")
    assert entity(latest(hospital, "create")[-1], "1")["what"]["reference"] == "Patient/bert"


@pytest.mark.parametrize(
    ("method", "path", "body", "header"),
    [
        ("PATCH", "Observation/bert-lab", [], {"Content-Type": "application/json-patch+json"}),
        ("PUT", "Observation/bert-lab", observation("bert-lab", "bert"), {}),
        ("PUT", "Observation?_id=bert-lab", observation("bert-lab", "bert"), {}),
        ("POST", "Observation", observation("another", "bert"), {"If-None-Exist": "_id=bert-lab"}),
    ],
)
def test_a_write_that_changes_nothing_and_shows_what_is_stored_is_recorded_as_a_read(
    hospital: Hospital, method: str, path: str, body: Any, header: dict[str, str]
) -> None:
    headers = hospital.token("user/*.cruds") | header
    before = len(latest(hospital, "read"))
    answer = hospital.http.request(method, f"/fhir/{path}", json=body, headers=headers)
    assert (answer.status_code, answer.json()["id"]) == (200, "bert-lab")
    event = latest(hospital, "read")[before]
    assert entity(event, "4")["what"]["reference"] == "Observation/bert-lab"
    assert entity(event, "1")["what"]["reference"] == "Patient/bert"
    # Nothing of it goes out: nothing was read.
    headers["Prefer"] = "return=minimal"
    answer = hospital.http.request(method, f"/fhir/{path}", json=body, headers=headers)
    assert (answer.status_code, answer.content) == (200, b"")
    assert len(latest(hospital, "read")) == before + 1


def test_a_patch_whose_test_fails_is_recorded_as_a_read(hospital: Hospital) -> None:
    headers = hospital.token("user/*.cruds")
    patch = [{"op": "test", "path": "/status", "value": "unknown"}]
    before = len(latest(hospital, "read"))
    entry = {
        "resource": {
            "resourceType": "Binary",
            "contentType": "application/json-patch+json",
            "data": base64.b64encode(json.dumps(patch).encode()).decode(),
        },
        "request": {"method": "PATCH", "url": "Observation/bert-lab"},
    }
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    as_patch = headers | {"Content-Type": "application/json-patch+json"}
    alone = hospital.http.patch("/fhir/Observation/bert-lab", content=json.dumps(patch), headers=as_patch)
    together = hospital.http.post("/fhir", json=bundle, headers=headers)
    assert (alone.status_code, together.status_code) == (422, 422)
    new = latest(hospital, "read")[before:]
    assert patients(new) == ["Patient/bert", "Patient/bert"]


def patients(found: list[dict[str, Any]]) -> list[str]:
    return sorted(entity(event, "1")["what"]["reference"] for event in found)


def test_what_is_about_two_patients_leaves_an_event_of_each(hospital: Hospital) -> None:
    headers = hospital.token("user/*.cruds")
    actors = [{"actor": {"reference": f"Patient/{name}"}, "status": "accepted"} for name in ("anna", "bert")]
    body = {"resourceType": "Appointment", "status": "proposed", "participant": actors}
    both = ["Patient/anna", "Patient/bert"]
    identity = hospital.http.post("/fhir/Appointment", json=body, headers=headers).json()["id"]
    assert patients(latest(hospital, "create")[-2:]) == both
    hospital.http.get(f"/fhir/Appointment/{identity}", headers=headers)
    assert patients(latest(hospital, "read")[-2:]) == both
    hospital.http.delete(f"/fhir/Appointment/{identity}", headers=headers)
    assert patients(latest(hospital, "delete")[-2:]) == both


@pytest.mark.parametrize("kind", ["alone", "transaction"])
def test_what_leaves_a_patients_record_leaves_an_event_there_too(hospital: Hospital, kind: str) -> None:
    headers = hospital.token("user/*.cruds")
    path = f"Observation/taken-out-{kind}"
    for subject in ("anna", "bert"):
        body = observation(path.partition("/")[2], subject)
        entry = {"resource": body, "request": {"method": "PUT", "url": path}}
        bundle = {"resourceType": "Bundle", "type": kind, "entry": [entry]}
        answer = (
            hospital.http.put(f"/fhir/{path}", json=body, headers=headers)
            if kind == "alone"
            else hospital.http.post("/fhir", json=bundle, headers=headers)
        )
        assert answer.status_code in (200, 201), answer.text
    assert patients(latest(hospital, "update")[-2:]) == ["Patient/anna", "Patient/bert"]


def test_the_patient_of_an_entry_is_known_whatever_it_is_named_by(hospital: Hospital) -> None:
    headers = hospital.token("user/*.cruds")
    name = "urn:uuid:6b1f1f0a-3f7b-4a58-9c39-0a4f6f7a8d11"
    result = observation("x", "anna") | {"subject": {"reference": name}}
    del result["id"]
    entries = [
        {
            "fullUrl": name,
            "resource": {"resourceType": "Patient"},
            "request": {"method": "POST", "url": "Patient"},
        },
        {"resource": result, "request": {"method": "POST", "url": "Observation"}},
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    answer = hospital.http.post("/fhir", json=bundle, headers=headers).json()["entry"]
    created = "Patient/" + answer[0]["response"]["location"].split("/Patient/")[1].split("/")[0]
    assert patients(latest(hospital, "create")[-2:]) == [created] * 2


def test_the_patient_of_a_documents_content_is_named(hospital: Hospital) -> None:
    headers = hospital.token("user/*.cruds")
    content = {"resourceType": "Binary", "id": "letter", "contentType": "text/plain", "data": "aGVsbG8="}
    document = {
        "resourceType": "DocumentReference",
        "id": "letter",
        "status": "current",
        "subject": {"reference": "Patient/bert"},
        "content": [{"attachment": {"url": "Binary/letter"}}],
    }
    for resource in (content, document):
        path = f"/fhir/{resource['resourceType']}/letter"
        assert hospital.http.put(path, json=resource, headers=headers).status_code == 201
    assert hospital.http.get("/fhir/Binary/letter", headers=headers).content == b"hello"
    event = latest(hospital, "read")[-1]
    assert entity(event, "4")["what"]["reference"] == "Binary/letter"
    assert entity(event, "1")["what"]["reference"] == "Patient/bert"
    for path, interaction in (
        ("Binary?_id=letter", "search-type"),
        ("Binary/letter/_history", "history-instance"),
    ):
        assert "aGVsbG8=" in hospital.http.get(f"/fhir/{path}", headers=headers).text
        assert entity(latest(hospital, interaction)[-1], "1")["what"]["reference"] == "Patient/bert"


def test_sign_ins_are_recorded_and_failed_ones_name_nobody(hospital: Hospital) -> None:
    hospital.sign_in("clara")
    hospital.sign_in("clara", "my other password")
    good, bad = latest(hospital, "110122")[-2:]
    assert (good["outcome"], bad["outcome"]) == ("0", "4")
    assert good["agent"][0]["who"]["reference"] == "Practitioner/clara"
    assert "clara" not in str(bad)


def test_an_authorization_is_recorded_with_its_scope(hospital: Hospital) -> None:
    hospital.authorized("launch/patient patient/*.rs")
    event = latest(hospital, "110112")[-1]
    assert entity(event, "1")["what"]["reference"] == "Patient/anna"
    assert "patient/*.rs" in str(event)


def test_every_event_is_valid(hospital: Hospital) -> None:
    for event in events(hospital):
        errors = [issue for issue in get_validator().validate(event) if issue.severity in ("error", "fatal")]
        assert errors == []


def test_an_event_can_be_read_and_never_written(hospital: Hospital) -> None:
    headers = hospital.token("user/*.cruds")
    event = events(hospital)[0]
    where = f"/fhir/AuditEvent/{event['id']}"
    assert hospital.http.get(where, headers=headers).status_code == 200
    assert hospital.http.put(where, json=event, headers=headers).status_code == 405
    assert hospital.http.delete(where, headers=headers).status_code == 405
    for method, url in (("PUT", where[6:]), ("DELETE", where[6:]), ("POST", "AuditEvent")):
        entry = {"resource": event, "request": {"method": method, "url": url}}
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
        assert hospital.http.post("/fhir", json=bundle, headers=headers).status_code == 403


def test_the_server_names_itself_by_its_base(hospital: Hospital) -> None:
    assert any(
        agent["who"] == {"identifier": {"value": FHIR}} for agent in latest(hospital, "read")[-1]["agent"]
    )


def test_events_survive_a_store_that_is_away_for_a_moment(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = hospital.token("user/*.cruds")
    events(hospital)
    store, before = type(hospital.services.store), len(latest(hospital, "read"))

    async def away(*_: object, **__: object) -> None:
        raise psycopg.OperationalError("away")

    with monkeypatch.context() as patch:
        patch.setattr(store, "append_audit", away)
        patch.setattr(store, "write", away)
        for _ in range(3):
            assert hospital.http.get("/fhir/Patient/anna", headers=headers).status_code == 200
        with pytest.raises(psycopg.OperationalError):
            hospital.run(hospital.services.audit.flush)
        assert (
            hospital.http.post(
                "/fhir/Observation", json=observation("x", "anna"), headers=headers
            ).status_code
            == 503
        )
    assert len(latest(hospital, "read")) == before + 3


def test_a_site_may_have_reads_recorded_before_the_answer(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = hospital.token("user/*.rs") | {"X-Request-Id": "before-answer"}
    hospital.run(hospital.services.audit.flush)
    monkeypatch.setattr(hospital.services.audit, "_before_answer", True)
    for path in ("Patient/anna", "Observation?patient=anna"):
        assert hospital.http.get(f"/fhir/{path}", headers=headers).status_code == 200
        wanted = [("entity:identifier", "before-answer"), ("_summary", "count")]
        page = hospital.run(hospital.services.store.search, "AuditEvent", wanted, EVERYTHING)
        assert page.total == (1 if path.startswith("Patient") else 2)


def test_a_transaction_is_one_row_and_an_event_for_each_entry(hospital: Hospital) -> None:
    headers = hospital.token("user/*.cruds")
    patients = ["anna", "bert"] * 60
    entries = [
        {
            "resource": {**observation("x", patient), "id": ""},
            "request": {"method": "POST", "url": "Observation"},
        }
        for patient in patients
    ]
    for entry in entries:
        del entry["resource"]["id"]
    entries[7] = {
        "resource": observation("bert-lab", "bert") | {"status": "amended"},
        "request": {"method": "PUT", "url": "Observation/bert-lab"},
    }
    before = len(latest(hospital, "create"))
    rows = stored_rows(hospital)
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    answer = hospital.http.post("/fhir", json=bundle, headers=headers).json()
    written = ["/".join(entry["response"]["location"].split("/")[-4:-2]) for entry in answer["entry"]]
    # The creates, of a hundred each at most, and the update.
    assert stored_rows(hospital) - rows == 3
    created = latest(hospital, "create")[before:]
    expected = {
        (reference, f"Patient/{patient}")
        for number, (reference, patient) in enumerate(zip(written, patients, strict=True))
        if number != 7
    }
    assert {
        (entity(one, "4")["what"]["reference"], entity(one, "1")["what"]["reference"]) for one in created
    } == expected
    assert len(created) == 119
    assert {one["meta"]["versionId"] for one in created} == {"1"}
    (update,) = [
        one
        for one in latest(hospital, "update")
        if entity(one, "4")["what"]["reference"] == "Observation/bert-lab"
    ]
    assert entity(update, "1")["what"]["reference"] == "Patient/bert"
    # Each is found and read by what it is about, and by nobody who may see another patient alone.
    store = hospital.services.store
    for number in (0, 55, 119):
        page = hospital.run(store.search, "AuditEvent", [("entity", written[number])], EVERYTHING)
        (found,) = page.entries
        again = hospital.run(store.read, "AuditEvent", found.id, EVERYTHING)
        assert again.bytes == found.bytes
        assert entity(found.resource(), "4")["what"]["reference"] == written[number]
    own = AccessFilter((AccessRule("*", frozenset("rs"), patient="anna"),), subject="anna")
    page = hospital.run(store.search, "AuditEvent", [("subtype", "create")], own, count=500)
    named = {entity(one.resource(), "1")["what"]["reference"] for one in page.entries}
    assert named == {"Patient/anna"}
    assert {entity(one.resource(), "4")["what"]["reference"] for one in page.entries} >= set(written[0:7:2])


def stored_rows(hospital: Hospital) -> int:
    """How many rows AuditEvents of writes have."""

    async def count() -> int:
        async with hospital.services.store.connection() as connection:
            rows = await connection.execute(
                "SELECT count(DISTINCT key) FROM audit_index WHERE subtype IN ('create', 'update')"
            )
            row = await rows.fetchone()
        assert row is not None
        return int(row[0])

    return hospital.run(count)  # type: ignore[no-any-return]
