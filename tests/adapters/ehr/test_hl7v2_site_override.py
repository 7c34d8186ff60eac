"""A site changes three lines of the shipped mapping and puts its Z-segment beside the order, without a copy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fhir_bridge.adapters.ehr.hl7v2 import read_message
from fhir_bridge.cli.main import app
from fhir_bridge.mapping import MappingErrors, load_mapping
from fhir_bridge.plugins import adapters
from tests.adapters.ehr.conftest import REMAINDER

MAPPING = """mapping: st-elsewhere
version: 1.0.0
extends: ehr/hl7v2
source: {groups: {ORDER_OBSERVATION: [ZUI]}}
override:
  order:
    identifier+: {system: "urn:dicom:uid", value: "='urn:oid:' + ZUI-1.1"}
rules:
- rule: study
  for: ZUI
  as: ImagingStudy
  key: [ZUI-1.1]
  status: available
  subject: "=patient(subject.identifiers)"
  basedOn: "=ref('order')"
"""

MESSAGE = """MSH|^~\\&|RIS|HOSP|||20260301120000+0100||ORU^R01|M1|P|2.5.1
PID|1||77^^^HOSP^MR||Keller^Ada||19600102|F
ORC|RE|P1|F1
OBR|1|P1|F1|71260^CT chest^L|||20260301110000+0100|||||||||||||||20260301115500+0100||RAD|F
ZUI|1.2.3.1^RIS^Application^DICOM
NTE|1||of the order
ORC|RE|P2|F2
OBR|2|P2|F2|72148^MR spine^L|||20260301113000+0100|||||||||||||||20260301115500+0100||RAD|F
OBX|1|TX|IMP^Impression^L||nothing found||||||F
ZUI|1.2.3.2
ZUI|1.2.3.3
"""


def convert(folder: Path, *options: str) -> tuple[int, dict[str, list[dict[str, Any]]], list[str]]:
    """Exit code, resources by type and issues of one run by the command line."""
    (folder / "oru.hl7").write_text(MESSAGE)
    (folder / "site.yaml").write_text("zone: Europe/Rome\ndemo_key: true\n")
    out = folder / f"out{len(list(folder.glob('out*')))}"
    command = [
        "convert",
        folder / "oru.hl7",
        "--adapter",
        "hl7v2",
        "--site",
        folder / "site.yaml",
        "--out",
        out,
    ]
    result = CliRunner().invoke(app, [*map(str, command), *options])
    resources = {
        file.stem: [json.loads(line) for line in file.read_text().splitlines()]
        for file in out.glob("[A-Z]*.ndjson")
    }
    report = json.loads((out / "report.json").read_text())
    return result.exit_code, resources, [issue["message"] for issue in report["issues"]]


def test_a_z_segment_stands_beside_its_order_in_one_run(tmp_path: Path) -> None:
    assert len(MAPPING.splitlines()) <= 15
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    _, before, issues_before = convert(tmp_path)
    code, after, issues = convert(tmp_path, "--mapping", str(tmp_path / "mapping.yaml"))
    assert code == 1  # ZUI-1.2 and its like
    orders = {o["identifier"][0]["value"]: o for o in after["ServiceRequest"]}
    assert [i["value"] for i in orders["P1"]["identifier"]] == ["P1", "F1", "urn:oid:1.2.3.1"]
    assert [i["value"] for i in orders["P2"]["identifier"]] == ["P2", "F2", "urn:oid:1.2.3.2"]
    studies = after["ImagingStudy"]
    assert [study["basedOn"][0]["reference"].removeprefix("ServiceRequest/") for study in studies] == [
        orders["P1"]["id"], orders["P2"]["id"], orders["P2"]["id"]
    ]  # fmt: skip
    # Without the override the comment after ZUI is one of the patient.
    assert [
        _untouched(r)
        for kind in before
        for r in before[kind]
        if r.get("code") not in ({"text": "Comment"}, REMAINDER)
    ] == [_untouched(r) for kind in before for r in after[kind] if r.get("code") != REMAINDER]
    assert after["DiagnosticReport"][0]["conclusion"] == "of the order"
    assert "the segment ZUI is not represented" in " ".join(issues_before)
    assert "the segment ZUI" not in " ".join(issues)
    assert "the component ZUI-1.2 is not represented" in " ".join(issues)


def _untouched(resource: dict[str, Any]) -> dict[str, Any]:
    """Without what the override or the segment's place changes."""
    changed = {"ServiceRequest": "identifier", "DiagnosticReport": "conclusion"}
    return {name: value for name, value in resource.items() if name != changed.get(resource["resourceType"])}


@pytest.mark.parametrize(
    ("group", "lines", "around"),
    [
        ("OBSERVATION", ["OBR|1|P1", "OBX|1|ST|a||x", "OBX|2|ST|b||y", "ZZZ|1"], ["b"]),
        (
            "OBSERVATION",
            ["OBR|1|P1", "OBX|1|ST|a||x", "ZZZ|1", "NTE|1||n", "OBX|2|ST|b||y", "ZZZ|2"],
            ["a", "b"],
        ),
        ("ORDER_OBSERVATION.OBSERVATION", ["OBR|1|P1", "OBX|1|ST|a||x", "OBR|2|P2", "ZZZ|1"], []),
        ("PATIENT_RESULT.OBSERVATION", ["PV1|1|I", "OBX|1|ST|a||x", "ZZZ|1"], ["a"]),
    ],
)
def test_a_segment_is_in_the_latest_group_of_its_kind(
    group: str, lines: list[str], around: list[str]
) -> None:
    text = "\r".join(["MSH|^~\\&|A|B|||2026||ORU^R01|1", "PID|1||7^^^H", *lines])
    message = read_message(text.encode(), "m#1", {"groups": {group: ["ZZZ"]}})
    full = {"OBSERVATION": "ORDER_OBSERVATION.OBSERVATION"}.get(group, group)
    groups = [part for part in message.scope(full) if part.segment("ZZZ") is not None]
    assert [part.part("OBX", 3, 1) for part in groups] == around
    assert [part.outer for part in message.scope("ZZZ")] == groups


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{groups: {ORDER: [ZUI]}}",
         'm.yaml:4:10: HL7 v2 has no group "ORDER" (did you mean "ORDER_OBSERVATION"?)'),
        ("{groups: [ZUI]}", "m.yaml:4:10: `groups` is an object of groups and their segments (groups: "
         "{ORDER_OBSERVATION: [ZUI]})"),
        ("{groups: {SPECIMEN: [OBX]}}", 'm.yaml:4:10: "OBX" is no segment that can be put into '
         "ORDER_OBSERVATION.SPECIMEN (groups: {ORDER_OBSERVATION: [ZUI]})"),
        ("{enconding: utf-8}", 'm.yaml:4:10: source.enconding is no option of hl7v2 (did you mean "encoding"?)'),
        ("{encoding: utf-9}", 'm.yaml:4:10: "utf-9" is no encoding (such as utf-8 or cp1252)'),
        ("{require: PID}", "m.yaml:4:10: source.require is a list of segments, such as [PID]"),
    ],
)  # fmt: skip
def test_a_wrong_option_is_an_error_with_its_line(tmp_path: Path, source: str, expected: str) -> None:
    file = tmp_path / "m.yaml"
    (tmp_path / "base.yaml").write_text("mapping: base\nversion: 1\nsource: {adapter: hl7v2}\nrules: []\n")
    file.write_text(f"mapping: m\nversion: 1\nextends: base.yaml\nsource: {source}\n")
    with pytest.raises(MappingErrors) as raised:
        load_mapping(file, adapters=adapters())
    assert [str(error).replace(str(file), "m.yaml") for error in raised.value.errors] == [expected]


def test_a_segment_is_not_looked_for_around_the_group_that_it_is_in(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_text(MAPPING + "- rule: p\n  for: PATIENT_RESULT\n  when: ZUI-1\n  as: Basic\n  key: [OBX-3.1]\n"
                    "  code: {text: x}\n")  # fmt: skip
    with pytest.raises(MappingErrors) as raised:
        load_mapping(file, adapters=adapters())
    assert [error.message for error in raised.value.errors] == [
        '"ZUI" is in ORDER_OBSERVATION, which a rule for PATIENT_RESULT does not see: write for: ORDER_OBSERVATION',
        '"OBX" is in ORDER_OBSERVATION.OBSERVATION, which a rule for PATIENT_RESULT does not see: write for: '
        "ORDER_OBSERVATION.OBSERVATION",
    ]
