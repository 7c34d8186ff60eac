# ruff: noqa: E501 - tables are written as they are
"""`mapping new`: years, letters, lists and blanks are what they are, in tables of columns that say little."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.workshop.drafts import converted


def of(made: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [r for r in made if r["resourceType"] == kind]


YEARS = "".join(f"D-{n},2022-03-{n + 10},{150 + n},{60 + n},{1999 + n}\n" for n in range(15))


@pytest.mark.parametrize("name", ["dm_dx_year", "Diagnosejahr", "annee_diagnostic", "año diagnóstico", "dx"])
def test_a_year_is_no_code_of_a_diagnosis(tmp_path: Path, name: str) -> None:
    _, made, mapping = converted(tmp_path, f"record_id,visit_date,height_cm,weight_kg,{name}\n{YEARS}")
    assert not of(made, "Condition")
    assert f"{name}: " in mapping
    assert "2003" not in str(made)


def test_the_year_of_a_diagnosis_is_when_it_began(tmp_path: Path) -> None:
    rows = "".join(f"{n},E1{n % 3}.9,{1999 + n}\n" for n in range(12))
    _, made, mapping = converted(tmp_path, f"patient_id,icd10_code,dx_year\n{rows}")
    assert {c["onsetDateTime"] for c in of(made, "Condition")} == {str(1999 + n) for n in range(12)}
    assert "dx_year: is it the year in which the Condition began" in mapping


@pytest.mark.parametrize(
    ("letters", "codes"),
    [
        ("EV", {"final", "preliminary"}),
        ("VP", {"final", "preliminary"}),
        ("VQ", {"unknown"}),
        ("Q", {"unknown"}),
        ("FQ", {"final", "unknown"}),
    ],
)
def test_letters_of_a_status_are_read_as_a_set(tmp_path: Path, letters: str, codes: set[str]) -> None:
    rows = "".join(
        f"7001{n};14.03.2024 07:{n + 10};Natrium;{130 + n};mmol/l;{letters[n % len(letters)]};\n"
        for n in range(12)
    )
    _, made, mapping = converted(tmp_path, f"PatNr;Abnahme;Analyse;Ergebnis;Einheit;Status;Kommentar\n{rows}")
    results = of(made, "Observation")
    assert {r["status"] for r in results} == codes
    assert "Status: " in mapping
    if letters == "EV":
        assert {r["status"] for r in results if int(r["valueQuantity"]["value"]) % 2} == {"preliminary"}


VACCINES = "CIPA;FECHA_NAC;VACUNA;LABORATORIO;LOTE;F_VACUNACION;LUGAR_ADMIN;CENTRO;MOTIVO\n" + "".join(
    f"137{n % 5};16/09/199{n % 5};{('VPH', 'Gripe')[n % 2]};{('GSK', 'Pfizer')[n % 2]};T{n}D1;{n + 10}/09/2023;"
    f"Deltoides {('dcho', 'izdo')[n % 2]};CS Chopera;{('Viaje', 'Calendario')[n % 2]}\n"
    for n in range(14)
)


def test_a_laboratory_beside_a_vaccine_made_it(tmp_path: Path) -> None:
    _, made, mapping = converted(tmp_path, VACCINES)
    given = of(made, "Immunization")
    assert {r["manufacturer"]["display"] for r in given} == {"GSK", "Pfizer"}
    assert {r["location"]["display"] for r in given} == {"CS Chopera"}
    assert {r["site"]["text"] for r in given} == {"Deltoides dcho", "Deltoides izdo"}
    assert {r["reasonCode"][0]["text"] for r in given} == {"Viaje", "Calendario"}
    assert "LABORATORIO: is it who made the vaccine" in mapping


STAYS = (
    "IPP;NUM_SEJOUR;NOM_NAISSANCE;NOM_USAGE;PRENOM;DDN;DATE_ENTREE;UF;LIB_UF;DATE_SORTIE;MODE_SORTIE;DP;DAS\n"
    + "".join(
        f"81{n};24{n};GIRARD{n};{'PETIT' if n % 2 else ''};Ana;02/12/198{n % 10};{n + 10}/09/2023;{(2110, 2145)[n % 2]};"
        f"{('CARDIOLOGIE HC', 'PNEUMOLOGIE')[n % 2]};{n + 12}/09/2023;{7 + n % 2};J44.1;{('', 'I10', 'I10 E11.9 N18.3')[n % 3]}\n"
        for n in range(12)
    )
)


def test_codes_in_one_cell_are_a_reason_each(tmp_path: Path) -> None:
    _, made, mapping = converted(tmp_path, STAYS)
    stays = of(made, "Encounter")
    codes = [tuple(c["coding"][0]["code"] for c in r.get("reasonCode", ())) for r in stays]
    assert set(codes) == {(), ("I10",), ("I10", "E11.9", "N18.3")}
    assert len({c["coding"][0]["system"] for r in stays for c in r.get("reasonCode", ())}) == 1
    assert {c["code"]["coding"][0]["code"] for c in of(made, "Condition")} == {"J44.1"}  # the principal one
    assert "MODE_SORTIE: what does each of its numbers mean: 7, 8?" in mapping


def test_a_list_of_codes_is_never_a_code_of_a_condition(tmp_path: Path) -> None:
    rows = "".join(f"{n};J44.{n % 4};{('I10', 'I10 E11.9')[n % 7 == 0]}\n" for n in range(20))
    _, made, _ = converted(tmp_path, f"patient_id;DP;DAS\n{rows}")
    assert of(made, "Condition")
    assert "I10 E11.9" not in str(made)


def test_who_has_no_other_name_has_that_of_birth(tmp_path: Path) -> None:
    _, made, _ = converted(tmp_path, STAYS)
    names = [p["name"] for p in of(made, "Patient")]
    assert {(len(n), n[0]["family"][:5]) for n in names} == {(1, "GIRAR"), (2, "PETIT")}


def test_a_blank_is_no_other_value(tmp_path: Path) -> None:
    rows = "".join(
        f"D-{n},{'baseline' if first else 'month_6'}_arm_1,{f'1971-10-{n + 10}' if first else ''},202{2 if first else 3}-03-{n + 10},{60 + n}\n"
        for n in range(10)
        for first in (True, False)
    )
    _, made, mapping = converted(tmp_path, f"record_id,redcap_event_name,dob,visit_date,weight_kg\n{rows}")
    assert {p["birthDate"] for p in of(made, "Patient")} == {f"1971-10-{n + 10}" for n in range(10)}
    assert len(of(made, "Patient")) == 10
    assert "has several of it" not in mapping
