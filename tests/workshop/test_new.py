"""`mapping new`: each guess is right, stated with its evidence, and what is open is asked; the sample converts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_bridge.workshop.first_mapping import Guess, draft_mapping
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
        "Bemerkung": "text",
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
        "test name": "display of loinc",
        "result": "value",
        "units": "unit of result",
        "ref range": "range",
        "collected": "date-time",
        "status": "status",
    }
    file = tmp_path / "labs.csv"
    resources = convert_with(draft_mapping(file).text, file).resources
    values = [r.get("valueQuantity", {}).get("code") or r.get("valueString") for r in resources]
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
    assert "read by no rule yet: Bemerkung" in text
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
    assert "is it Heart rate (LOINC 8867-4)" in text
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
