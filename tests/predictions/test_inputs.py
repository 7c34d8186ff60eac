"""Inputs as a model declares them: the time of the question, what is picked within the window, smoking, explanation."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from fhir_bridge.predictions import PatientRecord, Prediction, PredictorSettings, Refusal
from fhir_bridge.predictions.hcm_risk_scd import ATRIUM, GRADIENT, WALL, HcmRiskScd
from fhir_bridge.predictions.inputs import MissingInput, UnusableInput
from fhir_bridge.predictions.score2 import CHOLESTEROL, SBP, Score2
from fhir_bridge.predictions.smoking import find_smoking
from tests.predictions.records import SNOMED, answer, blood_pressure, condition, quantity, record, smoking
from tests.predictions.test_hcm_risk_scd import complete, measured
from tests.predictions.test_score2 import SETTINGS
from tests.predictions.test_score2 import complete as score2_inputs

PERSON = {"resourceType": "Patient", "id": "p", "gender": "male", "birthDate": "1970-01-01"}
THEN = datetime(2024, 6, 1, 12, tzinfo=UTC)


def pressure(value: float, when: str, arrived: str | None = None) -> dict[str, Any]:
    found = quantity("8480-6", value, "mm[Hg]", when=when) | {"id": f"sbp-{value}"}
    if arrived is not None:
        found["meta"]["lastUpdated"] = arrived
    return found


class TestTheTimeOfTheQuestion:
    def test_it_must_be_stated_with_its_zone(self) -> None:
        with pytest.raises(TypeError):
            PatientRecord(PERSON, [])  # type: ignore[call-arg]
        with pytest.raises(ValueError, match="zone"):
            PatientRecord(PERSON, [], datetime(2024, 6, 1))

    def test_what_was_true_later_is_not_seen(self) -> None:
        found = PatientRecord(
            PERSON, [pressure(120, "2024-05-01T08:00:00Z"), pressure(150, "2024-07-01T08:00:00Z")], THEN
        )
        assert SBP.find(found)[0] == 120

    def test_a_later_correction_is_not_seen(self) -> None:
        taken = "2024-05-01T08:00:00Z"
        known = pressure(120, taken, "2024-05-01T09:00:00Z")
        corrected = pressure(150, taken, "2024-06-20T09:00:00Z")
        assert SBP.find(PatientRecord(PERSON, [known, corrected], THEN))[0] == 120
        after = PatientRecord(PERSON, [corrected], THEN + timedelta(days=60))
        assert SBP.find(after)[0] == 150
        with pytest.raises(MissingInput):
            SBP.find(PatientRecord(PERSON, [corrected], THEN))

    def test_what_had_arrived_with_a_later_date_is_a_wrong_date_and_not_passed_over(self) -> None:
        early = pressure(150, "2024-07-01T08:00:00Z", "2024-05-02T08:00:00Z")
        with pytest.raises(UnusableInput, match="dated after"):
            SBP.find(PatientRecord(PERSON, [early, pressure(120, "2024-05-01T08:00:00Z")], THEN))

    def test_diagnoses_of_later_exclude_nothing(self) -> None:
        later = condition("E11.9") | {"recordedDate": "2024-08-01"}
        found = PatientRecord(PERSON, [later], THEN)
        assert not found.all("Condition")


class TestWhatIsPicked:
    VALUES = (("2024-05-20", 130), ("2024-04-20", 160), ("2024-03-20", 140), ("2021-01-01", 200))

    def of(self, **changes: Any) -> PatientRecord:
        return PatientRecord(PERSON, [pressure(value, day) for day, value in self.VALUES], THEN, **changes)

    def test_newest_maximum_and_mean_are_of_the_window(self) -> None:
        assert SBP.find(self.of())[0] == 130
        assert replace(SBP, pick="maximum").find(self.of())[0] == 160
        value, evidence = replace(SBP, pick="mean").find_all(self.of())
        assert value == Decimal("143.3333")
        assert len(evidence) == 3

    def test_one_that_can_not_be_read_might_be_the_maximum(self) -> None:
        unreadable = pressure(1, "2024-04-01")
        unreadable["valueQuantity"]["comparator"] = ">"
        found = PatientRecord(PERSON, [*self.of().all("Observation"), unreadable], THEN)
        assert SBP.find(found)[0] == 130
        with pytest.raises(UnusableInput):
            replace(SBP, pick="maximum").find(found)

    def test_an_input_may_have_to_come_from_imaging(self) -> None:
        with pytest.raises(MissingInput):
            replace(SBP, modality="imaging").find(self.of())

    def test_a_value_set_adds_its_codes(self) -> None:
        url = "https://fhir-bridge.org/fhir/ValueSet/prediction-deceased"
        assert (SNOMED, "419099009") in replace(CHOLESTEROL, value_set=url).all_codes

    def test_the_lvot_gradient_is_the_greatest_with_provocation(self) -> None:
        rest, provoked = measured(GRADIENT, 12, "mm[Hg]"), measured(GRADIENT, 64, "mm[Hg]")
        rest["effectiveDateTime"] = datetime.now(UTC).isoformat(timespec="seconds")
        provoked["method"] = {"text": "Valsalva"}
        inputs = [item for item in complete() if not item["id"].startswith("20247-3")]
        found = record(*inputs, rest, provoked, age=45)
        assert GRADIENT.find(found)[0] == 64
        result = answer(HcmRiskScd(), found, PredictorSettings(enabled=True))
        used = {item.reference for item in result.evidence}
        assert {f"Observation/{rest['id']}/_history/2", f"Observation/{provoked['id']}/_history/2"} <= used


LOINC_ANSWERS = {
    "LA18976-3": True,
    "LA18977-1": True,
    "LA15920-4": False,
    "LA18978-9": False,
    "LA18981-3": True,
    "LA18982-1": True,
}
STATUSES = {
    "449868002": "tobacco",
    "77176002": "tobacco",
    "428041000124106": "tobacco",
    "428071000124103": "tobacco",
    "428061000124105": "tobacco",
    "160616005": "tobacco",
    "308438006": "tobacco",
    "65568007": "cigarettes",
    "160603005": "cigarettes",
    "160606002": "cigarettes",
    "266920004": "cigarettes",
    "160619003": "cigarettes",
    "59978006": "other",
    "82302008": "other",
    "836001000000109": "other",
    "266919005": None,
    "8517006": None,
    "266928006": None,
    "160621008": None,
    "48031000119106": None,
    "160618006": None,
    "8392000": None,
}


class TestSmoking:
    @pytest.mark.parametrize(("code", "smokes"), LOINC_ANSWERS.items())
    def test_the_answers_of_loinc(self, code: str, smokes: bool) -> None:
        status = smoking(code)
        status["valueCodeableConcept"]["coding"][0]["system"] = "http://loinc.org"
        assert find_smoking(record(status)).current == smokes

    @pytest.mark.parametrize(("code", "product"), STATUSES.items())
    def test_the_statuses_of_snomed_ct(self, code: str, product: str | None) -> None:
        found = find_smoking(record(smoking(code)))
        assert (found.current, found.product if found.current else None) == (product is not None, product)

    def test_a_smoker_whose_present_status_is_unknown_is_neither(self) -> None:
        status = smoking("LA18979-7")
        status["valueCodeableConcept"]["coding"][0]["system"] = "http://loinc.org"
        with pytest.raises(UnusableInput, match="not known"):
            find_smoking(record(status))

    @pytest.mark.parametrize("code", ["722499006", "81703003", "266927001"])
    def test_what_is_not_smoked_and_unknown_state_nothing(self, code: str) -> None:
        newer = smoking(code) | {"id": "newer", "effectiveDateTime": datetime.now(UTC).isoformat()}
        assert find_smoking(record(newer, smoking("449868002"))).current
        with pytest.raises(MissingInput):
            find_smoking(record(newer))

    @pytest.mark.parametrize("ids", [("a", "b"), ("b", "a")])
    @pytest.mark.parametrize(
        "times", [("2026-02-03", "2026-02-03"), ("2026-02-03T09:00:00Z", "2026-02"), ("", "")]
    )
    def test_whether_two_of_one_time_differ_is_not_decided_by_their_ids(
        self, ids: tuple[str, str], times: tuple[str, str]
    ) -> None:
        def of(code: str, number: int) -> dict[str, Any]:
            dated = {"effectiveDateTime": times[number]} if times[number] else {}
            bare = {name: value for name, value in smoking(code).items() if name != "effectiveDateTime"}
            return bare | {"id": ids[number]} | dated

        with pytest.raises(UnusableInput, match="two smoking statuses at one time"):
            find_smoking(record(of("77176002", 0), of("8517006", 1)))
        both = [of("77176002", 0), of("65568007", 1)]
        if times[0] == times[1]:
            assert find_smoking(record(*both)).product == "cigarettes"
        earlier = of("8517006", 0) | {"effectiveDateTime": "2026-01-01"}
        assert find_smoking(record(of("77176002", 1) | {"effectiveDateTime": "2026-02-03"}, earlier)).current

    def test_cigars_are_no_cigarettes(self) -> None:
        found = find_smoking(record(smoking("59978006")))
        with pytest.raises(UnusableInput, match="no cigarettes"):
            _ = found.cigarettes
        assert find_smoking(record(smoking("65568007"))).cigarettes


class TestExplanation:
    def test_contributions_add_up_to_the_difference_from_the_baseline(self) -> None:
        result = answer(Score2(), record(*score2_inputs()), SETTINGS)
        assert isinstance(result, Prediction)
        assert result.explanation is not None
        assert result.explanation.method == "exact"
        total = sum(item.value for item in result.contributions)
        assert abs(sum(result.explanation.modalities.values()) - total) < 1e-12
        # The equation is centred on its baseline, whose linear predictor is nought.
        assert result.explanation.baseline.startswith("age 60")
        assert "Without smoking: Low to moderate." in result.explanation.changes

    def test_what_would_change_the_class_does(self) -> None:
        result = answer(Score2(), record(*score2_inputs()), SETTINGS)
        (text,) = [item for item in result.explanation.changes if "Systolic" in item and "above" in item]
        limit = int(text.split("above ")[1].split(" ")[0])
        higher = [blood_pressure(limit + 2), *score2_inputs()[1:]]
        changed = answer(Score2(), record(*higher), SETTINGS)
        assert changed.category[1] in text
        assert changed.category != result.category

    def test_imaging_decides_only_where_leaving_it_out_changes_the_class(self) -> None:
        ordinary = answer(HcmRiskScd(), record(*complete(), age=45), PredictorSettings(enabled=True))
        assert ordinary.category == ("low", "Low")
        assert "imaging" not in ordinary.explanation.decided_by
        assert set(ordinary.explanation.modalities) == {"ehr", "imaging"}
        thick = [item for item in complete() if item["id"].split("-")[0] not in ("122445", "29469", "20247")]
        thick += [
            measured(WALL, 27, "mm"),
            measured(ATRIUM, 60, "mm"),
            measured(GRADIENT, 140, "mm[Hg]"),
        ]
        grave = answer(HcmRiskScd(), record(*thick, age=45), PredictorSettings(enabled=True))
        assert grave.category != ("low", "Low")
        assert grave.explanation.decided_by == ("imaging",)

    def test_a_refusal_names_the_kind_of_record_that_refused(self) -> None:
        result = answer(Score2(), record(*score2_inputs(), condition("E11")), SETTINGS)
        assert isinstance(result, Refusal)
        assert result.modality == "ehr"
