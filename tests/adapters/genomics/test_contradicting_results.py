"""HL7 v2 results of one variant that contradict each other, or can't be read: the variant stays, with their words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ...command import run_command
from .conftest import component

HEAD = (
    "MSH|^~\\&|LAB|B|C|D|20260401120000||ORU^R01^ORU_R01|77|P|2.5.1",
    "PID|1||PO1^^^&2.25.1&ISO^MR||Doe^J||19800101|M",
    "ORC|RE|O1|F1",
    "OBR|1|O1|F1|51969-4^Genetic analysis report^LN|||20260310|||||||||||||||20260401||GE|F",
    "OBX|1|CWE|81290-9^g^LN|1b|NC_000014.9:g.23425971G>A^^HGVS.g||||||F",
    "OBX|2|CWE|53037-8^Clin sig^LN|1b|LA26333-7^Uncertain significance^LN||||||F",
)
HOMOZYGOUS, HETEROZYGOUS = "LA6705-3^Homozygous^LN", "LA6706-1^Heterozygous^LN"


@pytest.fixture
def convert(tmp_path: Path) -> Any:
    def run(*results: str) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]:
        """The variant, the report of the run, and all resources."""
        (tmp_path / "oru.hl7").write_text("\r".join((*HEAD, *results)) + "\r")
        out = tmp_path / "out"
        run_command(
            "convert", tmp_path / "oru.hl7", "-a", "hl7v2", "--out", out, "--force", "--validate", "all"
        )
        files = [file for file in out.glob("*.ndjson") if file.name != "rejects.ndjson"]
        resources = [json.loads(line) for file in files for line in file.read_text().splitlines()]
        (variant,) = [
            each for each in resources if each.get("code", {}).get("coding", [{}])[0].get("code") == "69548-6"
        ]
        return variant, json.loads((out / "report.json").read_text()), resources

    return run


def messages(report: dict[str, Any]) -> list[str]:
    return [each["message"] for each in report["issues"] if each["code"] == "FB-HL7-029"]


@pytest.mark.parametrize(
    "results",
    [
        (f"OBX|3|CWE|53034-5^Allelic state^LN|1b|{HOMOZYGOUS}~{HETEROZYGOUS}||||||F",),
        (
            f"OBX|3|CWE|53034-5^Allelic state^LN|1b|{HOMOZYGOUS}||||||F",
            f"OBX|4|CWE|53034-5^Allelic state^LN|1b|{HETEROZYGOUS}||||||F",
        ),
    ],
)
def test_two_states_are_a_note_and_all_that_refers_to_the_variant_finds_it(
    convert: Any, results: tuple[str, ...]
) -> None:
    variant, report, resources = convert(*results)
    assert not component(variant, "53034-5")
    assert component(variant, "81290-9")
    assert variant["note"] == [{"text": "allelic state: Homozygous or Heterozygous"}]
    assert "allelic state (53034-5) is given 2 times" in messages(report)[0]
    ids = {f"{each['resourceType']}/{each['id']}" for each in resources}
    referred = [
        reference["reference"]
        for each in resources
        for reference in (*each.get("derivedFrom", ()), *each.get("result", ()))
    ]
    assert f"Observation/{variant['id']}" in referred
    assert ids.issuperset(referred)


def test_the_same_state_twice_is_no_contradiction(convert: Any) -> None:
    variant, report, _ = convert(f"OBX|3|CWE|53034-5^Allelic state^LN|1b|{HOMOZYGOUS}~{HOMOZYGOUS}||||||F")
    assert component(variant, "53034-5")
    assert messages(report) == []


def test_classes_that_contradict_each_other_are_words_alone(convert: Any) -> None:
    _, _, resources = convert("OBX|3|CWE|53037-8^Clin sig^LN|1b|LA6675-8^Benign^LN||||||F")
    (implication,) = [each for each in resources if "derivedFrom" in each]
    value = component(implication, "53037-8")["valueCodeableConcept"]
    assert value == {"text": "Uncertain significance or Benign"}


@pytest.mark.parametrize(
    ("value", "unit", "stated"), [("0.48", "{ratio}", 0.48), ("48", "%", 0.48), (">0.9", "%", None)]
)
def test_a_fraction_is_of_one_and_what_is_no_number_is_a_note(
    convert: Any, value: str, unit: str, stated: float | None
) -> None:
    variant, report, _ = convert(f"OBX|3|NM|81258-6^VAF^LN|1b|{value}|{unit}|||||F")
    assert component(variant, "81258-6").get("valueQuantity", {}).get("value") == stated
    assert ("note" in variant) == bool(messages(report)) == (stated is None)


def test_a_genomic_name_without_its_sequence_is_a_note(convert: Any) -> None:
    variant, _, _ = convert("OBX|3|CWE|81290-9^g^LN|1b|g.23425975G>A^^HGVS.g||||||F")
    assert variant["note"] == [{"text": "g. name: NC_000014.9:g.23425971G>A or g.23425975G>A"}]
