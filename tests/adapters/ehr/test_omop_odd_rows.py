"""Rows of OMOP that can't be as they say: each is named with its line, and nothing is made of what is impossible."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.ehr.conftest import Converted, convert
from tests.adapters.ehr.test_omop import EXAMPLE, site, tables

__all__ = ["tables"]


def with_cells(folder: Path, table: str, row: int = 1, **cells: str) -> Converted:
    """The example with other cells in one row of a table."""
    path = folder / f"{table}.csv"
    rows = list(csv.reader(path.read_text().splitlines()))
    for column, text in cells.items():
        rows[row][rows[0].index(column)] = text
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return convert("ehr/omop", sorted(folder.glob("*.csv")), site())


def reported(converted: Converted, code: str) -> list[tuple[str, str]]:
    return [(issue.source, issue.message) for issue in converted.issues if issue.code == code]


WITHOUT_END = [(f"drug_exposure.csv:{line}", "drug_exposure_end_date is missing") for line in (3, 4)]
"""Rows of the example that have no end, which the model requires."""


def test_example_has_nothing_odd() -> None:
    converted = convert("ehr/omop", sorted(EXAMPLE.glob("*.csv")), site())
    assert not {"FB-OMOP-010", *(f"FB-OMOP-00{number}" for number in (5, 6, 7, 8))} & converted.codes()


@pytest.mark.parametrize(
    ("table", "column", "of"),
    [
        ("person", "provider_id", "provider"),
        ("person", "location_id", "location"),
        ("person", "care_site_id", "care_site"),
        ("provider", "care_site_id", "care_site"),
        ("care_site", "location_id", "location"),
        ("death", "person_id", "person"),
        ("visit_occurrence", "care_site_id", "care_site"),
        *((table, "person_id", "person") for table in ("note", "device_exposure", "procedure_occurrence")),
        *(
            (table, column, column.removesuffix("_id"))
            for table in ("condition_occurrence", "drug_exposure", "measurement", "observation")
            for column in ("person_id", "visit_occurrence_id", "provider_id")
        ),
    ],
)
def test_row_that_refers_to_none_is_named(tables: Path, table: str, column: str, of: str) -> None:
    converted = with_cells(tables, table, **{column: "-77"})
    assert reported(converted, "FB-OMOP-005") == [(f"{table}.csv:2", f"{column} names no row of {of}")]
    assert (f"{table}.csv:2", "converted") in converted.outcomes


def test_table_that_the_data_set_does_not_have_is_not_missed_row_by_row(tables: Path) -> None:
    (tables / "provider.csv").unlink()
    assert not reported(convert("ehr/omop", sorted(tables.glob("*.csv")), site()), "FB-OMOP-005")


@pytest.mark.parametrize(
    ("table", "column"),
    [
        *(("drug_exposure", column) for column in ("quantity", "days_supply", "refills")),
        *(("measurement", column) for column in ("value_as_number", "range_low")),
        ("observation", "value_as_number"),
        ("procedure_occurrence", "quantity"),
        ("device_exposure", "quantity"),
    ],
)
def test_number_below_zero_is_named(tables: Path, table: str, column: str) -> None:
    converted = with_cells(tables, table, **{column: "-2"})
    assert reported(converted, "FB-OMOP-006") == [(f"{table}.csv:2", f"{column} is below zero")]


def test_amounts_below_zero_are_in_the_note_alone(tables: Path) -> None:
    converted = with_cells(tables, "drug_exposure", quantity="-30", days_supply="-7", refills="-1")
    (order,) = converted.of("MedicationRequest")
    assert set(order["dispenseRequest"]) == {"validityPeriod"}
    assert all(text in order["note"][0]["text"] for text in ("-30", "-7", "-1"))


@pytest.mark.parametrize(
    ("row", "cells", "noted"),
    [
        (2, {"value_as_number": "-137"}, "-137 mm[Hg]"),
        (1, {"operator_concept_id": "999999"}, "14.0 %"),
        (1, {"operator_concept_id": "32817"}, "14.0 %"),
    ],
)
def test_value_that_would_mislead_is_in_a_note_alone(
    tables: Path, row: int, cells: dict[str, str], noted: str
) -> None:
    converted = with_cells(tables, "measurement", row, **cells)
    observation = next(one for one in converted.of("Observation") if one.get("note") == [{"text": noted}])
    assert "valueQuantity" not in observation
    assert observation["dataAbsentReason"]["coding"][0]["code"] == "error"
    assert (
        reported(converted, "FB-OMOP-006" if row == 2 else "FB-OMOP-008")[0][0]
        == f"measurement.csv:{row + 1}"
    )


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("person", "gender_concept_id"),
        ("person", "race_concept_id"),
        ("provider", "gender_concept_id"),
        ("visit_occurrence", "visit_concept_id"),
        ("condition_occurrence", "condition_concept_id"),
        ("condition_occurrence", "condition_status_concept_id"),
        ("drug_exposure", "route_concept_id"),
        ("drug_exposure", "drug_type_concept_id"),
        ("measurement", "unit_concept_id"),
        ("measurement", "operator_concept_id"),
        ("observation", "qualifier_concept_id"),
    ],
)
@pytest.mark.parametrize("number", ["999999", "-5", "abc"])
def test_concept_that_the_table_does_not_have_is_listed(
    tables: Path, table: str, column: str, number: str
) -> None:
    ((_, message),) = reported(with_cells(tables, table, **{column: number}), "FB-OMOP-003")
    assert number in message.partition(": ")[2].split(", ")


def test_gender_that_no_rule_knows_is_flagged(tables: Path) -> None:
    converted = with_cells(tables, "person", gender_concept_id="999999", gender_source_value="")
    assert ("person.csv:2", "partial") in converted.outcomes
    assert "gender" not in converted.of("Patient")[0]


@pytest.mark.parametrize(
    ("table", "cells", "says"),
    [
        (
            "condition_occurrence",
            {"condition_end_date": "2019-12-31"},
            "condition_end_date is before condition_start_date",
        ),
        (
            "condition_occurrence",
            {"condition_end_datetime": "2020-01-04 23:00:00"},
            "condition_end_datetime is before",
        ),
        (
            "procedure_occurrence",
            {"procedure_end_date": "2020-01-05"},
            "procedure_end_date is before procedure_date",
        ),
        ("visit_occurrence", {"visit_end_date": "2020-01-04"}, "visit_end_date is before visit_start_date"),
        ("drug_exposure", {"drug_exposure_end_date": "2019-04-05"}, "drug_exposure_end_date is before"),
        ("device_exposure", {"device_exposure_end_date": "2019-04-05"}, "device_exposure_end_date is before"),
        ("measurement", {"range_low": "10"}, "range_high is before range_low"),
    ],
)
def test_end_before_its_beginning_is_named(
    tables: Path, table: str, cells: dict[str, Any], says: str
) -> None:
    found = reported(with_cells(tables, table, **cells), "FB-OMOP-007")
    assert [source for source, _ in found] == [f"{table}.csv:2"]
    assert says in found[0][1]


def test_death_before_birth_is_named_at_the_person(tables: Path) -> None:
    converted = with_cells(tables, "death", death_date="1900-05-28", death_datetime="")
    assert reported(converted, "FB-OMOP-007") == [
        ("person.csv:3", "the day of death is before that of birth")
    ]


@pytest.mark.parametrize(
    ("table", "cells"),
    [
        ("visit_occurrence", {"visit_start_date": "", "visit_start_datetime": ""}),
        ("visit_occurrence", {"visit_end_date": "", "visit_end_datetime": ""}),
        ("condition_occurrence", {"condition_start_date": "", "condition_start_datetime": ""}),
        ("drug_exposure", {"drug_exposure_start_date": "", "drug_exposure_start_datetime": ""}),
        ("drug_exposure", {"drug_exposure_end_date": "", "drug_exposure_end_datetime": ""}),
        ("procedure_occurrence", {"procedure_date": "", "procedure_datetime": ""}),
        ("measurement", {"measurement_date": "", "measurement_datetime": ""}),
        ("observation", {"observation_date": "", "observation_datetime": ""}),
        ("device_exposure", {"device_exposure_start_date": "", "device_exposure_start_datetime": ""}),
        ("note", {"note_date": "", "note_datetime": ""}),
        ("death", {"death_date": "", "death_datetime": ""}),
        ("person", {"year_of_birth": "", "birth_datetime": ""}),
    ],
)
def test_date_that_is_missing_is_named_with_row_and_column(
    tables: Path, table: str, cells: dict[str, str]
) -> None:
    column = next(iter(cells))
    known = next(csv.reader((tables / f"{table}.csv").read_text().splitlines()))
    converted = with_cells(tables, table, **{name: text for name, text in cells.items() if name in known})
    assert (f"{table}.csv:2", f"{column} is missing") in reported(converted, "FB-OMOP-009")
    assert len(reported(converted, "FB-OMOP-009")) == 1 + len(WITHOUT_END)


def test_time_beside_a_missing_day_is_enough(tables: Path) -> None:
    converted = with_cells(
        tables, "measurement", measurement_date="", measurement_datetime="2026-01-05 10:00:00"
    )
    assert reported(converted, "FB-OMOP-009") == WITHOUT_END


@pytest.mark.parametrize(
    ("table", "cells", "column"),
    [
        ("person", {"year_of_birth": "2999"}, "year_of_birth"),
        ("person", {"birth_datetime": "2999-01-01 00:00:00"}, "birth_datetime"),
        ("death", {"death_date": "2999-01-01"}, "death_date"),
    ],
)
def test_birth_or_death_in_the_future_is_named_with_row_and_column(
    tables: Path, table: str, cells: dict[str, str], column: str
) -> None:
    converted = with_cells(tables, table, **cells)
    assert (f"{table}.csv:2", f"{column} is in the future") in reported(converted, "FB-OMOP-010")


@pytest.mark.parametrize(
    ("cells", "born", "says"),
    [
        (("1960", "", "", "1960-07-08 00:00:00"), "1960-07-08", ""),
        (("1960", "7", "", "1960-07-08"), "1960-07-08", ""),
        (("1960", "", "", "1960-01-01 00:00:00"), "1960", "unknown day"),
        (("1960", "", "", "1960-06-15"), "1960", "unknown day"),
        (("1960", "7", "", "1960-07-15"), "1960-07", "unknown day"),
        (("1960", "", "", "1961-07-08"), "1960", "another day"),
        (("1960", "7", "8", "1960-07-09"), "1960-07-08", "another day"),
        (("1960", "", "", "1960-13-40"), "1960", "unknown day"),
        (("1960", "7", "8", "1960-07-08"), "1960-07-08", ""),
        (("", "", "", "1960-07-08"), "1960-07-08", ""),
    ],
)
def test_day_of_birth_is_that_of_the_moment_where_the_parts_do_not_say_it(
    tables: Path, cells: tuple[str, ...], born: str, says: str
) -> None:
    columns = ("year_of_birth", "month_of_birth", "day_of_birth", "birth_datetime")
    converted = with_cells(tables, "person", **dict(zip(columns, cells, strict=True)))
    assert converted.of("Patient")[0]["birthDate"] == born
    messages = reported(converted, "FB-OMOP-011")
    assert bool(messages) == bool(says)
    assert all(says in message and source == "person.csv:2" for source, message in messages)


def test_time_of_birth_is_kept(tables: Path) -> None:
    converted = with_cells(tables, "person", birth_datetime="1960-07-08 07:30:00", year_of_birth="1960",
                           month_of_birth="", day_of_birth="")  # fmt: skip
    (extension,) = converted.of("Patient")[0]["_birthDate"]["extension"]
    assert extension["valueDateTime"].startswith("1960-07-08T07:30:00")


def test_columns_of_an_address_are_not_reported_as_unread(tables: Path) -> None:
    converted = with_cells(tables, "location", country_source_value="")
    unread = [message for source, message in reported(converted, "FB-CSV-011") if source == "location.csv"]
    assert not [message for message in unread if "location_source" not in message], unread
