"""`mapping explain`: elements to bytes, values to elements, over the four kinds of sources, as text, JSON and page."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.plugins import shipped
from tests.command import run_command


def explained(*arguments: object) -> list[dict[str, Any]]:
    done = run_command("mapping", "explain", *arguments, "--format", "json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_an_element_leads_to_rule_line_and_bytes_and_each_value_has_a_fate(message: Path, site: Path) -> None:
    raw = message.read_bytes()
    results = explained(message, "--site", site)
    values = [each for each in results if each.get("element") == "Observation.valueQuantity.value"]
    assert [each["value"] for each in values] == [13.1, 40]
    for each, wanted in zip(values, (["13.1", "g/dL", "NM"], ["40", "%", "NM"]), strict=True):
        assert each["rule"] == "result"
        assert each["position"].startswith("ehr/hl7v2")
        assert [raw[span["start"] : span["end"]].decode() for span in each["from"]] == wanted
    by_label = {each["leaf"]["label"]: each for each in results if "leaf" in each}
    assert by_label["OBX[1]-5"]["fate"] == "written"
    assert [each["element"] for each in by_label["OBX[1]-5"]["elements"]] == ["Observation.valueQuantity"]
    assert by_label["OBX[1]-4"]["fate"] == "identity"
    assert by_label["OBX[1]-13"]["fate"] == "written"
    assert [each["element"] for each in by_label["OBX[1]-13"]["elements"]] == ["Observation.note[0].text"]
    assert by_label["MSH-11"]["fate"] == "unread"
    assert by_label["PID-5[2].1"]["elements"][0]["element"] == "Patient.name[1]"


def test_the_terminal_marks_the_bytes_without_colour(table: Path, mapping: Path, site: Path) -> None:
    asked = ("--record", "walks.csv:2", "--element", "Observation.value[x]", "--leaf", "Rest")
    done = run_command("mapping", "explain", table, "--mapping", mapping, "--site", site, *asked)
    assert done.returncode == 0
    offset = table.read_bytes().index(b"412,5")
    assert f'from row.Wert "412,5"  walks.csv, line 2, bytes {offset}-{offset + 5}' in done.stdout
    lines = done.stdout.splitlines()
    line, marks = next((one, other) for one, other in pairwise(lines) if '1;"412,5"' in one)
    assert [line[m] for m in range(len(line)) if m < len(marks) and marks[m] == "^"] == list("412,5m")
    assert 'row.Rest "x": not represented' in done.stdout
    assert 'reported: FB-CSV-011 no rule reads the column "Rest"' in done.stdout


def test_a_value_that_gave_nothing_is_not_said_to_be_unread(message: Path, site: Path) -> None:
    message.write_bytes(message.read_bytes().replace(b"|19600102|F", b"|19609999|Q"))
    by_label = {each["leaf"]["label"]: each for each in explained(message, "--site", site) if "leaf" in each}
    assert by_label["PID-8"]["fate"] == "empty"  # the ConceptMap has no target for it
    assert "FB-MAP-205" in by_label["PID-8"]["issues"][0]
    assert by_label["PID-7"]["fate"] == "empty"
    assert "FB-MAP-208" in by_label["PID-7"]["issues"][0]


def test_a_segment_that_says_the_same_again_shows_in_the_same_resource(message: Path, site: Path) -> None:
    again = b"AL1|1|DA|X1^Penicillin^L||rash\r\n"
    head, rest = message.read_bytes().split(b"OBR|1", 1)
    message.write_bytes(head + again + again + b"OBR|1" + rest)
    by_label = {each["leaf"]["label"]: each for each in explained(message, "--site", site) if "leaf" in each}
    assert by_label["AL1[2]-3.1"]["fate"] == "written"
    assert by_label["AL1[2]-3.1"]["elements"] == by_label["AL1[1]-3.1"]["elements"]


def test_rows_in_windows_1252(table: Path, mapping: Path, site: Path) -> None:
    raw = table.read_bytes()
    results = explained(table, "--mapping", mapping, "--site", site)
    values = {
        (each["record"], each["element"]): each
        for each in results
        if each.get("element", "").startswith("Observation.value")
    }
    first = values["walks.csv:2", "Observation.valueQuantity.value"]
    assert [raw[span["start"] : span["end"]] for span in first["from"]] == [b"412,5", b"m"]
    assert first["from"][0]["line"] == 2
    assert [each["expression"] for each in first["conditions"]] == ["row.Einheit"]
    fates = {(each["record"], each["leaf"]["label"]): each for each in results if "leaf" in each}
    assert fates["walks.csv:4", "row.Rest"]["fate"] == "unread"
    assert (
        raw[slice(*(fates["walks.csv:4", "row.Rest"]["leaf"][side] for side in ("start", "end")))] == b"\xe9"
    )
    assert fates["walks.csv:3", "row.Datum"]["fate"] == "empty"  # the 31st of February
    assert fates["walks.csv:3", "row.Nr"]["fate"] == "condition"


def test_literals_of_several_objects_and_cells_of_an_unpivot_lead_to_their_own_lines(
    site: Path, tmp_path: Path
) -> None:
    mapping, table = tmp_path / "m.yaml", tmp_path / "t.csv"
    table.write_text("id,puls,temp\n1,70,37.0\n")
    mapping.write_text(
        "mapping: m\nversion: 1.0.0\nsource: {adapter: csv}\nrules:\n"
        "- rule: r\n  as: Observation\n  key: [row.id]\n  status: final\n  code: {text: both}\n  component:\n"
        "  - code: {text: pulse}\n    valueString: =row.puls\n"
        "  - code: {text: temperature}\n    valueString: =row.temp\n"
        "- rule: u\n  as: Observation\n  unpivot: {puls: {unit: /min}, temp: {unit: Cel}}\n  key: [row.id, column]\n"
        "  status: final\n  code: {text: =column}\n  valueQuantity: =quantity(value, spec.unit)\n"
    )
    results = [each for each in explained(table, "--mapping", mapping, "--site", site) if "element" in each]
    lines = {each["element"]: each["position"] for each in results if each["rule"] == "r"}
    assert lines["Observation.component[0].code.text"] == f"{mapping}:11:11"
    assert lines["Observation.component[1].code.text"] == f"{mapping}:13:11"
    assert lines["Observation.code.text"] == f"{mapping}:9:9"
    cells = [
        (each["value"], [span["label"] for span in each["from"]])
        for each in results
        if each["rule"] == "u" and each["element"] == "Observation.valueQuantity.value"
    ]
    assert cells == [(70, ["row.puls"]), (37.0, ["row.temp"])]


def test_the_literal_of_an_object_behind_a_value_in_one_list_is_not_said_to_come_from_that_value(
    tmp_path: Path, site: Path
) -> None:
    (tmp_path / "t.csv").write_text("Nr,Other\n7,8\n")
    mapping = tmp_path / "m.yaml"
    mapping.write_text(
        "mapping: two\nversion: 1.0.0\nsource: {adapter: csv}\nrules:\n- rule: device\n  as: Device\n  key: [row.Nr]\n"
        "  identifier:\n  - \"=identifier('http://a.example', row.Nr)\"\n  - {system: urn:b, value: =row.Other}\n"
    )
    asked = ("--mapping", mapping, "--site", site, "--element", "Device.identifier")
    elements = explained(tmp_path / "t.csv", *asked)
    assert [
        (each["element"], each["value"], [span["label"] for span in each["from"]]) for each in elements
    ] == [
        ("Device.identifier[0].system", "http://a.example", ["row.Nr"]),
        ("Device.identifier[0].value", "7", ["row.Nr"]),
        ("Device.identifier[1].system", "urn:b", []),
        ("Device.identifier[1].value", "8", ["row.Other"]),
    ]


def test_a_column_that_no_rule_reads_is_named_with_its_issue(table: Path, mapping: Path, site: Path) -> None:
    done = run_command("mapping", "explain", table, "--mapping", mapping, "--site", site)
    assert 'row.Rest "é": not represented' in done.stdout
    assert 'FB-CSV-011 no rule reads the column "Rest"' in done.stdout


@pytest.mark.parametrize(
    ("sources", "element", "labels"),
    [
        ("genomics/vcf/examples/cardiology", "Observation.component.valueQuantity", {"FORMAT.AD[2] (LAB-1)"}),
        ("imaging/dicom/examples/study", "ImagingStudy.description", {"(0008,1030) StudyDescription"}),
        ("imaging/dicom/examples/study", "ImagingStudy.series.uid", {"(0020,000E) SeriesInstanceUID"}),
    ],
)
def test_other_sources(sources: str, element: str, labels: set[str]) -> None:
    folder = shipped("mappings") / sources
    results = explained(
        folder, "--site", folder / "site.yaml", "--adapter", sources.split("/")[1], "--element", element
    )
    assert labels <= {span["label"] for each in results for span in each["from"]}
    for each in results:
        for span in each["from"]:
            raw = next(folder.rglob(span["source"])).read_bytes()
            assert raw[span["start"] : span["end"]].strip(b"\0 ").decode() == span["text"]


def test_what_is_not_there_is_said(table: Path, mapping: Path, site: Path) -> None:
    arguments = ("mapping", "explain", table, "--mapping", mapping, "--site", site)
    done = run_command(*arguments, "--element", "Observation.device")
    assert (done.returncode, "nothing is named Observation.device" in done.stderr) == (1, True)
    done = run_command(*arguments, "--record", "walks.csv:7")
    assert (done.returncode, "no record has the locator walks.csv:7" in done.stderr) == (2, True)
    assert "VALUES OF PATIENTS" in run_command("mapping", "explain", "--help").stdout


class _Page(HTMLParser):
    """What a page consists of."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.items: dict[str, dict[str, str | None]] = {}
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags.append(tag)
        self.links += [
            value or "" for name, value in attrs if name in ("src", "href", "action") or name.startswith("on")
        ]
        if "data-t" in attributes:
            assert attributes["tabindex"] == "0"
            assert attributes["role"] == "button"
            self.items[attributes["id"] or ""] = attributes

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_page_is_whole_and_safe_and_leads_both_ways(message: Path, site: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    assert run_command("mapping", "explain", message, "--site", site, "--html", out).returncode == 0
    page = _Page()
    page.feed(out.read_text(encoding="utf-8"))
    assert page.links == []
    assert page.tags.count("script") == 1
    assert not {"img", "link", "iframe", "form"} & set(page.tags)
    assert "<script>alert(1)</script>" in "".join(page.text)
    for name, item in page.items.items():
        for other in (item["data-o"] or "").split():
            assert name in (page.items[other]["data-o"] or "").split()
    value = next(
        item
        for item in page.items.values()
        if (item["data-t"] or "").startswith("Observation.valueQuantity.value")
    )
    assert len((value["data-o"] or "").split()) >= 3


def test_an_object_of_an_archive_is_known_by_its_content(repository: Path, tmp_path: Path) -> None:
    folder = repository / "mappings/imaging/dicom/examples/study"
    for name in ("report.dcm", "IM0001"):
        file = tmp_path / name
        file.write_bytes((folder / "1.dcm").read_bytes())
        done = run_command(
            "mapping", "explain", file, "--site", folder / "site.yaml", "--leaf", "PatientName"
        )
        assert done.returncode == 0, done.stderr
        assert "in the output" in done.stdout


def test_a_value_of_which_a_part_shows_is_in_the_output(repository: Path, tmp_path: Path) -> None:
    folder = repository / "mappings/genomics/vcf/examples/cardiology"
    done = run_command(
        "mapping", "explain", folder / "panel.vcf", "--site", folder / "site.yaml", "--record", "panel.vcf:20",
        "--leaf", "FORMAT.AD",
    )  # fmt: skip
    assert 'FORMAT.AD (LAB-1) "22,18": in the output' in done.stdout
    assert 'FORMAT.AD (LAB-2) "38,0": not represented' in done.stdout


def test_values_of_a_record_that_was_rejected_are_lost_with_the_reason(
    repository: Path, tmp_path: Path
) -> None:
    site = tmp_path / "site.yaml"
    site.write_text("demo_key: true\nidentity: {unlinked: hold, authorities: {OTHER: 'urn:oid:2.25.7'}}\n")
    message = repository / "mappings/ehr/hl7v2/examples/oru-chemistry/message.hl7"
    done = run_command("mapping", "explain", message, "--site", site, "--leaf", "OBX[1]-5")
    assert "lost" in done.stdout
    assert 'the record is rejected: the authority "HOSP" is not known' in done.stdout
