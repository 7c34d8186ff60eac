# ruff: noqa: E501 - tables are written as they are
"""`mapping new`: whose the rows are, by name and number; numbers that countries give; names as they are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.workshop.first_mapping.national import numbering_of
from tests.workshop.drafts import converted


def patients(made: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [r for r in made if r["resourceType"] == "Patient"]


NUMBERS = (
    (
        "NHS No",
        ["943 476 5919", "401 023 2137"],
        "https://fhir.nhs.uk/Id/nhs-number",
        ["9434765919", "4010232137"],
    ),
    ("COD_FISC", ["RSSMRA75C12F205X", "BNCGLI82L70F205Y"], "http://hl7.it/sid/codiceFiscale", None),
    ("DNI", ["12345678Z", "X1234567L"], "urn:oid:1.3.6.1.4.1.19126.3", None),
    ("KVNR", ["A123456780", "B234567899"], "http://fhir.de/sid/gkv/kvid-10", None),
    (
        "AHV",
        ["756.9217.0769.85", "756.1234.5678.97"],
        "urn:oid:2.16.756.5.32",
        ["7569217076985", "7561234567897"],
    ),
    ("SSN", ["111-22-3333", "222-33-4444"], "http://hl7.org/fhir/sid/us-ssn", ["111223333", "222334444"]),
)


@pytest.mark.parametrize(("header", "written", "system", "normal"), NUMBERS)
def test_a_number_that_a_country_gives_has_its_system(
    tmp_path: Path, header: str, written: list[str], system: str, normal: list[str] | None
) -> None:
    text = f"MRN;{header};Surname;DOB;date;sodium (mmol/l)\n" + "".join(
        f"{100 + n % 2};{written[n % 2]};Doe{n % 2};1950-01-0{n % 2 + 1};2025-02-{n + 10};{135 + n}\n"
        for n in range(8)
    )
    _, made, mapping = converted(tmp_path, text)
    values = {i["value"] for p in patients(made) for i in p["identifier"] if i["system"] == system}
    assert values == set(normal or written)
    assert f"{header}: which system" not in mapping


def test_check_digits_decide_where_the_name_does_not() -> None:
    numbers = ["9434765919", "4010232137", "9876543210", "6328797966"]
    assert numbering_of(numbers[:3], "number")[0] is None  # too few
    found, named = numbering_of(["9434765919", "4010232137", "6328797966", "9999999999"], "number")
    assert found is not None
    assert (found.title, named) == ("NHS number", False)
    assert numbering_of(["9434765919", "4010232137", "6328797966", "6328797967"], "number")[0] is None
    assert numbering_of(["2850578006084"], "ucd13")[0] is None  # thirteen digits are no NIR by themselves


def test_a_name_with_a_comma_is_divided_and_one_without_stays_whole(tmp_path: Path) -> None:
    text = (
        'PAT_MRN_ID,PAT_NAME,SEX\n1,"WHITTAKER,ROY J",Male\n2,"GARCÍA LÓPEZ, MARÍA",Female\n3,"DOE,JO",Male\n'
    )
    _, made, _ = converted(tmp_path, text)
    assert {(p["name"][0]["family"], *p["name"][0]["given"]) for p in patients(made)} == {
        ("WHITTAKER", "ROY", "J"), ("GARCÍA LÓPEZ", "MARÍA"), ("DOE", "JO"),
    }  # fmt: skip
    _, made, _ = converted(
        tmp_path, "id_paciente;nombre;sexo\n1;Ana Torres Mina;F\n2;Jorge Ramírez;M\n3;Luz Ortiz;F\n"
    )
    assert {tuple(p["name"][0]) for p in patients(made)} == {("text",)}


def test_a_number_beside_name_and_birth_date_is_the_patients_whatever_it_is_called(tmp_path: Path) -> None:
    text = "codiceAnag;nome;cognome;dataNascita\nU001;Mario;Rossi;1975-03-12\nU002;Giulia;Bianchi;1982-07-30\nU003;Anna;Verdi;1958-11-02\n"
    _, made, mapping = converted(tmp_path, text)
    assert {p["identifier"][0]["value"] for p in patients(made)} == {"U001", "U002", "U003"}
    assert "codiceAnag: does it identify the patient" in mapping
    text = "ref,nombre,tipo_documento,documento,genero,fecha_nacimiento\n" + "".join(
        f"{n},Ana Torres{n},CC,11753{n}3460,F,195{n}-05-03\n" for n in range(1, 9)
    )
    guesses, made, _ = converted(
        tmp_path, text
    )  # a count of rows is not the person's number, where there is one
    assert guesses["documento"].role == "patient-id"
    assert not any("CC" in i["value"] for p in patients(made) for i in p["identifier"])


def test_a_year_of_birth_a_month_beside_it_and_columns_of_one_sex(tmp_path: Path) -> None:
    text = "Patientennummer;Geburtsjahr;Geburtsmonat;male\n1;1935;;1\n2;2024;03;0\n3;1961;;0\n4;2024;11;1\n"
    _, made, mapping = converted(tmp_path, text)
    assert sorted(p["birthDate"] for p in patients(made)) == ["1935", "1961", "2024-03", "2024-11"]
    assert [p["gender"] for p in patients(made)].count("male") == 2
    assert "male: do 1 and 0 mean male and female, as is assumed?" in mapping


def test_the_child_of_a_register_of_births_is_not_the_patient(tmp_path: Path) -> None:
    text = (
        "Geburtennr;Patnr Mutter;Name;Vorname;Geb.Datum Mutter;Geburtsdatum Kind;Geschlecht Kind;Blutverlust (ml);SpO2 (%)\n"
        + "".join(
            f"G24-{n};41{n};Roux{n};Anne;0{n + 1}.05.1990;1{n}.01.2025;{'mw'[n % 2]};{300 + n};97\n"
            for n in range(8)
        )
    )
    _, made, mapping = converted(tmp_path, text)
    assert {p["identifier"][0]["value"] for p in patients(made)} == {f"41{n}" for n in range(8)}
    assert all(p["birthDate"].startswith("1990") and "gender" not in p for p in patients(made))
    assert "Geburtsdatum Kind, Geschlecht Kind: looks like about another person than the patient" in mapping


def test_the_practice_of_a_general_practitioner_is_known_by_its_code(tmp_path: Path) -> None:
    text = "NHS No|Surname|DOB|Usual GP|Practice code\n" + "".join(
        f"{number}|Doe{n}|195{n}-02-03|Dr N Rahman|B8604{n}\n"
        for n, number in enumerate(("9434765919", "4010232137"))
    )
    _, made, _ = converted(tmp_path, text)
    [first, _] = patients(made)
    assert first["generalPractitioner"][0] == {"display": "Dr N Rahman"}
    assert (
        first["generalPractitioner"][1]["identifier"]["system"]
        == "https://fhir.nhs.uk/Id/ods-organization-code"
    )
