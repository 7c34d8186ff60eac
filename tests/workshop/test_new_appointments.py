# ruff: noqa: E501 - tables are written as they are
"""`mapping new`: appointments: when they were booked, to which nobody came, of what type they are, what was found."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workshop.drafts import converted, of


def appointments(header: str, cells: tuple[str, ...], count: int = 12) -> str:
    """A table of appointments with more columns, whose cells take turns."""
    return f"AppointmentID,PatientId,Gender,ScheduledDay,AppointmentDay,{header}\n" + "".join(
        f"56{n:03},P{n % 5},{'FM'[n % 5 % 2]},2016-04-{n + 1:02}T08:36:51Z,2016-05-{n + 1:02}T00:00:00Z,{cells[n % len(cells)]}\n"
        for n in range(count)
    )


def test_the_date_of_the_booking_is_not_when_it_was(tmp_path: Path) -> None:
    guesses, made, mapping = converted(tmp_path, appointments("Doctor", ("Dr. Lang", "Dr. Ott")))
    assert guesses["ScheduledDay"].role == "booked"
    assert of(made, "Encounter")[0]["period"]["start"].startswith("2016-05-01")
    assert "ScheduledDay: looks like when something was booked" in mapping
    assert "Appointment.created" in mapping


@pytest.mark.parametrize(
    ("name", "came", "not_come"),
    [("No-show", "No", "Yes"), ("attended", "1", "0"), ("missed", "false", "true")],
)
def test_who_did_not_come_had_no_visit(tmp_path: Path, name: str, came: str, not_come: str) -> None:
    _, made, mapping = converted(tmp_path, appointments(name, (came, came, not_come)))
    statuses = [visit["status"] for visit in of(made, "Encounter")]
    assert statuses.count("cancelled") == 4
    assert statuses.count("finished") == 8
    assert (
        f"{name}: rows with {not_come.casefold()} are taken for cancelled" in mapping
        or f"{name}: rows with {not_come}" in mapping
    )


def test_a_type_that_says_no_class_is_a_type(tmp_path: Path) -> None:
    guesses, made, mapping = converted(tmp_path, appointments("consultation_type", ("Primeira", "Retorno")))
    assert guesses["consultation_type"].role == "encounter-type"
    assert {visit["type"][0]["text"] for visit in of(made, "Encounter")} == {"Primeira", "Retorno"}
    assert {visit["class"]["code"] for visit in of(made, "Encounter")} == {"AMB"}
    assert "the class of every visit is taken for ambulatory (AMB): is it?" in mapping


def test_visits_without_a_date_have_their_diagnosis(tmp_path: Path) -> None:
    rows = "".join(
        f"{n},{n % 7 + 200},{n % 5},{n % 3},{10 + n},{('Asthme', 'Diabète')[n % 2]},Régime\n"
        for n in range(14)
    )
    _, made, mapping = converted(
        tmp_path,
        f"ID_Consultation,ID_Patient,ID_Docteur,ID_Service,Durée,Diagnostic,Traitement\n{rows}",
        "consultations.csv",
    )
    visit, found = of(made, "Encounter")[0], of(made, "Condition")[0]
    assert "period" not in visit
    assert found["code"]["text"] in ("Asthme", "Diabète")
    assert visit["diagnosis"][0]["condition"]["reference"].startswith("Condition/")
    assert "Diagnostic: is it a diagnosis of the visit" in mapping
    assert "Traitement: looks like a treatment of some kind" in mapping


def test_why_a_patient_came_is_no_diagnosis_of_the_visit(tmp_path: Path) -> None:
    _, made, _ = converted(
        tmp_path,
        appointments("referral_diagnosis,final_diagnosis", ("Chest pain,Pneumonia", "Fever,Influenza")),
    )
    assert {found["code"]["text"] for found in of(made, "Condition")} == {"Pneumonia", "Influenza"}
    assert {visit["reasonCode"][0]["text"] for visit in of(made, "Encounter")} == {"Chest pain", "Fever"}


def test_a_list_of_patients_with_a_diagnosis_each(tmp_path: Path) -> None:
    rows = "".join(
        f"P{n:03},Anna Berg{n},19{n + 40}-03-12,weiblich,{('Migräne', 'COPD')[n % 2]}\n" for n in range(10)
    )
    _, made, mapping = converted(tmp_path, f"id,name,geburtsdatum,geschlecht,diagnose\n{rows}")
    assert len(of(made, "Condition")) == 10
    assert "That each patient has the diagnosis (Condition) is assumed" in mapping
