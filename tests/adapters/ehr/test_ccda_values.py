"""Values of C-CDA statements: intervals by center and width, files, numbers that are none, and where they are."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fhir_bridge.cli.main import app

EXAMPLE = Path("mappings/ehr/ccda/examples/unstructured/document.xml")
OBSERVATION = """<component><observation classCode="OBS" moodCode="EVN">
<templateId root="2.16.840.1.113883.10.20.22.4.2"/><id root="2.25.{number}"/>
<code code="2160-0" codeSystem="2.16.840.1.113883.6.1" displayName="C{number}"/><statusCode code="completed"/>
{content}</observation></component>"""


def document(repository: Path, entry: str, patient: str = "") -> bytes:
    """The example without structure, with one section of results."""
    text = (repository / EXAMPLE).read_text()
    head, _, rest = text.partition("<component>")
    section = (
        "<component><structuredBody><component><section>"
        '<code code="30954-2" codeSystem="2.16.840.1.113883.6.1"/><title>Results</title><text>x</text>'
        f"{entry}</section></component></structuredBody></component></ClinicalDocument>"
    )
    assert rest
    if patient:
        before, birth, after = head.partition("<birthTime")
        assert birth
        head = f"{before}{patient}{after.partition('/>')[2]}"
    return f"{head}{section}".encode()


def results(*contents: str) -> str:
    inner = "".join(
        OBSERVATION.replace("{number}", str(number)).replace("{content}", text)
        for number, text in enumerate(contents, start=1)
    )
    return (
        '<entry><organizer classCode="BATTERY" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.1"/>'
        '<id root="2.25.99"/><code code="24323-8" codeSystem="2.16.840.1.113883.6.1"/>'
        f'<statusCode code="completed"/>{inner}</organizer></entry>'
    )


def converted(
    tmp_path: Path, content: bytes, name: str = "document.xml"
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The resources of a document, and what the report says of it."""
    (tmp_path / name).write_bytes(content)
    site = tmp_path / "site.yaml"
    site.write_text("site: test\nzone: Europe/Berlin\ndemo_key: true\nidentity: {unlinked: source}\n")
    out = tmp_path / "out"
    command = ["convert", str(tmp_path / name), "--adapter", "ccda", "--site", str(site), "--out", str(out)]
    result = CliRunner().invoke(app, [*command, "--force", "--validate", "all"])
    assert result.exit_code in (0, 1), result.output
    written = [
        json.loads(line)
        for file in sorted(out.glob("[A-Z]*.ndjson"))
        for line in file.read_text().splitlines()
    ]
    report = json.loads((out / "report.json").read_text())
    assert not [issue for issue in report["issues"] if issue["code"] == "FB-RUN-020"], report["issues"]
    return written, report["issues"]


def observations(resources: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        one["code"]["coding"][0].get("display", ""): one
        for one in resources
        if one["resourceType"] == "Observation" and one["code"]["coding"][0]["code"] == "2160-0"
    }


@pytest.mark.parametrize(
    ("time", "start", "end"),
    [
        ('<low value="20260301083000-0500"/><width value="1.625" unit="h"/>', "2026-03-01T08:30:00-05:00",
         "2026-03-01T10:07:30-05:00"),
        ('<low value="20260223"/><width value="11" unit="d"/>', "2026-02-23", "2026-03-06"),
        ('<high value="20260131"/><width value="2" unit="mo"/>', "2025-11-30", "2026-01-31"),
        ('<center value="20260302120000+0100"/><width value="2" unit="h"/>', "2026-03-02T11:00:00+01:00",
         "2026-03-02T13:00:00+01:00"),
        ('<low value="2024"/><width value="2" unit="a"/>', "2024", "2026"),
        ('<low value="20260101"/><high value="20260103"/><width value="2" unit="d"/>', "2026-01-01", "2026-01-03"),
    ],
)  # fmt: skip
def test_interval_has_the_bounds_that_its_width_states(
    tmp_path: Path, repository: Path, time: str, start: str, end: str
) -> None:
    value = '<value xsi:type="PQ" value="1" unit="mg"/>'
    content = results(f"<effectiveTime>{time}</effectiveTime>{value}")
    resources, issues = converted(tmp_path, document(repository, content))
    assert observations(resources)["C1"]["effectivePeriod"] == {"start": start, "end": end}
    assert not [issue for issue in issues if issue["code"] == "FB-CDA-005"]


@pytest.mark.parametrize(
    "time",
    [
        '<low value="20260223"/><width value="5" unit="h"/>',
        '<low value="20260223"/><width value="many" unit="d"/>',
        '<low value="20260223"/><width value="-3" unit="d"/>',
        '<low value="20260223"/><width value="3" unit="fortnight"/>',
        '<low value="20260223"/><width value="999999999" unit="d"/>',
    ],
)
def test_width_that_gives_no_bound_is_reported_with_its_line(
    tmp_path: Path, repository: Path, time: str
) -> None:
    content = results(f'<effectiveTime>{time}</effectiveTime><value xsi:type="PQ" value="1" unit="mg"/>')
    resources, issues = converted(tmp_path, document(repository, content))
    assert observations(resources)["C1"]["effectivePeriod"] == {"start": "2026-02-23"}
    (issue,) = [issue for issue in issues if issue["code"] == "FB-CDA-005"]
    assert "effectiveTime/width/@value" in issue["message"]
    assert issue["source"].startswith("document.xml:")


def test_measured_interval_by_center_and_width_is_a_range_and_a_center_alone_a_text(
    tmp_path: Path, repository: Path
) -> None:
    time = '<effectiveTime value="20260311"/>'
    content = results(
        f'{time}<value xsi:type="IVL_PQ"><center value="55.5" unit="mg/dL"/><width value="6" unit="mg/dL"/></value>',
        f'{time}<value xsi:type="IVL_PQ"><low value="2" unit="mg/dL"/><width value="1.50" unit="mg/dL"/></value>',
        f'{time}<value xsi:type="IVL_PQ"><center value="7" unit="mg/dL"/></value>',
        f'{time}<value xsi:type="IVL_PQ"><low value="3" unit="mg/dL"/><width value="1" unit="g/L"/></value>',
    )
    resources, issues = converted(tmp_path, document(repository, content))
    known = observations(resources)
    bounds = [
        {name: known[f"C{number}"]["valueRange"][name]["value"] for name in ("low", "high")}
        for number in (1, 2)
    ]
    assert bounds == [{"low": 52.5, "high": 58.5}, {"low": 2, "high": 3.5}]
    assert known["C3"]["valueString"] == "center: 7 mg/dL"
    assert known["C4"]["valueQuantity"]["comparator"] == ">="
    (issue,) = [issue for issue in issues if issue["code"] == "FB-CDA-005"]
    assert "value/width/@value" in issue["message"]


def test_value_that_is_none_keeps_its_text_says_error_and_is_reported_with_its_line(
    tmp_path: Path, repository: Path
) -> None:
    time = '<effectiveTime value="20260311"/>'
    content = results(
        f'{time}<value xsi:type="PQ" value="1,4" unit="mg/dL"/>',
        f'{time}<value xsi:type="TS" value="20261399"/>',
        f'{time}<value xsi:type="PQ" value="1.4" unit="mg/dL"/>',
    )
    source = document(repository, content)
    resources, issues = converted(tmp_path, source)
    known = observations(resources)
    assert [known["C1"]["note"], known["C2"]["note"]] == [
        [{"text": "Value: 1,4; mg/dL"}],
        [{"text": "Value: 20261399"}],
    ]
    for name in ("C1", "C2"):
        assert known[name]["dataAbsentReason"]["coding"][0]["code"] == "error"
    assert "note" not in known["C3"]
    lines = [number for number, line in enumerate(source.splitlines(), 1) if b'moodCode="EVN">' in line]
    places = {issue["code"]: issue["source"] for issue in issues}
    assert places["FB-MAP-207"] == f"document.xml:{lines[0]}"
    assert places["FB-MAP-208"] == f"document.xml:{lines[1]}"


def test_result_that_is_a_file_is_a_document_that_the_result_refers_to(
    tmp_path: Path, repository: Path
) -> None:
    time = '<effectiveTime value="20260311"/>'
    content = results(
        f'{time}<value xsi:type="ED" mediaType="application/pdf" representation="B64">JVBERi0xLjQK</value>',
        f'{time}<value xsi:type="ED" mediaType="text/plain">plain</value>',
        f'{time}<value xsi:type="ED" mediaType="application/pdf" representation="B64">no base64 !</value>',
    )
    resources, issues = converted(tmp_path, document(repository, content))
    known = observations(resources)
    files = {
        f"DocumentReference/{one['id']}": one
        for one in resources
        if one["resourceType"] == "DocumentReference" and "masterIdentifier" not in one
    }
    file, text = (files.pop(known[name]["derivedFrom"][0]["reference"]) for name in ("C1", "C3"))
    assert not files
    assert file["content"] == [{"attachment": {"contentType": "application/pdf", "data": "JVBERi0xLjQK"}}]
    assert "valueString" not in known["C1"]
    assert known["C2"]["valueString"] == "plain"
    (content,) = text["content"]
    assert content["attachment"]["contentType"] == "text/plain; charset=utf-8"
    assert base64.b64decode(content["attachment"]["data"]) == b"no base64 !"
    assert [issue["code"] for issue in issues if issue["severity"] == "error"] == ["FB-CDA-009"]


def test_time_of_birth_is_beside_the_day(tmp_path: Path, repository: Path) -> None:
    for written, extension in (
        ("198506150730-0500", "1985-06-15T07:30:00-05:00"),
        ("19850615", None),
    ):
        source = document(repository, results(), f'<birthTime value="{written}"/>')
        resources, _ = converted(tmp_path, source)
        (patient,) = [one for one in resources if one["resourceType"] == "Patient"]
        assert patient["birthDate"] == "1985-06-15"
        times = [one["valueDateTime"] for one in patient.get("_birthDate", {}).get("extension", ())]
        assert times == ([extension] if extension else [])


def test_format_code_says_whether_a_document_has_structure(tmp_path: Path, repository: Path) -> None:
    codes = []
    for content in (document(repository, results()), (repository / EXAMPLE).read_bytes()):
        resources, _ = converted(tmp_path, content)
        (original,) = [one for one in resources if one["resourceType"] == "DocumentReference"]
        codes.append(original["content"][0]["format"]["code"].rpartition("ccda-")[2])
    assert codes == ["structuredBody:2.1", "nonXMLBody:2.1"]
