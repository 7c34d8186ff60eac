"""Diseases under each code that means them, in every score; and codes that are none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.predictions.records import quantity
from tests.predictions.ward import Ward, american, concept, diagnosis, european, ward

__all__ = ["ward"]

CPT, PCS = "http://www.ama-assn.org/go/cpt", "http://www.cms.gov/Medicare/Coding/ICD10"
NOW = datetime.now(UTC)
POINTS = {
    ("icd", "E11.5"): 2,
    ("gm", "E11.50"): 2,
    ("cm", "E10.51"): 2,
    ("cm", "E11.59"): 1,
    ("icd", "I79.2"): 1,
    ("cm", "Z95.820"): 1,
    ("cm", "T82.855A"): 1,
    ("icd", "I20.9"): 1,
    ("cm", "I75.021"): 2,
    ("cm", "I97.810"): 2,
    ("cm", "I97.820"): 2,
    ("icd", "G46.3"): 2,
    ("icd", "H34.1"): 2,
    ("cm", "I1A.0"): 1,
    ("icd", "I71.4"): 0,
}
"""By a diagnosis beside atrial fibrillation."""
NO_CODES = ("UNK", "999", "25.2", "l25.2", "I2S.2", "ICD10:I25.2")
CODES = ("J45.9", "j459", "J45.9+", "J45.9 G", "J45.99V", "J45.-", "C4A.9")


def procedure(system: str, code: str) -> dict[str, Any]:
    return {"resourceType": "Procedure", "status": "completed", "code": concept(system, code)}


def observed(code: str, **value: Any) -> dict[str, Any]:
    when = (NOW - timedelta(days=20)).isoformat(timespec="seconds")
    found = {"resourceType": "Observation", "status": "final", "effectiveDateTime": when}
    return found | {"code": concept("loinc", code)} | value


def test_every_code_of_a_disease_counts_in_cha2ds2_va(ward: Ward) -> None:
    flutter = diagnosis("icd", "I48.0")
    patients = {f"p{n}": [flutter, diagnosis(*code)] for n, code in enumerate(POINTS)}
    patients |= {
        "leg": [flutter, procedure(CPT, "37224")],
        "aorta": [flutter, procedure(PCS, "04V03DZ")],
        "clot": [flutter, procedure(CPT, "61645")],
        "none": [flutter, diagnosis("icd", "UNK")],
    }
    ward.load(patients, born="1990-01-01")
    said = ward.ask("cha2ds2-va")
    assert {code: said[f"p{n}"].value for n, code in enumerate(POINTS)} == POINTS
    assert [said[name].value for name in ("leg", "aorta", "clot", "none")] == [1, 1, 2, None]


def test_what_is_no_code_of_icd_10_is_no_harmless_diagnosis(ward: Ward) -> None:
    patients = {f"no{n}": [*european(), diagnosis("icd", code)] for n, code in enumerate(NO_CODES)}
    patients |= {f"gm{n}": [*european(), diagnosis("gm", code)] for n, code in enumerate(NO_CODES)}
    patients |= {f"yes{n}": [*european(), diagnosis("gm", code)] for n, code in enumerate(CODES)}
    patients["ops"] = [*european(), procedure("ops", "UNK")]
    both = diagnosis("icd", "UNK")
    both["code"]["coding"].append({"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "J45.909"})
    patients["both"] = [*european(), both]
    ward.load(patients)
    said = ward.ask("score2")
    refused = {name for name, item in said.items() if item.value is None}
    assert refused == {name for name in patients if name.startswith(("no", "gm", "ops"))}
    assert "a condition that can't be read may exclude" in said["no0"].text


def test_pregnancy_by_any_observation_excludes(ward: Ward) -> None:
    due = (NOW + timedelta(days=120)).date().isoformat()
    past = (NOW - timedelta(days=400)).date().isoformat()
    positive, negative = concept("sct", "10828004"), concept("sct", "260385009")
    patients = {
        "due": observed("11778-8", valueDateTime=due),
        "ultrasound": observed("11781-2", valueDateTime=due),
        "born": observed("11778-8", valueDateTime=past),
        "urine": observed("2106-3", valueCodeableConcept=positive),
        "serum": observed("2118-8", valueString="Positive"),
        "not": observed("2106-3", valueCodeableConcept=negative),
        "weeks": observed(
            "18185-9", valueQuantity={"value": 20, "code": "wk", "system": "http://unitsofmeasure.org"}
        ),
        "test": diagnosis("cm", "Z32.01", onsetDateTime=(NOW - timedelta(days=20)).date().isoformat()),
    }
    ward.load({name: [*european(), item] for name, item in patients.items()}, gender="female")
    said = ward.ask("score2")
    assert {name for name in patients if said[name].value is not None} == {"born", "not"}
    assert "pregnancy" in said["due"].text


def test_two_types_of_diabetes_at_once_are_a_conflict(ward: Ward) -> None:
    inputs = [*european(), quantity("59261-8", 55, "mmol/mol"), diagnosis("icd", "E11.9")]
    ended = {
        "clinicalStatus": concept("http://terminology.hl7.org/CodeSystem/condition-clinical", "inactive")
    }
    ward.load(
        {
            "one": inputs,
            "both": [*inputs, diagnosis("icd", "E10.9")],
            "cm": [*inputs, diagnosis("cm", "E08.9")],
            "was": [*inputs, diagnosis("icd", "E10.9", **ended)],
            "open": [*inputs, diagnosis("icd", "E14.9")],
        }
    )
    said = ward.ask("score2-diabetes")
    assert {name for name, item in said.items() if item.value is None} == {"both", "cm"}
    assert "are both stated" in said["both"].text


def test_hba1c_of_ifcc_in_percent_is_refused(ward: Ward) -> None:
    ward.load(
        {
            "ifcc": [*european(), quantity("59261-8", 5.2, "%")],
            "ngsp": [*european(), quantity("4548-4", 5.2, "%")],
        }
    )
    said = ward.ask("score2")
    assert (said["ifcc"].value, said["ngsp"].value is None) == (None, False)
    assert "under the code of the IFCC calibration" in said["ifcc"].text


def test_dialysis_is_no_egfr_of_90(ward: Ward) -> None:
    codes = {
        "dialysis": "Z99.2",
        "failure": "N18.6",
        "transplant": "Z94.0",
        "stage": "N18.5",
        "mild": "N18.2",
    }
    none = {
        "resourceType": "MedicationStatement",
        "status": "active",
        "medicationCodeableConcept": concept("http://www.whocc.no/atc", "H03AA01"),
    }
    ward.load({name: [*american(), none, diagnosis("icd", code)] for name, code in codes.items()})
    for model in ("prevent-total-cvd-10", "pooled-cohort"):
        said = ward.ask(model)
        assert {name for name in codes if "kidney failure" not in said[name].text} == {"mild"}, model
        assert said["dialysis"].value is None, model


def test_smart2_knows_an_angiopathy_of_diabetes_and_a_bypass_of_the_leg(ward: Ward) -> None:
    common = [*european(), quantity("30522-7", 2, "mg/L")]
    common.append(
        {
            "resourceType": "MedicationStatement",
            "status": "active",
            "medicationCodeableConcept": concept("http://www.whocc.no/atc", "B01AC06"),
        }
    )
    since = {"performedDateTime": "2019-04-05"}
    ward.load(
        {
            "none": common,
            "angiopathy": [*common, diagnosis("gm", "E11.50")],
            "bypass": [*common, procedure(CPT, "35656") | since],
            "stent": [*common, procedure(PCS, "047K3DZ") | since],
        }
    )
    said = ward.ask("smart2")
    assert {name for name in said if said[name].value is None} == {"none"}
