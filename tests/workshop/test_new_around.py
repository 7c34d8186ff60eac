# ruff: noqa: E501 - tables are written as they are
"""`mapping new`: what is around an event has its place: visit, order, payer, people, places; what is said twice is said once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fhir_bridge.workshop.first_mapping import draft_mapping
from tests.workshop.drafts import converted


def of(made: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [r for r in made if r["resourceType"] == kind]


def test_orders_of_results_have_who_asked_for_them(tmp_path: Path) -> None:
    text = (
        "NHC;Nº Petición;Médico solicitante;F. Extracción;Cód. prueba;Prueba;Resultado;Unidades;Estado;Validado por\n"
        + "".join(
            f"82{n % 3};24110{n % 5};DR. {'AB'[n % 5 % 2]};{n % 5 + 1:02}/11/2024 07:46;{('GLU', 'NA')[n % 2]};{('Glucosa', 'Sodio')[n % 2]};{(98, 139)[n % 2]};"
            f"{('mg/dL', 'mmol/L')[n % 2]};{'VP'[n % 7 == 0]};DRA. C\n"
            for n in range(15)
        )
    )
    guesses, made, mapping = converted(tmp_path, text)
    orders = of(made, "ServiceRequest")
    assert len({o["identifier"][0]["value"] for o in orders}) == 5
    assert {o["requester"]["display"] for o in orders} == {"DR. A", "DR. B"}
    results = of(made, "Observation")
    assert all(r["basedOn"][0]["reference"].startswith("ServiceRequest/") for r in results)
    assert {r["performer"][0]["display"] for r in results} == {"DRA. C"}
    assert {r["status"] for r in results} == {"final", "preliminary"}
    assert "Estado: do its letters mean" in mapping
    codes = {c["code"] for r in results for c in r["code"]["coding"] if c["system"] == "http://loinc.org"}
    assert codes == {"2345-7", "2951-2"}
    assert "Prueba: are the codes right that are suggested: Glucosa Glucose" in mapping
    assert guesses["Prueba"].of == "Cód. prueba"


def test_names_of_vital_signs_in_a_long_chart_have_their_codes_with_what_r4_asks(tmp_path: Path) -> None:
    rows = (
        ("Pulse", "71", "bpm"),
        ("BP Systolic", "120", "mmHg"),
        ("Mood", "good", ""),
        ("Weight", "70", "stones"),
    )
    text = "FSD_ID,PAT_ID,RECORDED_TIME,FLO_MEAS_NAME,MEAS_VALUE,UNITS,DEPT\n" + "".join(
        f"9{n},{n % 3},02/{n + 10}/2024 10:00,{','.join(rows[n % 4])},5 West\n" for n in range(12)
    )
    _, made, mapping = converted(tmp_path, text)
    by_name = {r["code"]["text"]: r for r in of(made, "Observation")}
    assert by_name["Pulse"]["code"]["coding"][0]["code"] == "8867-4"
    assert by_name["BP Systolic"]["category"][0]["coding"][0]["code"] == "vital-signs"
    assert "coding" not in by_name["Mood"]["code"]
    assert "coding" not in by_name["Weight"]["code"]  # no unit of a weight that UCUM has
    assert by_name["Mood"]["extension"][0]["valueReference"] == {"display": "5 West"}
    assert "DEPT: is it where the event of the row was, as is assumed?" in mapping


def test_a_visit_beside_an_event_has_its_ward_and_none_of_the_events_times(tmp_path: Path) -> None:
    text = (
        "PAT_MRN_ID,PAT_ENC_CSN_ID,DEPARTMENT_NAME,MEDICATION_NAME,RXNORM_CODE,MAR_ACTION,TAKEN_TIME,PAYER_NAME\n"
        + "".join(
            f"{n % 3},100{n % 3},{'CVICU' if n % 3 else '4W'},LISINOPRIL 10 MG,314076,{('Given', 'Held')[n % 4 == 0]},2024-11-{n + 10} 08:00,Aetna\n"
            for n in range(12)
        )
    )
    _, made, _ = converted(tmp_path, text)
    visits = {v["id"]: v for v in of(made, "Encounter")}
    assert len(visits) == 3
    assert {v["location"][0]["location"]["display"] for v in visits.values()} == {"CVICU", "4W"}
    assert not any("period" in v for v in visits.values())
    assert all(
        r["context"]["reference"].split("/")[1] in visits for r in of(made, "MedicationAdministration")
    )
    assert {c["payor"][0]["display"] for c in of(made, "Coverage")} == {"Aetna"}


def test_a_hospital_its_site_and_the_insurer_have_their_numbers(tmp_path: Path) -> None:
    text = (
        "IK;Entlassender-Standort;KH-internes-Kennzeichen;IK-der-Krankenkasse;Geschlecht;Aufnahmedatum;Aufnahmegrund;Entlassungsdatum;Entlassungsgrund;Patientennummer\n"
        + "".join(
            f"260550131;772001000;240118{n + 10};10421250{n % 2};{'mw'[n % 2]};2024100{n}0635;0107;2024101{n}1636;0{n % 3}9;20005{n % 6}\n"
            for n in range(1, 10)
        )
    )
    _, made, _ = converted(tmp_path, text)
    visits = of(made, "Encounter")
    assert len(visits) == 9
    assert visits[0]["serviceProvider"]["identifier"] == {
        "system": "http://fhir.de/sid/arge-ik/iknr",
        "value": "260550131",
    }
    assert (
        visits[0]["location"][0]["location"]["identifier"]["system"]
        == "http://fhir.de/sid/dkgev/standortnummer"
    )
    assert {v["reasonCode"][0]["text"] for v in visits} == {"0107"}  # the zero stays
    assert {v["hospitalization"]["dischargeDisposition"]["text"] for v in visits} == {"009", "019", "029"}
    payers = {c["payor"][0]["identifier"]["value"] for c in of(made, "Coverage")}
    assert payers == {"104212500", "104212501"}


def test_what_a_column_says_again_is_not_asked_about(tmp_path: Path) -> None:
    text = "mrn,test,result,result_numeric,unit,collect_date,collect_datetime\n" + "".join(
        f"{n % 4},Potassium,{n}.5,{n}.50,mmol/L,2025-02-{n + 10},2025-02-{n + 10} 08:0{n % 6}:00\n"
        for n in range(10)
    )
    guesses, made, mapping = converted(tmp_path, text)
    assert guesses["collect_date"].role == guesses["result_numeric"].role == "again"
    assert all("T08:0" in r["effectiveDateTime"] for r in of(made, "Observation"))
    assert "collect_date:" not in mapping
    assert "result_numeric:" not in mapping


def test_a_column_that_names_the_code_system_is_believed(tmp_path: Path) -> None:
    text = "subject_id,hadm_id,seq_num,icd_code,icd_version\n" + "".join(
        f"100{n % 4},200{n % 4},{n},{('4019', 'I10')[n % 2]},{(9, 10)[n % 2]}\n" for n in range(12)
    )
    _, made, _ = converted(tmp_path, text)
    codings = {(c["system"], c["code"]) for r in of(made, "Condition") for c in r["code"]["coding"]}
    assert codings == {
        ("http://hl7.org/fhir/sid/icd-9-cm", "4019"),
        ("http://hl7.org/fhir/sid/icd-10", "I10"),
    }


def test_graded_findings_of_a_chart_and_a_register_of_yes_and_no(tmp_path: Path) -> None:
    text = "ID_PAZ;DATA_ESAME;FE (%);TAPSE (mm);Insuff. mitralica;MEDICO\n" + "".join(
        f"7{n};{n + 10}/03/2024;5{n};2{n};{('assente', 'lieve', 'severa')[n % 3]};Dott. Moretti\n"
        for n in range(9)
    )
    _, made, _ = converted(tmp_path, text)
    grades = [
        r["valueCodeableConcept"]["text"]
        for r in of(made, "Observation")
        if r["code"]["text"] == "Insuff. mitralica"
    ]
    assert sorted(set(grades)) == ["assente", "lieve", "severa"]
    assert {r["code"]["coding"][0]["code"] for r in of(made, "Observation") if r["code"]["text"] == "FE"} == {
        "10230-1"
    }
    assert {r["performer"][0]["display"] for r in of(made, "Observation")} == {"Dott. Moretti"}
    text = (
        "study_id,sex,hypertension,diabetes,stroke_history,arthritis,consent_given,falls_past_year\n"
        + "".join(f"S{n},F,{n % 2},{n % 3 % 2},{(n + 1) % 2},{n % 2},1,{n}\n" for n in range(8))
    )
    guesses, made, mapping = converted(tmp_path, text)
    assert {r["code"]["text"] for r in of(made, "Observation") if "valueBoolean" in r} == {
        "hypertension", "diabetes", "stroke_history", "arthritis",
    }  # fmt: skip
    assert guesses["falls_past_year"].unit == ""
    assert (
        "hypertension, diabetes, stroke_history, arthritis: is it a finding (yes or no), as is assumed"
        in mapping
    )
    assert "nothing but study_id distinguishes the rows" in mapping


def test_evidence_says_what_is_true(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text(
        "MRN,date,temperature,sbp,pain,PESO (kg)\n"
        + "".join(f"{n},2025-01-1{n},98.{n},12{n},{n},7{n}\n" for n in range(9))
    )
    for guess in draft_mapping(table).guesses[2:]:
        evidence = "; ".join(guess.evidence)
        assert "nothing known" not in evidence, guess.column
        assert "patient's identifier" not in evidence, guess.column


def test_doses_by_time_of_day_and_amounts_with_what_is_counted(tmp_path: Path) -> None:
    text = "Pat-Nr;Wirkstoff;Stärke;PZN;Morgens;Mittags;Abends;Einheit;Ansetzdatum\n" + "".join(
        f"{n % 3};Ramipril;5 mg;0900028{n};1;0;{n % 2};Stück;1{n}.02.2025\n" for n in range(9)
    )
    _, made, _ = converted(tmp_path, text)
    assert {r["dosage"][0]["text"] for r in of(made, "MedicationStatement")} == {"1-0-0 Stück", "1-0-1 Stück"}
    assert {r["medicationCodeableConcept"]["text"] for r in of(made, "MedicationStatement")} == {
        "Ramipril 5 mg"
    }
    text = "prescription_id,patient_id,medication_name,frequency,quantity,prescription_date\n" + "".join(
        f"RX{n},{n % 3},Ramipril,daily,28 tablets,2025-02-1{n}\n" for n in range(8)
    )
    _, made, _ = converted(tmp_path, text)
    assert {
        (r["dispenseRequest"]["quantity"]["value"], r["dispenseRequest"]["quantity"]["unit"])
        for r in of(made, "MedicationRequest")
    } == {(28, "tablets")}
