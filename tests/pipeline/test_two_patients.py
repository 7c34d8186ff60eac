"""One business key under two patients within a run of `convert`; and keys of patients whose numbers are equal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.command import run_command

SITE = """\
demo_key: true
zone: Europe/Rome
identity:
  patient_authority: "urn:oid:2.999.1"
  unlinked: hold
  authorities: {HOSP: "urn:oid:2.999.1", LAB: "urn:oid:2.999.2"}
"""
A40 = (
    "MSH|^~\\&|LAB|HOSP|EHR|HOSP|20240303||ADT^A40|3|P|2.5.1\rEVN||20240303\rPID|1||2^^^HOSP\rMRG|1^^^HOSP\r"
)


def oru(control: str, patient: str, value: str) -> str:
    return (
        f"MSH|^~\\&|LAB|HOSP|EHR|HOSP|2024030{control}||ORU^R01|{control}|P|2.5.1\rPID|1||{patient}\r"
        f"OBR|1||F1|24323-8^Panel^LN|||20240301|||||||||||||||2024030{control}0900|||F\r"
        f"OBX|1|NM|718-7^Hemoglobin^LN||{value}|g/dL|||||F|||20240301\r"
    )


def admission(control: str, patient: str) -> str:
    return (
        f"MSH|^~\\&|ADT|HOSP|EHR|HOSP|20240301||ADT^A08|{control}|P|2.5.1\rEVN||20240301\r"
        f"PID|1||{patient}||Doe^J|||||||||||||||||N^Not Hispanic^HL70189\r"
        "OBX|1|NM|718-7^Hemoglobin^LN||12|g/dL|||||F|||20240301\rAL1|1|DA|PEN^Penicillin^L\r"
        "DG1|1||I10^Hypertension^I10\rPR1|1||P1^Procedure^L||20240301\r"
    )


@pytest.fixture
def convert(tmp_path: Path) -> Any:
    (tmp_path / "site.yaml").write_text(SITE)

    def run(text: str) -> tuple[int, dict[str, list[dict[str, Any]]]]:
        (tmp_path / "m.hl7").write_text(text)
        out = tmp_path / "out"
        done = run_command(
            "convert",
            tmp_path / "m.hl7",
            "-a",
            "hl7v2",
            "--site",
            tmp_path / "site.yaml",
            "--out",
            out,
            "--force",
        )
        files = {
            path.stem: [json.loads(line) for line in path.read_text().splitlines()]
            for path in out.glob("*.ndjson")
        }
        return done.returncode, {**files, "issues": json.loads((out / "report.json").read_text())["issues"]}

    return run


def test_a_result_of_two_patients_is_written_for_the_first_alone(convert: Any) -> None:
    code, result = convert(oru("1", "1^^^HOSP", "12") + oru("2", "2^^^HOSP", "7"))
    assert code == 1
    for kind in ("Observation", "DiagnosticReport", "ServiceRequest"):
        (only,) = result[kind]
        assert only["subject"] == result["Observation"][0]["subject"]
    assert result["Observation"][0]["valueQuantity"]["value"] == 12
    wrong = [issue for issue in result["issues"] if issue["severity"] != "information"]
    assert {issue["code"] for issue in wrong} == {"FB-RUN-011"}
    (line,) = result["rejects"]  # one line for a record, with all its issues
    assert (line["outcome"], len(line["issues"])) == ("partial", 3)


def test_of_linked_patients_both_versions_are_written(convert: Any) -> None:
    code, result = convert(oru("1", "1^^^HOSP", "12") + oru("2", "2^^^HOSP", "7") + A40)
    assert code == 0, result["issues"]
    assert len(result["Observation"]) == 2


def test_equal_numbers_of_two_authorities_are_two_patients_in_every_key(convert: Any) -> None:
    code, result = convert(admission("1", "5^^^HOSP") + admission("2", "5^^^LAB"))
    assert code == 0, result["issues"]
    for kind in ("AllergyIntolerance", "Condition", "Procedure", "Patient"):
        assert len({item["id"] for item in result[kind]}) == 2, kind
    assert len({item["id"] for item in result["Observation"]}) == 4


def test_the_order_of_a_patient_s_numbers_creates_no_other_allergy(convert: Any) -> None:
    _, result = convert(admission("1", "5^^^HOSP~6^^^LAB") + admission("2", "6^^^LAB~5^^^HOSP"))
    for kind in ("AllergyIntolerance", "Condition", "Procedure"):
        assert len({item["id"] for item in result[kind]}) == 1, kind
