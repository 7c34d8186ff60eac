"""CDS Hooks 2.0: who may call, when a card is due, what silences it, and what never is an error."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from joserfc import jws, jwt
from joserfc.jwk import ECKey
from ruamel.yaml import YAML

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.predictions import find_predictor
from fhir_bridge.predictions import plugin as predictions
from fhir_bridge.predictions.identity import content_hash_of
from fhir_bridge.predictions.reviewing import withdraw
from fhir_bridge.predictions.site import site_settings
from fhir_bridge.server import Settings, create_app
from fhir_bridge.server.cds import cards as card_makers
from fhir_bridge.server.cds import routes
from fhir_bridge.storage.cards import SILENT_DAYS
from fhir_bridge.storage.model_versions import ModelVersions
from tests.patience import PATIENCE, until
from tests.predictions.clinic import pressure, records
from tests.predictions.made_models import manifest
from tests.predictions.made_models import write as write_model
from tests.predictions.models import Sleeping
from tests.predictions.records import condition
from tests.server.conftest import BASE, FHIR, Hospital, bare_plugins, furnish, running
from tests.server.test_cors import ACAO, REGISTERED
from tests.server.test_predict import own, write

KEY = ECKey.generate_key("P-384", {"kid": "ehr"})
STRANGER = ECKey.generate_key("P-384", {"kid": "ehr"})
VIEW, SIGN = "predictions-patient-view", "predictions-order-sign"
SITE = """
site: test
demo_key: true
parameters:
  predictions:
    own-risk: {enabled: true, model: own/model.yaml}
"""


@pytest.fixture(scope="module")
def served(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    folder = tmp_path_factory.mktemp("site")
    document = manifest()
    document["inputs"].append(
        {"name": "pregnancy", "type": "condition", "codes": ["icd10|O80*"], "absent": 0}
    )
    document["output"]["thresholds"][1]["at_least"] = 40
    document["explain"] = True
    write_model(folder / "own", document)
    (folder / "site.yaml").write_text(SITE)
    plugins = bare_plugins()
    plugins.register(predictions)
    settings = Settings(database_url=database_url, site=folder / "site.yaml", cds_seconds=10)
    with running(create_app(settings, plugins=plugins)) as http:
        hospital = Hospital(http)
        hospital.run(furnish, hospital.services)
        for name, scope in (
            ("ehr", "system/*.cruds"),
            ("other-ehr", "system/*.cruds"),
            ("reader", "system/Patient.rs system/Observation.rs"),
            ("nobody", "system/Encounter.rs"),
        ):
            jwks = {"keys": [KEY.as_dict(private=False)]}
            hospital.run(hospital.services.accounts.add_client, name, name, "key", scope, jwks=jwks)
        yield hospital


@pytest.fixture
def p(served: Hospital, request: pytest.FixtureRequest) -> str:
    name = f"p{abs(hash(request.node.name))}"
    resources = [own(item, name) for item in records()]
    resources[0] |= {"identifier": [{"system": "urn:oid:2.25.7", "value": name}]}
    served.run(served.services.store.load, resources, adapter="test")
    return name


def signed(
    service: str, key: Any = KEY, header: dict[str, Any] | None = None, **change: Any
) -> dict[str, str]:
    claims = {
        "iss": "ehr",
        "aud": f"{BASE}/cds-services/{service}",
        "exp": int(time.time()) + 300,
        "iat": int(time.time()),
        "jti": str(uuid.uuid4()),
    } | change
    claims = {name: value for name, value in claims.items() if value is not None}
    head = {"alg": "ES384", "kid": "ehr", "typ": "JWT", **(header or {})}
    return {"Authorization": f"Bearer {jwt.encode(head, claims, key, algorithms=['ES384'])}"}


def hook(
    hospital: Hospital,
    patient: str,
    service: str = VIEW,
    *,
    user: str = "Practitioner/clara",
    iss: str = "ehr",
    **more: Any,
) -> httpx.Response:
    context: dict[str, Any] = {"userId": user, "patientId": patient}
    if service == SIGN:
        orders = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": {}}]}
        context["draftOrders"] = more.pop("orders", orders)
    body = {
        "hook": "order-sign" if service == SIGN else "patient-view",
        "hookInstance": str(uuid.uuid4()),
        "context": context,
        **more,
    }
    return hospital.http.post(f"/cds-services/{service}", json=body, headers=signed(service, iss=iss))


def cards(*of: Any, **more: Any) -> list[Any]:
    answer = hook(*of, **more)
    assert answer.status_code == 200, answer.text
    found: list[Any] = answer.json()["cards"]
    return found


def answer_card(hospital: Hospital, card: str, outcome: str, iss: str = "ehr") -> httpx.Response:
    entry = {
        "card": card,
        "outcome": outcome,
        "outcomeTimestamp": "2026-11-30T10:00:00Z",
        "overrideReason": {"reason": {"code": "known"}, "userComment": "seen"},
    }
    service = f"{VIEW}/feedback"
    return hospital.http.post(
        f"/cds-services/{service}", json={"feedback": [entry]}, headers=signed(service, iss=iss)
    )


def test_discovery_lists_both_hooks_to_everybody(served: Hospital) -> None:
    services = served.http.get("/cds-services").json()["services"]
    assert {item["hook"] for item in services} == {"patient-view", "order-sign"}
    assert all(item["prefetch"] == {"patient": "Patient/{{context.patientId}}"} for item in services)


def test_a_card_says_what_it_is_and_is_shown_once_until_the_category_changes(
    served: Hospital, p: str
) -> None:
    (card,) = cards(served, p)
    assert card["summary"].startswith("Own 5-year risk: ")
    assert len(card["summary"]) < 140
    assert card["indicator"] in ("info", "warning")
    assert card["source"]["label"].startswith("Own risk, version 1")
    assert {"smart", "absolute"} == {link["type"] for link in card["links"]}
    assert {reason["code"] for reason in card["overrideReasons"]} >= {"disagree", "wrong-data"}
    for text in (
        "Research use",
        "Test region",
        "House rule 2026",
        "Not reviewed by a person",
        "Intended use",
    ):
        assert text in card["detail"]
    assert cards(served, p) == []
    assert cards(served, p, SIGN) == []
    assert len(cards(served, p, user="Practitioner/other")) == 1
    write(served, p, pressure(138))
    assert cards(served, p) == []  # another number of the same category
    write(served, p, pressure(240))
    (changed,) = cards(served, p)
    assert "high" in changed["summary"]
    assert "(changed)" in changed["summary"]
    events = served.run(served.services.store.search, "AuditEvent", [("patient", p)], EVERYTHING, count=100)
    assert any(b'"ehr"' in entry.bytes and b"Practitioner/clara" in entry.bytes for entry in events.entries)


def test_a_model_of_another_version_is_run_again_for_a_card(served: Hospital, p: str) -> None:
    (card,) = cards(served, p)
    assert card["source"]["label"].startswith("Own risk, version 1")
    site = served.services.settings.site
    assert site is not None
    path = site.parent / "own" / "model.yaml"
    document = path.read_text()
    try:
        path.write_text(document.replace("version: '1'", "version: '2'"))
        (card,) = cards(served, p, user="Practitioner/other")
        assert card["source"]["label"].startswith("Own risk, version 2")
    finally:
        path.write_text(document)


def test_that_a_result_is_not_valid_any_more_is_a_card_and_a_first_refusal_is_none(
    served: Hospital, p: str
) -> None:
    assert len(cards(served, p)) == 1
    person = own(records()[0], p) | {"deceasedBoolean": True}
    served.run(served.services.store.update, "Patient", p, person, EVERYTHING)
    (card,) = cards(served, p)
    assert "no result any more" in card["summary"]
    assert cards(served, p) == []
    assert cards(served, p, user="Practitioner/new") == []


def taken_back(hospital: Hospital, patient: str, how: str) -> None:
    """A person takes the one current result back."""
    (item,) = [
        item
        for item in hospital.run(hospital.services.store.results.of_patient, patient)
        if item.state == "current"
    ]
    headers, path = hospital.token("user/*.cruds"), f"/fhir/Observation/{item.id}"
    if how == "reject":
        values = {"decision": "reject", "reason": "cuff too small"}
        answer = hospital.http.post(f"{path}/$review", params=values, headers=headers)
    elif how == "withdraw":
        answer = hospital.http.post(f"{path}/$withdraw", params={"reason": "doubt"}, headers=headers)
    else:
        hospital.run(withdraw, hospital.services.store, [item.id], "wrong weights", {"display": "Boss"})
        return
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("how", ["reject", "withdraw", "model withdrawn"])
@pytest.mark.parametrize("service", [VIEW, SIGN])
def test_what_a_person_took_back_is_on_no_card(served: Hospital, p: str, how: str, service: str) -> None:
    """For nobody: not for who saw it, not for who comes anew, until an input changes."""
    assert len(cards(served, p, service)) == 1
    taken_back(served, p, how)
    for user in ("Practitioner/clara", "Practitioner/new"):
        assert cards(served, p, service, user=user) == []
    write(served, p, pressure(138))
    (card,) = cards(served, p, service, user="Practitioner/new")
    assert card["summary"].startswith("Own 5-year risk: ")


def test_an_override_silences_the_card_for_everybody_and_for_its_time(served: Hospital, p: str) -> None:
    (card,) = cards(served, p)
    assert answer_card(served, card["uuid"], "overridden", iss="other-ehr").status_code == 404
    assert answer_card(served, card["uuid"], "overridden").status_code == 200
    assert cards(served, p, user="Practitioner/other") == []
    assert len(cards(served, p, iss="other-ehr")) == 1
    write(served, p, pressure(240))
    assert len(cards(served, p, user="Practitioner/other")) == 1  # another category is another card
    write(served, p, pressure(137))
    assert len(cards(served, p)) == 0
    days = SILENT_DAYS + 1
    served.sql("UPDATE cds_card SET answered = answered - make_interval(days => %s)", days)
    assert len(cards(served, p, user="Practitioner/third")) == 1


def test_a_model_whose_approval_ended_gives_no_card(served: Hospital, p: str) -> None:
    (card,) = cards(served, p)
    versions = ModelVersions(served.services.store.pool)
    site, _ = site_settings(str(served.services.settings.site))
    content = content_hash_of(find_predictor("own-risk", site.parameters))
    ended = datetime.now(UTC) - timedelta(days=1)
    served.run(versions.promote, "own-risk", content, "1", "Dr. X", ended)
    try:
        assert cards(served, p, user="Practitioner/other") == []
    finally:
        served.sql("DELETE FROM model_version")
    assert len(cards(served, p, user="Practitioner/other")) == 1
    assert answer_card(served, card["uuid"], "accepted").status_code == 200


def test_feedback_that_can_not_be_read_is_refused(served: Hospital, p: str) -> None:
    (card,) = cards(served, p)
    assert answer_card(served, card["uuid"], "ignored").status_code == 400
    assert answer_card(served, "no-uuid", "accepted").status_code == 400
    assert answer_card(served, str(uuid.uuid4()), "accepted").status_code == 404
    assert answer_card(served, card["uuid"], "accepted").status_code == 200


BAD_TOKENS: dict[str, dict[str, Any]] = {
    "another key": {"key": STRANGER},
    "another service": {"aud": f"{BASE}/cds-services/{SIGN}"},
    "unknown issuer": {"iss": "stranger"},
    "no jti": {"jti": None},
    "expired": {"exp": int(time.time()) - 3600},
    "far ahead": {"exp": int(time.time()) + 3600},
    "jku": {"header": {"jku": "https://evil.example/jwks"}},
}


@pytest.mark.parametrize("name", BAD_TOKENS)
def test_a_token_that_is_not_of_a_registered_ehr_for_this_service_is_refused(
    name: str, served: Hospital, p: str
) -> None:
    body = {"hook": "patient-view", "hookInstance": "x", "context": {"userId": "u", "patientId": p}}
    change = dict(BAD_TOKENS[name])
    headers = signed(VIEW, change.pop("key", KEY), change.pop("header", None), **change)
    answer = served.http.post(f"/cds-services/{VIEW}", json=body, headers=headers)
    assert answer.status_code == 401, answer.text


@pytest.mark.parametrize("change", [{"iss": "\ud800"}, {"jti": "\ud800"}, {"iss": "a\x00"}, {"jti": "a\x00"}])
def test_a_token_with_claims_that_no_database_takes_is_refused(
    served: Hospital, change: dict[str, str]
) -> None:
    claims = {"iss": "ehr", "aud": f"{BASE}/cds-services/{VIEW}", "exp": time.time() + 200, "jti": "j"}
    content = json.dumps(claims | change)
    token = jws.serialize_compact({"alg": "ES384", "kid": "ehr"}, content, KEY, algorithms=["ES384"])
    headers = {"Authorization": f"Bearer {token}"}
    answer = served.http.post(f"/cds-services/{VIEW}", json={}, headers=headers)
    assert answer.status_code == 401, answer.text


def test_a_token_serves_once_and_there_is_no_way_without(served: Hospital, p: str) -> None:
    body = {"hook": "patient-view", "hookInstance": "x", "context": {"userId": "u", "patientId": p}}
    headers = signed(VIEW)
    path = f"/cds-services/{VIEW}"
    assert served.http.post(path, json=body, headers=headers).status_code == 200
    assert served.http.post(path, json=body, headers=headers).status_code == 401
    assert served.http.post(path, json=body).status_code == 401
    assert served.http.post("/cds-services/none", json=body, headers=signed("none")).status_code == 404


@pytest.mark.parametrize("change", [{"hook": "order-select"}, {"context": {}}, {"hookInstance": ""}])
def test_a_request_that_is_none_is_refused_with_what_is_wrong(
    change: dict[str, Any], served: Hospital, p: str
) -> None:
    body = {"hook": "patient-view", "hookInstance": "x", "context": {"userId": "u", "patientId": p}} | change
    answer = served.http.post(f"/cds-services/{VIEW}", json=body, headers=signed(VIEW))
    assert answer.status_code == 400
    assert next(iter(change)).removesuffix("Instance") in answer.json()["error"]


def test_a_client_sees_no_card_of_what_its_scopes_do_not_reach(served: Hospital, p: str) -> None:
    assert cards(served, p, iss="nobody") == []
    assert cards(served, p, iss="reader") == []  # nothing was computed yet, and it may not compute
    assert len(cards(served, p)) == 1
    assert len(cards(served, p, iss="reader")) == 1
    assert cards(served, "unknown-patient") == []


def test_a_patient_of_another_server_is_found_by_identifier_of_the_prefetch(served: Hospital, p: str) -> None:
    person = own(records()[0], p) | {"identifier": [{"system": "urn:oid:2.25.7", "value": p}]}
    elsewhere = {"fhirServer": "https://ehr.example/fhir", "prefetch": {"patient": person | {"id": "77"}}}
    assert len(cards(served, "77", **elsewhere)) == 1
    assert cards(served, "78", user="u5", **elsewhere) == []  # a Patient of another record than the open one
    for broken in ("x", ["x"], [{"system": 1, "value": {}}]):
        wrong = {"patient": person | {"id": "77", "identifier": broken}}
        assert cards(served, "77", user="u6", **(elsewhere | {"prefetch": wrong})) == []
    other = person | {"id": "77", "birthDate": "1901-01-01"}
    assert cards(served, "77", user="u2", **(elsewhere | {"prefetch": {"patient": other}})) == []
    assert cards(served, "77", user="u3", fhirServer="https://ehr.example/fhir") == []
    assert len(cards(served, p, user="u4", fhirServer=FHIR)) == 1


def test_an_ehr_in_a_browser_may_call_from_its_registered_origin_alone(served: Hospital, p: str) -> None:
    body = {
        "hook": "patient-view",
        "hookInstance": str(uuid.uuid4()),
        "context": {"userId": "u", "patientId": p},
    }
    for path in (f"/cds-services/{VIEW}", f"/cds-services/{VIEW}/feedback"):
        for origin, allowed in ((REGISTERED, REGISTERED), ("https://evil.test", None)):
            asked = served.http.options(
                path, headers={"Origin": origin, "Access-Control-Request-Method": "POST"}
            )
            assert (asked.status_code, asked.headers.get(ACAO)) == (204, allowed)
            headers = signed(VIEW) | {"Origin": origin}
            assert served.http.post(path, json=body, headers=headers).headers.get(ACAO) == allowed
    # Also where it is refused: the EHR's page has to read why.
    assert (
        served.http.post(f"/cds-services/{VIEW}", headers={"Origin": REGISTERED}).headers[ACAO] == REGISTERED
    )


def test_nothing_to_sign_gives_no_card_and_something_does(served: Hospital, p: str) -> None:
    assert cards(served, p, SIGN, orders={"resourceType": "Bundle"}) == []
    assert len(cards(served, p, SIGN)) == 1


def test_a_time_out_or_a_defect_gives_no_cards_and_no_error(
    served: Hospital, p: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow(*_: Any) -> Any:
        await asyncio.sleep(30)

    async def broken(*_: Any) -> Any:
        raise RuntimeError("a value of the patient")

    monkeypatch.setattr(served.services.settings, "cds_seconds", 0.05)
    for defect in (slow, broken):
        monkeypatch.setattr(routes, "cards_for", defect)
        assert cards(served, p) == []
    monkeypatch.undo()
    assert len(cards(served, p)) == 1  # what was not given was not shown


def test_a_model_that_is_slow_to_read_holds_up_no_answer(
    served: Hospital, p: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, found = threading.Event(), card_makers.find_predictor

    def slow(*of: Any) -> Any:
        go_on.wait(PATIENCE)
        return found(*of)

    monkeypatch.setattr(card_makers, "find_predictor", slow)
    monkeypatch.setattr(served.services.settings, "cds_seconds", 1)
    assert cards(served, p) == []
    assert not go_on.is_set()
    go_on.set()
    until(lambda: not card_makers._under_way, "the model is through")
    monkeypatch.undo()
    assert len(cards(served, p)) == 1


def test_a_slow_check_of_the_token_holds_up_no_answer(
    served: Hospital, p: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow(*_: Any) -> Any:
        await asyncio.sleep(PATIENCE)

    monkeypatch.setattr(routes, "ehr_of", slow)
    monkeypatch.setattr(served.services.settings, "cds_seconds", 0.1)
    assert cards(served, p) == []


def test_the_log_says_that_a_client_may_run_nothing(
    served: Hospital, p: str, caplog: pytest.LogCaptureFixture
) -> None:
    card_makers._refused.clear()
    for _ in range(2):
        assert cards(served, p, iss="reader") == []
    lines = [record.getMessage() for record in caplog.records if "not run for cards" in record.getMessage()]
    text = (
        "own-risk is not run for cards of client reader: running a model needs a grant to create Observations"
    )
    assert lines == [text]


def test_an_amended_result_is_told_from_the_models_own(served: Hospital, p: str) -> None:
    (card,) = cards(served, p)
    (item,) = served.run(served.services.store.results.of_patient, p)
    headers = served.token("user/*.cruds")
    for values in (
        {"decision": "amend", "value": "90", "category": "high", "reason": "family"},
        {"decision": "confirm"},
    ):
        answer = served.http.post(f"/fhir/Observation/{item.id}/$review", params=values, headers=headers)
        assert (answer.status_code, answer.json()["status"]) == (200, "amended")
        (changed,) = cards(served, p, user=f"Practitioner/{values['decision']}")
        own_value = card["summary"].removeprefix("Own 5-year risk: ")
        assert f"A person amended this value; the model's own is {own_value}" in changed["detail"]
        assert "Contributions (" in card["detail"]
        assert "Contributions (" not in changed["detail"]


def test_what_is_remembered_as_shown_is_given_however_long_remembering_takes(
    served: Hospital, p: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = routes.Cards.shown

    async def slowly(*of: Any) -> None:
        await shown(*of)
        await asyncio.sleep(4)

    assert len(cards(served, p)) == 1  # the model has answered
    monkeypatch.setattr(routes.Cards, "shown", slowly)
    monkeypatch.setattr(served.services.settings, "cds_seconds", 3)
    assert len(cards(served, p, user="Practitioner/doris")) == 1


def test_a_condition_that_is_new_is_computed_before_the_card_is_made(served: Hospital, p: str) -> None:
    assert len(cards(served, p)) == 1
    write(served, p, condition("I10"))
    assert cards(served, p) == []
    standings = served.run(served.services.store.results.of_patient, p)
    assert [item.state for item in standings if not item.waiting] != []


@pytest.fixture
def sleeping(served: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second model at the site, which never answers and is stopped after some seconds."""
    both = SITE + "    sleeping: {enabled: true, limits: {seconds: 4}}\n"
    settings = site_settings(str(served.services.settings.site))
    parameters = settings[0].parameters | YAML(typ="safe").load(both)["parameters"]
    parameters["predictions"]["own-risk"] = settings[0].parameters["predictions"]["own-risk"]
    changed = (settings[0].model_copy(update={"parameters": parameters}), settings[1])
    found = card_makers.find_predictor
    monkeypatch.setattr(card_makers, "site_settings", lambda _: changed)
    monkeypatch.setattr(
        card_makers,
        "find_predictor",
        lambda name, parameters: Sleeping() if name == "sleeping" else found(name, parameters),
    )
    monkeypatch.setattr(served.services.settings, "cds_seconds", 3)


def states(hospital: Hospital, patient: str, model: str) -> list[str]:
    """Kinds of what a model left of a patient: its value, or why there is none."""
    left = []
    for standing in hospital.run(hospital.services.store.results.of_patient, patient):
        if standing.model == model:
            stored = hospital.run(hospital.services.store.read, "Observation", standing.id, EVERYTHING)
            absent = stored.resource().get("dataAbsentReason")
            left.append(absent["coding"][0]["code"] if absent else "value")
    return left


def test_a_model_that_hangs_takes_no_card_from_others_and_is_a_failed_run(
    served: Hospital, p: str, sleeping: None
) -> None:
    assert len(cards(served, p)) == 1  # nothing was computed before
    assert states(served, p, "own-risk") == ["value"]
    assert states(served, p, "sleeping") == []
    until(lambda: states(served, p, "sleeping"), "the model is stopped")
    assert states(served, p, "sleeping") == ["error"]
    assert cards(served, p) == []
    assert len(cards(served, p, user="Practitioner/doris")) == 1


def test_of_a_model_that_hangs_few_wait_for_their_turn(
    served: Hospital, p: str, sleeping: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(card_makers, "MOST_UNDER_WAY", 1)
    other = f"{p}-other"
    served.run(served.services.store.load, [own(item, other) for item in records()], adapter="test")
    assert len(cards(served, p)) == 1
    assert len(cards(served, other)) == 1
    until(lambda: states(served, p, "sleeping"), "the model is stopped")
    until(lambda: not card_makers._under_way, "nothing is under way")
    assert states(served, other, "sleeping") == []
