"""What is refused leaves an AuditEvent: who, from where, at what; never so many that they fill the disk."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.validation import get_validator
from fhir_bridge.server import refusals
from tests.server.conftest import Hospital, Http, observation


@pytest.fixture(autouse=True)
def _fresh(hospital: Hospital) -> None:
    hospital.run(hospital.services.refusals.flush)
    hospital.run(hospital.services.audit.flush)
    hospital.sql("DELETE FROM failed_attempt")


def events(hospital: Hospital) -> list[dict[str, Any]]:
    hospital.run(hospital.services.audit.flush)
    page = hospital.run(hospital.services.store.search, "AuditEvent", [], EVERYTHING, count=1000)
    found = sorted((stored.resource() for stored in page.entries), key=lambda event: event["recorded"])
    return [event for event in found if event["outcome"] != "0"]


class New:
    """The events of refusals that come while it is open."""

    def __init__(self, hospital: Hospital) -> None:
        self.hospital = hospital
        self.before = len(events(hospital))

    def __call__(self) -> list[dict[str, Any]]:
        return events(self.hospital)[self.before :]


def target(event: dict[str, Any]) -> str:
    entity = event["entity"][0]
    return str(entity.get("what", {}).get("reference") or entity.get("name", ""))


def test_without_a_token(hospital: Hospital) -> None:
    new = New(hospital)
    path = "/fhir/Patient/family-name?name=Alpha&identifier=123"
    assert hospital.http.get(path, headers={"X-Request-Id": "Alpha-1961"}).status_code == 401
    (event,) = new()
    assert event["outcome"] == "4"
    assert event["outcomeDesc"] == "401 FB-SMART-001"
    assert target(event) == "Patient"
    assert event["agent"][0]["network"]["address"] == "127.0.0.1"
    assert event["agent"][0]["who"]["identifier"]["value"] == "anonymous"
    for sent in ("Alpha", "123", "family-name"):
        assert sent not in str(event)


def test_with_a_token_that_does_not_allow_it(hospital: Hospital) -> None:
    headers = hospital.token("patient/Patient.rs")
    new = New(hospital)
    assert hospital.http.get("/fhir/Observation?code=secret", headers=headers).status_code == 403
    assert hospital.http.delete("/fhir/Patient/anna", headers=headers).status_code == 403
    first, second = new()
    assert (first["outcome"], target(first), first["subtype"][0]["code"]) == (
        "4",
        "Observation",
        "search-type",
    )
    assert (target(second), second["subtype"][0]["code"], second["action"]) == ("Patient/anna", "delete", "D")
    names = [agent["who"] for agent in first["agent"]]
    assert {"identifier": {"value": "app"}} in names
    assert any(who.get("reference") == "Practitioner/clara" for who in names)
    assert "secret" not in str(first)


def test_what_is_hidden_and_what_does_not_exist_leave_the_same(hospital: Hospital) -> None:
    headers = hospital.token("patient/*.rs")
    new = New(hospital)
    for path in ("Observation/bert-lab", "Observation/no-such", "Observation/bert-lab/_history"):
        assert hospital.http.get(f"/fhir/{path}", headers=headers).status_code == 404
    hidden, missing, history = new()
    assert target(hidden) == target(history) == "Observation/bert-lab"
    assert target(missing) == "Observation/no-such"
    assert hidden["outcomeDesc"] == missing["outcomeDesc"] == "404 FB-STORE-002"
    assert history["subtype"][0]["code"] == "history-instance"


def test_a_404_where_nothing_is_hidden_leaves_none(hospital: Hospital) -> None:
    headers = hospital.token("user/*.cruds", patient=None)
    new = New(hospital)
    assert hospital.http.get("/fhir/Observation/no-such", headers=headers).status_code == 404
    assert hospital.http.get("/fhir/Nothing/x", headers=headers).status_code == 404
    assert new() == []


@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_entries_of_a_bundle(hospital: Hospital, kind: str) -> None:
    headers = hospital.token("patient/*.rs")
    new = New(hospital)
    entries = [
        {"request": {"method": "GET", "url": "Observation/bert-lab"}},
        {"request": {"method": "POST", "url": "Observation"}, "resource": observation("x", "bert")},
    ]
    bundle = {"resourceType": "Bundle", "type": kind, "entry": entries}
    hospital.http.post("/fhir", json=bundle, headers=headers)
    found = new()
    if kind == "batch":
        assert [(target(event), event["subtype"][0]["code"]) for event in found] == [
            ("Observation/bert-lab", "read"),
            ("Observation", "create"),
        ]
    else:
        assert [event["subtype"][0]["code"] for event in found] == ["transaction"]


def test_a_backend_service_is_named(hospital: Hospital) -> None:
    from fhir_bridge.storage.grants import Grant

    services = hospital.services
    hospital.run(services.accounts.add_client, "robot", "Robot", "secret", "system/Patient.rs")
    grant = Grant("robot", "system/Patient.rs", services.settings.fhir_base, purpose="HOPERAT")
    issued = hospital.run(services.grants.issue_backend, grant)
    new = New(hospital)
    headers = {"Authorization": f"Bearer {issued.access}"}
    assert hospital.http.get("/fhir/Observation", headers=headers).status_code == 403
    (event,) = new()
    assert event["agent"][0]["who"]["identifier"]["value"] == "robot"


def test_secrets_codes_and_passwords(hospital: Hospital) -> None:
    new = New(hospital)
    form = {"grant_type": "authorization_code", "client_id": "nobody", "client_secret": "my secret"}
    hospital.http.post("/oauth/token", data=form)
    hospital.http.post(
        "/oauth/token", data={"grant_type": "authorization_code", "client_id": "app", "code": "c0de"}
    )
    hospital.sign_in("clara", "my password")
    found = new()
    assert [event["outcomeDesc"] for event in found] == [
        "401 invalid_client",
        "400 invalid_grant",
        "401 login",
    ]
    for event in found:
        assert event["subtype"][0]["code"] == "110122"
        assert not any(sent in str(event) for sent in ("nobody", "my secret", "c0de", "clara", "my password"))


def test_too_many_attempts_are_a_serious_failure(hospital: Hospital) -> None:
    wrong = {"Authorization": "Bearer wrong"}
    for _ in range(31):
        hospital.http.get("/fhir/Patient/anna", headers=wrong)
    new = New(hospital)
    hospital.sql("UPDATE failed_attempt SET failures = 99, latest = now()")
    hospital.run(hospital.services.refusals.flush)
    assert hospital.http.get("/fhir/Patient/anna", headers=wrong).status_code == 429
    assert [event["outcome"] for event in new() if event["outcomeDesc"].startswith("429")] == ["8"]


class TestMany:
    def test_of_one_address_are_counted_in_one_event_a_minute(self, hospital: Hospital) -> None:
        new = New(hospital)
        for number in range(50):
            hospital.http.get(f"/fhir/Observation/x{number}")
        (first,) = new()
        hospital.run(hospital.services.refusals.flush)
        _, summary = new()
        (detail,) = summary["entity"][0]["detail"]
        assert (detail["type"], detail["valueString"]) == ("count", "49")
        assert first["recorded"] <= summary["period"]["start"] <= summary["period"]["end"]
        hospital.run(hospital.services.refusals.flush)
        assert len(new()) == 2  # a minute without refusals leaves nothing

    def test_of_many_addresses_are_not_told_apart_beyond_a_number(
        self, hospital: Hospital, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(refusals, "MOST_UNKNOWN", 5)
        new = New(hospital)
        for number in range(40):
            Http(hospital.http.app, hospital.http.portal, address=f"192.0.2.{number}").get("/fhir/Patient")
        hospital.run(hospital.services.refusals.flush)
        found = new()
        assert len(found) == 7
        assert found[-1]["entity"][0]["detail"][0]["valueString"] == "34"

    def test_of_a_known_caller_are_told_one_by_one_for_a_while(self, hospital: Hospital) -> None:
        headers = hospital.token("patient/*.rs")
        new = New(hospital)
        for number in range(refusals.KNOWN + 10):
            hospital.http.get(f"/fhir/Observation/x{number}", headers=headers)
        assert [target(event) for event in new()] == [f"Observation/x{n}" for n in range(refusals.KNOWN)]
        hospital.run(hospital.services.refusals.flush)
        assert new()[-1]["entity"][0]["detail"][0]["valueString"] == "10"


def test_every_event_is_valid_and_can_be_searched_by_outcome(hospital: Hospital) -> None:
    found = events(hospital)
    assert found
    for event in found:
        errors = [issue for issue in get_validator().validate(event) if issue.severity in ("error", "fatal")]
        assert errors == []
    headers = hospital.token("user/*.rs", patient=None)
    body = hospital.http.get("/fhir/AuditEvent?outcome=4,8&_summary=count", headers=headers).json()
    assert body["total"] == len(found)
