# ruff: noqa: E501 - tables are written as they are
"""Tables with names that no vocabulary has: what stands beside a column, and what its cells are, says what it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from fhir_bridge.workshop.first_mapping.guessing import guess_columns
from fhir_bridge.workshop.first_mapping.table import read_sample
from tests.workshop.drafts import converted, of


def roles(tmp_path: Path, text: str, name: str = "table.csv") -> dict[str, str]:
    table = tmp_path / name
    table.write_text(text, "utf-8")
    return {guess.column: guess.role for guess in guess_columns(read_sample(table))}


def test_the_number_before_a_unit_is_the_result_and_what_has_one_unit_each_its_test(tmp_path: Path) -> None:
    tests = (("220", "Puls arteriell", "bpm"), ("221", "Druck ZVD", "mmHg"), ("222", "Kerntemp", "Cel"))
    text = "patientid;datetime;variableid;xname;value;unit\n" + "".join(
        f"{n % 4 + 11};2023-01-0{n % 8 + 1} 08:{n:02};{tests[n % 3][0]};{tests[n % 3][1]};{60 + n};{tests[n % 3][2]}\n"
        for n in range(24)
    )
    guesses, made, _ = converted(tmp_path, text)
    assert (guesses["xname"].role, guesses["variableid"].role) == ("test", "code")
    found = of(made, "Observation")
    assert len(found) == 24
    assert {r["code"]["text"] for r in found} == {name for _, name, _ in tests}
    text = "UnitNumber,TestMnemonic,ResultRW,UnitsOfMeasure,NormalRange,CollectionDateTime\n" + "".join(
        f"M000{n % 4},{('GLU', 'NA', 'HGB')[n % 3]},{n + 5.5},{('mg/dL', 'mmol/L', 'g/dL')[n % 3]},{n}-{n + 9},0{n % 9 + 1}/20/2024 07:15\n"
        for n in range(18)
    )
    _, made, mapping = converted(tmp_path, text)
    assert {r["valueQuantity"]["value"] for r in of(made, "Observation")} == {n + 5.5 for n in range(18)}
    assert "ResultRW: is it the result of the test, as is assumed?" in mapping


def test_a_number_that_rows_share_and_each_sex_and_birth_date_agrees_with_is_the_patients(
    tmp_path: Path,
) -> None:
    text = "XKEY9,EPIKEY,EPISTART,EPIEND,SEX,ADMISORC,DISMETH\n" + "".join(
        f"A{n // 2:03}9F,5000{n:02},2023-01-{n + 1:02},2023-02-{n + 1:02},{'MF'[n // 2 % 2]},19,1\n"
        for n in range(20)
    )
    guesses, made, mapping = converted(tmp_path, text)
    assert guesses["XKEY9"].role == "patient-id"
    assert len(of(made, "Patient")) == 10
    assert len(of(made, "Encounter")) == 20
    assert "XKEY9: does it identify the patient, as is assumed?" in mapping


@pytest.mark.parametrize(
    ("header", "cells", "words"),
    [
        ("sexe", "12", {"1": "male", "2": "female"}),
        ("CODE_SEXE", "12", {"1": "male", "2": "female"}),
        ("kön", "12", {"1": "male", "2": "female"}),
        ("sex", "1290", {"1": "male", "2": "female", "9": "unknown", "0": "unknown"}),
        ("sex", "12", {}),
        ("gender", "12", {}),
        ("sexo", "13", {}),
    ],
)
def test_numbers_for_the_sex_are_those_of_iso_where_registers_say_so(
    tmp_path: Path, header: str, cells: str, words: dict[str, str]
) -> None:
    table = tmp_path / "t.csv"
    table.write_text(
        f"patient_id;{header};weight_kg\n"
        + "".join(f"{1000 + n};{cells[n % len(cells)]};{60 + n}\n" for n in range(12)),
        "utf-8",
    )
    guess = guess_columns(read_sample(table))[1]
    assert (guess.role, guess.words) == ("sex", words)
    assert any("sex" in question or "ISO 5218" in question for question in guess.questions)


def test_digits_of_days_are_dates_by_themselves_and_running_numbers_are_none(tmp_path: Path) -> None:
    days = ["".join((f"20{20 + n % 4}", f"{n % 12 + 1:02}", f"{(n * 5) % 28 + 1:02}")) for n in range(16)]
    text = "patient_id,qqz,DTNASC,zzq\n" + "".join(
        f"{100 + n},{day},{day[6:]}{day[4:6]}19{40 + n},202401{n + 1:02}\n" for n, day in enumerate(days)
    )
    found = roles(tmp_path, text)
    assert found["qqz"] == "other-date"
    assert found["DTNASC"] == "birth-date"
    assert found["zzq"] != "other-date"


def test_names_of_visits_records_and_lives_are_no_measurements(tmp_path: Path) -> None:
    text = (
        "patient_id,hr,sbp,weight_kg,height_cm,bmi,AdmissionYear,DischargeUnit,CLOSED_YN,ever_married,Residence_type\n"
        + "".join(
            f"{100 + n},{60 + n},{110 + n},{60 + n},{160 + n},{20 + n},{2014 + n % 4},{2047 + n % 2},{'YN'[n % 2]},{('Yes', 'No')[n % 2]},{('Urban', 'Rural')[n % 2]}\n"
            for n in range(20)
        )
    )
    guesses, _, _ = converted(tmp_path, text)
    for column in ("AdmissionYear", "DischargeUnit", "CLOSED_YN", "ever_married", "Residence_type"):
        assert guesses[column].uses == [], column


def test_days_are_no_unit_of_cells(tmp_path: Path) -> None:
    text = "mrn,visit_id,admit_date,discharge_date,ALC Days\n" + "".join(
        f"{n},9{n},2024-01-{n + 1:02},2024-02-{n + 1:02},{n % 4}\n" for n in range(12)
    )
    guesses, _, _ = converted(tmp_path, text)
    assert guesses["ALC Days"].measure is False
    assert guesses["ALC Days"].uses == []


def test_names_of_code_systems_and_words_in_brackets_say_what_codes_are_of(tmp_path: Path) -> None:
    rows = ((444814009, "Viral sinusitis (disorder)"), (59621000, "Essential hypertension (disorder)"))
    text = "START,STOP,PATIENT,ENCOUNTER,SYSTEM,CODE,DESCRIPTION\n" + "".join(
        f"2020-0{n % 9 + 1}-01,,p{n // 2},e{n},SNOMED-CT,{rows[n % 2][0]},{rows[n % 2][1]}\n"
        for n in range(14)
    )
    _, made, _ = converted(tmp_path, text, "conditions.csv")
    found = of(made, "Condition")
    assert len(found) == 14
    assert {r["code"]["coding"][0]["system"] for r in found} == {"http://snomed.info/sct"}
    assert {r["code"]["text"] for r in found} == {text for _, text in rows}
    assert not of(made, "Encounter")


def test_codes_of_the_forerunner_of_snomed_ct_are_not_of_it(tmp_path: Path) -> None:
    text = "mrn,SNOMED T,onset,diagnosis\n" + "".join(
        f"10{n},T0{n % 3}000,2024-01-{n + 1:02},{('BCC', 'SCC', 'MM')[n % 3]}\n" for n in range(12)
    )
    _, made, _ = converted(tmp_path, text)
    assert not [r for r in made if "snomed.info" in str(r)]


def test_what_relatives_had_is_none_of_the_patients(tmp_path: Path) -> None:
    text = "PatID;Verwandter;Erkrankung;ICD\n" + "".join(
        f"{100 + n // 2};{('Mutter', 'Vater', 'Bruder')[n % 3]};{('Herzinfarkt', 'Diabetes')[n % 2]};{('I21.9', 'E11.9')[n % 2]}\n"
        for n in range(12)
    )
    _, made, mapping = converted(tmp_path, text)
    assert not of(made, "Condition")
    assert "FamilyMemberHistory" in mapping


def test_letters_for_types_before_names_of_databases_are_taken_off(tmp_path: Path) -> None:
    text = (
        "NR_PRONTUARIO;NR_ATENDIMENTO;DT_PRESCRICAO;DS_MATERIAL;QT_DOSE;CD_UNIDADE_MEDIDA;DS_VIA;NM_MEDICO\n"
        + "".join(
            f"{100 + n // 4};{900 + n // 2};{n + 1:02}/03/2024 10:00:00;{('DIPIRONA 500MG/ML', 'CEFTRIAXONA 1G', 'OMEPRAZOL 40MG')[n % 3]};{n % 3 + 1};{('ml', 'g', 'mg')[n % 3]};EV;Dr. Costa\n"
            for n in range(20)
        )
    )
    guesses, made, _ = converted(tmp_path, text)
    assert guesses["DS_MATERIAL"].role == "drug"
    ordered = of(made, "MedicationRequest")
    assert len(ordered) == 20
    assert {r["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"]["unit"] for r in ordered} == {
        "ml",
        "g",
        "mg",
    }


def test_stems_that_databases_write_together_are_parted(tmp_path: Path) -> None:
    text = "NUMPAT;NUMVEN;NOMPAT;PREPAT;DATNAI;SEXPAT;DATENT;HEUENT;DATSOR;HEUSOR;MODSOR\n" + "".join(
        f"{100 + n};{900 + n};MARTIN;JEAN;0{n % 9 + 1}/02/1950;{'MF'[n % 2]};{n + 1:02}/03/2024;10:15;{n + 3:02}/03/2024;11:00;{n % 2 + 8}\n"
        for n in range(12)
    )
    _, made, _ = converted(tmp_path, text)
    visits = of(made, "Encounter")
    assert len(visits) == 12
    assert all(r["period"]["start"].endswith("10:15:00+01:00") and r["period"]["end"] for r in visits)
    assert {p["name"][0]["family"] for p in of(made, "Patient")} == {"MARTIN"}


def test_fields_of_messages_have_the_meaning_of_the_standard(tmp_path: Path) -> None:
    tests = (("2345-7", "Glucose", "mg/dL"), ("2951-2", "Sodium", "mmol/L"), ("718-7", "Hemoglobin", "g/dL"))
    text = "pid_3,pid_5,pid_7,pid_8,obr_3,obx_3_1,obx_3_2,obx_5,obx_6,obx_8,obx_11,obx_14\n" + "".join(
        f'10{n % 4},"DOE^J{"ABCD"[n % 4]}",19600{n % 4 + 1}01,{"FM"[n % 2]},24{n:02},{tests[n % 3][0]},{tests[n % 3][1]},{n + 3.5},{tests[n % 3][2]},H,F,202403{n + 1:02}0900\n'
        for n in range(24)
    )
    _, made, _ = converted(tmp_path, text)
    results = of(made, "Observation")
    assert len(results) == 24
    assert {r["code"]["coding"][0]["code"] for r in results} == {code for code, _, _ in tests}
    assert all(r["status"] == "final" and r["valueQuantity"]["value"] for r in results)
    assert {p["birthDate"] for p in of(made, "Patient")} == {f"1960-0{n}-01" for n in (1, 2, 3, 4)}


def test_how_a_test_ended_is_its_result_whatever_its_column_is_called(tmp_path: Path) -> None:
    text = "COD_PAZIENTE;DATA_PRELIEVO;MATERIALE;ESAME;ESITO\n" + "".join(
        f"{100 + n};{n + 1:02}/03/2024 10:00;Tampone nasofaringeo;SARS-CoV-2 PCR;{('Positivo', 'Negativo')[n % 2]}\n"
        for n in range(12)
    )
    _, made, _ = converted(tmp_path, text)
    assert {
        r["valueCodeableConcept"]["text"] if "valueCodeableConcept" in r else r["valueString"]
        for r in of(made, "Observation")
    } == {
        "Positivo",
        "Negativo",
    }


def test_a_number_that_all_rows_have_identifies_none(tmp_path: Path) -> None:
    text = "STUDYID,subject_id,visit_date,weight_kg,height_cm\n" + "".join(
        f"ABC-101,{100 + n},2024-01-{n + 1:02},{60 + n},{160 + n}\n" for n in range(12)
    )
    guesses, made, _ = converted(tmp_path, text)
    assert guesses["STUDYID"].uses == []
    assert not [r for r in made if "ABC-101" in str(r)]


def test_an_expected_discharge_is_no_expected_delivery(tmp_path: Path) -> None:
    text = "MRN,Ward,Bed,Consultant,AdmDate,LOS,EDD,NEWS2\n" + "".join(
        f"{100 + n},4A,{n:02},Dr Fry,2024-01-{n + 1:02},{n + 1},2024-02-{n + 1:02},{n % 9}\n"
        for n in range(12)
    )
    guesses, made, _ = converted(tmp_path, text)
    assert guesses["EDD"].role == "scheduled"
    assert "11778-8" not in str(made)
    assert len(of(made, "Encounter")) == 12


@pytest.mark.parametrize(
    ("word", "status"),
    [("Utförd", "completed"), ("Avbokad", "revoked"), ("Bokad", "active"), ("Zaplanowany", "active"), ("Em espera", "active")],
)  # fmt: skip
def test_words_for_statuses_in_more_languages(tmp_path: Path, word: str, status: str) -> None:
    text = "mrn,order_id,ordered_date,procedure,status\n" + "".join(
        f"{100 + n},7{n},2024-01-{n + 1:02},MR hjärna,{word}\n" for n in range(8)
    )
    _, made, _ = converted(tmp_path, text)
    assert {r["status"] for r in of(made, "ServiceRequest")} == {status}


def test_letters_of_the_north_are_spelt_out(tmp_path: Path) -> None:
    text = "Fødselsnr;Prøvetakingsdato;Analyse;Svar;Benevning\n" + "".join(
        f"0101{n % 5 + 60}00{n % 5};{n + 1:02}.01.2024 08:00;{('Natrium', 'Kalium')[n % 2]};{n + 100};mmol/L\n"
        for n in range(20)
    )
    found = roles(tmp_path, text)
    assert found["Fødselsnr"] in ("patient-id", "person-id")
    assert found["Prøvetakingsdato"] == "collected"


def test_a_record_begun_at_each_stay_is_the_visits_where_a_national_number_is_the_patients(
    tmp_path: Path,
) -> None:
    people = ("RSSMRA80A01F205X", "BNCLCU75M10H501M", "VRDGPP60D41F839C")
    text = "Cartella n.;CF;Ingresso;Uscita;Esito\n" + "".join(
        f"2024{n:03};{people[n % 3]};{n + 1:02}/01/2024;{n + 1:02}/02/2024;Domicilio\n" for n in range(15)
    )
    guesses, made, _ = converted(tmp_path, text)
    assert guesses["CF"].role == "patient-id"
    assert len(of(made, "Patient")) == 3
    assert len(of(made, "Encounter")) == 15


def test_which_dose_of_a_series_it_is_in_words_is_no_volume(tmp_path: Path) -> None:
    text = "RUN;VACUNA;DOSIS;FECHA_INMUNIZACION;LOTE\n" + "".join(
        f"1{n:07};Influenza;{('1ª dosis', '2ª dosis', 'Refuerzo')[n % 3]};{n + 1:02}-03-2024;A{n}\n"
        for n in range(12)
    )
    _, made, _ = converted(tmp_path, text)
    given = of(made, "Immunization")
    assert len(given) == 12
    assert {r["protocolApplied"][0].get("doseNumberString") for r in given} == {
        "1ª dosis",
        "2ª dosis",
        "Refuerzo",
    }
    assert not any("doseQuantity" in r for r in given)


def test_the_day_of_a_visit_is_when_it_began_in_a_table_of_visits(tmp_path: Path) -> None:
    text = "N_PROCESSO;DATA_CONSULTA;ESPECIALIDADE;TIPO_CONSULTA;MEDICO;DIAGNOSTICO\n" + "".join(
        f"{1000 + n // 2};2024-03-{n + 1:02};Cardiologia;{('Primeira', 'Subsequente')[n % 2]};Dr. Sousa;{('I10', 'M17.1', 'I48.0')[n % 3]}\n"
        for n in range(18)
    )
    _, made, _ = converted(tmp_path, text)
    visits = of(made, "Encounter")
    assert len(visits) == 18
    assert all(r["period"]["start"].startswith("2024-03") and r["participant"] for r in visits)
    assert len(of(made, "Condition")) == 18


def test_diagnoses_beside_a_procedure_are_why_it_was_done(tmp_path: Path) -> None:
    text = "MEMBER_ID,SERVICE_DATE,CPT_HCPCS,DX_1,DX_2\n" + "".join(
        f"W{100 + n // 2},2024-03-{n + 1:02},{('99213', '36415', '80053')[n % 3]},{('E11.9', 'I10', 'R07.9')[n % 3]},{('E78.5', '', 'Z79.4')[n % 3]}\n"
        for n in range(18)
    )
    _, made, _ = converted(tmp_path, text)
    assert len(of(made, "Procedure")) == 18
    assert not of(made, "Condition")


def test_what_was_planned_is_not_when_it_was_given(tmp_path: Path) -> None:
    text = "mrn,drug,dose_mg,route,scheduled_time,zzq_time,status\n" + "".join(
        f"{100 + n % 4},Ramipril,{n + 1},PO,2024-03-{n + 1:02} 08:00,2024-03-{n + 1:02} 08:1{n % 9},{('Given', 'Not given')[n % 2]}\n"
        for n in range(16)
    )
    _, made, _ = converted(tmp_path, text)
    given = of(made, "MedicationAdministration")
    assert len(given) == 16
    assert {r["effectiveDateTime"][11:15] for r in given} == {"08:1"}
