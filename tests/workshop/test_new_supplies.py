# ruff: noqa: E501 - tables are written as they are
"""`mapping new`: numbers of drugs, columns named after drugs, units of one laboratory, dates of results."""

from __future__ import annotations

from pathlib import Path

from tests.workshop.drafts import converted, of


def test_the_number_of_a_drug_is_a_local_code_where_nothing_names_it(tmp_path: Path) -> None:
    rows = "".join(
        f"RX{n:03},PAT{n % 4},DOC{n % 3},MED{n % 5:03},{n + 10}-04-2026,{n + 10}-04-2027,{n + 1},30,{n % 6},Take 2 tablets daily,Active\n"
        for n in range(12)
    )
    guesses, made, mapping = converted(
        tmp_path,
        f"prescription_id,patient_id,doctor_id,medication_id,prescription_date,expiration_date,quantity,days_supply,refills_allowed,instructions,status\n{rows}",
    )
    order = of(made, "MedicationRequest")[0]
    assert [(c["code"], "display" in c) for c in order["medicationCodeableConcept"]["coding"]] == [
        ("MED000", False)
    ]
    assert "medication-id" in order["medicationCodeableConcept"]["coding"][0]["system"]
    assert order["dispenseRequest"]["numberOfRepeatsAllowed"] == 0
    assert guesses["medication_id"].role == "code"
    assert "medication_id: is it the number of the drug in a list of this site" in mapping
    assert "expiration_date: looks like when it expires" in mapping
    assert "dispenseRequest.validityPeriod" in mapping


def test_a_column_named_after_a_drug_is_asked_as_such(tmp_path: Path) -> None:
    rows = "".join(f"S{n},{n + 40},F,{n + 60},24,{n % 2},{(n + 1) % 2}\n" for n in range(8))
    _, made, mapping = converted(tmp_path, f"subject_id,age,sex,weight_kg,bmi,aspirin,hypertension\n{rows}")
    assert len([r for r in of(made, "Observation") if r["code"]["text"] == "aspirin"]) == 8
    assert (
        "aspirin: is it a finding (yes or no), as is assumed, or does it say that the patient takes the drug (MedicationStatement)?"
        in mapping
    )
    assert "hypertension: is it a finding (yes or no), as is assumed, or of the record?" in mapping


def test_a_laboratory_writes_units_of_one_system(tmp_path: Path) -> None:
    rows = "".join(f"{n},14.{n},{n % 5 + 5}.3,{n + 90},{n + 15}.5\n" for n in range(8))
    _, made, mapping = converted(tmp_path, f"Patient_ID,Hemoglobin,Glucose,Creatinine,Iron\n{rows}")
    units = {r["code"]["text"]: r["valueQuantity"]["code"] for r in of(made, "Observation")}
    assert units == {"Hemoglobin": "g/dL", "Glucose": "mmol/L", "Creatinine": "umol/L", "Iron": "umol/L"}
    assert "Iron: no unit is stated; is it umol/L" in mapping


def test_the_date_of_a_result_is_when_it_was_where_no_other_date_is(tmp_path: Path) -> None:
    rows = "".join(f"L{n:03},P{n % 3},CA-125,{n + 20}.5,U/mL,2021-11-{n + 10}{{}}\n" for n in range(9))
    header = "lab_id,patient_id,test_name,result_value,unit,result_date{}\n"
    _, made, mapping = converted(tmp_path, header.format("") + rows.replace("{}", ""))
    assert of(made, "Observation")[0]["effectiveDateTime"] == "2021-11-10"
    assert of(made, "Observation")[0]["identifier"][0]["value"] == "L000"
    assert "result_date: is it when the Observation was, as is assumed?" in mapping
    _, made, _ = converted(
        tmp_path, header.format(",collection_date") + rows.replace("{}", ",2021-11-09"), "other.csv"
    )
    assert of(made, "Observation")[0]["effectiveDateTime"] == "2021-11-09"


def test_minutes_from_one_thing_to_another_are_no_limit(tmp_path: Path) -> None:
    rows = "".join(f"{n},{n % 4 + 20},2025-12-{n + 1:02} 22:42:00,{n % 5 + 1},{n + 5}\n" for n in range(9))
    guesses, _, mapping = converted(
        tmp_path, f"visit_id,patient_id,arrival_ts,triage_level,door_to_doc_min\n{rows}"
    )
    assert (guesses["door_to_doc_min"].role, guesses["door_to_doc_min"].unit) == ("number", "min")
    assert "limit of what is normal" not in mapping
