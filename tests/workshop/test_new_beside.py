# ruff: noqa: E501 - tables are written as they are
"""`mapping new`: what a column is by what stands beside it, and by its cells before its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.workshop.drafts import converted


def of(made: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [r for r in made if r["resourceType"] == kind]


def test_initials_beside_a_family_name_are_the_given_names(tmp_path: Path) -> None:
    rows = "".join(
        f"70{n};{('Bakker', 'Visser')[n % 2]};{('A.M.', 'J.')[n % 2]};1{n % 9}-05-1950\n" for n in range(12)
    )
    _, made, _ = converted(tmp_path, f"Patientnr;Achternaam;XX;Geboortedatum\n{rows}")
    assert {r["name"][0]["given"][0] for r in of(made, "Patient")} == {"A.M.", "J."}


def test_a_column_called_patient_with_names_is_no_number(tmp_path: Path) -> None:
    rows = "".join(
        f"88{n};{('Diaz, Rosa', 'Cole, Jim')[n % 2]};0{n % 9 + 1}/15/1950;{70 + n}\n" for n in range(12)
    )
    _, made, _ = converted(tmp_path, f"MRN;Patient;Date of Birth;Pulse\n{rows}")
    assert {r["name"][0]["family"] for r in of(made, "Patient")} == {"Diaz", "Cole"}


def test_a_target_has_the_unit_of_those_it_is_among_and_no_code_of_theirs(tmp_path: Path) -> None:
    rows = "".join(f"40{n};1{n % 9}-09-2025;{70 + n},5;{68 + n},1;{67 + n},9\n" for n in range(12))
    _, made, mapping = converted(
        tmp_path, f"PatNr;Datum;Gewicht voor (kg);Gewicht na (kg);Streefgew.\n{rows}"
    )
    targets = [r for r in of(made, "Observation") if r["code"]["text"] == "Streefgew"]
    assert {r["valueQuantity"]["code"] for r in targets} == {"kg"}
    assert not any("coding" in r["code"] for r in targets)
    assert "Streefgew.: is its unit kg, as that of Gewicht voor (kg), Gewicht na (kg)?" in mapping


def test_a_code_and_the_name_of_it_are_one(tmp_path: Path) -> None:
    rows = "".join(
        f"01{n};B{n + 100};{n + 10}/09/2025;{('HEMO', 'ECBU')[n % 2]};{('Hémoculture', 'Examen urines')[n % 2]};{n + 10}/09/2025 10:00;STAAUR;Staphylococcus aureus;Oxacilline;S\n"
        for n in range(12)
    )
    _, made, _ = converted(
        tmp_path,
        f"IPP;N° DEMANDE;DATE PRELEV;CODE NATURE;NATURE PRELEVEMENT;DATE RECEPTION;CODE GERME;GERME;ANTIBIOTIQUE;SIR\n{rows}",
    )
    kinds = {(r["type"]["coding"][0]["code"], r["type"]["text"]) for r in of(made, "Specimen")}
    assert kinds == {("HEMO", "Hémoculture"), ("ECBU", "Examen urines")}


def test_a_date_within_the_stay_is_when_it_was_measured(tmp_path: Path) -> None:
    rows = "".join(
        f"H{n};C{n};A;15/01/1990;2{n % 5}/07/2025 06:00;2{n % 5}/07/2025 18:30;3{n % 2}/07/2025;3;{200 + n}\n"
        for n in range(12)
    )
    _, made, mapping = converted(
        tmp_path, f"Hospital No;Surname;Forename;DOB;Admit Dt;Delivery Dt;Disch Dt;Gravida;EBL ml\n{rows}"
    )
    assert all("T18:30" in r["effectiveDateTime"] for r in of(made, "Observation"))
    assert (
        "Delivery Dt: is it when the event of the row was, as is assumed, since it is within the stay?"
        in mapping
    )


def test_what_the_patient_breathes_through_is_not_what_measured(tmp_path: Path) -> None:
    rows = "".join(
        f"7{n},2025-03-{n + 10},{70 + n},{90 + n % 9},{('Nasal cannula', 'Room air')[n % 2]},MON{1000 + n % 2}\n"
        for n in range(12)
    )
    _, made, _ = converted(tmp_path, f"MRN,Date,Pulse,SpO2,O2_DEVICE,Monitor Serial\n{rows}")
    assert {r["device"]["identifier"]["value"] for r in of(made, "Observation")} == {"MON1000", "MON1001"}
    assert not any("display" in r["device"] for r in of(made, "Observation"))


def test_a_session_with_a_procedure_is_that_and_what_was_measured_in_it(tmp_path: Path) -> None:
    rows = "".join(
        f"40{n};1{n % 9}.02.2025;08:{n + 10};09:{n + 10};PCI;NSTEMI;radial re;{90 + n};{n % 3};{100 + n};keine;Dr. Ahrens\n"
        for n in range(12)
    )
    _, made, _ = converted(
        tmp_path,
        f"PatNr;Datum;Beginn;Ende;Prozedur;Indikation;Zugang;Stenosegrad (%);Anzahl Stents;KM-Menge (ml);Komplikationen;Untersucher\n{rows}",
    )
    done = of(made, "Procedure")
    assert len(done) == 12
    assert all(r["performedPeriod"]["start"] < r["performedPeriod"]["end"] for r in done)
    assert {r["bodySite"][0]["text"] for r in done} == {"radial re"}
    assert not any("complication" in r for r in done)


def test_weeks_and_days_and_a_measured_length_are_known_by_their_cells_and_units(tmp_path: Path) -> None:
    rows = "".join(
        f"33{n};1{n % 9}/03/2025;{n % 3 + 1};1{n % 9}/10/2025;{n + 20}+{n % 7};{60 + n},5;{n + 10};{n % 9},3;{('L heel', 'Sacrum')[n % 2]}\n"
        for n in range(12)
    )
    guesses, made, _ = converted(
        tmp_path, f"ID_PAZIENTE;DATA_VISITA;GRAVIDE;DPP;EPOCA;PESO (kg);SFU (cm);Length (cm);Location\n{rows}"
    )
    texts = {r["code"]["text"]: r for r in of(made, "Observation")}
    assert {"EPOCA", "GRAVIDE", "DPP", "Length", "SFU"} <= set(texts)
    assert texts["DPP"]["valueDateTime"].startswith("2025-10")
    assert {texts[name]["code"]["coding"][0]["code"] for name in ("GRAVIDE", "DPP")} == {"11996-6", "11778-8"}
    assert guesses["Location"].role == "body-site"


def test_who_was_no_show_was_no_visit(tmp_path: Path) -> None:
    rows = "".join(
        f"C88{n};50{n};{('Primera', 'Revisión')[n % 2]};Control;1{n % 9}/03/2025;09:{n + 10};Dermatología;Dra. Nieto;{('Atendida', 'No presentado', 'Pendiente')[n % 3]}\n"
        for n in range(12)
    )
    _, made, _ = converted(
        tmp_path,
        f"ID_CITA;NHC;TIPO_CITA;MOTIVO;FECHA_CITA;HORA_CITA;ESPECIALIDAD;FACULTATIVO;ESTADO_CITA\n{rows}",
    )
    assert {r["status"] for r in of(made, "Encounter")} == {"finished", "cancelled", "planned"}
