"""Any patient may object to a model or to all, whatever the model is approved for; the purpose is asked first."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.predictions import PredictorSettings
from fhir_bridge.predictions.score2 import Score2
from fhir_bridge.predictions.subject import Subject
from fhir_bridge.storage import Stored
from tests.predictions.clinic import APPROVED, ENABLED, Clinic, consent, in_clinic

MODELS = "urn:fhir-bridge:predictor"
CODES = "https://fhir-bridge.org/fhir/CodeSystem/prediction"
REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"


def denied(system: str, code: str, **more: Any) -> dict[str, Any]:
    """A Consent that denies what a code names."""
    provision = {"type": "deny", "code": [{"coding": [{"system": system, "code": code}]}], **more}
    return consent() | {"id": "objection", "provision": provision}


def worded(text: str) -> dict[str, Any]:
    """A Consent that denies what words name."""
    return consent() | {"id": "objection", "provision": {"type": "deny", "code": [{"text": text}]}}


def excepted(provision: dict[str, Any]) -> dict[str, Any]:
    return denied(CODES, "prediction") | {
        "provision": denied(CODES, "prediction")["provision"] | {"provision": [provision]}
    }


def purposes(*codes: str) -> list[dict[str, str]]:
    return [{"system": REASON, "code": code} for code in codes]


OBJECTIONS = [
    (denied(MODELS, "score2"), APPROVED, True),
    (denied(MODELS, "score2"), ENABLED, True),
    (denied(MODELS, "hcm-risk-scd"), APPROVED, False),
    (denied(CODES, "prediction"), APPROVED, True),
    (denied(CODES, "prediction", purpose=purposes("HRESCH")), APPROVED, False),
    (denied(CODES, "prediction", purpose=purposes("HRESCH")), ENABLED, True),
    (denied(CODES, "prediction", purpose=purposes("TREAT")), APPROVED, True),
    (denied(CODES, "prediction", period={"end": "2020-01-01"}), APPROVED, False),
    (denied(CODES, "prediction") | {"status": "inactive"}, APPROVED, False),
    (
        excepted({"type": "permit", "code": [{"coding": [{"system": MODELS, "code": "score2"}]}]}),
        APPROVED,
        False,
    ),
    (
        excepted({"type": "permit", "code": [{"coding": [{"system": MODELS, "code": "other"}]}]}),
        APPROVED,
        True,
    ),
    (denied(MODELS, "SCORE2"), APPROVED, True),
    (denied(MODELS, "score-2"), APPROVED, True),
    # What no model here is called is taken for all that are called alike, or begin so.
    (denied(MODELS, "score2-op"), APPROVED, True),
    (denied(MODELS, "scor2"), APPROVED, True),
    (denied(MODELS, "SCORE"), APPROVED, True),
    (denied(MODELS, "sco"), APPROVED, False),
    (denied(MODELS, "score2-diabetes"), APPROVED, False),
    (denied(MODELS, "some other model"), APPROVED, False),
    (denied(MODELS, "score2", action=[{"coding": [{"code": "access"}]}]), APPROVED, True),
    (denied(MODELS, "score2", **{"class": [{"code": "Observation"}]}), APPROVED, True),
    # The code of its results, its name elsewhere, in words.
    (denied(CODES, "score2"), APPROVED, True),
    (denied(CODES, "hcm-risk-scd"), APPROVED, False),
    (denied("urn:hospital:models", "Score 2"), APPROVED, True),
    (denied("http://loinc.org", "11488-4"), APPROVED, False),
    (worded("SCORE2"), APPROVED, True),
    (worded("AI predictions"), APPROVED, True),
    (worded("keine KI-Vorhersagen"), APPROVED, True),
    (worded("psychiatric notes"), APPROVED, False),
    (denied(MODELS, "SCORE2", period={"end": "2020-01-01"}), APPROVED, False),
    (denied(MODELS, "SCORE2", purpose=purposes("HRESCH")), APPROVED, False),
    (consent(), APPROVED, False),
    (consent(), ENABLED, True),
    (consent() | {"provision": {"type": "deny", "purpose": purposes("TREAT")}}, APPROVED, True),
]


def subject(*consents: dict[str, Any]) -> Subject:
    """A patient with these Consents."""
    now = datetime.now(UTC)
    stored = [Stored("Consent", item["id"], 1, now, dumps(item)) for item in consents]
    return Subject(Stored("Patient", "p", 1, now, b"{}"), (), {}, tuple(stored), now)


@pytest.mark.parametrize(("resource", "parameters", "refused"), OBJECTIONS)
def test_an_objection_counts_for_its_model_purpose_and_time(
    resource: dict[str, Any], parameters: dict[str, Any], refused: bool
) -> None:
    settings = PredictorSettings.from_site(parameters, "score2")
    known = ("score2", "score2-diabetes", "hcm-risk-scd")
    result = subject(resource).refused_use(settings, Score2.result_code, "score2", known)
    assert (result is not None) == refused
    if result is not None:
        assert result.reason == "opted-out"
        assert f"Consent/{resource['id']}/_history/1" in result.text


def test_the_purpose_is_asked_before_the_model() -> None:
    both = subject(denied(CODES, "prediction"), consent())
    settings = PredictorSettings.from_site(ENABLED, "score2")
    result = both.refused_use(settings, Score2.result_code, "score2")
    assert result is not None
    assert "opted out of research" in result.text


def test_an_objection_to_an_approved_model_is_recorded_in_place_of_a_run(database_url: str) -> None:
    async def work(clinic: Clinic) -> None:
        await clinic.write(denied(MODELS, "score2"))
        done = await clinic.predict(APPROVED)
        assert getattr(done.result, "reason", "") == "opted-out"
        stored = await clinic.read("Observation", done.observation_id)
        assert stored["dataAbsentReason"]["coding"][0]["code"] == "masked"

    in_clinic(database_url, work)
