"""OMOP data sets: from CSV, a zip and a database, and in agreement with the tables that they were made of."""

from __future__ import annotations

import csv
import shutil
import sqlite3
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir.validation import get_validator
from fhir_bridge.mapping import Site
from fhir_bridge.plugins import adapters
from tests.adapters.ehr.conftest import Converted, Reading, compiled_mapping, convert

EXAMPLE = Path(__file__).parents[3] / "mappings" / "ehr" / "omop" / "examples" / "persons"
SYNTHEA = "https://github.com/synthetichealth/synthea"
SITE = Site(site="test", demo_key=True)


def site() -> Site:
    return Site.load(EXAMPLE / "site.yaml")


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    folder = tmp_path / "cdm"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("*.yaml", "*.ndjson"))
    return folder


def test_zip_folder_and_database_give_the_same(
    tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = sorted(tables.glob("*.csv"))
    first = convert("ehr/omop", files, site())
    assert len(first.resources) > 20
    with zipfile.ZipFile(tmp_path / "cdm.zip", "w") as archive:
        for file in files:
            archive.write(file, f"export/{file.name.upper()}")
    zipped = convert("ehr/omop", [tmp_path / "cdm.zip"], site())
    assert zipped.resources == first.resources
    with sqlite3.connect(tmp_path / "cdm.db") as base:
        for file in files:
            rows = list(csv.reader(file.read_text().splitlines()))
            columns = [f"{name} {'INTEGER' if name.endswith('_id') else 'TEXT'}" for name in rows[0]]
            base.execute(f"CREATE TABLE {file.stem} ({', '.join(columns)})")
            marks = ", ".join("?" * len(rows[0]))
            base.executemany(f"INSERT INTO {file.stem} VALUES ({marks})", rows[1:])
    base.close()
    monkeypatch.setenv("OMOP_URL", f"sqlite:///{tmp_path}/cdm.db")
    description = tmp_path / "hospital.omop.yaml"
    description.write_text("url: env:OMOP_URL\nname: EX\n")
    assert convert("ehr/omop", [description], site()).resources == first.resources


def test_table_that_is_damaged_costs_itself_alone(tables: Path) -> None:
    text = (tables / "measurement.csv").read_text().replace("measurement_id", "number", 1)
    (tables / "measurement.csv").write_text(text)
    condition = tables / "condition_occurrence.csv"
    condition.write_text(condition.read_text() + "3,1,4025213\n")
    converted = convert("ehr/omop", sorted(tables.glob("*.csv")), site())
    assert {"FB-OMOP-004", "FB-CSV-004"} <= converted.codes()
    rejected = [locator for locator, outcome in converted.outcomes if outcome == "rejected"]
    assert rejected == ["condition_occurrence.csv:4", "measurement.csv"]
    assert len(converted.of("Condition")) == 2


def test_impossible_day_is_left_out_and_said_with_its_row(tables: Path) -> None:
    converted = convert("ehr/omop", sorted(tables.glob("*.csv")), site())
    issue = next(issue for issue in converted.issues if issue.code == "FB-MAP-208")
    assert issue.source.startswith("condition_occurrence.csv:3")
    assert "onsetDateTime" not in converted.of("Condition")[1]


def test_rows_of_all_tables_are_of_the_patient_of_person_without_a_site_file(tables: Path) -> None:
    converted = convert("ehr/omop", sorted(tables.glob("*.csv")), SITE)
    patients = {f"Patient/{one['id']}" for one in converted.of("Patient")}
    stated = [
        one["subject"]["reference"] for one in (*converted.of("Condition"), *converted.of("Observation"))
    ]
    assert len(stated) > 2
    assert set(stated) <= patients


def test_zip_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cdm.zip").write_bytes(b"PK\x03\x04 nothing")
    converted = convert("ehr/omop", [tmp_path / "cdm.zip"], site())
    assert converted.outcomes == [("cdm.zip", "rejected")]
    assert converted.codes() == {"FB-OMOP-001"}


def test_persons_of_the_source_are_those_of_its_own_tables_by_setting(tables: Path) -> None:
    known = adapters()["omop"]
    reading = Reading({"person_authority": SYNTHEA}, SITE)
    patients = [row.patient for row in known.read([tables / "person.csv"], reading) if row.outcome == "read"]
    assert patients == [(SYNTHEA, "abc-1"), (SYNTHEA, "abc-2")]


# The same persons by both adapters. The two samples of ../shared have no person in common, so the tables of
# Synthea are written from the OMOP data set, column by column, as ETL-Synthea made that from such tables.

CLASSES = {"9201": "inpatient", "9202": "ambulatory", "9203": "emergency"}


def omop_tables(path: Path) -> Callable[[str], Iterator[dict[str, str]]]:
    archive = zipfile.ZipFile(path)

    def rows(name: str) -> Iterator[dict[str, str]]:
        with archive.open(f"{name.upper()}.csv") as file:
            yield from csv.DictReader(line.decode() for line in file)

    return rows


def write_synthea(rows: Callable[[str], Iterator[dict[str, str]]], folder: Path) -> list[Path]:
    person = {row["person_id"]: row["person_source_value"] for row in rows("person")}
    visit = {row["visit_occurrence_id"]: row["visit_source_value"] for row in rows("visit_occurrence")}
    death = {row["person_id"]: row["death_date"] for row in rows("death")}
    vocabulary = {row["concept_id"]: row["vocabulary_id"] for row in rows("concept")}

    def patients() -> Iterator[dict[str, str]]:
        for row in rows("person"):
            yield {
                "Id": row["person_source_value"],
                "BIRTHDATE": f"{row['year_of_birth']}-{row['month_of_birth']:0>2}-{row['day_of_birth']:0>2}",
                "DEATHDATE": death.get(row["person_id"], ""),
                "GENDER": row["gender_source_value"],
                "RACE": row["race_source_value"],
                "ETHNICITY": row["ethnicity_source_value"],
                **dict.fromkeys(("SSN", "FIRST", "LAST", "ADDRESS", "CITY"), "x"),
            }

    def encounters() -> Iterator[dict[str, str]]:
        for row in rows("visit_occurrence"):
            yield {
                "Id": row["visit_source_value"],
                "START": row["visit_start_date"],
                "STOP": row["visit_end_date"],
                "PATIENT": person[row["person_id"]],
                "ENCOUNTERCLASS": CLASSES[row["visit_concept_id"]],
                **dict.fromkeys(("CODE", "DESCRIPTION", "REASONCODE"), ""),
            }

    def stated(table: str, start: str, stop: str, code: str) -> Iterator[dict[str, str]]:
        for row in rows(table):
            yield {
                "START": row[start],
                "STOP": row[stop],
                "PATIENT": person[row["person_id"]],
                "ENCOUNTER": visit.get(row["visit_occurrence_id"], ""),
                "CODE": row[code],
                "DESCRIPTION": "x",
                "REASONCODE": "",
                "VOCABULARY": vocabulary.get(row[code.replace("source_value", "concept_id")], ""),
            }

    def observations() -> Iterator[dict[str, str]]:
        for row in rows("measurement"):
            if row["value_as_number"]:
                yield {
                    "DATE": row["measurement_date"],
                    "PATIENT": person[row["person_id"]],
                    "ENCOUNTER": visit.get(row["visit_occurrence_id"], ""),
                    "CODE": row["measurement_source_value"],
                    "DESCRIPTION": "x",
                    "VALUE": row["value_as_number"],
                    "UNITS": row["unit_source_value"],
                    "TYPE": "numeric",
                    "CATEGORY": "vital-signs",
                }

    named: dict[str, Iterable[dict[str, str]]] = {
        "patients": patients(),
        "encounters": encounters(),
        "conditions": stated(
            "condition_occurrence", "condition_start_date", "condition_end_date", "condition_source_value"
        ),
        "medications": stated(
            "drug_exposure", "drug_exposure_start_date", "drug_exposure_end_date", "drug_source_value"
        ),
        "observations": observations(),
    }
    paths = []
    for name, table in named.items():
        listed = list(table)
        path = folder / f"{name}.csv"
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(listed[0]), extrasaction="ignore")
            writer.writeheader()
            writer.writerows(listed)
        paths.append(path)
    return paths


def codes(resource: dict[str, Any], element: str = "code") -> frozenset[str]:
    return frozenset(coding["code"] for coding in resource[element].get("coding", ()))


def subject(resource: dict[str, Any]) -> str:
    return str(resource["subject"]["reference"])


def statements(resources: list[dict[str, Any]]) -> dict[str, set[tuple[Any, ...]]]:
    """What is said of each patient, in the words that both have; ids of patients are the same by both adapters."""
    said: dict[str, set[tuple[Any, ...]]] = {
        name: set() for name in ("patient", "encounter", "condition", "drug", "value")
    }
    for one in resources:
        match one["resourceType"]:
            case "Patient":
                said["patient"].add((one["id"], one["gender"], one["birthDate"], one.get("deceasedDateTime")))
            case "Encounter":
                source = {i["value"] for i in one["identifier"]}
                number = next(value for value in source if "-" in value)
                period = one["period"]
                said["encounter"].add(
                    (subject(one), number, one["class"]["code"], period["start"], period.get("end"))
                )
            case "Condition":
                status = one["clinicalStatus"]["coding"][0]["code"]
                times = one["onsetDateTime"], one.get("abatementDateTime")
                said["condition"] |= {(subject(one), code, *times, status) for code in codes(one)}
            case "MedicationRequest":
                period = one["dispenseRequest"]["validityPeriod"]
                said["drug"] |= {
                    (subject(one), code, period["start"], period.get("end"))
                    for code in codes(one, "medicationCodeableConcept")
                }
            case "MedicationStatement":
                period = one["effectivePeriod"]
                said["drug"] |= {
                    (subject(one), code, period["start"], period.get("end"))
                    for code in codes(one, "medicationCodeableConcept")
                }
            case "Observation" if "effectiveDateTime" in one:
                for part in (one, *one.get("component", ())):
                    if value := part.get("valueQuantity"):
                        unit = value.get("code", value.get("unit"))
                        said["value"] |= {
                            (subject(one), code, one["effectiveDateTime"], float(value["value"]), unit)
                            for code in codes(part)
                        }
    return said


@pytest.mark.shared
def test_synthea_by_csv_and_by_omop_say_the_same(shared: Path, tmp_path: Path) -> None:
    path = shared / "data" / "omop-synthea27nj" / "Synthea27Nj_5.4.zip"
    by_csv = Converted()
    for mapping, files in adapters()["csv"].assign(write_synthea(omop_tables(path), tmp_path)).items():
        by_csv.resources += convert(mapping, files, SITE).resources
    compiled = compiled_mapping("ehr/omop")
    compiled.source_options["person_authority"] = SYNTHEA
    try:
        by_omop = convert("ehr/omop", [path], SITE)
    finally:
        del compiled.source_options["person_authority"]
    assert not [locator for locator, outcome in by_omop.outcomes if outcome in ("rejected", "partial")]
    one, other = statements(by_csv.resources), statements(by_omop.resources)
    assert {name: len(other[name]) for name in other} == {
        "patient": 28,
        "encounter": 1791,
        "condition": 470,
        "drug": 883,
        "value": 9087,
    }
    for name in one:
        assert one[name] == other[name], name
    validator = get_validator()
    for resource in by_omop.resources[::60]:
        assert not [issue for issue in validator.validate(resource) if issue.severity in ("error", "fatal")]
