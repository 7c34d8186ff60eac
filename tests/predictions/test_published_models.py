"""The published models over a record: what they say, for whom they decline, and that what is written is valid FHIR."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir.serialization import loads
from fhir_bridge.fhir.validation import Validator
from fhir_bridge.predictions import Prediction, PredictorSettings, Refusal, resources, value_sets
from fhir_bridge.predictions.answers import answer_of, encoded, plain
from fhir_bridge.predictions.cad_polygenic import CadPolygenic
from fhir_bridge.predictions.cardiovascular import CHOLESTEROL, HBA1C, TOTAL_MASS, UACR
from fhir_bridge.predictions.cha2ds2 import Cha2ds2
from fhir_bridge.predictions.findings import Disease, began
from fhir_bridge.predictions.identity import content_hash_of
from fhir_bridge.predictions.pooled_cohort import PooledCohort
from fhir_bridge.predictions.prevent import Prevent
from fhir_bridge.predictions.score2_diabetes import Score2Diabetes
from fhir_bridge.predictions.smart2 import Smart2
from fhir_bridge.terminology import get_terminology
from tests.predictions.records import answer, blood_pressure, condition, quantity, record, smoking

RECENTLY = (datetime.now(UTC) - timedelta(days=20)).isoformat(timespec="seconds")
OPTIONS = PredictorSettings(enabled=True, options={"region": "low", "no_medication_list": "none-taken"})
RACE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race"


def drug(code: str, status: str = "active") -> dict[str, Any]:
    concept = {"coding": [{"system": "http://www.whocc.no/atc", "code": code}]}
    return {
        "resourceType": "MedicationStatement",
        "id": f"drug-{code}",
        "meta": {"versionId": "1"},
        "status": status,
        "medicationCodeableConcept": concept,
        "effectiveDateTime": RECENTLY,
    }


def american(**changes: Any) -> list[dict[str, Any]]:
    """PREVENT's printed example: pressure 160 treated, cholesterol 200, HDL 45 mg/dL, diabetes, eGFR 90, BMI 35."""
    found = {
        "sbp": blood_pressure(160),
        "total": quantity("2093-3", 200, "mg/dL"),
        "hdl": quantity("2085-9", 45, "mg/dL"),
        "smoking": smoking("266919005"),
        "egfr": quantity("98979-8", 90, "mL/min/{1.73_m2}"),
        "bmi": quantity("39156-5", 35, "kg/m2"),
        "diabetes": condition("E11.9"),
        "drug": drug("C09AA03"),
    }
    return [item for item in (found | changes).values() if item]


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        (200, "mg/dL"),
        (2, "g/L"),
        (2000, "ug/mL"),
        ("5.172", "mmol/L"),
        (5172, "umol/L"),
        ("0.5172", "mmol/dL"),
        ("0.005172", "mol/L"),
    ],
)
def test_cholesterol_counts_in_any_unit_of_mass_or_amount(value: Any, unit: str) -> None:
    assert TOTAL_MASS.in_unit(Decimal(value), unit) == 200
    assert CHOLESTEROL.in_unit(Decimal(value), unit) == pytest.approx(Decimal("5.172"), abs=Decimal("0.002"))
    people = record(*american(total=quantity("2093-3", float(value), unit)), age=50, sex="female")
    assert answer(Prevent("total_cvd", 10), people, OPTIONS).percent == Decimal("14.7")


@pytest.mark.parametrize(
    ("item", "value", "unit", "expected"),
    [
        (HBA1C, 48, "mmol/mol", 48),
        (HBA1C, "0.048", "mol/mol", 48),
        (HBA1C, "6.5", "%{NGSP}", "47.5295"),
        (HBA1C, "0.065", "1", None),
        (UACR, 30, "mg/g", 30),
        (UACR, "0.03", "g/g", 30),
        (UACR, 3, "mg/mmol", "26.5205"),
        (UACR, 3, "g/mol", "26.5205"),
        (TOTAL_MASS, 200, "mg/{dL}", None),
        (TOTAL_MASS, 200, "[iU]/L", None),
    ],
)
def test_shares_count_in_the_units_that_mean_the_same_alone(
    item: Any, value: Any, unit: str, expected: Any
) -> None:
    assert item.in_unit(Decimal(value), unit) == (None if expected is None else Decimal(expected))


class TestPrevent:
    @pytest.mark.parametrize(
        ("outcome", "years", "percent"),
        [
            ("total_cvd", 10, "14.7"),
            ("ascvd", 10, "9.2"),
            ("heart_failure", 10, "8.1"),
            ("chd", 10, "4.4"),
            ("stroke", 10, "5.4"),
            ("total_cvd", 30, "53.0"),
        ],
    )
    def test_the_printed_example_comes_out_of_a_record(self, outcome: Any, years: Any, percent: str) -> None:
        result = answer(Prevent(outcome, years), record(*american(), age=50, sex="female"), OPTIONS)
        assert isinstance(result, Prediction), result.text
        assert result.percent == Decimal(percent)
        assert result.horizon_years == years
        assert result.explanation is not None

    def test_hba1c_chooses_its_variant_and_the_site_may_choose_another(self) -> None:
        people = record(*american(hba1c=quantity("4548-4", 9.2, "%")), age=50, sex="female")
        result = answer(Prevent("total_cvd", 10), people, OPTIONS)
        assert (result.percent, "hba1c variant" in result.cautions[0]) == (Decimal("16.5"), True)
        base = PredictorSettings(enabled=True, options={"variant": "base"})
        assert answer(Prevent("total_cvd", 10), people, base).percent == Decimal("14.7")
        wrong = PredictorSettings(enabled=True, options={"variant": "uacr"})
        assert "uacr variant" in answer(Prevent("total_cvd", 10), people, wrong).text

    def test_deprivation_is_of_the_postal_code_in_the_sites_file(self, tmp_path: Path) -> None:
        (tmp_path / "sdi.csv").write_text("zip,sdi_decile\n01001,4.0\n")
        people = record(*american(), age=50, sex="female")
        people.patient["address"] = [{"postalCode": "01001-1234"}]
        settings = PredictorSettings(enabled=True, options={"sdi_file": str(tmp_path / "sdi.csv")})
        assert "sdi variant" in answer(Prevent("total_cvd", 10), people, settings).cautions[0]
        gone = PredictorSettings(enabled=True, options={"sdi_file": str(tmp_path / "none.csv")})
        assert isinstance(answer(Prevent("total_cvd", 10), people, gone), Refusal)

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"egfr": None}, "no eGFR"),
            ({"total": quantity("2093-3", 340, "mg/dL")}, "outside 130 to 320"),
            ({"drug": None}, "no medication list"),
            ({"drug": drug("C09AA03") | {"medicationCodeableConcept": {"text": "?"}}}, "without a code"),
            ({"diabetes": condition("I50.9")}, "heart failure"),
            ({"diabetes": condition("I21.4")}, "atherosclerotic"),
            ({"smoking": smoking("59978006")}, "no cigarettes"),
        ],
    )
    def test_it_declines(self, change: dict[str, Any], reason: str) -> None:
        result = answer(
            Prevent("total_cvd", 10), record(*american(**change), age=50), PredictorSettings(enabled=True)
        )
        assert isinstance(result, Refusal)
        assert reason in result.text

    def test_a_stopped_drug_is_not_taken(self) -> None:
        stopped = american(drug=drug("C09AA03", "stopped"))
        treated, untreated = (
            answer(Prevent("total_cvd", 10), record(*items, age=50, sex="female"), OPTIONS)
            for items in (american(), stopped)
        )
        assert untreated.percent < treated.percent

    def test_thirty_years_are_for_those_below_sixty(self) -> None:
        assert "outside 30 to 59" in answer(Prevent("chd", 30), record(*american(), age=62), OPTIONS).text


class TestPooledCohort:
    def of(self, race: str | None, **changes: Any) -> Any:
        items = american(sbp=blood_pressure(120), drug=None, diabetes=None, **changes)
        items[1:3] = [quantity("2093-3", 213, "mg/dL"), quantity("2085-9", 50, "mg/dL")]
        people = record(*items, age=55)
        if race is not None:
            part = {
                "url": "ombCategory",
                "valueCoding": {"system": "urn:oid:2.16.840.1.113883.6.238", "code": race},
            }
            people.patient["extension"] = [{"url": RACE, "extension": [part]}]
        return answer(PooledCohort(), people, OPTIONS)

    @pytest.mark.parametrize(("race", "percent"), [("2054-5", "6.1"), ("2106-3", "5.4"), ("2028-9", "5.4")])
    def test_the_printed_example_comes_out_of_a_record(self, race: str, percent: str) -> None:
        result = self.of(race)
        assert result.percent == Decimal(percent)
        assert result.category == ("borderline", "Borderline")

    def test_without_a_race_there_is_no_equation(self) -> None:
        assert "no race" in self.of(None).text


class TestSmart2:
    """The printed example of the group that derived it: 65, male, diabetes, coronary disease for five years."""

    def of(self, *more: dict[str, Any], age: int = 65, options: Any = None, **changes: Any) -> Any:
        since = (datetime.now(UTC) - timedelta(days=5 * 365.25)).date().isoformat()
        found = {
            "heart": condition("I25.2") | {"onsetDateTime": since},
            "diabetes": condition("E11.9"),
            "sbp": blood_pressure(140),
            "total": quantity("14647-2", 5.3, "mmol/L"),
            "hdl": quantity("14646-4", 1.3, "mmol/L"),
            "crp": quantity("30522-7", 3, "mg/L"),
            "egfr": quantity("98979-8", 70, "mL/min/{1.73_m2}"),
            "smoking": smoking("266919005"),
            "drug": drug("B01AC06"),
        }
        settings = PredictorSettings(
            enabled=True, options={"region": "derivation"} if options is None else options
        )
        items = [item for item in (found | changes).values() if item]
        return answer(Smart2(), record(*items, *more, age=age), settings)

    def test_the_printed_example_comes_out_of_a_record(self) -> None:
        result = self.of()
        assert isinstance(result, Prediction), result.text
        assert (result.percent, result.category) == (Decimal("25.0"), ("high", "High"))
        assert (result.horizon_years, result.outcome[0]) == (10, "recurrent-cardiovascular-event")

    def test_crp_and_cholesterol_count_in_other_units(self) -> None:
        low = self.of(options={"region": "low"})
        assert low.percent == Decimal("29.8")
        other = self.of(
            options={"region": "low"},
            crp=quantity("1988-5", 0.3, "mg/dL"),
            total=quantity("2093-3", 204.92, "mg/dL"),
        )
        assert other.percent == low.percent

    def test_each_disease_counts_once_and_the_years_run_from_the_first(self) -> None:
        older = condition("I63.9") | {"onsetDateTime": "2009"}
        result = self.of(older, condition("I25.10"), condition("I71.4"))
        assert "since the first diagnosis" in result.cautions[0]
        assert result.percent > self.of().percent
        stated = {item.reference.split("/")[1] for item in result.evidence}
        assert {"condition-I63-9", "condition-I71-4"} <= stated

    @pytest.mark.parametrize("age", [40, 80])
    def test_the_ages_at_its_ends_have_a_risk(self, age: int) -> None:
        assert isinstance(self.of(age=age), Prediction)

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"age": 39}, "outside 40 to 80"),
            ({"age": 81}, "outside 40 to 80"),
            ({"heart": condition("I10")}, "no established atherosclerotic disease"),
            ({"heart": condition("I25.2")}, "when the atherosclerotic disease began"),
            ({"heart": condition("I25.2") | {"onsetDateTime": "1901"}}, "before birth"),
            ({"crp": quantity("30522-7", 80, "mg/L")}, "outside 0.01 to 30"),
            ({"crp": quantity("30522-7", 3, "mmol/L")}, "does not convert"),
            ({"crp": None}, "no C-reactive protein"),
            ({"egfr": quantity("98979-8", 200, "mL/min/{1.73_m2}")}, "outside 1 to 150"),
            ({"drug": None}, "no medication list"),
            ({"smoking": None}, "no smoking status"),
            ({"options": {"region": "very-high"}}, "calibration is verified (low, derivation)"),
            ({"options": {"recalibration": {"region": "x", "ratio": 0}}}, "recalibration of the site"),
        ],
    )
    def test_it_declines(self, change: dict[str, Any], reason: str) -> None:
        result = self.of(**change)
        assert isinstance(result, Refusal), result
        assert reason in result.text

    @pytest.mark.parametrize(
        "name", ["coronary-disease", "cerebral-disease", "peripheral-disease", "abdominal-aneurysm"]
    )
    def test_each_code_of_a_disease_counts_as_that_disease(self, name: str) -> None:
        """All of them are atherosclerotic disease to the models of a first event, too."""
        ascvd = value_sets.value_set("ascvd")
        for system, code in sorted(value_sets.codes_of(value_sets.value_set(name))):
            stated = condition("X") | {"code": {"coding": [{"system": system, "code": code}]}}
            dated = stated | {"onsetDateTime": "2020-05"}
            found = began(record(dated), Disease(name, name))
            assert found is not None, code
            assert found.since == date(2020, 5, 1)
            if not code.startswith("H34"):
                assert value_sets.is_member(ascvd, stated["code"]) == "yes", code

    def test_a_suspected_disease_is_not_one(self) -> None:
        suspected = condition("I25.2") | {"verificationStatus": {"coding": [{"code": "provisional"}]}}
        assert "suspected, not confirmed" in self.of(heart=suspected).text

    def test_a_suspected_diabetes_is_neither_yes_nor_no(self) -> None:
        suspected = condition("E11.9") | {"verificationStatus": {"coding": [{"code": "provisional"}]}}
        assert "diabetes mellitus is suspected, not confirmed" in self.of(diabetes=suspected).text
        high = quantity("59261-8", 60, "mmol/mol")
        assert self.of(high, diabetes=suspected).percent == self.of().percent
        stroke = condition("I63.9") | {"verificationStatus": {"coding": [{"code": "differential"}]}}
        points = answer(Cha2ds2(with_sex=False), record(condition("I48.0"), stroke), OPTIONS)
        assert "suspected, not confirmed" in points.text

    @pytest.mark.parametrize("code", ["Z94.0", "T86.1", "Z94.1"])
    def test_a_transplanted_kidney_is_a_transplanted_organ(self, code: str) -> None:
        assert "transplanted organ" in self.of(condition(code)).text

    def test_a_site_may_calibrate_to_its_own_region(self) -> None:
        result = self.of(options={"recalibration": {"region": "Elsewhere", "ratio": 0.5}})
        assert "Elsewhere (recalibrated by the site" in result.population
        assert result.percent > self.of().percent


AT_60: dict[str, Any] = {"value": 60}


class TestScore2Diabetes:
    def of(self, *more: dict[str, Any], onset: dict[str, Any] | None = AT_60, age: int = 60) -> Any:
        diagnosis = condition("E11.9")
        if onset is not None:
            diagnosis["onsetAge"] = onset
        inputs = [
            blood_pressure(140),
            quantity("14647-2", 5.5, "mmol/L"),
            quantity("14646-4", 1.3, "mmol/L"),
            quantity("59261-8", 50, "mmol/mol"),
            quantity("98979-8", 90, "mL/min/{1.73_m2}"),
            smoking("266919005"),
        ]
        return answer(Score2Diabetes(), record(diagnosis, *inputs, *more, age=age), OPTIONS)

    def test_the_example_comes_out_of_a_record(self) -> None:
        result = self.of()
        assert isinstance(result, Prediction), result.text
        assert (result.percent, result.category) == (Decimal("8.4"), ("moderate", "Moderate"))

    def test_an_age_at_onset_is_read_in_its_unit(self) -> None:
        ucum = "http://unitsofmeasure.org"
        months = {"value": 720, "unit": "months", "system": ucum, "code": "mo"}
        assert self.of(onset=months).percent == Decimal("8.4")
        # 50 months are four years, and not fifty.
        of_four = self.of(onset={"value": 4, "unit": "years", "system": ucum, "code": "a"}).percent
        assert (
            self.of(onset=months | {"value": 50}).percent == of_four != self.of(onset={"value": 50}).percent
        )
        for unknown in ({"value": 50, "unit": "weeks"}, {"value": 60, "comparator": "<", "code": "a"}):
            assert "when the diabetes began" in self.of(onset=unknown).text

    def test_it_needs_the_onset_and_declines_organ_damage_and_other_ages(self) -> None:
        assert "when the diabetes began" in self.of(onset=None).text
        assert "urine albumin" in self.of(quantity("9318-7", 400, "mg/g")).text
        assert "outside 40 to 69" in self.of(age=72).text
        assert "atherosclerotic" in self.of(condition("I25.2")).text


class TestCha2ds2:
    def of(self, *more: dict[str, Any], age: int = 76, sex: str = "female", with_sex: bool = True) -> Any:
        return answer(
            Cha2ds2(with_sex=with_sex), record(condition("I48.0"), *more, age=age, sex=sex), OPTIONS
        )

    def test_points_are_a_quantity_and_no_risk(self) -> None:
        result = self.of(condition("I10"), condition("I63.9"))
        assert (result.percent, result.output.value) == (None, 6)
        assert self.of(condition("I10"), condition("I63.9"), with_sex=False).output.value == 5

    def test_the_class_is_without_the_point_for_sex(self) -> None:
        assert self.of(age=50).category == ("low", "Low")
        assert self.of(age=66).category == ("intermediate", "Intermediate")
        assert self.of().category == ("high", "High")

    def test_it_is_for_atrial_fibrillation_that_is_not_valvular(self) -> None:
        assert "mitral stenosis" in self.of(condition("I05.0")).text
        result = answer(Cha2ds2(with_sex=False), record(condition("I10")), OPTIONS)
        assert "no diagnosis of atrial fibrillation" in result.text


def polygenic(percentile: float | None, reference: str = "EUR (synthetic)") -> dict[str, Any]:
    system = "https://fhir-bridge.org/fhir/CodeSystem/polygenic-score"
    part: dict[str, Any] = {"code": {"coding": [{"system": system, "code": "percentile"}]}}
    if percentile is None:
        part["dataAbsentReason"] = {"text": "no reference distribution fits the ancestry AFR"}
    else:
        part["code"]["text"] = f"Percentile of {reference}"
        part["valueQuantity"] = {"value": percentile, "system": "http://unitsofmeasure.org", "code": "%"}
    return {
        "resourceType": "Observation",
        "id": "score",
        "meta": {"versionId": "1", "source": "urn:fhir-bridge:pgs:cohort"},
        "status": "final",
        "code": {"coding": [{"system": system, "code": "polygenic-score"}]},
        "subject": {"reference": "Patient/p"},
        "effectiveDateTime": RECENTLY,
        "method": {"text": "PGS Catalog PGS000018 over GRCh38"},
        "valueQuantity": {"value": 1.2},
        "component": [part],
    }


class TestCadPolygenic:
    SITE = PredictorSettings(
        enabled=True,
        options={"score": "PGS000018", "reference": "EUR (synthetic)", "synthetic": True, "high": 90},
    )

    def test_the_percentile_in_the_sites_reference(self) -> None:
        result = answer(CadPolygenic(), record(polygenic(93.5)), self.SITE)
        assert (result.output.value, result.category) == (Decimal("93.5"), ("high", "High"))
        assert "synthetic" in result.cautions[0]
        assert result.explanation.decided_by == ("genomics",)

    def test_a_score_without_fitting_ancestry_is_refused(self) -> None:
        result = answer(CadPolygenic(), record(polygenic(None)), self.SITE)
        assert isinstance(result, Refusal)
        assert (result.reason, "AFR" in result.text) == ("not-applicable", True)
        assert isinstance(answer(CadPolygenic(), record(polygenic(50, "EAS")), self.SITE), Refusal)

    def test_another_score_or_no_setting_is_missing(self) -> None:
        other = PredictorSettings(
            enabled=True, options={"score": "PGS000001", "reference": "EUR (synthetic)"}
        )
        assert answer(CadPolygenic(), record(polygenic(50)), other).reason == "missing-input"
        assert answer(CadPolygenic(), record(polygenic(50)), OPTIONS).reason == "missing-input"


def test_what_they_say_survives_the_way_from_the_models_process_and_is_valid_fhir() -> None:
    validator = Validator.of(get_terminology())
    of_af = record(condition("I48.0"), condition("I10"), age=76)
    cases: list[tuple[Any, Any, PredictorSettings]] = [
        (Prevent("total_cvd", 10), record(*american(), age=50, sex="female"), OPTIONS),
        (Cha2ds2(with_sex=False), of_af, OPTIONS),
        (CadPolygenic(), record(polygenic(93.5)), TestCadPolygenic.SITE),
    ]
    for predictor, people, settings in cases:
        result = answer(predictor, people, settings)
        assert answer_of(loads(encoded(plain(result, people)))) == result
        written = resources.observation(
            "result", "p", predictor, settings, result, "device", datetime.now(UTC)
        )
        errors = [issue for issue in validator.validate(written) if issue.severity in ("error", "fatal")]
        assert not errors, errors
        assert content_hash_of(predictor)
