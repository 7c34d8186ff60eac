# ruff: noqa: E501 - tables are written as they are
"""`mapping new` takes nothing for a time, a value, a unit, a code or an identifier that only looks like it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.command import run_command
from tests.workshop.drafts import converted


def test_the_date_that_says_when_it_was_is_taken_not_the_first(tmp_path: Path) -> None:
    vaccines = "imm_id,mrn,vaccine,cvx,expiration_date,recorded_date,administered_date,lot\n" + "".join(
        f"{n},10{n % 3},Influenza,141,2027-01-01,2025-03-1{n},2025-02-1{n},L{n}\n" for n in range(8)
    )
    _, made, _ = converted(tmp_path, vaccines)
    given = [r for r in made if r["resourceType"] == "Immunization"]
    assert {r["occurrenceDateTime"] for r in given} == {f"2025-02-1{n}" for n in range(8)}
    assert {r["expirationDate"] for r in given} == {"2027-01-01"}
    results = "mrn,loinc,result,unit,ordered_date,received_date,expiry_date,collected_date\n" + "".join(
        f"10{n},2823-3,4.{n},mmol/L,2025-02-01,2025-03-01,2027-01-01,2025-02-0{n + 2}\n" for n in range(7)
    )
    _, made, text = converted(tmp_path, results)
    results = [r for r in made if r["resourceType"] == "Observation"]
    assert {r["effectiveDateTime"] for r in results} == {f"2025-02-0{n + 2}" for n in range(7)}
    assert "ordered_date: looks like when it was ordered; no rule reads it" in text


def test_numbers_for_no_value_are_none_and_none_of_a_grade_is_an_answer(tmp_path: Path) -> None:
    text = "mrn,study_date,sbp,dbp,AVA,MR_grade\n" + "".join(
        f"{n},2025-03-{n + 10},{(-9, 110 + n)[n % 4 > 0]},{70 + n},{(9999, 1.2)[n % 3 > 0]},{('none', 'mild')[n % 2]}\n"
        for n in range(12)
    )
    guesses, made, mapping = converted(tmp_path, text)
    assert guesses["sbp"].missing == ("-9",)
    values = [r["valueQuantity"]["value"] for r in made if "valueQuantity" in r]
    values += [
        c["valueQuantity"]["value"] for r in made for c in r.get("component", []) if "valueQuantity" in c
    ]
    assert values
    assert not {-9, 9999} & set(values)
    assert "sbp: -9 is taken for no value, not for a measurement: is it?" in mapping
    assert [
        r["valueCodeableConcept"]["text"] for r in made if r.get("code", {}).get("text") == "MR_grade"
    ].count("none") == 6


def test_a_unit_fits_its_measurement_or_is_asked(tmp_path: Path) -> None:
    text = "mrn,date,AV_mean_PG,Urine Output (mL/hr),Alcohol (units/week),gly_mg\n" + "".join(
        f"{n},2025-03-{n + 10},{20 + n},{40 + n},{n},{90 + n}\n" for n in range(9)
    )
    guesses, _, mapping = converted(tmp_path, text)
    assert [guesses[c].unit for c in guesses if guesses[c].role == "number"] == [
        "mm[Hg]",
        "mL/h",
        "{units}/wk",
        "",
    ]
    assert "AV_mean_PG: no unit is stated; is it mm[Hg]" in mapping
    assert "gly_mg: 'mg' is no unit of Glucose" in mapping


@pytest.mark.parametrize("header", ["badge", "device_serial", "room", "Hosp No", "code"])
def test_letters_with_digits_are_no_diagnoses(tmp_path: Path, header: str) -> None:
    text = f"patient,date,{header},hb (g/dl)\n" + "".join(
        f"{n},2025-03-{n + 10},K{500000 + n * 7},12\n" for n in range(9)
    )
    guesses, made, _ = converted(tmp_path, text)
    assert "icd" not in guesses[header].system
    assert {r["resourceType"] for r in made} <= {"Observation", "Patient"}


def test_numbers_of_rows_and_studies_are_nobodys_and_several_rows_of_a_patient_go_together(
    tmp_path: Path,
) -> None:
    text = "row_no,study_uid,mrn,dob,account_id,date,sodium (mmol/l)\n" + "".join(
        f"{n},1.2.840.{n},{n % 3},1950-01-0{n % 3 + 1},A{n * 17},2025-02-{n + 10},{135 + n}\n"
        for n in range(12)
    )
    _, made, mapping = converted(tmp_path, text)
    patients = [r for r in made if r["resourceType"] == "Patient"]
    assert len(patients) == 3
    assert all(len(patient["identifier"]) == 1 for patient in patients)
    assert "account_id" in mapping


def test_without_a_patient_rows_of_one_minute_stay_apart(tmp_path: Path) -> None:
    text = "time,heart rate,ward\n" + "2025-02-01 10:00,71,A\n2025-02-01 10:00,88,B\n2025-02-01 10:05,90,A\n"
    _, made, mapping = converted(tmp_path, text)
    assert sorted(r["valueQuantity"]["value"] for r in made) == [71, 88, 90]
    assert "no column identifies the patient" in mapping


def test_numbers_among_words_are_quantities_row_by_row(tmp_path: Path) -> None:
    cells = ["4.1", "<3", "Negative", "ND", "5.0", "6.2", "3.3", "2+"]
    text = "mrn,date,loinc,result,unit,ref_low,ref_high\n" + "".join(
        f"{n},2025-03-{n + 10},2823-3,{cell},mmol/L,3.5,5.1\n" for n, cell in enumerate(cells)
    )
    _, made, _ = converted(tmp_path, text)
    made = [r for r in made if r["resourceType"] == "Observation"]
    values = [
        r["valueQuantity"].get("comparator", "") if "valueQuantity" in r else r["valueString"] for r in made
    ]
    assert sorted(values) == sorted(["", "<", "Negative", "ND", "", "", "", "2+"])
    assert {r["referenceRange"][0]["low"]["code"] for r in made} == {"mmol/L"}


def test_editions_of_icd_10_are_asked_and_the_certainty_of_a_diagnosis_is_read(tmp_path: Path) -> None:
    text = "Fallnr;Pat.-ID;ICD-Kode;Diagnosetext;Sicherheit;Diagnosedatum\n" + "".join(
        f"F{n};4711{n};{code};{text};{sure};1{n}.03.2025\n"
        for n, (code, text, sure) in enumerate(
            (("I50.13", "Herzinsuffizienz", "G"), ("I26.9", "Lungenembolie", "A"), ("I21.4", "Infarkt", "V"), ("I63.9", "Hirninfarkt", "Z"))
        )
    )  # fmt: skip
    _, made, mapping = converted(tmp_path, text)
    made = [r for r in made if r["resourceType"] == "Condition"]
    assert {r["code"]["coding"][0]["system"] for r in made} == {"http://fhir.de/CodeSystem/bfarm/icd-10-gm"}
    assert "which edition of ICD-10 is it?" in mapping
    by_code = {r["code"]["coding"][0]["code"]: r for r in made}
    status = {code: r["verificationStatus"]["coding"][0]["code"] for code, r in by_code.items()}
    assert status == {"I50.13": "confirmed", "I26.9": "refuted", "I21.4": "provisional", "I63.9": "confirmed"}
    assert "clinicalStatus" not in by_code["I26.9"]
    assert by_code["I63.9"]["clinicalStatus"]["coding"][0]["code"] == "inactive"


def test_titles_above_the_header_and_a_header_that_is_missing(tmp_path: Path) -> None:
    titled = "Export Labor;;;\nStand: 01.02.2025;;;\nPat-Nr;Geburtsdatum;Natrium (mmol/l);Datum\n" + "".join(
        f"10{n};01.03.195{n};14{n};1{n}.01.2025\n" for n in range(6)
    )
    guesses, made, mapping = converted(tmp_path, titled)
    assert guesses["Natrium (mmol/l)"].unit == "mmol/L"
    assert "header: 3" in mapping
    assert len([r for r in made if r["resourceType"] == "Observation"]) == 6
    guesses, _, mapping = converted(
        tmp_path, "".join(f"10{n};Meier;0{n + 1}.03.1950;m;13,{n};140\n" for n in range(6))
    )
    assert "header: false" in mapping
    assert next(iter(guesses)) == "column 1"


def test_where_nothing_can_be_mapped_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x\n1\n2\n")
    done = run_command("mapping", "new", tmp_path / "t.csv", "--out", tmp_path / "m.yaml")
    assert done.returncode == 2
    assert "nothing in it can be mapped" in done.stderr
    assert not (tmp_path / "m.yaml").exists()


def test_a_cell_of_three_megabytes_is_no_internal_error(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "mrn,date,weight (kg),note\n1,2025-03-01,70," + "x" * 3_000_000 + "\n2,2025-03-02,71,\n"
    )
    done = run_command("mapping", "new", tmp_path / "t.csv", "--out", tmp_path / "m.yaml")
    assert done.returncode in (0, 1)
    assert "2 rows read" in done.stderr
    assert "internal error" not in done.stderr.casefold()


@pytest.mark.parametrize(
    ("header", "letters", "codes"),
    [
        ("SEXO", "HM", {"H": "male", "M": "female"}),
        ("sex", "HM", {"H": "male", "M": "female"}),
        ("sexo", "VM", {"V": "male", "M": "female"}),
        ("sexo", "MF", {"M": "male", "F": "female"}),
        ("Geschlecht", "MW", {"M": "male", "W": "female"}),
        ("sexe", "HF", {"H": "male", "F": "female"}),
        ("sex", "VM", {}),
        ("sex_code", "12", {}),
        ("sexo", "M", {}),
        ("sex", "MH F", {}),
    ],
)
def test_letters_for_the_sex_are_read_as_a_set(
    tmp_path: Path, header: str, letters: str, codes: dict[str, str]
) -> None:
    letters = letters.replace(" ", "")
    text = f"NHC;{header};fecha_nacimiento;peso (kg)\n" + "".join(
        f"30{n};{letters[n % len(letters)]};1{n}/05/1950;7{n}\n" for n in range(8)
    )
    guesses, made, mapping = converted(tmp_path, text)
    assert guesses[header].words == codes
    assert {r.get("gender") for r in made if r["resourceType"] == "Patient"} == (
        set(codes.values()) or {None}
    )
    if not codes or ("H" in letters[:1] and "M" in letters):
        assert f"{header}: " in mapping.partition("To be answered")[2]


@pytest.mark.parametrize(
    ("written", "usual"),
    [
        ("31/12/9999", "{:02}/05/2021"),
        ("9999-12-31", "2021-05-{:02}"),
        ("99991231", "202105{:02}"),
        ("2999-12-31 00:00", "2021-05-{:02} 10:00"),
        ("1899-12-30", "2021-05-{:02}"),
        ("01.01.0001", "{:02}.05.2021"),
        ("01/01/1753", "{:02}/05/2021"),
    ],
)
def test_days_that_systems_write_for_never_are_no_days(tmp_path: Path, written: str, usual: str) -> None:
    for dead in (2, 0):
        text = "mrn;family;birth_date;death_date\n" + "".join(
            f"30{n};Name;{(f'194{n}-03-0{n + 1}', '1900-01-01')[n == 4]};{usual.format(n + 10) if n < dead else written}\n"
            for n in range(9)
        )
        guesses, made, mapping = converted(tmp_path, text)
        died = [r["deceasedDateTime"] for r in made if "deceasedDateTime" in r]
        assert len(died) == dead
        assert all(day.startswith("2021-05") for day in died)
        assert len([r for r in made if "birthDate" in r]) == 8
        assert f"death_date: {written} is taken for no value, not for a date: is it?" in mapping
        assert "birth_date: 1900-01-01 is taken for no value" in mapping
        assert guesses["death_date"].role == "death-date"


GIVEN = (
    ("statut_adm", ("Administré", "Refusé", "Non administré", "Administré"), "motif_non_adm"),
    ("MAR action", ("given", "refused", "omitted", "held"), "reason not given"),
    ("Status", ("gegeben", "nicht gegeben", "verweigert", "gegeben"), "Grund nicht gegeben"),
    ("what happened", ("given", "refused", "given", "not given"), "reason_not_given"),
)


@pytest.mark.parametrize(("header", "words", "reason"), GIVEN)
def test_what_was_not_given_is_not_done_with_its_reason_and_the_dose_is_what_was_given(
    tmp_path: Path, header: str, words: tuple[str, ...], reason: str
) -> None:
    text = (
        f"id_adm;mrn;drug;ATC;route;dose_presc (mg);dose_adm (mg);date_prevue;date_adm;{header};{reason}\n"
        + "".join(
            f"55{n};30{n % 3};Morphine;N02AA01;IV;{n + 10};{n + 5 if words[n % 4] == words[0] else ''};2024-02-{n + 10} 10:00;"
            f"2024-02-{n + 10} 11:00;{words[n % 4]};{'' if words[n % 4] in (words[0],) else 'asleep'}\n"
            for n in range(8)
        )
    )
    guesses, made, _ = converted(tmp_path, text)
    rows = sorted(
        (r for r in made if r["resourceType"] == "MedicationAdministration"),
        key=lambda r: r["effectiveDateTime"],
    )
    assert [r["status"] for r in rows] == [
        "completed" if words[n % 4] == words[0] else "not-done" for n in range(8)
    ]
    doses = [r.get("dosage", {}).get("dose", {}).get("value") for r in rows]
    assert doses == [n + 5 if words[n % 4] == words[0] else None for n in range(8)]
    assert all("T11:00" in r["effectiveDateTime"] for r in rows)
    assert {r["statusReason"][0]["text"] for r in rows if r["status"] == "not-done"} == {"asleep"}
    assert not any("reasonCode" in r or "encounter" in r or "context" in r for r in rows)
    assert guesses["id_adm"].role == "event-id"


def test_a_status_that_is_not_understood_is_no_constant_and_is_asked(tmp_path: Path) -> None:
    text = "mrn;drug;ATC;dose given (mg);given at;status;given yn\n" + "".join(
        f"30{n};Morphine;N02AA01;{n + 5};2024-02-{n + 10} 11:00;{'XYZ'[n % 3]}{'QW'[n % 2]}Q;\n"
        for n in range(6)
    )
    _, made, mapping = converted(tmp_path, text)
    assert {r["status"] for r in made if r["resourceType"] == "MedicationAdministration"} == {"unknown"}
    assert "status: does it say the status of each MedicationAdministration?" in mapping
    text = "mrn;drug;ATC;dose given (mg);given at;jelez\n" + "".join(
        f"30{n};Morphine;N02AA01;{n + 5};2024-02-{n + 10} 11:00;{('beadva', 'nem beadva')[n % 2]}\n"
        for n in range(6)
    )
    assert "is taken for completed: is it, or does jelez say it?" in converted(tmp_path, text)[2]
    text = "mrn;drug;ATC;start;stop;status\n" + "".join(
        f"30{n};Morphine;N02AA01;2024-02-{n + 10};2024-03-{n + 10};{'XYZ'[n % 3]}QQ\n" for n in range(6)
    )
    _, made, _ = converted(tmp_path, text)
    assert {r["status"] for r in made if r["resourceType"].startswith("Medication")} == {"unknown"}
    text = "mrn;drug;ATC;dose given (mg);given at;was given\n" + "".join(
        f"30{n};Morphine;N02AA01;{n + 5};2024-02-{n + 10} 11:00;{'YN'[n % 2]}\n" for n in range(6)
    )
    _, made, mapping = converted(tmp_path, text)
    assert sorted(r["status"] for r in made if r["resourceType"] == "MedicationAdministration") == [
        "completed", "completed", "completed", "not-done", "not-done", "not-done"
    ]  # fmt: skip


def test_capitals_are_no_mega(tmp_path: Path) -> None:
    text = "PAT_MRN,SURG_DT,CPT4,PROC_DESC,EBL_ML,DEBIT_ML_H\n" + "".join(
        f"E10{n},2025-02-{n + 10},2744{n},Arthroplasty,{n * 10},{n + 100}\n" for n in range(8)
    )
    guesses, made, _ = converted(tmp_path, text)
    assert guesses["EBL_ML"].unit.casefold() == "ml"
    assert {r["valueQuantity"]["code"] for r in made if r["resourceType"] == "Observation"} <= {
        "ml",
        "mL",
        "ml/h",
    }


def test_a_beginning_common_to_many_headers_hides_nothing(tmp_path: Path) -> None:
    names = "SID,TestName,ResultValue,Units,SpecimenDateTime,CompleteDateTime,RefLow,RefHigh"
    text = ",".join(f"QxLab{name}" for name in names.split(",")) + ",PatientICN,LOINC\n" + "".join(
        f"98{n},SODIUM,14{n},mmol/L,2019-03-1{n} 10:00:00,2019-03-1{n} 12:00:00,136,145,10{n}V{n},2951-2\n"
        for n in range(8)
    )  # fmt: skip
    _, made, mapping = converted(tmp_path, text)
    results = [r for r in made if r["resourceType"] == "Observation"]
    assert sorted(r["valueQuantity"]["value"] for r in results) == list(range(140, 148))
    assert {r["effectiveDateTime"][11:16] for r in results} == {"10:00"}
    assert "=patient(row.PatientICN)" in mapping
    baby = "baby_id,baby_sex,baby_birth_date,baby_weight_kg,mother_mrn\n" + "".join(
        f"{n},F,2020-01-0{n + 1},3.{n},9{n}\n" for n in range(8)
    )
    guesses, _, _ = converted(tmp_path, baby)
    assert guesses["baby_sex"].name == "baby_sex"


def test_a_star_beside_high_or_low_is_critical_and_other_marks_are_asked(tmp_path: Path) -> None:
    text = "mrn,date,loinc,result,unit,flag\n" + "".join(
        f"{n},2025-03-{n + 10},2823-3,{n + 2}.1,mmol/L,{('H', 'L', 'H*', 'L*', '^', '')[n % 6]}\n"
        for n in range(12)
    )
    _, made, mapping = converted(tmp_path, text)
    codes = {
        r["interpretation"][0]["coding"][0]["code"] if "coding" in r["interpretation"][0] else "text"
        for r in made
        if "interpretation" in r
    }
    assert codes == {"H", "L", "HH", "LL", "text"}
    assert "'h*' → HH" in mapping
    assert "which interpretation does each of these mean: ^" in mapping


def test_a_register_of_people_gives_no_results_of_what_is_not_known(tmp_path: Path) -> None:
    text = "NHC|NAME|F_NAC|SEXO|XNUM|TELX|CIV2|TOWNX|FAMDOC|CHGUSR|CHILDREN\n" + "".join(
        f"30{n}|Lopez{n}|1{n}/04/1953|{'HM'[n % 2]}|28107616540{n}|99455400{n % 4}|{'SCVD'[n % 4]}|"
        f"{('Madrid', 'Elche')[n % 2]}|{('Dra. Olmo', 'Dr. Ruiz')[n % 2]}|ADM0{n % 3}|{n % 4}\n"
        for n in range(9)
    )
    guesses, made, mapping = converted(tmp_path, text)
    assert {r["resourceType"] for r in made} == {"Patient"}
    for column in ("XNUM", "TELX", "CIV2", "TOWNX", "FAMDOC", "CHGUSR"):
        assert not guesses[column].uses
        assert re.search(rf"^# \d+\. .*\b{column}\b.*no rule reads it", mapping, re.MULTILINE)
    chart = "mrn;time;heart rate;SpO2;temp;xpar;xcode;zid\n" + "".join(
        f"30{n};2025-02-01 1{n}:00;7{n};9{n};36.{n};{n}.5;{'AB'[n % 2]};84000{n * 7}\n" for n in range(9)
    )
    _, made, mapping = converted(tmp_path, chart)
    assert {r["code"]["text"] for r in made if r["resourceType"] == "Observation"} == {
        "heart rate", "SpO2", "temp", "xpar"
    }  # fmt: skip
    assert "xcode: " in mapping


CHART = "PatID;Messzeit;HF;ZVD;Laktat;Kommentar\n" + "".join(
    f"4001{n};27.11.2024 2{n % 4}:00;9{n};1{n};1,{n};ruhig, schläft, {n}\n" for n in range(9)
)


@pytest.mark.parametrize(
    "above",
    [
        "",
        "Kurve - Station ITS2 - erstellt 29.11.2024 07:14\n\n",
        "Kurve, Station ITS2, erstellt, 29.11.2024, von, mir, selbst\n",
        "Kurve\nITS2; erstellt\n\n",
        "Kurve ITS2;;;;;\n",
        "Kurve | Station | ITS2 | 2024 | A | B | C | D\n",
    ],
)
def test_a_title_above_the_header_changes_nothing(tmp_path: Path, above: str) -> None:
    guesses, made, _ = converted(tmp_path, above + CHART)
    assert list(guesses)[:3] == ["PatID", "Messzeit", "HF"]
    values = sorted(r["valueQuantity"]["value"] for r in made if r.get("code", {}).get("text") == "Laktat")
    assert values == [pytest.approx(1 + n / 10) for n in range(9)]


def test_one_column_named_after_a_title_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "Weight report of the ward of today\n" + "".join(f"10{n}~7{n}.5\n" for n in range(6))
    )
    done = run_command("mapping", "new", tmp_path / "t.csv", "--out", tmp_path / "m.yaml")
    assert done.returncode == 2
    assert "only one column is found" in done.stderr


def test_results_of_one_accession_stay_apart_and_their_patient_is_there(tmp_path: Path) -> None:
    text = "accession,patient_icn,loinc,test,result,unit,collected\n" + "".join(
        f"CH{n},1014{n}V5,{('2823-3', '2951-2')[n % 2]},{('K', 'NA')[n % 2]},{n + 1},mmol/L,2025-02-0{n + 1}\n"
        for n in range(6)
    )
    _, made, mapping = converted(tmp_path, text)
    assert 'key: ["row.patient_icn", "row.collected", "row.loinc", "row.accession"]' in mapping
    patients = [r for r in made if r["resourceType"] == "Patient"]
    assert sorted(p["identifier"][0]["value"] for p in patients) == [f"1014{n}V5" for n in range(6)]
    (tmp_path / "p.csv").write_text(text + "CH5,10145V5,2823-3,K,9,mmol/L,2025-02-06\n")
    run = run_command(
        "convert", tmp_path / "p.csv", "--adapter", "csv", "--mapping", tmp_path / "m.yaml",
        "--site", tmp_path / "site.yaml", "--out", tmp_path / "again", "--force",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert len((tmp_path / "again" / "Observation.ndjson").read_text().splitlines()) == 7


def test_a_laboratory_table_without_a_known_value_says_so_first(tmp_path: Path) -> None:
    text = "mrn,loinc,zzq,unit,collected\n" + "".join(
        f"10{n},2823-3,{n}.5,mmol/L,2025-02-0{n + 1}\n" for n in range(6)
    )
    _, made, mapping = converted(tmp_path, text)
    assert "# 1. no column holds the result: is it zzq?" in mapping.replace("# 2. no", "# 1. no")
    results = [r for r in made if r["resourceType"] == "Observation"]
    assert all("dataAbsentReason" in r for r in results)


def test_the_text_of_a_diagnosis_after_is_not_that_before_and_a_case_is_no_visit(tmp_path: Path) -> None:
    for text_name, of in (("PREOP_DX", ""), ("POSTOP_DX", "POSTOP_DX_ICD10")):
        text = (
            f"CASE_NUM,PATIENT_XCN,SURG_DT,CPT4,PROC_DESC,LATERALITY,{text_name},POSTOP_DX_ICD10\n"
            + "".join(
                f"OR25-{n},90210{n % 3},2025-02-{n + 10},27447,Arthroplasty of knee,Right,"
                f"{('Primary osteoarthritis', 'Carpal tunnel syndrome')[n % 2]},{('M17.11', 'G56.01')[n % 2]}\n"
                for n in range(8)
            )
        )
        guesses, made, _ = converted(tmp_path, text)
        assert guesses[text_name].of == of
        assert guesses["CASE_NUM"].role == "event-id"
        assert guesses["PATIENT_XCN"].role == "patient-id"
        assert "Encounter" not in {r["resourceType"] for r in made}
