"""The cohort's tables and messages: deterministic, labelled, and converted without loss but for what is planted."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from fhir_bridge.adapters.ehr.csv import CsvAdapter
from fhir_bridge.demo import ehr_extracts, hl7_messages
from fhir_bridge.demo.people import people


def test_the_same_people_give_the_same_bytes(tmp_path: Path) -> None:
    for write in (ehr_extracts.write, hl7_messages.write):
        first = [path.read_bytes() for path in write(tmp_path / "a", people())]
        second = [path.read_bytes() for path in write(tmp_path / "b", people())]
        assert first == second


def test_every_extract_has_its_mapping(tmp_path: Path) -> None:
    paths = ehr_extracts.write(tmp_path, people())
    assigned = CsvAdapter().assign(paths)
    assert {name: [path.name for path in files] for name, files in assigned.items()} == {
        f"ehr/csv-{name}": [f"{name}.csv"]
        for name in ("patients", "laboratory", "vitals", "medications", "conditions", "smoking")
    }


def test_every_analyte_of_the_cohort_is_reported() -> None:
    assert {name for person in people() for name in person.laboratory} == set(ehr_extracts.ANALYTES)


def test_units_are_mixed_and_values_follow_them() -> None:
    cohort = people()
    in_millimoles, value = ehr_extracts.reported(cohort[0], 0, "total cholesterol")
    in_milligrams, converted = ehr_extracts.reported(cohort[2], 2, "total cholesterol")
    assert (in_millimoles.unit, value) == ("mmol/l", cohort[0].laboratory["total cholesterol"])
    assert in_milligrams.unit == "mg/dl"
    assert abs(converted / Decimal("38.665") - cohort[2].laboratory["total cholesterol"]) < Decimal("0.02")


def test_one_row_names_no_authority_and_three_codes_have_no_map(tmp_path: Path) -> None:
    text = (ehr_extracts.write(tmp_path, people())[1]).read_text()
    rows = [line.split(";") for line in text.splitlines()[1:]]
    assert sum(row[1] == "" for row in rows) == 1
    assert {"HAEM", "GALX", "XSTS"} <= {row[3] for row in rows}


def test_messages_hold_a_merge_a_correction_and_a_culture(tmp_path: Path) -> None:
    by_name = {path.name: path.read_bytes().decode() for path in hl7_messages.write(tmp_path, people())}
    merged = [person for person in people() if person.previous_mrn]
    assert by_name["adt-merge.hl7"].count("ADT^A40") == len(merged) > 0
    statuses = [
        line.split("|")[11] for line in by_name["oru-troponin.hl7"].split("\r") if line.startswith("OBX")
    ]
    assert statuses == ["P", "F", "C"]
    assert "|MB|F|600-7&" in by_name["oru-culture.hl7"]
