"""What is sent to a FHIR server is there once and as it is here; what can't be is kept, with the reason."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from fhir_bridge.egress import Allowed
from fhir_bridge.fhir.canonical import DELIVERED
from fhir_bridge.storage.outbox import Outbox
from tests.server.conftest import patient
from tests.server.delivery.conftest import Post, lab
from tests.server.delivery.peer import Answer, Peer, Request, hangs, json_answer, outcome


def fresh() -> str:
    return f"o{secrets.token_hex(4)}"


def first_time(answer: Any, method: str = "POST", kind: str = "Observation") -> Any:
    """Answers a write so the first time only."""
    given: list[Request] = []

    def answers(request: Request) -> Answer | None:
        if request.method != method or not request.path.startswith(f"/fhir/{kind}") or given:
            return None
        given.append(request)
        return answer(request) if callable(answer) else answer

    return answers


def test_a_result_arrives_after_its_patient_and_names_that_by_the_targets_id(post: Post, peer: Peer) -> None:
    name, target = fresh(), post.target(peer.base)
    post.write(lab(name))
    post.work(target)
    (sent,) = peer.of("Observation")
    (person,) = peer.of("Patient")
    assert sent["subject"]["reference"] == f"Patient/{person['id']}"
    assert person["identifier"][0] == {"system": "urn:oid:2.25.1", "value": "MRN-anna"}
    assert sent["valueQuantity"] == lab(name)["valueQuantity"]
    assert [item["system"] for item in sent["identifier"]] == [DELIVERED]
    assert sorted(post.audited(target)) == [f"Observation/{name}", "Patient/anna"]
    before = len(peer.requests)
    post.write(lab(name))
    post.later(target)
    assert len(peer.requests) == before, "an unchanged resource is not sent"
    post.write(lab(name, value=6.1, status="corrected"))
    post.work(target)
    (sent,) = peer.of("Observation")
    assert (sent["valueQuantity"]["value"], sent["status"], sent["meta"]["versionId"]) == (
        6.1,
        "corrected",
        "2",
    )
    assert peer.requests[-1].headers["If-Match"] == 'W/"1"'
    post.delete("Observation", name)
    post.work(target)
    assert peer.of("Observation") == []


def test_a_patient_of_the_targets_own_is_referred_to_and_never_written(post: Post, peer: Peer) -> None:
    peer.put({**patient("x", "Theirs")} | {"identifier": [{"system": "urn:oid:2.25.1", "value": "MRN-anna"}]})
    target = post.target(peer.base)
    post.write(lab(fresh()))
    post.work(target)
    assert len(peer.of("Patient")) == 1
    assert peer.writes("Patient") == []
    assert peer.of("Observation")[0]["subject"]["reference"] == "Patient/t1"
    post.write(patient("anna", "Alpha") | {"gender": "unknown"})
    post.work(target)
    assert peer.writes("Patient") == []
    post.write(patient("anna", "Alpha"))


@pytest.mark.parametrize("theirs", [False, True])
def test_two_patients_with_one_identifier_do_not_become_one_there(
    post: Post, peer: Peer, *, theirs: bool
) -> None:
    """One of them is parked with the reason, and its results wait; linked, they are one person."""
    one, two, first, second = fresh(), fresh(), fresh(), fresh()
    same = {"identifier": [{"system": "urn:oid:2.25.1", "value": f"MRN-{one}"}]}
    if theirs:
        peer.put(patient("x", "Theirs") | same)
    target = post.target(peer.base)
    post.write(patient(one, "One") | same, lab(first, one))
    post.work(target)
    post.write(patient(two, "Two") | same, lab(second, two))
    post.work(target)
    post.later(target)
    row = post.row(target, f"Patient/{two}")
    assert (row.state, f"Patient/{one} has the same identifier" in row.reason) == ("parked", True)
    assert post.row(target, f"Observation/{second}").state == "waiting"
    assert len(peer.of("Observation")) == len(peer.of("Patient")) == 1
    link = {"link": [{"other": {"reference": f"Patient/{one}"}, "type": "replaces"}]}
    post.write(patient(two, "Two") | same | link)
    post.run(Outbox(post.store.pool).retry(keys=[row.key]))
    for _ in range(3):
        post.later(target)
    assert post.row(target, f"Patient/{two}").state == "delivered"
    assert post.row(target, f"Observation/{second}").state == "delivered"
    assert len(peer.of("Patient")) == 1


def test_what_may_only_be_looked_up_is_waited_for(post: Post, peer: Peer) -> None:
    name, target = fresh(), post.target(peer.base, find_only=frozenset({"Patient"}))
    post.write(lab(name))
    post.work(target)
    assert peer.writes() == []
    assert post.row(target, f"Observation/{name}").waits_for == ["Patient/anna"]
    assert "has no Patient" in post.row(target, "Patient/anna").reason
    for _ in range(15):  # for as long as it takes
        post.later(target)
    assert post.row(target, "Patient/anna").state == "waiting"
    peer.put(patient("y", "Theirs") | {"identifier": [{"system": "urn:oid:2.25.1", "value": "MRN-anna"}]})
    post.later(target)
    assert [one["subject"]["reference"] for one in peer.of("Observation")] == ["Patient/t1"]


@pytest.mark.parametrize("conditional", [True, False])
def test_a_create_whose_answer_was_lost_is_no_second_resource(
    post: Post, peer: Peer, *, conditional: bool
) -> None:
    """Also where the process is killed before it can note what was created."""
    peer.conditional = conditional
    name, target = fresh(), post.target(peer.base)
    peer.after = first_time((502, {}, b"<html>gateway</html>"))
    post.write(lab(name))
    post.work(target)
    assert "502" in post.row(target, f"Observation/{name}").reason
    post.restart(target)
    post.later(target)
    assert len(peer.of("Observation")) == 1
    assert post.row(target, f"Observation/{name}").state == "delivered"
    # An update whose answer was lost.
    peer.after = first_time((503, {}, b""), "PUT")
    post.write(lab(name, value=7.0))
    post.work(target)
    writes = len(peer.writes("Observation"))
    post.restart(target)
    post.later(target)
    assert post.row(target, f"Observation/{name}").state == "delivered"
    assert peer.of("Observation")[0]["meta"]["versionId"] == "2", "the second try found it done"
    assert len(peer.writes("Observation")) == writes + 1


def test_a_busy_target_is_left_alone_for_as_long_as_it_asks(post: Post, peer: Peer) -> None:
    name, target = fresh(), post.target(peer.base)
    peer.answers = first_time((429, {"Retry-After": "77"}, b""), "GET", "Patient")
    post.write(lab(name))
    post.work(target)
    assert 60 < post.sender(target).seconds_to_wait <= 77
    asked = len(peer.requests)
    post.work(target)
    assert len(peer.requests) == asked, "it is not asked before"
    post.later(target)
    assert post.row(target, f"Observation/{name}").state == "delivered"


def refusing(status: int, body: Any = None) -> Any:
    return lambda request: json_answer(status, body or outcome("no")) if request.method == "POST" else None


@pytest.mark.parametrize(
    ("answers", "reason", "state"),
    [
        (refusing(500), "500: no", "waiting"),
        (refusing(422), "422: no", "parked"),
        (refusing(403), "403: no", "parked"),
        (refusing(200), "not as if it had taken it: no", "parked"),
        (refusing(201, {"resourceType": "Basic"}), "does not find it", "waiting"),
        (lambda _: (302, {"Location": "http://169.254.169.254/"}, b""), "redirects (302)", "waiting"),
        (lambda _: (200, {}, b"not json"), "no Bundle", "waiting"),
        (lambda _: json_answer(200, {"resourceType": "Bundle", "entry": "x"}), "does not find it", "waiting"),
        (
            lambda _: json_answer(200, {"resourceType": "Bundle", "entry": [None, {"resource": 5}]}),
            "does not find it",
            "waiting",
        ),
    ],
)  # fmt: skip
def test_what_a_target_does_not_take_is_kept_with_the_reason(
    post: Post, peer: Peer, answers: Any, reason: str, state: str
) -> None:
    target = post.target(peer.base)
    peer.answers = answers
    post.write(lab(fresh()))
    post.work(target)
    row = post.row(target, "Patient/anna")
    assert (reason in row.reason, row.state) == (True, state), row.reason
    peer.answers = lambda _: None
    if state == "parked":
        assert post.run(Outbox(post.store.pool).retry(keys=[row.key])) == 1
    post.later(target)
    assert (len(peer.of("Patient")), len(peer.of("Observation"))) == (1, 1), (
        "nothing is lost, nothing doubled"
    )


def test_a_wrong_location_leads_to_no_other_resource(post: Post, peer: Peer) -> None:
    name, target = fresh(), post.target(peer.base)
    other = peer.put({"resourceType": "Observation", "status": "final", "code": {"text": "another's"}})
    wrong = {"Location": f"{peer.base}/Observation/{other['id']}/_history/1"}
    peer.after = first_time((201, wrong, b""))
    post.write(lab(name))
    post.work(target)
    assert post.row(target, f"Observation/{name}").remote != f"Observation/{other['id']}"
    post.write(lab(name, value=9.9))
    post.work(target)
    assert peer.resources[f"Observation/{other['id']}"]["code"] == {"text": "another's"}
    assert len(peer.of("Observation")) == 2


def test_a_target_that_does_not_search_is_sent_nothing(post: Post, peer: Peer) -> None:
    """Everything in answer to a search for one: a create would be repeated for ever."""
    peer.put({"resourceType": "Patient", "name": [{"family": "Other"}]})
    target = post.target(peer.base)
    everything = lambda request: (  # noqa: E731
        json_answer(200, Peer._bundle(peer.of("Patient"))) if request.method == "GET" else None
    )
    peer.answers = everything
    post.write(lab(fresh()))
    post.work(target)
    assert "does not search Patient by identifier" in post.row(target, "Patient/anna").reason
    assert peer.writes() == []


def test_what_others_changed_there_is_not_overwritten_unless_it_is_to_be(post: Post, peer: Peer) -> None:
    for conflict, state, value in (("park", "parked", 1.0), ("overwrite", "delivered", 8.0)):
        name, target = fresh(), post.target(peer.base, conflict=conflict)
        post.write(lab(name))
        post.work(target)
        remote = post.row(target, f"Observation/{name}").remote or ""
        theirs = json.loads(json.dumps(peer.resources[remote]))
        theirs["valueQuantity"]["value"] = 1.0
        peer.put(theirs, remote.split("/")[1])
        post.write(lab(name, value=8.0))
        post.work(target)
        row = post.row(target, f"Observation/{name}")
        assert (row.state, peer.resources[remote]["valueQuantity"]["value"]) == (state, value), row.reason


def test_a_target_that_hangs_or_is_away_holds_up_no_other(post: Post, peer: Peer) -> None:
    name = fresh()
    hanging = post.target(peer.base, seconds=0.5)
    peer.answers = hangs
    away = post.target("http://127.0.0.1:9/fhir")
    refused = post.target("https://elsewhere.example/fhir")
    post.restart(refused, Allowed.of("", ""))
    plain = post.target("https://127.0.0.1:" + str(peer.port) + "/fhir")  # no TLS is spoken there
    endless = post.target(peer.base)
    post.write(lab(name))
    for target, reason in (
        (hanging, "does not answer within 0.5 seconds"),
        (away, "can't be reached (ConnectError"),
        (refused, "is not listed"),
        (plain, "can't be reached (ConnectError: [SSL"),
    ):
        post.work(target)
        assert reason in post.sender(target).reason
        assert post.row(target, f"Observation/{name}").state == "waiting"
    peer.answers = lambda _: (200, {"Content-Type": "application/fhir+json"}, b" " * (40 << 20))
    post.work(endless)
    assert "larger than" in post.row(endless, "Patient/anna").reason
    peer.answers = lambda _: None
    for target in (hanging, endless):
        post.later(target)
        assert post.row(target, f"Observation/{name}").state == "delivered"
    assert len(peer.of("Patient")) == 1


def test_a_slow_dripping_answer_is_cut_off(post: Post, peer: Peer) -> None:
    target = post.target(peer.base, seconds=0.5)
    peer.answers = lambda _: (200, {"Content-Length": "1000"}, b"{")  # and then nothing more
    post.write(lab(fresh()))
    post.work(target)
    assert "within 0.5 seconds" in post.sender(target).reason


class TestWhatMayLeave:
    def test_consent_and_scope_are_asked_when_it_is_sent(self, post: Post, peer: Peer) -> None:
        name, target = fresh(), post.target(peer.base, purpose="HRESCH")
        narrow = post.target(peer.base, scope="system/Patient.r")
        post.write(patient("carla", "Gamma"), lab(name, "carla"), lab(other := fresh(), "bert"))
        consent = {
            "resourceType": "Consent",
            "id": f"c{name}",
            "status": "active",
            "scope": {"coding": [{"code": "patient-privacy"}]},
            "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
            "patient": {"reference": "Patient/carla"},
            "dateTime": "2026-01-01",
            "provision": {
                "type": "deny",
                "purpose": [
                    {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HRESCH"}
                ],
            },
        }
        post.write(consent)  # after it was noted, or before: it counts when it is sent
        post.work(target)
        post.work(narrow)
        assert post.row(target, f"Observation/{name}").state == "withheld"
        assert post.row(target, f"Observation/{other}").state == "delivered"
        assert "carla" not in json.dumps([request.body for request in peer.requests])
        assert post.row(narrow, f"Observation/{other}").state == "withheld"
        assert f"Observation/{name}" not in post.audited(target)
        post.write({**consent, "status": "inactive"})
        post.work(target)
        assert post.row(target, f"Observation/{name}").state == "delivered"

    def test_what_plug_ins_take_out_does_not_leave(self, post: Post, peer: Peer) -> None:
        name, target = fresh(), post.target(peer.base)

        def without_value(content: bytes, _: Any) -> bytes:
            resource = json.loads(content)
            resource.pop("valueQuantity", None)
            return json.dumps(resource).encode()

        post.redacted = without_value
        try:
            post.write(lab(name))
            post.work(target)
        finally:
            post.redacted = lambda content, _: content
        assert "valueQuantity" not in peer.of("Observation")[0]

    def test_what_must_not_leave_is_named_and_not_referred_to(self, post: Post, peer: Peer) -> None:
        basis, name = fresh(), fresh()
        target = post.target(
            peer.base,
            scope="system/Patient.rs system/Observation.rs?category="
            "http://terminology.hl7.org/CodeSystem/observation-category|laboratory",
        )
        vital = lab(basis)
        vital["category"][0]["coding"][0]["code"] = "vital-signs"
        post.write(
            vital, lab(name) | {"derivedFrom": [{"reference": f"Observation/{basis}", "display": "pulse"}]}
        )
        post.work(target)
        (sent,) = peer.of("Observation")
        (reference,) = sent["derivedFrom"]
        assert "reference" not in reference
        assert (reference["type"], reference["display"]) == ("Observation", "pulse")
        assert post.row(target, f"Observation/{basis}").state == "withheld"


def test_two_that_refer_to_each_other_both_arrive_whole(post: Post, peer: Peer) -> None:
    one, two = fresh(), fresh()
    target = post.target(peer.base)
    post.write(lab(one))
    post.write(lab(two) | {"derivedFrom": [{"reference": f"Observation/{one}"}]})
    post.write(lab(one) | {"derivedFrom": [{"reference": f"Observation/{two}"}]})
    for _ in range(4):
        post.later(target)
    results = {item["id"]: item["derivedFrom"][0].get("reference") for item in peer.of("Observation")}
    assert len(results) == 2
    assert {f"Observation/{name}" for name in results} == set(results.values())


def test_a_type_without_identifier_is_known_by_its_tag(post: Post, peer: Peer) -> None:
    name, observed = fresh(), fresh()
    target = post.target(peer.base, send=("Provenance",))
    post.write(
        lab(observed),
        {
            "resourceType": "Provenance",
            "id": name,
            "target": [{"reference": f"Observation/{observed}/_history/1"}],
            "recorded": "2026-01-01T00:00:00Z",
            "agent": [{"who": {"display": "us"}}],
        },
    )
    peer.after = first_time((504, {}, b""), kind="Provenance")
    post.work(target)
    post.restart(target)
    post.later(target)
    (sent,) = peer.of("Provenance")
    (observation,) = peer.of("Observation")
    assert sent["target"][0]["reference"] == f"Observation/{observation['id']}"


def test_sent_again_by_hand_it_is_looked_for_once_more(post: Post, peer: Peer) -> None:
    theirs = {**patient("x", "Theirs")} | {"identifier": [{"system": "urn:oid:2.25.1", "value": "MRN-anna"}]}
    peer.put(theirs)
    name, target = fresh(), post.target(peer.base)
    post.write(lab(name))
    post.work(target)
    outbox = Outbox(post.store.pool)
    assert post.run(outbox.retry(target=target.name)) == 2
    post.later(target)
    assert peer.writes("Patient") == [], "a Patient of the target's own is never written"
    assert len(peer.of("Observation")) == 1
    # What was deleted there comes back when a person wants it.
    peer.resources.clear()
    peer.put(theirs)
    post.write(lab(name, value=3.3))
    post.work(target)
    assert "was deleted there" in post.row(target, f"Observation/{name}").reason
    post.run(outbox.retry(target=target.name, state="parked"))
    post.later(target)
    assert [one["valueQuantity"]["value"] for one in peer.of("Observation")] == [3.3]


def test_a_reference_by_identifier_is_resolved_at_the_target(post: Post, peer: Peer) -> None:
    name, target = fresh(), post.target(peer.base)
    reference = "Practitioner?identifier=urn:oid:2.25.7|dr-1"
    post.write(lab(name) | {"performer": [{"reference": reference}]})
    post.work(target)
    assert peer.of("Observation") == []
    assert "Practitioner by an identifier" in post.row(target, f"Observation/{name}").reason
    peer.put(
        {"resourceType": "Practitioner", "identifier": [{"system": "urn:oid:2.25.7", "value": "dr-1"}]}, "doc"
    )
    post.later(target)
    assert peer.of("Observation")[0]["performer"] == [{"reference": "Practitioner/doc"}]


class TestWhoTheBridgeIs:
    def test_a_bearer_from_a_file_is_read_anew(self, post: Post, peer: Peer, tmp_path: Path) -> None:
        target = post.target(peer.base, auth={"bearer_file": tmp_path / "token"})
        post.write(lab(fresh()))
        post.work(target)
        assert "key or token can't be read" in post.sender(target).reason
        (tmp_path / "token").write_text("first\n")
        post.later(target)
        assert peer.requests[-1].headers["Authorization"] == "Bearer first"

    def test_a_token_is_asked_for_with_a_signed_assertion_and_renewed(
        self, post: Post, peer: Peer, tmp_path: Path
    ) -> None:
        key = RSAKey.generate_key(2048, {"kid": "r1"})
        (tmp_path / "key.json").write_text(json.dumps(key.as_dict(private=True)))
        granted: list[dict[str, Any]] = []

        def answers(request: Request) -> Answer | None:
            if request.path.endswith("smart-configuration"):
                return json_answer(200, {"token_endpoint": f"{peer.origin}/token"})
            if request.path == "/token":
                form = {name: values[0] for name, values in parse_qs(request.body).items()}
                granted.append(jwt.decode(form["client_assertion"], key, algorithms=["RS384"]).claims)
                return json_answer(200, {"access_token": f"t{len(granted)}", "expires_in": 300})
            wanted = f"Bearer t{max(2, len(granted))}"  # the first one is taken back
            return None if request.headers["Authorization"] == wanted else (401, {}, b"")

        peer.answers = answers
        auth = {"client_id": "bridge", "key_file": tmp_path / "key.json"}
        target = post.target(peer.base, auth=auth)
        post.write(lab(fresh()))
        post.later(target)
        post.later(target)
        assert len(peer.of("Observation")) == 1
        assert {claims["iss"] for claims in granted} == {"bridge"}
        assert {claims["aud"] for claims in granted} == {f"{peer.origin}/token"}
        assert len({claims["jti"] for claims in granted}) == len(granted)

    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            ((404, {}, b""), "no token_endpoint"),
            (json_answer(200, {"token_endpoint": "http://169.254.169.254/token"}), "is not listed"),
            (json_answer(200, {"token_endpoint": 5}), "no token_endpoint"),
        ],
    )
    def test_no_assertion_goes_where_nothing_may_go(
        self, post: Post, peer: Peer, tmp_path: Path, answer: Answer, reason: str
    ) -> None:
        key = RSAKey.generate_key(2048)
        (tmp_path / "key.json").write_text(json.dumps(key.as_dict(private=True)))
        peer.answers = lambda _: answer
        target = post.target(peer.base, auth={"client_id": "bridge", "key_file": tmp_path / "key.json"})
        post.write(lab(fresh()))
        post.work(target)
        assert reason in post.sender(target).reason
        assert peer.writes() == []


def test_what_waits_for_too_long_is_reported(
    post: Post, peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    target = post.target(peer.base, find_only=frozenset({"Patient"}), report_after_hours=1)
    post.write(lab(fresh()))
    post.work(target)
    assert "wait longer" not in caplog.text
    post.sql("UPDATE outbox SET since = now() - interval '2 hours' WHERE target = %s", target.name)
    post.restart(target)
    post.later(target)
    assert f"{target.name}: 2 wait longer than 1 hours" in caplog.text
    assert "MRN" not in caplog.text


def test_what_another_bridge_sent_goes_no_further_unless_it_is_to(post: Post, peer: Peer) -> None:
    """Two that send to each other would else send the same to and fro for ever."""
    name, target, relaying = fresh(), post.target(peer.base), post.target(peer.base, relay=True)
    mark = {"system": DELIVERED, "code": f"00112233aabbccdd-Observation-{name}"}
    post.write(lab(name) | {"meta": {"tag": [mark]}})
    post.work(target)
    assert peer.requests == []
    assert "another bridge" in post.row(target, f"Observation/{name}").reason
    post.work(relaying)
    assert len(peer.of("Observation")) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"meta": ["x"]},
        {"meta": {"tag": "x", "versionId": 5}},
        {"identifier": "x"},
        {"identifier": [None, 5, {"system": []}]},
        {"id": "../../x"},
        {"id": None},
    ],
)
def test_a_malformed_answer_holds_up_itself_alone(post: Post, peer: Peer, change: dict[str, Any]) -> None:
    name, other, target = fresh(), fresh(), post.target(peer.base)
    post.write(lab(name), lab(other, "bert"))

    def answers(request: Request) -> Answer | None:
        if request.method == "GET" and "MRN-anna" in request.path:
            return json_answer(200, {"resourceType": "Bundle", "entry": [{"resource": malformed}]})
        return None

    malformed = (
        patient("t9", "Theirs") | {"identifier": [{"system": "urn:oid:2.25.1", "value": "MRN-anna"}]} | change
    )
    peer.answers = answers
    post.work(target)
    assert post.row(target, f"Observation/{other}").state == "delivered"
    peer.answers = lambda _: None
    post.later(target)
    assert len(peer.of("Observation")) == 2
