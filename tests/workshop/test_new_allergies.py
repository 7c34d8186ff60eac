# ruff: noqa: E501 - tables are written as they are
"""`mapping new`: what patients do not tolerate is never what they take, and a record that was taken back does not count."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.workshop.drafts import converted, of

_HEAD = "ALLERGY_NO,MRN,BIRTH_DT,SUBSTANCE,SUBSTANCE_CLASS,RXNORM,KIND_OF_REACTION,REACTION,SEVERITY,STATUS_OF_REACTION,CONFIRMATION_STATUS,ENTERED_DT_TM,ENTERED_PRSNL\n"
_ROWS = (
    ("amoxicillin", "Drug", "723", "Allergy", "Rash", "Mild", "Active", "Confirmed"),
    ("Latex", "Environment", "", "Allergy", "Hives", "Severe", "Resolved", "Confirmed"),
    ("ibuprofen", "Drug", "5640", "Side effect", "Nausea", "Moderate", "Canceled", "Unconfirmed"),
    ("Peanut", "Food", "", "Intolerance", "Swelling", "Severe", "Active", "Unconfirmed"),
    ("NKDA", "Drug", "", "", "", "", "Active", "Confirmed"),
)


def allergies(count: int = 20) -> str:
    rows = []
    for n in range(count):
        substance, sort, code, kind, reaction, severity, status, sure = _ROWS[n % 5]
        rows.append(
            f'70{n:03},4{n // 2:04},19{50 + n // 2}-02-03,{substance},{sort},{code},{kind},{reaction},{severity},{status},{sure},2024-03-{n % 20 + 10} 12:04:00,"Ames RN, Ruth"\n'
        )
    return _HEAD + "".join(rows)


def code(resource: dict[str, Any], element: str) -> str:
    return str(resource.get(element, {}).get("coding", [{}])[0].get("code", ""))


def test_drugs_that_reactions_are_to_are_not_taken(tmp_path: Path) -> None:
    _, made, _ = converted(tmp_path, allergies(), "substances.csv")
    assert not [r for r in made if r["resourceType"].startswith("Medication")]
    listed = of(made, "AllergyIntolerance")
    assert len(listed) == 20
    coded = {code(r, "code") for r in listed if r["code"]["text"] == "amoxicillin"}
    assert coded == {"723"}
    assert {r["recorder"]["display"] for r in listed} == {"Ames RN, Ruth"}
    assert {tuple(r["category"]) for r in listed if r["code"]["text"] == "Peanut"} == {("food",)}
    assert {r.get("type", "") for r in listed} == {"allergy", "intolerance", ""}


def test_a_record_that_was_taken_back_is_not_active(tmp_path: Path) -> None:
    _, made, mapping = converted(tmp_path, allergies(), "substances.csv")
    states = Counter(
        (r["code"]["text"], code(r, "clinicalStatus"), code(r, "verificationStatus"))
        for r in of(made, "AllergyIntolerance")
    )
    assert states == {
        ("amoxicillin", "active", "confirmed"): 4,
        ("Latex", "resolved", "confirmed"): 4,
        ("ibuprofen", "", "entered-in-error"): 4,
        ("Peanut", "active", "unconfirmed"): 4,
        ("NKDA", "active", "confirmed"): 4,
    }
    assert "canceled is taken for a record that was entered in error" in mapping


def test_a_status_that_is_not_understood_is_no_active_allergy(tmp_path: Path) -> None:
    text = allergies().replace("Canceled", "Proposed").replace(",Resolved,", ",,")
    _, made, mapping = converted(tmp_path, text, "substances.csv")
    assert {r["code"]["text"] for r in of(made, "AllergyIntolerance")} == {"amoxicillin", "Peanut", "NKDA"}
    assert "STATUS_OF_REACTION: which status does each of these mean: proposed?" in mapping
    assert "STATUS_OF_REACTION: rows without it make no AllergyIntolerance" in mapping


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("NKDA", "409137002"),
        ("No known food allergies", "429625007"),
        ("Keine bekannten Allergien", "716186003"),
        ("Geen bekende medicatieallergieën", "409137002"),
    ],
)
def test_that_no_allergy_is_known_is_stated_by_its_code(tmp_path: Path, words: str, expected: str) -> None:
    _, made, _ = converted(tmp_path, allergies().replace("NKDA", words), "substances.csv")
    assert {code(r, "code") for r in of(made, "AllergyIntolerance") if r["code"]["text"] == words} == {
        expected
    }


def test_that_nobody_knows_is_neither_an_allergy_nor_that_there_is_none(tmp_path: Path) -> None:
    _, made, mapping = converted(tmp_path, allergies().replace("NKDA", "Unknown"), "substances.csv")
    assert "Unknown" not in {r["code"]["text"] for r in of(made, "AllergyIntolerance")}
    assert "SUBSTANCE: unknown is taken for that there is none" in mapping


def test_where_medication_and_allergies_are_both_said_neither_is_made(tmp_path: Path) -> None:
    rows = "".join(
        f"4{n // 2:04},19{50 + n // 2}-02-03,amoxicillin,723,{n}00,mg,oral,Allergy,Rash\n"
        for n in range(1, 12)
    )
    _, made, mapping = converted(
        tmp_path, f"MRN,BIRTH_DT,DRUG,RXNORM,DOSE,DOSE_UNIT,ROUTE,ALLERGY_KIND,REACTION\n{rows}"
    )
    assert {r["resourceType"] for r in made} == {"Patient"}
    assert "what are the rows about: medication, as DOSE" in mapping


def test_what_was_ruled_out_has_not_ended(tmp_path: Path) -> None:
    rows = "".join(
        f"4{n:04},19{50 + n}-02-03,J45.{n % 5}0,Asthma {n % 5},{('Confirmed', 'Ruled out')[n % 2]},{('Active', 'Resolved')[n // 2 % 2]},{'2024-03-04' if n // 2 % 2 else ''}\n"
        for n in range(12)
    )
    _, made, _ = converted(
        tmp_path, f"MRN,BIRTH_DT,DX_CODE,DX_NAME,DX_CERTAINTY,DX_STATUS,DX_RESOLVED_DT\n{rows}"
    )
    states = {
        (code(r, "verificationStatus"), code(r, "clinicalStatus"), "abatementDateTime" in r)
        for r in of(made, "Condition")
    }
    assert states == {
        ("confirmed", "active", False),
        ("confirmed", "resolved", True),
        ("refuted", "", False),
    }


def test_a_status_of_words_for_how_sure_it_is_is_that(tmp_path: Path) -> None:
    text = allergies().replace("CONFIRMATION_STATUS", "NOTE_OF_NURSE").replace("STATUS_OF_REACTION", "STATUT")
    text = text.replace("Active", "Confirmée").replace("Resolved", "Exclue").replace("Canceled", "Annulée")
    text = text.replace(",Confirmed,", ",,").replace(",Unconfirmed,", ",,")
    _, made, _ = converted(tmp_path, text, "substances.csv")
    states = {
        (r["code"]["text"], code(r, "clinicalStatus"), code(r, "verificationStatus"))
        for r in of(made, "AllergyIntolerance")
    }
    assert states == {
        ("amoxicillin", "active", "confirmed"),
        ("Latex", "inactive", "refuted"),
        ("ibuprofen", "", "entered-in-error"),
        ("Peanut", "active", "confirmed"),
        ("NKDA", "active", "confirmed"),
    }
