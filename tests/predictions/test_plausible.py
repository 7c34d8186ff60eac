"""What can't be true, or can't be read and could exclude, is refused by name; its value is in the resource alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_bridge.predictions import Prediction, PredictorSettings, Refusal
from fhir_bridge.predictions.hcm_risk_scd import ATRIUM, GRADIENT, WALL, HcmRiskScd
from fhir_bridge.predictions.inputs import QuantityInput
from fhir_bridge.predictions.score2 import CHOLESTEROL, EGFR, HDL, SBP, Score2
from tests.predictions.records import answer, blood_pressure, condition, quantity, record, smoking
from tests.predictions.test_hcm_risk_scd import complete as hcm_inputs
from tests.predictions.test_hcm_risk_scd import measured

SETTINGS = PredictorSettings(enabled=True, options={"region": "moderate"})
NOW = datetime.now(UTC)
SOON = (NOW + timedelta(days=3)).isoformat(timespec="seconds")


def inputs(**changed: dict[str, Any]) -> list[dict[str, Any]]:
    """SCORE2's inputs, some of them changed."""
    found = {
        "sbp": blood_pressure(140),
        "cholesterol": quantity("14647-2", 6.3, "mmol/L"),
        "hdl": quantity("14646-4", 1.4, "mmol/L"),
        "smoking": smoking("266919005"),
    }
    return list((found | changed).values())


def egfr(value: float, unit: str = "mL/min/{1.73_m2}", **more: Any) -> dict[str, Any]:
    found = quantity("98979-8", value, unit)
    if "comparator" in more:
        found["valueQuantity"]["comparator"] = more.pop("comparator")
    return {**found, **more}


def refusal(*resources: dict[str, Any], **person: Any) -> Refusal:
    result = answer(Score2(), record(*resources, **person), SETTINGS)
    assert isinstance(result, Refusal), result
    return result


@pytest.mark.parametrize(
    ("name", "resource", "shown"),
    [
        ("systolic blood pressure", {"sbp": blood_pressure(0)}, "0 mm[Hg]"),
        ("systolic blood pressure", {"sbp": blood_pressure(-5)}, "-5 mm[Hg]"),
        ("systolic blood pressure", {"sbp": blood_pressure(500)}, "500 mm[Hg]"),
        ("HDL cholesterol", {"hdl": quantity("14646-4", 13, "mmol/L")}, "13 mmol/L"),
        ("total cholesterol", {"cholesterol": quantity("2093-3", 5.2, "mg/dL")}, "5.2 mg/dL"),
        ("eGFR", {"egfr": egfr(900)}, "900 mL/min/{1.73_m2}"),
        ("eGFR", {"egfr": egfr(-1)}, "-1 mL/min/{1.73_m2}"),
    ],
)
def test_an_implausible_value_is_refused_by_name(name: str, resource: dict[str, Any], shown: str) -> None:
    result = refusal(*inputs(**resource))
    assert result.reason == "out-of-range"
    assert name in result.text
    assert "plausible" in result.text
    assert shown.split(" ")[0] not in result.text.split(":")[0].split()
    (evidence,) = result.evidence
    assert (evidence.value, evidence.reference in result.text) == (shown, True)


def test_an_older_value_never_takes_the_place_of_an_implausible_one() -> None:
    older = blood_pressure(140, when="2026-01-01T08:00:00Z")
    older["id"] = "older"
    assert "systolic" in refusal(*inputs(sbp=blood_pressure(500)), older).text


@pytest.mark.parametrize(
    "change",
    [
        lambda item: item["valueQuantity"].update(comparator="<"),
        lambda item: item["valueQuantity"].update(code="furlong"),
        lambda item: item["valueQuantity"].pop("code"),
        lambda item: item["valueQuantity"].pop("value"),
        lambda item: item.update(valueString=str(item.pop("valueQuantity")["value"])),
        lambda item: item.update(
            dataAbsentReason={"coding": [{"code": "as-text"}], "text": item.pop("valueQuantity") and "5,2?"}
        ),
    ],
)
@pytest.mark.parametrize("code", ["14647-2", "14646-4"])
def test_a_newest_value_that_can_not_be_read_is_refused(
    change: Callable[[dict[str, Any]], None], code: str
) -> None:
    newest = quantity(code, 3.9, "mmol/L", when=NOW.isoformat(timespec="seconds"))
    change(newest)
    result = refusal(*inputs(), newest | {"id": "newest"})
    assert "cholesterol" in result.text
    assert "newest" in result.evidence[0].reference


def test_a_panel_under_its_parts_code_has_its_value_in_the_part() -> None:
    panel = blood_pressure(140)
    panel["code"]["coding"].append({"system": "http://loinc.org", "code": "8480-6"})
    assert isinstance(answer(Score2(), record(*inputs(sbp=panel)), SETTINGS), Prediction)


def test_a_measurement_that_was_not_made_hides_no_older_one() -> None:
    newest = blood_pressure(1, when=NOW.isoformat(timespec="seconds"))
    newest["component"][0] = {
        "code": newest["component"][0]["code"],
        "dataAbsentReason": {"coding": [{"code": "not-performed"}]},
    }
    assert isinstance(answer(Score2(), record(*inputs(), newest | {"id": "n"}), SETTINGS), Prediction)


@pytest.mark.parametrize("name", ["sbp", "cholesterol", "hdl", "smoking"])
def test_a_future_date_is_refused(name: str) -> None:
    resources = {"sbp": 0, "cholesterol": 1, "hdl": 2, "smoking": 3}
    found = inputs()
    found[resources[name]]["effectiveDateTime"] = SOON
    result = refusal(*found)
    assert (result.reason, "dated after this run" in result.text) == ("out-of-range", True)


def test_a_date_after_the_arrival_is_refused_though_it_is_past_by_now() -> None:
    pressure = blood_pressure(140)
    pressure["meta"]["lastUpdated"] = (NOW - timedelta(days=60)).isoformat()
    assert "dated after it arrived" in refusal(*inputs(sbp=pressure)).text


def test_a_date_of_today_is_none_of_the_future_anywhere_on_earth() -> None:
    tomorrow_in_kiritimati = (NOW + timedelta(hours=13)).date().isoformat()
    pressure = blood_pressure(140, when=tomorrow_in_kiritimati)
    assert isinstance(answer(Score2(), record(*inputs(sbp=pressure)), SETTINGS), Prediction)


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        (egfr(15, comparator="<"), "eGFR is below 60"),
        (egfr(60, comparator="<"), "eGFR is below 60"),
        (egfr(90, comparator="<"), "eGFR may be below 60 or not"),
        (egfr(30, comparator=">"), "eGFR may be below 60 or not"),
        (egfr(12, "furlong"), "eGFR is in furlong"),
        (egfr(12, ""), "eGFR is without a UCUM unit"),
        (egfr(12, effectiveDateTime=None), "eGFR has no time"),
        (egfr(12, effectiveDateTime="yesterday"), "eGFR has no time"),
        (egfr(12, effectiveDateTime=SOON), "eGFR is dated after this run"),
    ],
)
def test_an_egfr_that_excludes_or_may_exclude_is_refused(resource: dict[str, Any], reason: str) -> None:
    result = refusal(*inputs(), {name: value for name, value in resource.items() if value is not None})
    assert reason in result.text
    assert result.evidence[0].reference in result.text


def test_an_egfr_without_time_is_refused_beside_a_good_one() -> None:
    undated = egfr(12) | {"id": "undated"}
    del undated["effectiveDateTime"]
    assert "has no time" in refusal(*inputs(), egfr(95), undated).text


@pytest.mark.parametrize("good", [egfr(60), egfr(90, comparator=">"), egfr(59, comparator=">")])
def test_an_egfr_that_does_not_exclude_is_an_input_of_the_result(good: dict[str, Any]) -> None:
    result = answer(Score2(), record(*inputs(), good), SETTINGS)
    assert isinstance(result, Prediction)
    assert any(item.label == "eGFR" for item in result.evidence)


def test_a_condition_that_can_not_be_read_may_exclude() -> None:
    local = condition("E11.9")
    local["code"] = {"coding": [{"system": "urn:lab", "code": "DM2"}], "text": "Zucker"}
    assert "condition that can't be read" in refusal(*inputs(), local).text
    local["verificationStatus"]["coding"][0]["code"] = "refuted"
    assert isinstance(answer(Score2(), record(*inputs(), local), SETTINGS), Prediction)


@pytest.mark.parametrize(("age", "text"), [(-3, "the age is outside"), (130, "the age is outside")])
@pytest.mark.parametrize("model", [Score2(), HcmRiskScd()])
def test_an_age_that_nobody_has_is_refused(age: int, text: str, model: Any) -> None:
    result = answer(model, record(*inputs(), *hcm_inputs(), age=age), SETTINGS)
    assert isinstance(result, Refusal)
    assert text in result.text


def test_who_died_gets_no_risk() -> None:
    for died in ({"deceasedBoolean": True}, {"deceasedDateTime": "2026-02-01"}):
        of = record(*inputs())
        of.patient |= died
        result = answer(Score2(), of, SETTINGS)
        assert isinstance(result, Refusal)
        assert "died" in result.text


@pytest.mark.parametrize(
    ("number", "source", "value"),
    [(1, WALL, 0), (1, WALL, 200), (2, ATRIUM, 4.2), (2, ATRIUM, 420), (3, GRADIENT, -1), (3, GRADIENT, 900)],
)
def test_implausible_imaging_is_refused_by_name(number: int, source: QuantityInput, value: float) -> None:
    found = hcm_inputs()
    found[number] = measured(source, value, source.unit)
    result = answer(HcmRiskScd(), record(*found, age=45), SETTINGS)
    assert isinstance(result, Refusal)
    assert (result.reason, source.name in result.text, "plausible" in result.text) == (
        "out-of-range",
        True,
        True,
    )


@given(
    st.sampled_from([SBP, CHOLESTEROL, HDL]),
    st.decimals(-(10**6), 10**6, places=2) | st.decimals(0, 400, places=1),
)
def test_every_value_is_computed_within_its_range_and_refused_outside(
    source: QuantityInput, value: Decimal
) -> None:
    place = [SBP, CHOLESTEROL, HDL].index(source)
    found = inputs()
    found[place] = quantity(min(source.codes)[1], 1, source.unit)
    found[place]["valueQuantity"]["value"] = value
    result = answer(Score2(), record(*found), SETTINGS)
    low, high = source.plausible
    if low <= value <= high and not (source is CHOLESTEROL and value <= Decimal("1.4")):  # the HDL beside it
        assert isinstance(result, Prediction)
        assert 0 <= result.percent <= 100
    else:
        assert isinstance(result, Refusal)
        assert source.name in result.text


@given(
    st.sampled_from(["", "<", "<=", ">", ">="]),
    st.decimals(0, 250, places=1),
    st.decimals(0, 250, places=1),
)
def test_no_egfr_that_may_be_below_sixty_is_passed_over(
    comparator: str, stated: Decimal, true: Decimal
) -> None:
    """Whatever true value a statement allows: if it is below 60 (as laboratories round), there is no result."""
    fits = {
        "": true == stated,
        "<": true < stated,
        "<=": true <= stated,
        ">": true > stated,
        ">=": true >= stated,
    }
    resource = egfr(1)
    resource["valueQuantity"]["value"] = stated
    if comparator:
        resource["valueQuantity"]["comparator"] = comparator
    result = answer(Score2(), record(*inputs(), resource), SETTINGS)
    if fits[comparator] and true < 59:
        assert isinstance(result, Refusal)
    assert EGFR.name in str(result)
