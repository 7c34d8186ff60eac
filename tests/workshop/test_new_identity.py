# ruff: noqa: E501 - tables are written as they are
"""`mapping new`: a second event of a patient, visit or order never overwrites the first, though the sample has one of each."""

from __future__ import annotations

from pathlib import Path

from tests.workshop.drafts import converted, converted_again

ECHO = "ID_PAZ;COGNOME;NOME;DATA_NASC;SESSO;N_ESAME;DATA_ESAME;PESO (kg);FE (%);TAPSE (mm)\n"


def echo(patient: int, number: int, day: int, ef: int) -> str:
    return f"{patient};Rossi{patient};Ada;1{patient % 8}/11/1950;F;E{number};{day:02}/03/2024;61,5;{ef};21\n"


def test_a_second_examination_of_a_patient_stands_beside_the_first(tmp_path: Path) -> None:
    _, made, _ = converted(
        tmp_path, ECHO + "".join(echo(70100 + n, 200 + n, n + 1, 50 + n) for n in range(9))
    )
    patients = [r for r in made if r["resourceType"] == "Patient"]
    assert {p["name"][0]["family"] for p in patients} == {f"Rossi{70100 + n}" for n in range(9)}
    assert all("subject" in r for r in made if r["resourceType"] == "Observation")
    later, code = converted_again(
        tmp_path,
        ECHO + echo(70100, 200, 1, 50) + echo(70100, 301, 1, 35) + echo(70100, 302, 15, 40),
    )
    assert code == 0
    fractions = [
        r["valueQuantity"]["value"]
        for r in later
        if r.get("code", {}).get("text") == "FE" and "valueQuantity" in r
    ]
    assert sorted(fractions) == [35, 40, 50]


def test_the_visit_number_that_every_row_has_makes_the_visit(tmp_path: Path) -> None:
    header = "subject_id,hadm_id,stay_id,intime,outtime,gender,disposition,heartrate\n"

    def stay(n: int, admission: object, number: int) -> str:
        return f"{17000 + n},{admission},{number},2150-01-{n + 1:02} 10:00:00,2150-01-{n + 1:02} 15:00:00,F,HOME,{70 + n}\n"

    text = header + "".join(stay(n, 21000 + n if n % 3 == 0 else "", 39000 + n) for n in range(12))
    _, made, mapping = converted(tmp_path, text)
    visits = [r for r in made if r["resourceType"] == "Encounter"]
    assert len(visits) == 12
    assert sum(len(v["identifier"]) == 2 for v in visits) == 4
    assert "hadm_id: is it a further number of the visit that stay_id identifies" in mapping
    later, code = converted_again(tmp_path, header + stay(0, 21000, 39000) + stay(0, 21000, 39999))
    assert code == 0
    assert len([r for r in later if r["resourceType"] == "Encounter"]) == 2


def test_a_visit_without_a_number_is_that_of_its_patient_and_time(tmp_path: Path) -> None:
    text = "mrn,visit_id,admit_date,discharge_date,class\n" + "".join(
        f"10{n % 4},{'' if n % 3 else f'V{n}'},2025-02-{n + 1:02},2025-02-{n + 3:02},inpatient\n"
        for n in range(9)
    )
    _, made, _ = converted(tmp_path, text)
    assert len([r for r in made if r["resourceType"] == "Encounter"]) == 9


MAR = "PAT_MRN_ID,PAT_NAME,SEX,PAT_ENC_CSN_ID,ORDER_MED_ID,MEDICATION_ID,MEDICATION_NAME,RXNORM_CODE,MAR_ACTION,TAKEN_TIME,SIG,DOSE_UNIT,ROUTE,INFUSION_RATE,MAR_INF_RATE_UNIT,SITE,REASON\n"
DRUGS = (
    ("8211", "LISINOPRIL 10 MG PO TABS", "314076"),
    ("27838", "INSULIN LISPRO 100 UNIT/ML SC SOLN", "865098"),
)


def administration(n: int, order: int, action: str = "Given", **more: str) -> str:
    number, drug, code = DRUGS[n % 2]
    sig, rate = more.get("sig", "10"), more.get("rate", "")
    return (
        f'51{n % 3},"WHITTAKER,ROY J",Male,1002{n % 3},{order},{number},{drug},{code},{action},11/{n % 20 + 9}/2024 8:03:00 AM,'
        f"{sig},{'mg' if sig else ''},Oral,{rate},{'mL/hr' if rate else ''},{more.get('site', '')},{more.get('reason', '')}\n"
    )


def test_two_orders_and_two_actions_of_one_minute_stay_apart(tmp_path: Path) -> None:
    rows = [administration(n, 3184 + n % 5) for n in range(14)]
    rows += [administration(n, 3184, "Refused", sig="", reason="asleep") for n in (15, 16)]
    rows += [administration(18, 3184, "New Bag", sig="", rate="12.5", site="Left Arm")]
    guesses, made, _ = converted(tmp_path, MAR + "".join(rows))
    given = [r for r in made if r["resourceType"] == "MedicationAdministration"]
    assert len(given) == 17
    assert guesses["MEDICATION_ID"].role == "code"
    codes = given[0]["medicationCodeableConcept"]["coding"]
    assert [c["code"] for c in codes] in ([code, number] for number, _, code in DRUGS)
    assert {r["request"]["identifier"]["value"] for r in given} == {str(3184 + n) for n in range(5)}
    refused = [r for r in given if r["status"] == "not-done"]
    assert [r["statusReason"][0]["text"] for r in refused] == ["asleep", "asleep"]
    assert not any("reasonCode" in r for r in given)
    assert {r["dosage"]["route"]["text"] for r in given} == {"Oral"}
    [infusion] = [r for r in given if "rateQuantity" in r["dosage"]]
    assert infusion["dosage"]["rateQuantity"]["code"] == "mL/h"
    assert infusion["dosage"]["site"]["text"] == "Left Arm"
    assert {r["dosage"]["dose"].get("unit") for r in given if "value" in r["dosage"].get("dose", {})} == {
        "mg"
    }
    later, code = converted_again(
        tmp_path, MAR + administration(1, 3184) + administration(1, 3185) + administration(1, 3185, "Refused")
    )
    assert code == 0
    assert len([r for r in later if r["resourceType"] == "MedicationAdministration"]) == 3


def test_a_minus_beside_a_plus_is_a_value_and_words_for_nothing_are_those_of_their_column(
    tmp_path: Path,
) -> None:
    header = "NHC;Fecha extracción;Cód. prueba;Prueba;Resultado;Unidades;Alarma;Observaciones\n"
    text = header + "".join(
        f"82{n};{n + 1:02}/11/2024;K;Potasio;{n},1;mmol/L;{('+', '-', '')[n % 3]};{'-' if n % 2 else 'hemolizada'}\n"
        for n in range(9)
    )
    _, made, mapping = converted(tmp_path, text)
    flags = [r["interpretation"][0]["coding"][0]["code"] for r in made if "interpretation" in r]
    assert sorted(flags) == ["H"] * 3 + ["L"] * 3
    assert {r["note"][0]["text"] for r in made if "note" in r} == {"hemolizada"}
    assert 'missing: ["-"]  #' not in mapping


def test_a_count_of_the_rows_is_not_the_number_of_an_event_in_the_next_export(tmp_path: Path) -> None:
    header = "id,patient_id,date,weight (kg)\n"
    _, made, _ = converted(tmp_path, header + "".join(f"{n},P{n},2025-01-1{n},6{n}.5\n" for n in range(1, 9)))
    later, code = converted_again(tmp_path, header + "1,P7,2025-02-20,70.5\n2,P1,2025-01-11,61.5\n")
    assert code == 0
    before = {r["id"] for r in made if r["resourceType"] == "Observation"}
    assert not before & {r["id"] for r in later if r["resourceType"] == "Observation"}


def test_numbers_of_visits_that_patients_share_make_no_visit(tmp_path: Path) -> None:
    text = "subject_id,visit_no,date,sodium (mmol/l)\n" + "".join(
        f"S{n // 3},{n % 3 + 1},2025-01-{n + 10},{135 + n}\n" for n in range(12)
    )
    guesses, made, _ = converted(tmp_path, text)
    assert guesses["visit_no"].role == "administrative"
    assert not any("encounter" in r or r["resourceType"] == "Encounter" for r in made)
