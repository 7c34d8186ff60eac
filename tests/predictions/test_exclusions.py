"""For whom a model is not meant: a table of codes, and what decides where one is not in it."""

from __future__ import annotations

import csv
import importlib.util
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.predictions import Prediction, PredictorSettings, Refusal, value_sets
from fhir_bridge.predictions.hcm_risk_scd import HcmRiskScd
from fhir_bridge.predictions.score2 import Score2
from fhir_bridge.terminology import get_terminology
from tests.predictions.clinic import Clinic, in_clinic
from tests.predictions.records import answer, condition, quantity, record
from tests.predictions.test_hcm_risk_scd import complete as hcm_inputs
from tests.predictions.test_score2 import SETTINGS
from tests.predictions.test_score2 import complete as score2_inputs

TABLE = Path(__file__).with_name("exclusions.tsv")
SYSTEMS = {
    "icd-10": "http://hl7.org/fhir/sid/icd-10",
    "icd-10-cm": "http://hl7.org/fhir/sid/icd-10-cm",
    "icd-10-gm": "http://fhir.de/CodeSystem/bfarm/icd-10-gm",
    "icd-10-pcs": "http://www.cms.gov/Medicare/Coding/ICD10",
    "ops": "http://fhir.de/CodeSystem/bfarm/ops",
    "cpt": "http://www.ama-assn.org/go/cpt",
    "hcpcs": "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
    "snomed": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
    "atc": "http://www.whocc.no/atc",
    "rxnorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
}
WORDS = {
    "ascvd": "atherosclerotic",
    "ckd": "moderate to severe chronic kidney disease",
    "died": "the patient has died",
    "familial": "familial hypercholesterolaemia",
    "infiltrative": "metabolic, infiltrative",
    "arrest": "cardiac arrest or sustained",
}


def rows() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def stated(resource: str, system: str, code_: str, **more: Any) -> dict[str, Any]:
    """A resource that states a code, as its type does."""
    concept = {"coding": [{"system": SYSTEMS[system], "code": code_}]}
    found: dict[str, Any] = {"resourceType": resource, "id": "stated", "meta": {"versionId": "1"}}
    if resource == "Condition":
        found |= {"verificationStatus": {"coding": [{"code": "confirmed"}]}, "code": concept}
    elif resource == "Device":
        found |= {"status": "active", "type": concept}
    elif resource == "Procedure":
        found |= {"status": "completed", "code": concept}
    elif resource == "Observation":
        question = {"coding": [{"system": SYSTEMS["loinc"], "code": "82810-3"}]}
        recently = (datetime.now(UTC) - timedelta(days=9)).isoformat(timespec="seconds")
        found |= {
            "status": "final",
            "code": question,
            "valueCodeableConcept": concept,
            "effectiveDateTime": recently,
        }
    else:
        found |= {"status": "active", "medicationCodeableConcept": concept}
    return found | more


def ask(model: str, *resources: dict[str, Any]) -> Prediction | Refusal:
    inputs, predictor = (score2_inputs(), Score2()) if model == "score2" else (hcm_inputs(), HcmRiskScd())
    result = answer(predictor, record(*inputs, *resources), SETTINGS)
    assert isinstance(result, Prediction | Refusal)
    return result


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row['model']}-{row['system']}-{row['code']}")
def test_a_code_excludes_as_the_table_says(row: dict[str, str]) -> None:
    result = ask(row["model"], stated(row["resource"], row["system"], row["code"]))
    expected = row["refused for"]
    if not expected:
        assert isinstance(result, Prediction), result.text
        return
    assert isinstance(result, Refusal)
    assert (result.reason, WORDS.get(expected, expected) in result.text) == ("not-applicable", True)
    assert f"{row['resource']}/stated/_history/1" in result.text


def test_the_table_is_long_and_its_codes_of_icd_10_cm_are_real() -> None:
    excluding = [row for row in rows() if row["refused for"]]
    assert len(excluding) >= 150
    assert {row["system"] for row in excluding} >= {"icd-10", "icd-10-cm", "icd-10-gm", "snomed"}
    # Read as a file: importing the package parses all of ICD-10-CM.
    spec = importlib.util.find_spec("simple_icd_10_cm")
    assert spec is not None
    (listed,) = Path(str(spec.origin)).parent.glob("data/*.txt")
    known = {line.strip().replace(".", "") for line in listed.read_text().splitlines()}
    for row in rows():
        if row["system"] == "icd-10-cm":
            assert row["code"].replace(".", "") in known, row["code"]


def test_a_diagnosis_of_an_hba1c_excludes_in_either_unit_and_one_below_does_not() -> None:
    for value, unit in ((6.5, "%"), (9.1, "%"), (48, "mmol/mol"), (75, "mmol/mol")):
        code = "4548-4" if unit == "%" else "59261-8"
        result = ask("score2", quantity(code, value, unit))
        assert isinstance(result, Refusal)
        assert "HbA1c" in result.text
    assert isinstance(ask("score2", quantity("4548-4", 5.6, "%")), Prediction)
    assert isinstance(ask("score2", quantity("59261-8", 38, "mmol/mol")), Prediction)


def test_a_pregnancy_that_is_over_excludes_no_longer() -> None:
    past = (datetime.now(UTC) - timedelta(days=3000)).date().isoformat()
    for over in (
        {"onsetDateTime": past},
        {"abatementDateTime": past},
        {"clinicalStatus": {"coding": [{"code": "resolved"}]}},
    ):
        assert isinstance(ask("score2", stated("Condition", "icd-10-cm", "O80", **over)), Prediction)
    assert isinstance(ask("score2", stated("Condition", "icd-10-cm", "O80")), Refusal)


def test_an_infarction_that_is_over_excludes_all_the_same() -> None:
    over = {"clinicalStatus": {"coding": [{"code": "resolved"}]}, "abatementDateTime": "2001-02-03"}
    assert isinstance(ask("score2", stated("Condition", "icd-10-cm", "I21.4", **over)), Refusal)


def test_what_was_not_done_not_taken_or_refuted_excludes_nothing() -> None:
    for resource in (
        stated("Procedure", "snomed", "232717009", status="not-done"),
        stated("MedicationStatement", "atc", "A10BA02", status="not-taken"),
        stated("MedicationRequest", "atc", "A10BA02", doNotPerform=True),
        stated("Condition", "icd-10", "E11", verificationStatus={"coding": [{"code": "refuted"}]}),
        stated(
            "Observation",
            "snomed",
            "44054006",
            code={"coding": [{"system": SYSTEMS["loinc"], "code": "8670-2"}]},
        ),
    ):
        assert isinstance(ask("score2", resource), Prediction)


def test_syncope_counts_where_it_is_unexplained_and_sudden_death_of_a_relative_where_it_is_named() -> None:
    without = [item for item in hcm_inputs() if item["id"] not in ("condition-R55", "condition-Z82-4")]
    answered = [condition("Z82.4", refuted=True)]

    def risk(*more: dict[str, Any]) -> Any:
        return answer(HcmRiskScd(), record(*without, *more, age=45), PredictorSettings(enabled=True))

    explained = risk(*answered, stated("Condition", "snomed", "398665005"))
    unexplained = risk(*answered, stated("Condition", "icd-10", "R55"))
    assert explained.percent < unexplained.percent
    history = {
        "resourceType": "FamilyMemberHistory",
        "id": "brother",
        "status": "completed",
        "relationship": {"coding": [{"system": SYSTEMS["snomed"], "code": "70924004"}]},
        "deceasedAge": {"value": 31, "system": "http://unitsofmeasure.org", "code": "a"},
        "condition": [{"code": {"coding": [{"system": SYSTEMS["snomed"], "code": "95281009"}]}}],
    }
    relative = risk(history, condition("R55", refuted=True))
    assert relative.percent > explained.percent
    any_disease = risk(condition("Z82.4"), condition("R55", refuted=True))
    assert isinstance(any_disease, Refusal)


class TestSubsumption:
    """SNOMED CT decides below the listed codes where its hierarchy is available; else the result says so."""

    BELOW = "999000111222101"

    @pytest.fixture
    def snomed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        concepts = [
            {"code": "73211009", "display": "Diabetes mellitus", "concept": [{"code": self.BELOW}]},
            {"code": "22298006", "display": "Myocardial infarction"},
        ]
        resource = {
            "resourceType": "CodeSystem",
            "url": SYSTEMS["snomed"],
            "version": "test",
            "status": "active",
            "content": "complete",
            "hierarchyMeaning": "is-a",
            "concept": concepts,
        }
        (tmp_path / "snomed.json").write_text(json.dumps(resource))
        self.forget()
        monkeypatch.setattr(value_sets, "get_terminology", lambda: get_terminology([tmp_path]))
        yield
        self.forget()

    @staticmethod
    def forget() -> None:
        for cached in (value_sets._is_member, value_sets._codes_of, value_sets._stems_of):
            cached.cache_clear()

    def test_without_it_the_result_says_that_listed_codes_decided(self) -> None:
        result = ask("score2", stated("Condition", "snomed", self.BELOW))
        assert isinstance(result, Prediction)
        assert any("SNOMED CT is not imported" in caution for caution in result.cautions)
        assert not any("SNOMED" in text for text in ask("score2").cautions)  # type: ignore[union-attr]

    @pytest.mark.usefixtures("snomed")
    def test_with_it_what_is_below_excludes(self) -> None:
        result = ask("score2", stated("Condition", "snomed", self.BELOW))
        assert isinstance(result, Refusal)
        assert "diabetes mellitus" in result.text


def test_a_drug_that_an_order_refers_to_excludes_and_one_that_is_not_here_is_refused(
    database_url: str,
) -> None:
    """`medicationReference` to a Medication of the store, which belongs to no patient."""

    def order(name: str) -> dict[str, Any]:
        found = {"resourceType": "MedicationRequest", "id": "order", "status": "active", "intent": "order"}
        return found | {"subject": {"reference": "Patient/p"}, "medicationReference": {"reference": name}}

    async def work(clinic: Clinic) -> list[Any]:
        coding = {"system": SYSTEMS["atc"], "code": "A10BA02"}
        await clinic.write({"resourceType": "Medication", "id": "drug-1", "code": {"coding": [coding]}})
        said = []
        for name in ("Medication/drug-1", "https://other.example/fhir/Medication/drug-2"):
            await clinic.write(order(name))
            said.append((await clinic.predict()).result)
        return said

    excluded, unknown = in_clinic(database_url, work)
    assert (excluded.reason, unknown.reason) == ("not-applicable", "missing-input")
    assert "by a drug that is used in it: MedicationRequest/order/_history/1" in excluded.text
    assert "a medication that is not here may be one of diabetes" in unknown.text
