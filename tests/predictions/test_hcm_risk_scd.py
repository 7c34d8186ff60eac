"""HCM Risk-SCD: the published numbers, imaging as its inputs, and the genome as a reason to decline."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.predictions import Prediction, PredictorSettings, Refusal
from fhir_bridge.predictions.hcm_risk_scd import ATRIUM, GRADIENT, WALL, HcmRiskScd, contributions, risk
from fhir_bridge.predictions.inputs import QuantityInput
from tests.predictions.records import answer, condition, quantity, record, variant

SETTINGS = PredictorSettings(enabled=True)


def measured(source: QuantityInput, value: float, unit: str) -> dict[str, Any]:
    """An imaging Observation that the model reads."""
    ((system, code),) = source.codes
    observation = quantity(code, value, unit)
    observation["meta"]["source"] = "urn:fhir-bridge:dicom:echo"
    observation["code"]["coding"][0]["system"] = system
    if source.sites:
        observation["bodySite"] = {
            "coding": [{"system": "http://snomed.info/sct", "code": min(source.sites)}]
        }
    return observation


def complete() -> list[dict[str, Any]]:
    """An echo with wall 20 mm, atrium 42 mm, gradient 30 mm[Hg]; three questions answered with no."""
    return [
        condition("I42.1"),
        measured(WALL, 20, "mm"),
        measured(ATRIUM, 4.2, "cm"),
        measured(GRADIENT, 30, "mm[Hg]"),
        condition("Z82.4", refuted=True),
        condition("I47.2", refuted=True),
        condition("R55", refuted=True),
    ]


@pytest.mark.shared
def test_the_published_examples_come_out(shared: Path) -> None:
    vectors = json.loads((shared / "data/risk/hcm_risk_scd/hcm_risk_scd.json").read_text())["vectors"]
    for vector in vectors:
        terms = contributions(
            vector["age"],
            vector["mwt"],
            vector["la"],
            vector["lvot"],
            family_history=False,
            nsvt=False,
            syncope=bool(vector.get("syn")),
        )
        assert risk(sum(terms.values())) == Decimal(str(vector["risk_pct"])).quantize(Decimal("0.01"))


def test_a_complete_record_gives_the_published_risk_decided_by_imaging_or_history() -> None:
    result = answer(HcmRiskScd(), record(*complete(), age=45), SETTINGS)
    assert isinstance(result, Prediction)
    assert result.percent == Decimal("2.23")
    assert result.category == ("low", "Low")


def test_amyloidosis_in_the_genome_refuses() -> None:
    inputs = [*complete(), *variant("TTR", "p.Val142Ile")]
    result = answer(HcmRiskScd(), record(*inputs, age=72), SETTINGS)
    assert isinstance(result, Refusal)
    assert (result.reason, result.modality) == ("not-applicable", "genomics")
    assert "amyloidosis: pathogenic TTR variant p.Val142Ile, Observation/variant-TTR" in result.text


def test_a_history_that_nobody_asked_about_is_missing_not_absent() -> None:
    result = answer(HcmRiskScd(), record(*complete()[:-1], age=45), SETTINGS)
    assert isinstance(result, Refusal)
    assert result.reason == "missing-input"
    assert "syncope" in result.text


def test_without_the_diagnosis_it_does_not_apply() -> None:
    result = answer(HcmRiskScd(), record(*complete()[1:], age=45), SETTINGS)
    assert isinstance(result, Refusal)
    assert result.reason == "not-applicable"


def test_a_wall_beyond_the_range_of_the_model_is_said_not_clipped() -> None:
    inputs = complete()
    inputs[1] = measured(WALL, 41, "mm")
    result = answer(HcmRiskScd(), record(*inputs, age=45), SETTINGS)
    assert isinstance(result, Refusal)
    assert result.reason == "out-of-range"
