"""Concept maps as HL7's v2-to-FHIR sheets: read with their lines, and checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from fhir_bridge.terminology import TerminologyFileError, lint_folders
from fhir_bridge.terminology.map_sheets import is_map_sheet, read_map_sheet

HEADER = (
    "HL7 v2,,,Condition (IF True),,,HL7 FHIR,,,\n"
    "Code,Text,Code System,Computable ANTLR,Computable FHIRPath,Narrative,Code,,Display,Code System\n"
)


def sheet(folder: Path, *rows: str) -> Path:
    path = folder / "HL7 Concept Map_ Made - Sheet1.csv"
    path.write_text(HEADER + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_a_row_becomes_a_target_and_an_empty_right_side_none(tmp_path: Path) -> None:
    file = read_map_sheet(
        sheet(
            tmp_path,
            "F,Female,HL70001,,,,female,,Female,http://hl7.org/fhir/administrative-gender",
            "X,Whatever,HL70001,,,,,,,",
        )
    )
    first, second = file.resource["group"]
    assert first["source"] == "http://terminology.hl7.org/CodeSystem/v2-0001"
    assert first["element"][0]["target"] == [
        {"equivalence": "equivalent", "code": "female", "display": "Female"}
    ]
    assert second["element"][0]["target"] == [{"equivalence": "unmatched"}]
    assert file.lines["group[0].element[0].target[0]"] == 3
    assert file.lines["group[1].element[0]"] == 4


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85"])
def test_a_text_with_a_line_separator_is_one_text(tmp_path: Path, separator: str) -> None:
    system = "http://hl7.org/fhir/administrative-gender"
    (group,) = read_map_sheet(
        sheet(tmp_path, f"F,Fe{separator}male,HL70001,,,,female,,Fe{separator}male,{system}")
    ).resource["group"]
    assert group["element"][0]["target"][0]["display"] == f"Fe{separator}male"


def test_rows_for_different_conditions_do_not_contradict(tmp_path: Path) -> None:
    system = "http://hl7.org/fhir/administrative-gender"
    sheet(
        tmp_path,
        f"O,Other,HL70001,IF A,,,other,,Other,{system}",
        f"O,Other,HL70001,IF B,,,unknown,,Unknown,{system}",
    )
    assert lint_folders([tmp_path]) == []


def test_a_wrong_target_is_named_with_its_line(tmp_path: Path) -> None:
    path = sheet(tmp_path, "W,Wrong,HL70085,,,,entered-in-errror,,,http://hl7.org/fhir/observation-status")
    (issue,) = [i for i in lint_folders([path]) if i.code == "FB-TERM-010"]
    assert issue.source == f"{path}:3"
    assert "entered-in-errror" in issue.message


def test_code_and_display_interchanged_are_reported(tmp_path: Path) -> None:
    system = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
    path = sheet(tmp_path, f"R,Restricted,HL70177,,,,restricted,,R,{system}")
    (issue,) = [i for i in lint_folders([path]) if i.code == "FB-TERM-010"]
    assert '"R" is the code' in issue.message


def test_a_code_system_with_a_trailing_slash_is_no_code_system(tmp_path: Path) -> None:
    path = sheet(tmp_path, "1,Second,HL70001,,,,s,,second,http://unitsofmeasure.org/")
    (issue,) = [i for i in lint_folders([path]) if i.code == "FB-TERM-019"]
    assert "did you mean http://unitsofmeasure.org?" in issue.message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"HL7 v2,HL7 FHIR\n", "header of two lines"),
        (b"HL7 v2,HL7 FHIR\nCode,Text\n", "line 2 must name the columns"),
        (HEADER.encode() + b"\xff,x\n", "line 3 is not UTF-8"),
        (HEADER.encode() + b'"a"b,x\n', "line 3: not CSV"),
    ],
)
def test_a_broken_sheet_is_named_with_its_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "map.csv"
    path.write_bytes(content)
    with pytest.raises(TerminologyFileError, match=message):
        read_map_sheet(path)
    assert [issue.code for issue in lint_folders([path])] == ["FB-TERM-001"]


def test_other_csv_of_a_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("id,name\n1,Ada\n")
    assert not is_map_sheet(tmp_path / "people.csv")
    assert lint_folders([tmp_path]) == []


@pytest.mark.shared
def test_hl7s_own_maps_hold_targets_that_do_not_exist(shared: Path) -> None:
    issues = lint_folders([shared / "data/hl7v2/hl7-v2-to-fhir/mappings/codesystems"])
    wrong = [issue for issue in issues if issue.code == "FB-TERM-010"]
    assert any("entered-in-errror" in issue.message for issue in wrong)
    assert all(":" in issue.source.rpartition(".csv")[2] for issue in wrong)
