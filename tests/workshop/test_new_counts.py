"""`mapping new`: how many there were of something, numbers of rows, and flags of diseases."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workshop.drafts import converted, of


def study(header: str, cells: str, count: int = 8) -> str:
    """A table of a study with more columns."""
    return f"subject_id,age,sex,weight_kg,{header}\n" + "".join(
        f"S{n:03},{n + 40},{'FM'[n % 2]},{n + 60},{cells}\n" for n in range(count)
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_medications", "3"),
        ("number_inpatient", "0"),
        ("number of visits", "2"),
        ("anzahl_untersuchungen", "1"),
    ],
)
def test_a_count_identifies_nothing_and_has_no_unit(tmp_path: Path, name: str, value: str) -> None:
    guesses, made, mapping = converted(tmp_path, study(f"{name},bmi", f"{value},24"))
    assert "name says how many" in guesses[name].evidence[1]
    results = [r for r in of(made, "Observation") if r["code"]["text"] == name]
    assert len(results) == 8
    assert results[0]["valueQuantity"] == {"value": float(value)}
    assert f"{name}: what unit" not in mapping


@pytest.mark.parametrize("name", ["num_episodio", "patient_number", "visit number"])
def test_the_number_of_a_thing_is_no_count(tmp_path: Path, name: str) -> None:
    guesses, _, _ = converted(tmp_path, study(f"{name},bmi", "41,24"))
    assert guesses[name].role != "count"
    assert "how many" not in " ".join(guesses[name].evidence)


def test_counts_beside_an_event_are_asked(tmp_path: Path) -> None:
    rows = "".join(f"E{n},P{n % 5},2024-01-{n + 10},I10,{n % 4}\n" for n in range(12))
    guesses, made, mapping = converted(
        tmp_path, f"encounter_id,patient_id,diagnosis_date,icd10,num_procedures\n{rows}"
    )
    assert guesses["num_procedures"].role == "count"
    assert of(made, "Condition")
    assert "num_procedures" not in str(made)
    assert "num_procedures: looks like how many there were of something" in mapping


def test_an_unnamed_column_that_rises_numbers_rows(tmp_path: Path) -> None:
    text = study("bmi", "24").splitlines()
    lines = [f"{cell},{line}" for cell, line in zip(["", *"13579"], text, strict=False)]
    guesses, made, _ = converted(tmp_path, "\n".join(lines) + "\n")
    assert guesses["column 1"].role == "row-id"
    assert not [r for r in of(made, "Observation") if r["code"]["text"] == "column 1"]


def test_a_chronic_disease_is_a_finding(tmp_path: Path) -> None:
    text = study("chronic_kidney_disease,hypertension,copd,stroke", "Yes,No,No,Yes").replace(
        "Yes,No,No,Yes", "No,Yes,Yes,No", 3
    )
    guesses, made, _ = converted(tmp_path, text)
    assert guesses["chronic_kidney_disease"].role == "boolean"
    found = {
        r["valueBoolean"] for r in of(made, "Observation") if r["code"]["text"] == "chronic_kidney_disease"
    }
    assert found == {True, False}
