"""Subscribers are told of what they asked for and may read, in order, until they take it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fhir_bridge.egress import Allowed
from fhir_bridge.fhir.validation import get_validator
from fhir_bridge.plugins import hookimpl
from tests.patience import until
from tests.server.receiving import receiving
from tests.server.serving import serving
from tests.server.subscriptions.conftest import Feed

CLINICIAN = "user/*.cruds"


def test_a_topic_is_followed_from_handshake_to_events(feed: Feed) -> None:
    feed.as_user(CLINICIAN)
    identity = feed.subscribe("Observation?patient=anna&code=718-7", headers=("X-Key: s3cret",))
    assert feed.status(identity) == "requested"
    feed.work()
    assert (feed.status(identity), [sent.kind for sent in feed.receiver.sent]) == ("active", ["handshake"])
    feed.observe("s1", "anna")
    feed.observe("s2", "anna", code="789-8")
    feed.observe("s3", "bert")
    feed.observe("s4", "anna")
    feed.work()
    (event,) = feed.receiver.sent[1:]
    assert (event.kind, event.numbers, event.foci) == (
        "event-notification",
        [1, 2],
        ["Observation/s1", "Observation/s4"],
    )
    assert event.headers["X-Key"] == "s3cret"
    assert event.headers["Content-Type"] == "application/fhir+json"
    assert len(event.entries) == 1, "id-only: no resources"
    assert [one for one in get_validator().validate(json.loads(event.body)) if one.severity == "error"] == []
    entries = feed.request("GET", "AuditEvent?entity=Observation/s1&patient=Patient/anna").json()["entry"]
    addresses = [
        agent["network"]["address"]
        for entry in entries
        for agent in entry["resource"]["agent"]
        if any(f"Subscription/{identity}" in json.dumps(entity) for entity in entry["resource"]["entity"])
        if "network" in agent
    ]
    assert feed.receiver.origin in addresses, "what left is audited"
    feed.work()
    assert len(feed.receiver.sent) == 2, "nothing is told twice"
    feed.observe("s1", "anna", code="718-7")
    feed.work()
    assert len(feed.receiver.sent) == 2, "an unchanged resource is no event"


@pytest.mark.parametrize(("content", "whole"), [("full-resource", True), ("empty", False)])
def test_how_much_a_notification_holds(feed: Feed, content: str, *, whole: bool) -> None:
    feed.as_user(CLINICIAN)
    feed.subscribe("Observation?patient=anna", content=content)
    feed.work()
    feed.observe(f"h-{content}", "anna")
    feed.work()
    event = feed.receiver.sent[-1]
    assert event.numbers == [1]
    assert event.foci == ([] if content == "empty" else [f"Observation/h-{content}"])
    resources = [entry["resource"]["resourceType"] for entry in event.entries]
    assert resources == (["Parameters", "Observation"] if whole else ["Parameters"])


def test_criteria_alone_are_told_as_r4_says(feed: Feed) -> None:
    feed.as_user(CLINICIAN)
    plain = {"type": "rest-hook", "endpoint": feed.receiver.hook}
    identity = feed.subscribe("", criteria="Observation?patient=bert", channel=plain, _criteria=None)
    feed.subscribe(
        "",
        criteria="Observation?patient=bert",
        _criteria=None,
        channel=plain | {"payload": "application/fhir+json"},
    )
    feed.work()
    assert feed.status(identity) == "active"
    assert feed.receiver.sent == [], "there is no handshake"
    feed.observe("r1", "bert")
    feed.work()
    told = sorted((sent.method, sent.path, bool(sent.body)) for sent in feed.receiver.sent)
    assert told == [("POST", "/hook", False), ("PUT", "/hook/Observation/r1", True)]


def test_what_is_not_taken_comes_again_and_ends_in_error(feed: Feed) -> None:
    feed.as_user(CLINICIAN)
    identity = feed.subscribe("Observation?patient=anna")
    feed.work()
    feed.receiver.status = 503
    feed.observe("f1", "anna")
    feed.work()
    assert feed.receiver.sent[-1].numbers == [1]
    before = len(feed.receiver.sent)
    feed.work()
    assert len(feed.receiver.sent) == before, "it waits before it tries again"
    feed.receiver.status = 200
    feed.observe("f2", "anna")
    feed.hospital.sql("UPDATE subscription SET not_before = '-infinity'")
    feed.work()
    assert feed.receiver.sent[-1].numbers == [1, 2], "in order, and nothing lost"
    feed.receiver.status = 500
    feed.observe("f3", "anna")
    feed.hospital.sql("UPDATE subscription SET failures = 11")
    feed.work()
    assert feed.status(identity) == "error"
    feed.receiver.status = 200
    feed.hospital.sql("UPDATE subscription SET not_before = '-infinity'")
    feed.observe("f4", "anna")
    feed.work()
    assert feed.receiver.sent[-1].numbers == [3], "in error nothing is told"
    missed = feed.request("GET", f"Subscription/{identity}/$events?eventsSinceNumber=3").json()
    assert [part["valueString"] for part in _event_parts(missed, "event-number")] == ["3"]


def _event_parts(bundle: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [
        part
        for parameter in bundle["entry"][0]["resource"]["parameter"]
        if parameter["name"] == "notification-event"
        for part in parameter["part"]
        if part["name"] == name
    ]


class TestAccess:
    def test_a_patient_bound_subscriber_is_told_of_the_own_patient_alone(self, feed: Feed) -> None:
        feed.as_user("launch/patient patient/*.rs user/Subscription.cruds", patient="anna")
        feed.subscribe("Observation?code=718-7")
        feed.work()
        feed.as_user(CLINICIAN)
        feed.observe("b1", "bert")
        feed.observe("a1", "anna")
        feed.work()
        assert [sent.foci for sent in feed.receiver.sent[1:]] == [["Observation/a1"]]

    def test_consent_given_between_the_event_and_its_delivery_counts(self, feed: Feed) -> None:
        feed.as_user(CLINICIAN)
        feed.subscribe("Observation?patient=anna")
        feed.work()
        feed.receiver.status = 503
        feed.observe("w1", "anna")
        feed.work()
        feed.receiver.status = 200
        feed.hospital.sql("UPDATE subscription SET not_before = '-infinity'")
        assert feed.request("DELETE", "Observation/w1").status_code == 204
        before = len(feed.receiver.sent)
        feed.work()
        assert len(feed.receiver.sent) == before, "what may not be read any more is not told"

    def test_a_client_that_is_removed_is_told_nothing(self, feed: Feed) -> None:
        accounts = feed.hospital.services.accounts
        feed.hospital.run(
            accounts.add_client, "gone", "Gone", "none", CLINICIAN + " launch/patient patient/*.cruds",
            redirect_uris=["https://app.example/callback"],
        )  # fmt: skip
        feed.as_user(CLINICIAN, client="gone", patient=None)
        identity = feed.subscribe("Observation?patient=anna")
        feed.work()
        feed.hospital.run(accounts.remove_client, "gone")
        feed.as_user(CLINICIAN)
        feed.observe("g1", "anna")
        before = len(feed.receiver.sent)
        feed.work()
        assert len(feed.receiver.sent) == before
        feed.restart()
        feed.work()
        assert feed.status(identity) == "off"

    def test_a_revoked_grant_ends_its_subscriptions(self, feed: Feed) -> None:
        body = feed.hospital.authorized(CLINICIAN + " offline_access", patient=None)
        feed.headers = {"Authorization": f"Bearer {body['access_token']}"}
        identity = feed.subscribe("Observation?patient=anna")
        feed.work()
        feed.hospital.http.post("/oauth/revoke", data={"token": body["refresh_token"], "client_id": "app"})
        feed.as_user(CLINICIAN)
        feed.observe("g2", "anna")
        before = len(feed.receiver.sent)
        feed.work()
        assert len(feed.receiver.sent) == before
        feed.restart()
        feed.work()
        assert feed.status(identity) == "off"

    def test_nobody_can_subscribe_as_another(self, feed: Feed) -> None:
        feed.as_user("launch/patient patient/*.rs user/Subscription.cruds", patient="anna")
        forged = feed.subscription("Observation?code=718-7")
        forged["meta"] = {
            "extension": [
                {
                    "url": "https://fhir-bridge.org/fhir/StructureDefinition/subscriber",
                    "extension": [
                        {"url": "client", "valueString": "app"},
                        {"url": "scope", "valueString": "system/*.cruds"},
                    ],
                }
            ]
        }
        stored = feed.request("POST", "Subscription", forged).json()
        (mark,) = stored["meta"]["extension"]
        named = {part["url"]: part["valueString"] for part in mark["extension"]}
        assert (named["patient"], "system" in named["scope"]) == ("anna", False)

    def test_what_another_client_subscribed_can_not_be_turned_elsewhere(self, feed: Feed) -> None:
        feed.as_user(CLINICIAN)
        identity = feed.subscribe("Observation?patient=anna")
        feed.headers = feed.hospital.token(CLINICIAN, client="other", patient=None)
        changed = feed.subscription("Observation?patient=bert") | {"id": identity}
        answer = feed.request("PUT", f"Subscription/{identity}", changed)
        assert (answer.status_code, "FB-SUB-002" in answer.text) == (403, True)
        feed.headers = feed.hospital.token(
            "user/Subscription.u user/Observation.rs", client="other", patient=None
        )
        assert feed.request("PUT", f"Subscription/{identity}", changed).status_code == 403, (
            "nor by who can't read it"
        )
        feed.headers = feed.hospital.token(CLINICIAN, client="other", patient=None)
        assert feed.request("DELETE", f"Subscription/{identity}").status_code == 204

    def test_a_password_in_a_header_can_be_read_and_used_by_nobody_else(self, feed: Feed) -> None:
        feed.as_user(CLINICIAN)
        identity = feed.subscribe("Observation?patient=anna", headers=("Authorization: Bearer s3cret",))
        shown = feed.request("GET", f"Subscription/{identity}").json()
        assert "s3cret" not in json.dumps(shown)
        again = feed.subscription("Observation?patient=bert") | {"id": identity}
        again["channel"]["header"] = shown["channel"]["header"]
        assert feed.request("PUT", f"Subscription/{identity}", again).status_code == 200
        feed.headers = feed.hospital.token(CLINICIAN, client="other", patient=None)
        stolen = feed.subscription("Observation?patient=anna")
        stolen["channel"]["header"] = shown["channel"]["header"]
        answer = feed.request("POST", "Subscription", stolen)
        assert answer.status_code == 422
        assert "sealed for another" in answer.text


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"status": "active"}, "Subscription.status"),
        ({"criteria": "http://example.org/topic"}, "Subscription.criteria"),
        ({"criteria": "Observations?code=x", "_criteria": None}, "Subscription.criteria"),
        ({"criteria": "Observation?colour=red", "_criteria": None}, "Subscription.criteria"),
        ({"_criteria": None}, "Subscription.criteria"),
        ({"channel": {"type": "email", "endpoint": "mailto:a@b.example"}}, "Subscription.channel.type"),
        ({"channel": {"type": "rest-hook"}}, "Subscription.channel.endpoint"),
        (
            {"channel": {"type": "rest-hook", "endpoint": "https://elsewhere.example/"}},
            "Subscription.channel.endpoint",
        ),
        (
            {"channel": {"type": "rest-hook", "endpoint": "file:///etc/passwd"}},
            "Subscription.channel.endpoint",
        ),
    ],
)
def test_what_can_not_be_followed_is_refused_with_its_place(
    feed: Feed, change: dict[str, Any], place: str
) -> None:
    feed.as_user(CLINICIAN)
    answer = feed.request("POST", "Subscription", feed.subscription("Observation?patient=anna", **change))
    assert answer.status_code == 422, answer.text
    assert place in answer.text


@pytest.mark.parametrize(
    "host", ["[::1]", "[::ffff:10.0.0.1]", "[fe80::1%25eth0]", "10.0.0.1", "169.254.169.254"]
)
def test_an_address_of_a_network_that_is_not_listed_is_refused(
    feed: Feed, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed.as_user(CLINICIAN)
    endpoint = f"http://{host}:8000/hook"
    allowed = Allowed.of(f"http://{host}:8000", "127.0.0.0/8")
    monkeypatch.setitem(feed.hospital.services.settings.__dict__, "allowed", allowed)
    watched = feed.subscription("Observation?patient=anna")
    watched["channel"]["endpoint"] = endpoint
    answer = feed.request("POST", "Subscription", watched)
    assert (answer.status_code, "EGRESS_NETWORKS" in answer.text) == (422, True), answer.text
    listed = Allowed.of(f"http://{host}:8000", "127.0.0.0/8 ::1/128 fe80::/10 10.0.0.0/8 169.254.0.0/16")
    monkeypatch.setitem(feed.hospital.services.settings.__dict__, "allowed", listed)
    assert feed.request("POST", "Subscription", watched).status_code == 201


class Blackening:
    """A plug-in that takes the value out of what goes out."""

    @hookimpl
    def fhir_bridge_redact_response(self, resource: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in resource.items() if name != "valueString"}


def test_what_plug_ins_take_out_is_in_no_notification(feed: Feed) -> None:
    feed.as_user(CLINICIAN)
    identity = feed.subscribe("Observation?patient=anna", content="full-resource")
    feed.work()
    plugins, plugin = feed.hospital.services.plugins, Blackening()
    plugins.register(plugin)
    try:
        feed.observe("black", "anna")
        feed.work()
        asked = feed.request("GET", f"Subscription/{identity}/$events?content=full-resource").json()
    finally:
        plugins.unregister(plugin)
    for entries in (feed.receiver.sent[-1].entries, asked["entry"]):
        (resource,) = [one["resource"] for one in entries if one["resource"]["resourceType"] == "Observation"]
        assert resource["id"] == "black"
        assert "valueString" not in resource


def test_status_is_asked_of_one_and_of_all(feed: Feed) -> None:
    feed.as_user(CLINICIAN)
    one, two = feed.subscribe("Observation?patient=anna"), feed.subscribe("Observation?patient=bert")
    feed.work()
    feed.observe("q1", "bert")
    feed.work()
    answer = feed.request("GET", f"Subscription/{two}/$status").json()
    parameters = {p["name"]: p for p in answer["entry"][0]["resource"]["parameter"]}
    assert parameters["events-since-subscription-start"]["valueString"] == "1"
    assert parameters["type"]["valueCode"] == "query-status"
    assert feed.request("GET", f"Subscription/$status?id={one},{two}&status=active").json()["total"] == 2
    assert feed.request("GET", f"Subscription/$status?id={one}&status=error").json()["total"] == 0


def test_the_background_worker_follows_and_goes_on_after_a_kill(fresh_database_url: str) -> None:
    """Through the program as it is started, whose worker is killed between an event and its delivery."""
    with receiving() as receiver:
        settings = {"auth": "none", "egress": receiver.origin, "egress_networks": "127.0.0.0/8"}
        with serving(fresh_database_url, **settings) as served:
            plain = {"type": "rest-hook", "endpoint": receiver.hook}
            subscription = {
                "resourceType": "Subscription", "status": "requested", "reason": "test", "criteria": "Basic?code=x",
                "channel": plain,
            }  # fmt: skip
            made = served.post("Subscription", json=subscription)
            assert made.status_code == 201, made.text
            address = f"Subscription/{made.json()['id']}"
            until(lambda: served.get(address).json()["status"] == "active", "it did not become active")
            receiver.status = 503
            basic = {"resourceType": "Basic", "code": {"coding": [{"code": "x"}]}}
            assert served.post("Basic", json=basic).status_code == 201
            until(lambda: bool(receiver.sent), "nothing was sent")
            served.process.kill()
            served.process.wait()
        receiver.status = 200
        before = len(receiver.sent)
        with serving(fresh_database_url, **settings):
            until(lambda: len(receiver.sent) > before, "it did not go on")
