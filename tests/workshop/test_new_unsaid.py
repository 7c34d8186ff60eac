# ruff: noqa: E501 - tables are written as they are
"""`mapping new`: nothing is said that no cell says: no dose of blanks, no reason of a mark, no reaction of `none`, none active that was stopped."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.workshop.drafts import converted, of

_PLAN = (
    "Pat.-Nr.;Geburtsdatum;PZN;Handelsname;ATC;morgens;mittags;abends;z. Nacht;Einheit;b. Bedarf;Beginn;Ende"
)
_DRUGS = (
    ("03126480", "Salbutamol-CT", "R03AC02"),
    ("01016009", "Ramipril 5", "C09AA05"),
    ("01234561", "L-Thyroxin 75", "H03AA01"),
)


def plan(needed: str = "x", name: str = "Notiz", cells: tuple[str, ...] = ("",)) -> str:
    """A list of medication: each third drug is taken as needed and has no dose at any time of day."""
    rows = "".join(
        f"29{n // 3:03};13.04.19{60 + n // 3};{';'.join(_DRUGS[n % 3])};{';'.join(('', '', '', '') if n % 3 == 0 else ('1', '0', '1', '') if n % 3 == 1 else ('1', '0', '0', '0'))};"
        f"Stück;{needed if n % 3 == 0 else ''};{n + 10}.01.2024;;{cells[n % len(cells)]}\n"
        for n in range(18)
    )
    return f"{_PLAN};{name}\n{rows}"


def test_blank_times_of_day_are_no_dose_of_zero(tmp_path: Path) -> None:
    _, made, _ = converted(tmp_path, plan())
    texts = Counter(r["dosageInstruction"][0].get("text") for r in of(made, "MedicationRequest"))
    assert texts == {None: 6, "1-0-1-0 Stück": 6, "1-0-0-0 Stück": 6}


@pytest.mark.parametrize("mark", ["x", "X", "ja", "J", "Y", "yes", "1", "true"])
def test_a_mark_says_that_it_is_taken_as_needed_and_not_for_what(tmp_path: Path, mark: str) -> None:
    _, made, _ = converted(tmp_path, plan(mark))
    dosages = [r["dosageInstruction"][0] for r in of(made, "MedicationRequest")]
    assert Counter(d.get("asNeededBoolean") for d in dosages) == {True: 6, None: 12}
    assert not [d for d in dosages if "asNeededCodeableConcept" in d]


def test_words_in_a_column_of_as_needed_still_say_for_what(tmp_path: Path) -> None:
    text = plan().replace(";x;10.", ";bei Luftnot;10.")
    _, made, _ = converted(tmp_path, text)
    dosages = [r["dosageInstruction"][0] for r in of(made, "MedicationRequest")]
    assert Counter(d.get("asNeededBoolean") for d in dosages) == {True: 5, None: 13}
    assert [d["asNeededCodeableConcept"] for d in dosages if "asNeededCodeableConcept" in d] == [
        {"text": "bei Luftnot"}
    ]


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("abgesetzt", ("", "ja", "")),
        ("Discontinued", ("N", "Y", "N")),
        ("Stopped", ("", "x", "")),
        ("Gestopt", ("nee", "ja", "nee")),
        ("Suspendida", ("no", "si", "no")),
        ("suspendido", ("", "sí", "")),
        ("Sospeso", ("N", "S", "N")),
        ("Arrêté", ("non", "oui", "non")),
    ],
)
def test_a_drug_that_a_column_marks_as_stopped_is_not_active(
    tmp_path: Path, name: str, cells: tuple[str, ...]
) -> None:
    text = plan(name=name, cells=cells).replace("10.01.2024;;", "10.01.2024;20.01.2024;")
    _, made, mapping = converted(tmp_path, text)
    states = Counter(r["status"] for r in of(made, "MedicationRequest"))
    assert states == {"stopped": 6, "completed": 1, "active": 11}
    assert f"{name}: rows with {cells[1].casefold()} are taken for stopped (status): are they?" in mapping


def test_what_is_not_understood_of_a_drug_that_may_be_stopped_is_unknown(tmp_path: Path) -> None:
    text = plan(name="abgesetzt", cells=("", "ja", "", "UAW", "nein", "")).replace(
        "10.01.2024;;", "10.01.2024;20.01.2024;"
    )
    _, made, mapping = converted(tmp_path, text)
    states = Counter(r["status"] for r in of(made, "MedicationRequest"))
    assert states == {"stopped": 3, "unknown": 3, "completed": 1, "active": 11}
    assert "with uaw for unknown" in mapping
    text = plan(name="abgesetzt", cells=("UAW", "", "Wunsch"))
    assert "stopped (status of each MedicationRequest)" in converted(tmp_path, text)[2]


def test_a_mark_of_the_end_goes_before_a_status_of_active_alone(tmp_path: Path) -> None:
    text = plan(name="Status;abgesetzt", cells=("aktiv;", "aktiv;ja", "storniert;ja", "pausiert;nein", ";ja", "aktiv;nein"))  # fmt: skip
    _, made, _ = converted(tmp_path, text)
    states = Counter(r["status"] for r in of(made, "MedicationRequest"))
    assert states == {"active": 6, "stopped": 6, "cancelled": 3, "on-hold": 3}


_NONE = ["Ingen", "Inga", "None", "keine", "geen", "Nessuna", "ninguna", "Aucune", "nenhuma", "-"]


@pytest.mark.parametrize("none", _NONE)
def test_a_word_for_no_reaction_is_no_reaction(tmp_path: Path, none: str) -> None:
    cells = ("Local redness", none, "", "Fever")
    rows = "".join(
        f"29{n:03};1960-04-{n + 10};2024-10-{n + 10};Boostrix;BV92{n:02};{cells[n % 4]}\n" for n in range(16)
    )
    _, made, mapping = converted(
        tmp_path, f"MRN;Birth date;Vaccination date;Vaccine;Batch number;Reaction\n{rows}"
    )
    given = of(made, "Immunization")
    assert len(given) == 16
    reactions = Counter(r["detail"]["display"] for i in given for r in i.get("reaction", []))
    assert reactions == {"Local redness": 4, "Fever": 4}
    if none != "-":
        assert f"Reaction: {none.casefold()} is taken for that there is none" in mapping
    rows = "".join(
        f"29{n:03};1960-04-{n + 10};{('Latex', 'Peanut')[n % 2]};Allergy;{cells[n % 4]};Active\n"
        for n in range(16)
    )
    _, made, _ = converted(
        tmp_path, f"MRN;Birth date;Allergy substance;Allergy type;Reaction;Allergy status\n{rows}"
    )
    known = of(made, "AllergyIntolerance")
    assert len(known) == 16
    stated = Counter(r["manifestation"][0]["text"] for a in known for r in a.get("reaction", []))
    assert stated == {"Local redness": 4, "Fever": 4}


_WHO_ASKED = ["Ref Consultant", "Ref. Doctor", "Referring Physician", "Referrer", "Requested by", "Req_Doctor", "Req By", "Zuweiser", "Verwijzer", "Remitente", "Médico solicitante", "Inviante", "Remittent", "Henvisende læge", "Rekvirent", "Ordinatör"]  # fmt: skip


@pytest.mark.parametrize("name", _WHO_ASKED)
@pytest.mark.parametrize("order", ["Echo ID", "Order No"])
def test_who_asked_for_results_is_not_who_made_them(tmp_path: Path, name: str, order: str) -> None:
    doctors = ("Dr M Osei", "Dr H Lewis", "Dr R Khan")
    rows = "".join(
        f"R1{n:03},1960-04-{n + 10},2024-10-{n + 10},TTE24/41{n:02},{doctors[n % 3]},K. Doyle,1{50 + n},{60 + n},{40 + n},4.{n % 9}\n"
        for n in range(16)
    )
    _, made, mapping = converted(
        tmp_path,
        f"Hospital No,DOB,Study Date,{order},{name},Sonographer,Ht (cm),Wt (kg),LVEF (%),LVIDd (cm)\n{rows}",
    )
    results = of(made, "Observation")
    assert len(results) == 64
    assert {p["display"] for r in results for p in r["performer"]} == {"K. Doyle"}
    if order == "Echo ID":
        assert f"{name}: looks like a provider" in mapping
    else:
        assert {r["requester"]["display"] for r in of(made, "ServiceRequest")} == set(doctors)


def test_a_coordinator_has_not_asked(tmp_path: Path) -> None:
    rows = "".join(
        f"R1{n:03},1960-04-{n + 10},2024-10-{n + 10},{('Dr M Osei', 'Dr H Lewis')[n % 2]},1{50 + n},{60 + n},{40 + n}\n"
        for n in range(16)
    )
    _, made, _ = converted(
        tmp_path, f"Hospital No,DOB,Study Date,Echo Coordinator,Ht (cm),Wt (kg),LVEF (%)\n{rows}"
    )
    assert {len(r["performer"]) for r in of(made, "Observation")} == {1}


def diagnoses(columns: str, words: tuple[str, ...]) -> str:
    """A list of diagnoses with two columns more."""
    rows = "".join(
        f"31{n:03};19{50 + n}-03-14;A88{n:02};2024-11-{n + 10};I1{n % 8}.{n % 8};Diagnosis {n % 8};{words[n % len(words)]}\n"
        for n in range(16)
    )
    return f"{columns}\n{rows}"


def errors(made: list[dict[str, Any]]) -> int:
    stated = [r.get("verificationStatus", {}).get("coding", [{}])[0] for r in of(made, "Condition")]
    assert len(stated) == 16
    return sum(1 for coding in stated if coding.get("code") == "entered-in-error")


@pytest.mark.parametrize(
    ("number", "status", "words"),
    [
        ("Afspraaknr", "Status", ("Afgehandeld", "No-show", "Geannuleerd", "Gepland")),
        ("No", "Status", ("Attended", "Booked", "Cancelled", "No show")),
        ("No", "Appt Status", ("Active", "Cancelled")),
        ("Nº cita", "Estado", ("Realizada", "Cancelada")),
        ("Termin-Nr", "Status", ("Erschienen", "Abgesagt", "Storniert")),
    ],
)
def test_a_cancelled_appointment_does_not_make_its_diagnosis_an_error(
    tmp_path: Path, number: str, status: str, words: tuple[str, ...]
) -> None:
    text = diagnoses(f"MRN;DOB;{number};Date;ICD10;Diagnosis;{status}", words)
    _, made, mapping = converted(tmp_path, text)
    assert errors(made) == 0
    assert not [r for r in of(made, "Condition") if "clinicalStatus" in r]
    assert f"{status}: is it the status of the appointment" in mapping


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("No", ("Active", "Resolved", "Cancelled", "Active")),
        ("No", ("Confirmed", "Cancelled")),
        ("Afspraaknr", ("Actief", "Geannuleerd")),
        ("No", ("Active", "Entered in error")),
    ],
)
def test_a_cancelled_diagnosis_still_is_one(tmp_path: Path, number: str, words: tuple[str, ...]) -> None:
    text = diagnoses(f"MRN;DOB;{number};Date;ICD10;Diagnosis;Status", words)
    _, made, _ = converted(tmp_path, text)
    assert errors(made) == 16 // len(words)


def test_an_appointment_that_was_called_off_by_a_mark_is_no_error_either(tmp_path: Path) -> None:
    text = diagnoses("MRN;DOB;Appointment No;Date;ICD10;Diagnosis;Cancelled", ("N", "Y"))
    _, made, mapping = converted(tmp_path, text)
    assert errors(made) == 0
    assert "Cancelled: looks like whether the record is valid" in mapping
    text = diagnoses("MRN;DOB;Appointment No;Date;ICD10;Diagnosis;Deleted", ("N", "Y"))
    assert errors(converted(tmp_path, text)[1]) == 8
