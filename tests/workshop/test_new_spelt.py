# ruff: noqa: E501 - tables are written as they are
"""How dates, sexes and rows of a first mapping may be written, and that nothing which is in the output is said to be lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.workshop.drafts import converted, of


def test_what_one_of_two_rules_of_a_row_represents_is_not_said_to_be_lost(tmp_path: Path) -> None:
    text = "Pat-ID;Nachname;Vorname;Geburtsdatum;Krankenkasse\n" + "".join(
        f"100{n};Schmidt{n};Anna;1{n}.03.1950;{('Barmer', 'AOK', 'DAK', 'Barmer')[n]}\n" for n in range(4)
    )
    _, made, _ = converted(tmp_path, text)
    assert (len(of(made, "Patient")), len(of(made, "Coverage"))) == (4, 4)
    assert "FB-CSV-011" not in json.dumps(json.loads((tmp_path / "out" / "report.json").read_text()))


@pytest.mark.parametrize("day", ["{}T161720", "{}T1617", "{} 16:17", "{}T16:17:20"])
def test_digits_of_a_day_and_its_time_are_a_time(tmp_path: Path, day: str) -> None:
    text = "patient_id,event_id,vaccine,date_and_time_of_vaccination\n" + "".join(
        f"P{n % 5},V{n:03},Influenza,{day.format(20231001 + n)}\n" for n in range(12)
    )
    guesses, made, _ = converted(tmp_path, text)
    assert guesses["date_and_time_of_vaccination"].timed
    when = {r["occurrenceDateTime"][:16] for r in of(made, "Immunization")}
    assert when == {f"2023-10-{n + 1:02}T16:17" for n in range(12)}


@pytest.mark.parametrize("word", ["Not known", "Not specified", "Not stated", "Indeterminate"])
def test_words_of_the_nhs_for_no_sex_leave_the_others(tmp_path: Path, word: str) -> None:
    text = "patient_id,surname,person_gender,dob\n" + "".join(
        f"P{n},Hill{n},{('Female', 'Male', word)[n % 3]},1950-01-{n + 1:02}\n" for n in range(9)
    )
    _, made, _ = converted(tmp_path, text)
    assert (
        sorted(r.get("gender", "-") for r in of(made, "Patient"))
        == ["female"] * 3 + ["male"] * 3 + ["unknown"] * 3
    )
