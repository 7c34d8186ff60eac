"""A Consent that denies a model by a name that no model has is stored, and whoever writes it learns that."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.predictions import plugin as predictions
from fhir_bridge.server import Settings, create_app
from tests.predictions.test_objections import CODES, MODELS, denied
from tests.server.conftest import Hospital, bare_plugins, furnish, running
from tests.server.test_predict import ask, own
from tests.server.test_predict import p as p

SITE = """
site: test
demo_key: true
parameters:
  predictions:
    score2: {enabled: true, region: moderate, intended_use: x, regulatory_status: x, approver: x}
"""


@pytest.fixture(scope="module")
def served(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    site: Path = tmp_path_factory.mktemp("site") / "site.yaml"
    site.write_text(SITE)
    plugins = bare_plugins()
    plugins.register(predictions)
    app = create_app(Settings(database_url=database_url, site=site), plugins=plugins)
    with pytest.MonkeyPatch.context() as environment, running(app) as http:
        environment.setenv("FHIR_BRIDGE_SITE", str(site))
        hospital = Hospital(http)
        hospital.run(furnish, hospital.services)
        yield hospital


def sent(consent: dict[str, Any], patient: str) -> dict[str, Any]:
    """The Consent as a client sends it."""
    scope = {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}
    rule = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTIN"}
    return own(consent, patient) | {"scope": {"coding": [scope]}, "policyRule": {"coding": [rule]}}


def put(hospital: Hospital, patient: str, consent: dict[str, Any], prefer: str = "") -> Any:
    resource = sent(consent, patient)
    headers = hospital.token("user/*.cruds") | ({"Prefer": prefer} if prefer else {})
    return hospital.http.put(f"/fhir/Consent/{resource['id']}", json=resource, headers=headers)


def reason(hospital: Hospital, patient: str) -> str:
    """Why the model says nothing; empty where it does."""
    return str(ask(hospital, patient).json().get("dataAbsentReason", {}).get("text", ""))


def test_the_writer_learns_that_a_name_is_no_models(
    served: Hospital, p: str, caplog: pytest.LogCaptureFixture
) -> None:
    unknown = denied(MODELS, "sepsis-alarm")
    answer = put(served, p, unknown, "return=OperationOutcome")
    assert answer.status_code == 201
    (issue,) = answer.json()["issue"]
    assert (issue["severity"], issue["details"]["coding"][0]["code"]) == ("warning", "FB-REST-025")
    assert (
        "no model here is called 'sepsis-alarm', and it counts against none of them" in issue["diagnostics"]
    )
    assert "score2" in issue["diagnostics"]
    assert "opted" not in reason(served, p)
    assert "objects" not in reason(served, p)
    with caplog.at_level(logging.WARNING, "fhir_bridge.server"):
        assert put(served, p, unknown | {"dateTime": "2026-01-02"}).status_code == 200
    assert "no model here is called 'sepsis-alarm'" in caplog.text
    assert p not in caplog.text


def test_a_name_that_a_model_resembles_counts_against_it(served: Hospital, p: str) -> None:
    answer = put(served, p, denied(MODELS, "scor2"), "return=OperationOutcome")
    assert "it counts against score2" in answer.json()["issue"][0]["diagnostics"]
    assert "objects to this model's use" in reason(served, p)


def test_who_wants_to_be_refused_is(served: Hospital, p: str) -> None:
    answer = put(served, p, denied(MODELS, "sepsis-alarm"), "handling=strict")
    assert (answer.status_code, "FB-REST-025" in answer.text) == (422, True)
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "resource": sent(denied(MODELS, "sepsis-alarm"), p),
                "request": {"method": "PUT", "url": f"Consent/{p}-objection"},
            }
        ],
    }
    strict = served.token("user/*.cruds") | {"Prefer": "handling=strict"}
    assert served.http.post("/fhir", json=bundle, headers=strict).status_code == 422
    assert served.http.post("/fhir", json=bundle, headers=served.token("user/*.cruds")).status_code == 200


@pytest.mark.parametrize(
    "consent",
    [
        denied(MODELS, "SCORE-2"),
        denied(CODES, "prediction"),
        denied("urn:elsewhere", "sepsis-alarm"),
        denied(MODELS, "sepsis-alarm") | {"status": "inactive"},
        denied(MODELS, "sepsis-alarm") | {"provision": {"type": "permit"}},
    ],
)
def test_of_others_nothing_is_said(served: Hospital, p: str, consent: dict[str, Any]) -> None:
    answer = put(served, p, consent, "return=OperationOutcome")
    assert answer.status_code == 201
    assert "FB-REST-025" not in answer.text
