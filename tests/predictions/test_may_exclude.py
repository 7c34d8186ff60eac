"""What excludes under any code and from any kind of source, and what only may: neither gets a number."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_bridge.predictions import Prediction, Refusal
from fhir_bridge.predictions.answers import plain
from fhir_bridge.predictions.hcm_risk_scd import WALL, HcmRiskScd
from fhir_bridge.predictions.score2 import EGFR, Score2
from tests.predictions.clinic import Clinic, in_clinic, of_patient
from tests.predictions.records import SNOMED, answer, condition, quantity, record
from tests.predictions.test_hcm_risk_scd import complete, measured
from tests.predictions.test_plausible import SETTINGS, egfr, inputs

EARLIER = "2026-01-05T08:00:00Z"
HCM: dict[str, Any] = {"predictions": {"hcm-risk-scd": {"enabled": True}}}


def score2(*more: dict[str, Any], **changed: dict[str, Any]) -> Any:
    return answer(Score2(), record(*inputs(**changed), *more), SETTINGS)


def hcm(*more: dict[str, Any], without: str = "", age: int = 45) -> Any:
    kept = [item for item in complete() if not (without and item["id"].startswith(without))]
    return answer(HcmRiskScd(), record(*kept, *more, age=age), SETTINGS)


def snomed(code: str, status: str = "confirmed", kind: str = "Condition") -> dict[str, Any]:
    found = condition(code) | {"id": f"{kind}-{code}", "resourceType": kind}
    found["code"] = {"coding": [{"system": SNOMED, "code": code}]}
    if kind == "Condition":
        found["verificationStatus"] = {"coding": [{"code": status}]}
    else:
        del found["verificationStatus"]
        found["status"] = "completed" if status == "confirmed" else status
    return found


@pytest.mark.parametrize("code", ["401303003", "401314000", "1755008", "422504002", "266257000", "127013003"])
def test_a_specific_diagnosis_excludes_like_the_general_one(code: str) -> None:
    result = score2(snomed(code))
    assert isinstance(result, Refusal)
    assert result.reason == "not-applicable"


@pytest.mark.parametrize("code", ["I21.9", "i21.9", "I219", "Z86.73", "I64", "I71.4", "n183", "O24.0"])
def test_icd_10_excludes_with_or_without_dot_and_in_either_case(code: str) -> None:
    assert isinstance(score2(condition(code)), Refusal)


@pytest.mark.parametrize("code", ["232717009", "415070008", "36969009"])
def test_a_revascularization_is_a_known_disease(code: str) -> None:
    assert isinstance(score2(snomed(code, kind="Procedure")), Refusal)
    assert isinstance(score2(snomed(code, "not-done", kind="Procedure")), Prediction)


@pytest.mark.parametrize("code", sorted(code for _, code in EGFR.codes))
def test_an_egfr_excludes_by_whatever_equation(code: str) -> None:
    low = egfr(30) | {"code": {"coding": [{"system": "http://loinc.org", "code": code}]}}
    assert isinstance(score2(low), Refusal)


def test_kidney_disease_without_a_stage_needs_an_egfr() -> None:
    for found in (condition("N18.9"), condition("N18"), snomed("709044004")):
        assert isinstance(score2(found), Refusal)
        assert isinstance(score2(found, egfr(80)), Prediction)
    assert isinstance(score2(condition("N18.2")), Prediction)


@pytest.mark.parametrize("status", ["preliminary", "unknown"])
def test_an_egfr_that_is_not_final_may_exclude(status: str) -> None:
    result = score2(egfr(20) | {"status": status})
    assert isinstance(result, Refusal)
    assert "not final" in result.text
    assert isinstance(score2(egfr(90) | {"status": status}), Prediction)
    older = egfr(20) | {"status": status, "effectiveDateTime": EARLIER}
    assert isinstance(score2(older, egfr(80)), Prediction)


@given(st.permutations([55, 66]))
def test_of_two_egfr_of_one_time_either_excludes(values: list[int]) -> None:
    found = [egfr(value) | {"id": f"egfr-{number}"} for number, value in enumerate(values)]
    assert isinstance(score2(*found), Refusal)


@given(st.permutations([140, 180]))
def test_two_values_of_one_time_are_refused_whatever_their_ids(values: list[int]) -> None:
    found = [quantity("8480-6", value, "mm[Hg]") | {"id": f"s-{n}"} for n, value in enumerate(values)]
    result = score2(found[1], sbp=found[0])
    assert isinstance(result, Refusal)
    assert "two values at one time" in result.text


def test_one_value_in_two_units_is_one_value() -> None:
    assert isinstance(score2(quantity("2093-3", 243.6, "mg/dL")), Prediction)


def test_hdl_is_a_part_of_total_cholesterol() -> None:
    result = score2(cholesterol=quantity("14647-2", 2.0, "mmol/L"), hdl=quantity("14646-4", 3.0, "mmol/L"))
    assert isinstance(result, Refusal)
    assert result.reason == "out-of-range"


def test_a_code_of_another_system_is_no_unit() -> None:
    value = {"value": 6.3, "system": "http://hospital.example/units", "code": "mmol/L"}
    assert isinstance(
        score2(cholesterol=quantity("14647-2", 6.3, "mmol/L") | {"valueQuantity": value}), Refusal
    )


def test_a_period_that_ends_in_the_future_is_refused() -> None:
    found = quantity("8480-6", 140, "mm[Hg]")
    start = found.pop("effectiveDateTime")
    found["effectivePeriod"] = {"start": start, "end": "2399-01-01"}
    result = score2(sbp=found)
    assert isinstance(result, Refusal)
    assert "dated after" in result.text


def test_a_refusal_because_of_a_future_date_is_not_dated_in_the_future() -> None:
    found = record(*inputs(sbp=quantity("8480-6", 140, "mm[Hg]", when="2399-01-01")))
    (result,) = Score2().predict([found], SETTINGS)
    assert isinstance(result, Refusal)
    effective = plain(result, found)["refusal"]["effective"]
    assert effective == found.as_of.isoformat(timespec="seconds")


def test_what_is_measured_on_somebody_else_is_no_input() -> None:
    fetus = quantity("8480-6", 90, "mm[Hg]") | {"focus": [{"reference": "Patient/other"}]}
    assert isinstance(score2(sbp=fetus), Refusal)
    own = quantity("8480-6", 140, "mm[Hg]") | {"focus": [{"reference": "Patient/p"}]}
    assert isinstance(score2(sbp=own), Prediction)


@pytest.mark.parametrize("name", ["sbp", "cholesterol", "hdl", "smoking"])
def test_an_unknown_modifier_makes_an_input_unusable(name: str) -> None:
    names = ("sbp", "cholesterol", "hdl", "smoking")
    found = dict(zip(names, inputs(), strict=True))[name]
    found["modifierExtension"] = [{"url": "urn:negated", "valueBoolean": True}]
    assert isinstance(score2(**{name: found}), Refusal)


def test_an_unknown_modifier_of_a_condition_may_exclude() -> None:
    found = condition("I10") | {"modifierExtension": [{"url": "urn:x", "valueBoolean": True}]}
    assert isinstance(score2(found), Refusal)


def done(concept: dict[str, Any], **more: Any) -> dict[str, Any]:
    found = {"resourceType": "Procedure", "id": "done", "status": "completed", "code": concept}
    return found | {"subject": {"reference": "Patient/p"}} | more


def coded(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


@pytest.mark.parametrize(
    "concept",
    [
        {"text": "PTCA mit Stent"},
        coded("urn:local", "PTCA"),
        coded("https://fhir.hl7.org.uk/CodeSystem/OPCS-4", "K75.1"),
        coded("", "8-837.00"),
    ],
)
def test_a_procedure_that_cannot_be_read_may_exclude_like_a_condition(
    concept: dict[str, Any], database_url: str
) -> None:
    async def work(clinic: Clinic) -> list[Any]:
        said = []
        for status in ("completed", "not-done"):
            await clinic.write(done(concept, status=status))
            said.append((await clinic.predict()).result)
        return said

    refused, made = in_clinic(database_url, work)
    assert "a procedure that can't be read may exclude: Procedure/done/" in refused.text
    assert isinstance(made, Prediction)


def test_a_procedure_that_looks_and_treats_nothing_excludes_nothing() -> None:
    """As the analysis of a genome, which has a category and no code."""
    laboratory = coded("http://terminology.hl7.org/CodeSystem/observation-category", "laboratory")
    assert isinstance(score2(done({"text": "exome"}, category=laboratory)), Prediction)


def test_a_procedure_of_a_known_system_that_excludes_nothing_needs_no_more() -> None:
    for system, code in (("http://fhir.de/CodeSystem/bfarm/ops", "5-470.11"), (SNOMED, "80146002")):
        assert isinstance(score2(done(coded(system, code))), Prediction)
    modified = done(coded(SNOMED, "80146002"), modifierExtension=[{"url": "urn:x", "valueBoolean": True}])
    assert isinstance(score2(modified), Refusal)


def test_a_defibrillator_excludes_as_a_device_of_the_stored_record(database_url: str) -> None:
    device = {
        "resourceType": "Device",
        "id": "icd",
        "status": "active",
        "patient": {"reference": "Patient/p"},
    }

    async def work(clinic: Clinic) -> Any:
        for item in complete():
            await clinic.write(of_patient(item))
        before = (await clinic.predict(HCM, model=HcmRiskScd())).result
        await clinic.write(device | {"type": coded(SNOMED, "72506001")})
        return before, (await clinic.predict(HCM, model=HcmRiskScd())).result

    before, after = in_clinic(database_url, work)
    assert "defibrillator" not in getattr(before, "text", "")
    assert isinstance(after, Refusal)
    assert "implanted defibrillator: Device/icd/_history/1" in after.text


class TestHcm:
    @pytest.mark.parametrize("found", [condition("Z82.49"), condition("Z82.4"), snomed("281666001")])
    def test_a_family_history_of_another_disease_is_none_of_sudden_death(self, found: dict[str, Any]) -> None:
        result = hcm(found, without="condition-Z82")
        assert isinstance(result, Refusal)
        assert "family history of sudden cardiac death is not recorded" in result.text

    def test_a_family_history_of_any_disease_that_is_stated_and_denied_answers_nothing(self) -> None:
        denied = snomed("281666001", "refuted") | {"id": "denied"}
        assert hcm(denied, without="condition-Z82").percent == Decimal("2.23")
        assert isinstance(hcm(denied, snomed("281666001"), without="condition-Z82"), Refusal)

    def test_a_family_history_of_sudden_death_counts(self) -> None:
        assert hcm(condition("Z82.41"), without="condition-Z82").percent == Decimal("3.51")

    @pytest.mark.parametrize("found", [condition("I47.2"), snomed("25569003")])
    def test_a_tachycardia_of_unknown_length_is_refused(self, found: dict[str, Any]) -> None:
        result = hcm(found | {"id": "t"}, without="condition-I47")
        assert isinstance(result, Refusal)
        assert "sustained" in result.text

    def test_one_that_was_not_sustained_counts_also_with_the_general_code_beside_it(self) -> None:
        found = snomed("444658006")
        found["code"]["coding"].append({"system": "http://hl7.org/fhir/sid/icd-10", "code": "I47.2"})
        assert hcm(found, without="condition-I47").percent == Decimal("5.03")

    def test_a_sustained_one_excludes(self) -> None:
        assert hcm(snomed("426525004")).reason == "not-applicable"

    @pytest.mark.parametrize("code", ["271594007", "444658006", "233873004"])
    def test_what_is_suspected_alone_is_refused(self, code: str) -> None:
        result = hcm(snomed(code, "provisional"))
        assert isinstance(result, Refusal)
        assert "not confirmed" in result.text

    def test_the_thinnest_wall_and_the_right_ventricle_are_not_the_thickest_wall(self) -> None:
        thin = measured(WALL, 12, "mm") | {"id": "thin"}
        thin["component"] = [
            {
                "code": {
                    "coding": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "121401"}]
                },
                "valueCodeableConcept": {"coding": [{"system": SNOMED, "code": "255605001"}]},
            }
        ]
        right = measured(WALL, 12, "mm") | {"id": "right"}
        right["bodySite"] = {"coding": [{"system": SNOMED, "code": "53085002"}]}
        assert hcm(thin, right).percent == Decimal("2.23")

    def test_a_septum_that_is_thicker_by_now_is_the_thickest_wall(self) -> None:
        wall = measured(WALL, 20, "mm") | {"effectiveDateTime": EARLIER}
        kept = [item for item in complete() if item["id"] != wall["id"]]
        septum = quantity("18154-5", 28, "mm")
        result = answer(HcmRiskScd(), record(*kept, wall, septum, age=45), SETTINGS)
        assert any("septum" in item.label and item.value == "28 mm" for item in result.evidence)
