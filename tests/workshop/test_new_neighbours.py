# ruff: noqa: E501 - tables are written as they are
"""`mapping new`: what a column is by what stands beside it: days of stays, records of a patient, vaccines, codes of measurements."""

from __future__ import annotations

from pathlib import Path

from tests.workshop.drafts import converted, of


def test_dod_beside_doa_is_a_discharge_and_no_death(tmp_path: Path) -> None:
    rows = "".join(f"{n},{n + 23400},4/{n + 1}/2017,4/{n + 13}/2017,81,M\n" for n in range(1, 9))
    guesses, made, _ = converted(tmp_path, f"SNO,MRD No.,D.O.A,D.O.D,AGE,GENDER\n{rows}")
    assert (guesses["MRD No."].role, guesses["D.O.D"].role) == ("patient-id", "discharged")
    assert of(made, "Encounter")[0]["period"] == {"start": "2017-04-02", "end": "2017-04-14"}
    assert "deceasedDateTime" not in of(made, "Patient")[0]
    _, made, _ = converted(
        tmp_path,
        "MRN,DOB,DOD,SEX\n" + "".join(f"{n}1,195{n}-01-02,2017-04-1{n},F\n" for n in range(8)),
        "b.csv",
    )
    assert of(made, "Patient")[0]["deceasedDateTime"] == "2017-04-10"


def test_order_of_day_and_month_is_that_of_the_other_dates_also_with_hyphens(tmp_path: Path) -> None:
    rows = "".join(f"P{n},04-0{n + 1}-2017,04-{n + 13}-2017\n" for n in range(8))
    guesses, made, mapping = converted(tmp_path, f"patient_id,admission_date,discharge_date\n{rows}")
    assert guesses["admission_date"].format == "MM-dd-yyyy"
    assert "tells day from month" not in mapping
    assert of(made, "Encounter")[0]["period"] == {"start": "2017-04-01", "end": "2017-04-13"}


def test_a_record_that_changes_where_the_patient_stays_is_no_number_of_the_patient(tmp_path: Path) -> None:
    rows = "".join(f"HC{n:04},PAC{n % 4},2023-10-{n + 10},I10,{n + 50}.5\n" for n in range(10))
    guesses, made, _ = converted(
        tmp_path, f"historia_id,paciente_id,fecha_consulta,diagnostico_cie10,peso_kg\n{rows}"
    )
    assert (guesses["historia_id"].role, guesses["paciente_id"].role) == ("event-id", "patient-id")
    assert {p["identifier"][0]["value"] for p in of(made, "Patient")} == {"PAC0", "PAC1", "PAC2", "PAC3"}


def test_texts_that_are_all_vaccines_say_what_was_given(tmp_path: Path) -> None:
    given = "21,varicella 10,IPV 20,DTaP 03,MMR 62,HPV_quadrivalent 08,Hep_B".split()
    rows = "".join(f"2009-01-2{n},P{n % 3},{cell.replace('_', ' ')}\n" for n, cell in enumerate(given))
    _, made, mapping = converted(tmp_path, f"DATE,PATIENT,CODE,DESCRIPTION\n{rows}")
    dose = of(made, "Immunization")[0]
    assert dose["vaccineCode"]["coding"][0]["code"] == "21"
    assert dose["vaccineCode"]["coding"][0]["system"] == "http://hl7.org/fhir/sid/cvx"
    assert dose["occurrenceDateTime"] == "2009-01-20"
    assert "CODE: are these codes of CVX" in mapping
    diseases = "1,Varicella 2,Hepatitis_B 3,Influenza 4,Rabies 5,Tetanus 6,Hepatitis_A".split()
    rows = "".join(f"2009-01-2{n},P{n % 3},{cell.replace('_', ' ')}\n" for n, cell in enumerate(diseases))
    _, made, _ = converted(tmp_path, f"DATE,PATIENT,CODE,DESCRIPTION\n{rows}", "notified.csv")
    assert not of(made, "Immunization")


def test_a_comma_may_stand_between_day_and_time(tmp_path: Path) -> None:
    rows = "".join(f'P{n},"1{n}/5/2026, 10:5{n}",{n + 60}\n' for n in range(8))
    guesses, made, _ = converted(tmp_path, f"patient_id,measured at,heart_rate\n{rows}")
    assert guesses["measured at"].format == "d/M/yyyy, HH:mm"
    assert of(made, "Observation")[0]["effectiveDateTime"].startswith("2026-05-10T10:50")


def test_a_column_of_the_code_of_another_measurement_is_no_code_of_the_row(tmp_path: Path) -> None:
    rows = "".join(f"V{n},M{n % 3},2025-06-0{n + 1},8480-6,{n + 120},8462-4,{n + 70}\n" for n in range(8))
    _, made, _ = converted(
        tmp_path,
        f"vital_id,member_id,service_date,loinc_systolic,systolic_bp,loinc_diastolic,diastolic_bp\n{rows}",
    )
    parts = of(made, "Observation")[0]["component"]
    assert [(p["code"]["coding"][0]["code"], p["valueQuantity"]["value"]) for p in parts] == [
        ("8480-6", 120),
        ("8462-4", 70),
    ]
