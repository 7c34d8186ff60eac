# ruff: noqa: E501 - tables and what their columns are stand side by side
"""`mapping new`: each guess is right, stated with its evidence, and what is open is asked; the sample converts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_bridge.workshop.first_mapping import Guess, draft_mapping
from fhir_bridge.workshop.first_mapping.values import date_form
from fhir_bridge.workshop.trial import convert_with
from tests.command import run_command

GERMAN = (
    "PatNr;Name;Vorname;Geburtsdatum;Geschlecht;Größe (cm);Gewicht (kg);Kreatinin (mg/dl);Raucher;Bemerkung\n"
    "4711;Rossi;Anna;05.04.1961;w;168;71,5;0,9;nein;\n"
    "4712;Weber;Hans;17.11.1954;m;181;92,0;1,1;ja;kam zu spät, sonst alles in Ordnung heute\n"
    "4713;Müller;Eva;28.02.1970;w;159;55,4;-;nein;zweite Messung am linken Arm wegen Verband\n"
)
FRENCH = (
    "IPP;Nom;Prénom;Date de naissance;Sexe;Ville;Code postal\n"
    "A1;Durand;Marie;13/05/1980;F;Lyon;69003\nA2;Petit;Luc;02/11/1975;M;Paris;75011\n"
)
ITALIAN = (
    "Codice paziente,Cognome,Nome,Data di nascita,Sesso\nP1,Rossi,Ada,1961-04-05,F\nP2,Bo,Ugo,1950-01-02,M\n"
)
SPANISH = (
    "NHC,Apellidos,Nombre,Fecha de nacimiento,Sexo,Peso\n1,Gil,Ana,05-04-1961,mujer,61.5\n"
    "2,Ruiz,Leo,25-12-1950,hombre,80\n"
)


def guessed(
    tmp_path: Path, content: str, name: str = "table.csv", encoding: str = "utf-8"
) -> dict[str, Guess]:
    file = tmp_path / name
    file.write_bytes(content.encode(encoding))
    draft = draft_mapping(file)
    account = convert_with(draft.text, file).account
    assert account.converted == account.read > 0
    assert account.rejected == account.withheld == 0
    return {guess.column: guess for guess in draft.guesses}


def roles(guesses: dict[str, Guess]) -> dict[str, str]:
    return {column: guess.label for column, guess in guesses.items()}


def test_a_german_table_with_decimal_commas_and_units_in_its_header(tmp_path: Path) -> None:
    assert roles(guessed(tmp_path, GERMAN, encoding="cp1252")) == {
        "PatNr": "patient-id",
        "Name": "family",
        "Vorname": "given",
        "Geburtsdatum": "birth-date dd.MM.yyyy",
        "Geschlecht": "sex",
        "Größe (cm)": "number cm",
        "Gewicht (kg)": "number kg",
        "Kreatinin (mg/dl)": "number mg/dL",
        "Raucher": "boolean",
        "Bemerkung": "note",
    }


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (FRENCH, ["patient-id", "family", "given", "birth-date dd/MM/yyyy", "sex", "city", "postal-code"]),
        (ITALIAN, ["patient-id", "family", "given", "birth-date", "sex"]),
        (SPANISH, ["patient-id", "family", "given", "birth-date dd-MM-yyyy", "sex", "number kg"]),
    ],
)
def test_headers_in_french_italian_and_spanish(tmp_path: Path, content: str, expected: list[str]) -> None:
    assert list(roles(guessed(tmp_path, content)).values()) == expected


def test_a_long_table_of_results(tmp_path: Path) -> None:
    content = (
        "patient_id,order_id,loinc,test name,result,units,ref range,collected,status\n"
        "P1,A-1,2823-3,Potassium,4.1,mmol/L,3.5-5.1,2026-03-01T08:00:00+01:00,final\n"
        "P1,A-1,2951-2,Sodium,139,mmol/L,136-145,2026-03-01T08:00:00+01:00,final\n"
        "P2,A-2,718-7,Hemoglobin,<13.1,g/dL,13-17,2026-03-02T09:15:00+01:00,final\n"
        "P2,A-2,5778-6,Color of Urine,yellow,,,2026-03-02T09:15:00+01:00,final\n"
    )
    guesses = guessed(tmp_path, content, "labs.csv")
    assert roles(guesses) | {"result": "value"} == {
        "patient_id": "patient-id",
        "order_id": "order-id",
        "loinc": "code http://loinc.org",
        "test name": "test of loinc",
        "result": "value",
        "units": "unit of result",
        "ref range": "range",
        "collected": "collected",
        "status": "status",
    }
    file = tmp_path / "labs.csv"
    resources = convert_with(draft_mapping(file).text, file).resources
    results = [r for r in resources if r["resourceType"] == "Observation"]
    values = [r.get("valueQuantity", {}).get("code") or r.get("valueString") for r in results]
    assert values == ["mmol/L", "mmol/L", "g/dL", "yellow"]


def test_codes_are_known_by_form_and_check_digit(tmp_path: Path) -> None:
    rows = [
        ("I10", "C07AB02", "38341003", "Hypertension"),
        ("E11.9", "A10BA02", "44054006", "Diabetes"),
        ("J45.0", "R03AC02", "195967001", "Asthma"),
        ("N18.3", "C09AA05", "433144002", "Renal disease"),
        ("F32.1", "N06AB06", "35489007", "Depression"),
        ("K21.0", "A02BC01", "235595009", "Reflux"),
    ]
    body = "\n".join(f"P{n},{','.join(row)}" for n, row in enumerate(rows))
    guesses = guessed(tmp_path, f"mrn,dx,rx,finding,description\n{body}\n")
    assert guesses["dx"].system == "http://hl7.org/fhir/sid/icd-10"
    assert guesses["rx"].system == "http://www.whocc.no/atc"
    assert guesses["finding"].system == "http://snomed.info/sct"


def test_a_date_that_may_be_read_both_ways_is_asked_about(tmp_path: Path) -> None:
    guess = guessed(tmp_path, "id,visit date,weight\n1,03/04/2026,70\n2,05/06/2026,71\n")["visit date"]
    assert any("day from month" in question for question in guess.questions)
    sure = guessed(tmp_path, "id,visit date,weight\n1,03/24/2026,70\n2,05/06/2026,71\n")["visit date"]
    assert sure.format == "MM/dd/yyyy"
    assert sure.questions == []


def test_numbers_for_the_sex_are_asked_about_not_guessed(tmp_path: Path) -> None:
    guesses = guessed(tmp_path, "patient_id,sex,age\n1,1,40\n2,2,50\n3,1,61\n")
    assert any("which sex" in question for question in guesses["sex"].questions)
    assert guesses["sex"].words == {}


def test_each_guess_is_a_comment_with_its_evidence_and_each_question_is_numbered(tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_text(GERMAN, "utf-8")
    out = tmp_path / "walk" / "mapping.yaml"
    done = run_command("mapping", "new", tmp_path / "w.csv", "--out", out, "--name", "walk")
    assert done.returncode == 0
    text = out.read_text()
    for column in GERMAN.split("\n")[0].split(";"):
        assert any(line.startswith("#") and column in line for line in text.splitlines())
    assert "# To be answered:" in text
    assert '- {text: "=row.Bemerkung"}' in text
    assert 'decimal: ","' in text
    assert 'missing: ["-"]' in text
    assert "3 rows read, 3 converted, 0 rejected" in done.stderr
    assert run_command("mapping", "check", out).returncode == 0
    assert run_command("mapping", "new", tmp_path / "w.csv", "--out", out).returncode == 2


def test_a_code_that_is_suggested_is_marked_and_vital_signs_wait_for_a_time(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("patient_id,date,heart rate,Glucose (mg/dL)\nP1,2026-03-01,71,90\nP2,2026-03-02,66,101\n")
    text = draft_mapping(file).text
    assert "8867-4" in text
    assert "suggested" in text
    assert "Heart rate (LOINC 8867-4)" in text
    file.write_text("heart rate,Glucose (mg/dL)\n71,90\n66,101\n")
    text = draft_mapping(file).text
    assert 'code: "8867-4"' not in text
    assert "no column identifies the patient" in text


@pytest.mark.parametrize("content", [b"", b"a,b\n", b"\x00\x01\x02\x03", b"a,a\n1,2\n", b"a,b\n1\n"])
def test_what_is_no_table_is_a_wrong_call(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.csv").write_bytes(content)
    done = run_command("mapping", "new", tmp_path / "x.csv")
    assert done.returncode == 2
    assert "x.csv" in done.stderr


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r\n"), max_size=12)


@settings(max_examples=12)
@given(
    columns=st.lists(CELL.filter(str.strip), min_size=1, max_size=5, unique_by=str.strip),
    data=st.data(),
)
def test_any_table_gives_a_mapping_that_compiles(
    tmp_path_factory: pytest.TempPathFactory, columns: list[str], data: st.DataObject
) -> None:
    """Names with quotes, backticks, colons, any script; cells of any text: the document is right all the same."""
    rows = data.draw(
        st.lists(st.lists(CELL, min_size=len(columns), max_size=len(columns)), min_size=1, max_size=4)
    )
    file = tmp_path_factory.mktemp("any") / "t.csv"
    lines = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in [columns, *rows]]
    file.write_text("\n".join(lines) + "\n", "utf-8", newline="")
    done = run_command("mapping", "new", file, "--out", file.with_suffix(".yaml"))
    assert done.returncode in (0, 1, 2)
    if done.returncode != 2:
        assert run_command("mapping", "check", file.with_suffix(".yaml")).returncode == 0


@pytest.mark.shared
def test_tables_of_synthea_are_read_right(shared: Path) -> None:
    wanted = json.loads(Path(__file__).with_name("synthea_columns.json").read_text())
    right = total = 0
    for name, columns in wanted.items():
        file = shared / "data/synthea-csv-27nj" / f"{name}.csv"
        guesses = {guess.column: guess for guess in draft_mapping(file).guesses}
        for column, roles_ in columns.items():
            total += 1
            right += any(guesses[column].label.startswith(role) for role in roles_.split("|"))
    assert right >= 0.95 * total


# Tables in other people's styles, written for this test. What each column is was written down first.

STYLES = {
    "vitalwerte": (
        "cp1252",
        "sep=;\r\nFallnummer;PatNr;Messdatum;Messzeit;Temp. °C;HF (1/min);RR;Bemerkung\r\n"
        + "".join(
            f"F20{n % 3};88{n % 3};{n + 10}.01.2026;{n}:15;36,{n};{70 + n};12{n}/7{n};{'unruhig, gelagert' if n % 3 else ''}\r\n"
            for n in range(8)
        ),
        {
            "Fallnummer": "encounter-id", "PatNr": "patient-id", "Messdatum": "collected dd.MM.yyyy", "Messzeit": "time-of-day H:mm of Messdatum",
            "Temp. °C": "number Cel", "HF (1/min)": "number /min", "RR": "blood-pressure mm[Hg]", "Bemerkung": "note",
        },
    ),
    "ingresos": (
        "cp1252",
        "NHC;Nombre;Apellidos;Fecha Nacimiento;Sexo;Nº Episodio;Fecha Ingreso;Fecha Alta;Teléfono;Ciudad\r\n"
        + "".join(
            f"33{n};Ana;García {n};{n + 10}-03-1970;{'Mujer' if n % 2 else 'Hombre'};E900{n};{n + 10}-02-2026 10:1{n};{n + 12}-02-2026 12:00;+34 600 11 22 3{n};Madrid\r\n"
            for n in range(9)
        ),
        {
            "NHC": "patient-id", "Nombre": "given", "Apellidos": "family", "Fecha Nacimiento": "birth-date dd-MM-yyyy", "Sexo": "sex",
            "Nº Episodio": "encounter-id", "Fecha Ingreso": "admitted dd-MM-yyyy HH:mm", "Fecha Alta": "discharged dd-MM-yyyy HH:mm", "Teléfono": "phone", "Ciudad": "city",
        },
    ),
    "labor": (
        "latin-1",
        "Aufnahmenr.;Geb.datum;m/w;Entnahmezeitpunkt;Leukozyten G/l;TSH µU/ml;NT-proBNP pg/ml;Hämoglobin g/dl\n"
        + "".join(
            f"4500{n};{n + 10}.03.61;{'m' if n % 2 else 'w'};{n + 14}.01.26 06:1{n};6,{n};1,{n}5;{f'1.10{n}' if n % 2 else 800 + n};1{n},5\n" for n in range(8)
        ),
        {
            "Aufnahmenr.": "encounter-id", "Geb.datum": "birth-date dd.MM.yy", "m/w": "sex", "Entnahmezeitpunkt": "collected dd.MM.yy HH:mm",
            "Leukozyten G/l": "number 10*9/L", "TSH µU/ml": "number uU/mL", "NT-proBNP pg/ml": "number pg/ml", "Hämoglobin g/dl": "number g/dL",
        },
    ),
    "diagnostics": (
        "utf-8",
        "N° patient\tNom de naissance\tPrénom\tNé(e) le\tSexe\tCode CIM-10\tDate de début\tDate de fin\n"
        + "".join(
            f"70{n // 2}\tLefèvre\tZoé\t{n + 10}/06/1951\t{'F' if n % 2 else 'M'}\t{code}\t2019-01-1{n}\t\n"
            for n, code in enumerate(("I10", "E11.9", "I50.9", "I48.0", "N18.3", "I10", "E11.9"))
        ),
        {
            "N° patient": "patient-id", "Nom de naissance": "maiden", "Prénom": "given", "Né(e) le": "birth-date dd/MM/yyyy", "Sexe": "sex",
            "Code CIM-10": "code http://hl7.org/fhir/sid/icd-10", "Date de début": "start",
        },
    ),
    "registry": (
        "utf-8",
        "subj|sex|height_in|weight_lb|ldl_mgdl|ef_percent|nyha_class|visit_date\n"
        + "".join(
            f"S-{n:03}|{'male' if n % 2 else 'female'}|{64 + n}|{150 + n * 3}|{90 + n}|{35 + n}|{('I', 'II', 'III')[n % 3]}|2025-10-1{n}\n" for n in range(9)
        ),
        {
            "subj": "patient-id", "sex": "sex", "height_in": "number [in_i]", "weight_lb": "number [lb_av]", "ldl_mgdl": "number mg/dL",
            "ef_percent": "number %", "nyha_class": "category", "visit_date": "collected",
        },
    ),
    "meds": (
        "utf-8-sig",
        "MRN,Patient Name,DOB,Gender,Medication,RxNorm Code,Dose,Dose Unit,Start Date,Prescriber NPI,Active\n"
        + "".join(
            f'M55{n // 3},"Doe, Jane",01/2{n // 3}/1961,F,{name},{code},{dose},mg,03/1{n}/2025,145678901{n % 2},{"Y" if n % 3 else "N"}\n'
            for n, (name, code, dose) in enumerate((("Metoprolol succinate 50 MG", 866436, 50), ("Atorvastatin 40 MG", 617311, 40), ("Aspirin 81 MG", 243670, 81)) * 3)
        ),
        {
            "MRN": "patient-id", "Patient Name": "name", "DOB": "birth-date MM/dd/yyyy", "Gender": "sex", "Medication": "drug of RxNorm Code",
            "RxNorm Code": "code http://www.nlm.nih.gov/research/umls/rxnorm", "Dose": "dose", "Dose Unit": "dose-unit of Dose", "Start Date": "start MM/dd/yyyy",
            "Prescriber NPI": "provider-id http://hl7.org/fhir/sid/us-npi", "Active": "inactive",
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STYLES)
def test_columns_are_right_in_the_styles_of_other_vendors(name: str, tmp_path: Path) -> None:
    encoding, text, expected = STYLES[name]
    table = tmp_path / f"{name}.csv"
    table.write_bytes(text.encode(encoding))
    draft = draft_mapping(table)
    assert {guess.column: guess.label for guess in draft.guesses if guess.column in expected} == expected
    out = tmp_path / "mapping.yaml"
    done = run_command("mapping", "new", table, "--out", out)
    assert (done.returncode, "0 rejected" in done.stderr) == (0, True), done.stderr
    assert run_command("mapping", "check", out).returncode == 0


STATES = {
    "results": (
        "MRN,Accession,LOINC,Test Name,Result,Units,Collected Date,Collected Time,Result Status\n"
        "100,A1,2345-7,Glucose,182,mg/dL,02/14/2026,6:45 AM,Final\n"
        "101,A2,2345-7,Glucose,91,mg/dL,02/15/2026,1:05 PM,Preliminary\n"
        "102,A3,2951-2,Sodium,139,mmol/L,02/16/2026,11:59 PM,Corrected\n"
        "102,A4,2951-2,Sodium,139,mmol/L,02/17/2026,12:10 AM,\n",
        ["final", "preliminary", "corrected", "unknown"],
    ),
    "laborwerte": (
        "Patientennummer;Entnahme am;Leukozyten [/nl];Freigabe\n"
        "7;03.02.2026 08h15;7,4;freigegeben\n8;14.02.2026 09h40;11,8;vorläufig\n9;15.02.2026 10h00;6,1;storniert\n",
        ["final", "preliminary", "cancelled"],
    ),
    "vaccines": (
        "pt_id|cvx|vaccine|admin_date|refused\n1|208|COVID-19|20260105|N\n2|141|Influenza|20260106|N\n"
        "3|115|Tdap|20260107|Y\n1|141|Influenza|20260205|N\n",
        ["completed", "completed", "not-done", "completed"],
    ),
    "meds": (
        "patient_id,atc,drug_name,start_date,stop_date,status\nA,A10BA02,Metformin,2026-01-03,,active\n"
        "B,C09AA05,Ramipril,2026-01-03,2026-01-09,stopped\nC,N02BE01,Paracetamol,2026-01-04,2026-01-06,completed\n",
        ["active", "stopped", "completed"],
    ),
}


@pytest.mark.parametrize("name", STATES)
def test_a_column_that_states_the_status_is_believed(name: str, tmp_path: Path) -> None:
    text, expected = STATES[name]
    table = tmp_path / f"{name}.csv"
    table.write_text(text)
    draft = draft_mapping(table)
    trial = convert_with(draft.text, table)
    assert trial.account.converted == trial.account.read == len(expected)
    (tmp_path / "m.yaml").write_text(draft.text)
    (tmp_path / "site.yaml").write_text("demo_key: true\nzone: America/New_York\n")
    done = run_command(
        "convert", table, "--adapter", "csv", "--mapping", tmp_path / "m.yaml", "--site", tmp_path / "site.yaml",
        "--out", tmp_path / "out", "--validate", "all",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    [file] = [path for path in (tmp_path / "out").glob("[A-Z]*.ndjson") if path.stem != "Patient"]
    made = [json.loads(line) for line in file.read_text().splitlines()]
    assert [resource["status"] for resource in made] == expected
    if name == "results":
        assert made[2]["effectiveDateTime"] == "2026-02-16T23:59:00-05:00"
        assert made[3]["effectiveDateTime"] == "2026-02-17T00:10:00-05:00"
    if name == "laborwerte":
        assert made[1]["effectiveDateTime"] == "2026-02-14T09:40:00-05:00"


def test_columns_that_only_look_like_something_are_not_taken_for_it(tmp_path: Path) -> None:
    people = guessed(
        tmp_path,
        "PatientID,LastName,FirstName,MiddleInitial,DOB,Sex,DeathDate,Diagnosis Year,hba1c_mmol_mol,Resting HR\n"
        "1,O'Neil,Sean,P,07/04/1958,M,11/02/2025,2019,43,61\n2,Lan,Lee,,12/31/1990,F,,2021,62,70\n",
    )
    assert people["DeathDate"].format == "MM/dd/yyyy"  # as DOB tells
    assert not any("day from month" in question for question in people["DeathDate"].questions)
    assert (people["Diagnosis Year"].unit, people["Resting HR"].unit) == ("", "/min")
    assert people["hba1c_mmol_mol"].unit == "mmol/mol"
    assert people["hba1c_mmol_mol"].coding is None or people["hba1c_mmol_mol"].coding[1] == "59261-8"
    assert people["MiddleInitial"].role == "middle"
    visits = guessed(
        tmp_path,
        "VisitNo,PatientNo,AdmitDT,DischargeDT,VisitClass,Ward,PrimaryDx\n"
        "V1,P1,2026-01-02T08:30,2026-01-05T14:00,Inpatient,4 West,I21.4\n"
        "V2,P2,2026-01-03T23:15,2026-01-04T02:40,Emergency,ED,R07.9\n"
        "V3,P1,2026-02-01T09:00,2026-02-01T09:30,Outpatient,Cardiology,I25.10\n",
        "visits.csv",
    )
    assert (visits["AdmitDT"].role, visits["DischargeDT"].role, visits["Ward"].role) == (
        "admitted",
        "discharged",
        "ward",
    )
    text = draft_mapping(tmp_path / "visits.csv").text
    assert "as: Encounter" in text
    assert "as: Condition" in text


def test_a_time_of_day_in_its_own_column_goes_with_the_date(tmp_path: Path) -> None:
    encoding, text, _ = STYLES["vitalwerte"]
    table = tmp_path / "v.csv"
    table.write_bytes(text.encode(encoding))
    (tmp_path / "site.yaml").write_text("demo_key: true\nzone: Europe/Berlin\n")
    run_command("mapping", "new", table, "--out", tmp_path / "m.yaml")
    done = run_command(
        "convert", table, "--adapter", "csv", "--mapping", tmp_path / "m.yaml", "--site", tmp_path / "site.yaml",
        "--out", tmp_path / "out", "--validate", "all",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "out/Observation.ndjson").read_text().splitlines()
    assert {json.loads(line)["effectiveDateTime"] for line in lines} >= {"2026-01-10T00:15:00+01:00"}


def test_a_point_between_thousands_is_no_decimal_point_where_commas_are(tmp_path: Path) -> None:
    encoding, text, _ = STYLES["labor"]
    table = tmp_path / "l.csv"
    table.write_bytes(text.encode(encoding))
    run_command("mapping", "new", table, "--out", tmp_path / "m.yaml")
    assert 'group: "."' in (tmp_path / "m.yaml").read_text()
    run_command(
        "convert", table, "--adapter", "csv", "--mapping", tmp_path / "m.yaml", "--out", tmp_path / "out"
    )
    assert '"value":1101,' in (tmp_path / "out/Observation.ndjson").read_text()


@pytest.mark.parametrize(
    ("values", "form"),
    [
        (["13-Mar-2025", "01-Dec-2024"], "dd-MMM-yyyy"),
        (["13MAR2025", "02APR2025"], "ddMMMyyyy"),
        (["3. März 2025", "12. Mai 2025"], "d. MMM yyyy"),
        (["13-Mar-2025 10:15", "14-Mar-2025 09:05"], "dd-MMM-yyyy HH:mm"),
        (["3/14/2025 1:05 PM", "3/15/2025 11:05 AM"], "M/d/yyyy H:mm a"),
        (["2 foo 2024", "3 bar 2024"], None),
    ],
)
def test_months_as_names_and_halves_of_the_day_are_read(values: list[str], form: str | None) -> None:
    guessed = date_form(values, day_first=None, named=True)
    assert (guessed.format if guessed else None) == form
