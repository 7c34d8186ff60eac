"""SCORE2 and SCORE2-OP: the published numbers, whom it is for, and the genome as a reason to decline."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.predictions import Prediction, PredictorSettings, Refusal
from fhir_bridge.predictions.score2 import Score2, Terms, category_of, equation_of, risk
from tests.predictions.records import answer, blood_pressure, condition, quantity, record, smoking, variant

SETTINGS = PredictorSettings(enabled=True, options={"region": "moderate"})
NEVER, CURRENT = "266919005", "449868002"


def complete() -> list[dict[str, Any]]:
    """Every input, as the published example has them: SBP 140, cholesterol 6.3, HDL 1.4, smoker."""
    return [
        blood_pressure(140),
        quantity("14647-2", 6.3, "mmol/L"),
        quantity("14646-4", 1.4, "mmol/L"),
        smoking(CURRENT),
    ]


@pytest.mark.shared
def test_the_published_examples_come_out_for_all_regions(shared: Path) -> None:
    expected = json.loads((shared / "data/risk/score2.json").read_text())["vectors"]["percent"]
    for region, by_sex in expected.items():
        for sex, percent in by_sex.items():
            assert risk(Terms(50, 140, 6.3, 1.4, True), sex, region) == Decimal(str(percent))


def test_a_complete_record_gives_a_risk_with_every_input_in_its_version() -> None:
    result = answer(Score2(), record(*complete()), SETTINGS)
    assert isinstance(result, Prediction)
    assert (result.code, result.percent, result.category) == (
        "score2",
        Decimal("8.1"),
        ("high", "High"),
    )
    assert {item.reference for item in result.evidence} >= {"Observation/85354-9-0/_history/2"}
    assert len(result.evidence) == 4


def test_cholesterol_in_mg_dl_is_converted_by_its_molar_mass() -> None:
    inputs = complete()
    inputs[1] = quantity("2093-3", 243.6, "mg/dL")
    result = answer(Score2(), record(*inputs), SETTINGS)
    assert isinstance(result, Prediction)
    assert result.percent == Decimal("8.1")


def test_from_seventy_on_it_is_score2_op() -> None:
    result = answer(Score2(), record(*complete(), age=72), SETTINGS)
    assert isinstance(result, Prediction)
    assert result.code == "score2-op"


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ([condition("E11.9")], "diabetes"),
        ([condition("I25.2")], "atherosclerotic"),
        ([condition("N18.3")], "kidney"),
        ([quantity("98979-8", 38, "mL/min/{1.73_m2}")], "eGFR"),
        (
            variant("LDLR", "NP_000518.1:p.Gly592Glu"),
            "familial hypercholesterolaemia: pathogenic LDLR variant p.Gly592Glu",
        ),
    ],
)
def test_it_declines_for_whom_it_is_not_meant_and_names_the_deciding_resource(
    extra: list[dict[str, Any]], reason: str
) -> None:
    result = answer(Score2(), record(*complete(), *extra), SETTINGS)
    assert isinstance(result, Refusal)
    assert result.reason == "not-applicable"
    assert reason in result.text
    assert result.evidence
    assert result.evidence[0].reference in result.text


def test_a_benign_ldlr_variant_does_not_decide() -> None:
    result = answer(Score2(), record(*complete(), *variant("LDLR", "p.Thr726Ile", "LA6675-8")), SETTINGS)
    assert isinstance(result, Prediction)


def test_a_refuted_diabetes_does_not_decide() -> None:
    assert isinstance(
        answer(Score2(), record(*complete(), condition("E11.9", refuted=True)), SETTINGS), Prediction
    )


@pytest.mark.parametrize("missing", range(4))
def test_a_missing_input_is_named_never_assumed(missing: int) -> None:
    inputs = complete()
    del inputs[missing]
    result = answer(Score2(), record(*inputs), SETTINGS)
    assert isinstance(result, Refusal)
    assert result.reason == "missing-input"


def test_a_region_that_the_site_did_not_set_is_not_assumed() -> None:
    result = answer(Score2(), record(*complete()), PredictorSettings(enabled=True))
    assert isinstance(result, Refusal)
    assert "region" in result.text


def test_an_old_a_preliminary_and_a_predicted_value_are_not_used() -> None:
    inputs = complete()
    inputs[0] = blood_pressure(140, when="2015-01-01T08:00:00Z")
    assert isinstance(answer(Score2(), record(*inputs), SETTINGS), Refusal)
    inputs[0] = {**blood_pressure(140), "status": "preliminary"}
    assert isinstance(answer(Score2(), record(*inputs), SETTINGS), Refusal)
    predicted = blood_pressure(140)
    predicted["meta"] = {
        "security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "AIAST"}]
    }
    inputs[0] = predicted
    assert isinstance(answer(Score2(), record(*inputs), SETTINGS), Refusal)


@pytest.mark.parametrize("age", [39, 90])
def test_outside_its_ages_it_declines(age: int) -> None:
    result = answer(Score2(), record(*complete(), age=age), SETTINGS)
    assert isinstance(result, Refusal)
    assert f"age {age}" in result.text


def test_categories_follow_the_guideline_by_age() -> None:
    assert category_of(2.4, 49)[0] == "low-to-moderate"
    assert category_of(2.5, 49)[0] == "high"
    assert category_of(4.9, 50)[0] == "low-to-moderate"
    assert category_of(10.0, 69)[0] == "very-high"
    assert category_of(14.9, 70)[0] == "high"


def test_the_category_is_that_of_the_unrounded_risk_and_so_is_what_would_change_it() -> None:
    equation = equation_of("male", "moderate", older=False)
    values = {"age": 60.0, "smoking": 0.0, "total-cholesterol": 5.0, "hdl-cholesterol": 1.3}

    def pressure_at(percent: float) -> float:
        low, high = 80.0, 250.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (
                (middle, high)
                if equation.number({**values, "systolic-blood-pressure": middle}) < percent
                else (low, middle)
            )
        return low

    below, above = (
        equation.answer({**values, "systolic-blood-pressure": pressure_at(percent)})
        for percent in (9.97, 10.02)
    )
    assert (below.percent, below.category) == (Decimal("10.0"), ("high", "High"))
    assert (above.percent, above.category) == (Decimal("10.0"), ("very-high", "Very high"))
