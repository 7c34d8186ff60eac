"""`validate` for tools: SARIF and JUnit, several processes, and the same outcome for any number of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_bridge.fhir.issues import Issue
from fhir_bridge.pipeline import Checks, Validated, ValidationSummary, validate_files
from fhir_bridge.pipeline.validation_reports import FORMATS
from tests.command import run_command

GOOD = '{"resourceType":"Patient","id":"%s","gender":"male"}'
BAD = '{"resourceType":"Patient","id":"%s","gender":"<none> & \\u0007 of the sea"}'


@pytest.fixture
def fhir(tmp_path: Path) -> Path:
    folder = tmp_path / "f h"
    folder.mkdir()
    (folder / "Patient.ndjson").write_text(f"{GOOD % 'a'}\n\n{BAD % 'b'}\n{{broken\n")
    (folder / "one.json").write_text(GOOD % "c")
    (folder / "two.xml").write_text('<Patient xmlns="http://hl7.org/fhir"><gander value="x"/></Patient>')
    return folder


def test_sarif_has_a_result_for_each_issue_with_file_line_and_element(fhir: Path) -> None:
    done = run_command("validate", fhir, "--format", "sarif")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    (run,) = document["runs"]
    assert document["version"] == "2.1.0"
    assert run["tool"]["driver"]["name"] == "fhir-bridge"
    rules = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    assert {result["ruleId"] for result in run["results"]} == rules
    assert {result["level"] for result in run["results"]} <= {"error", "warning", "note"}
    locations = [result["locations"][0] for result in run["results"] if result["level"] == "error"]
    uri = (fhir / "Patient.ndjson").as_uri()
    assert "%20" in uri
    assert {
        "physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": 3}},
        "logicalLocations": [{"fullyQualifiedName": "Patient.gender", "kind": "element"}],
    } in locations
    physical = [location["physicalLocation"] for location in locations]
    lines = {(p["artifactLocation"]["uri"], p.get("region", {}).get("startLine")) for p in physical}
    assert lines == {(uri, 3), (uri, 4), ((fhir / "two.xml").as_uri(), None)}


def test_junit_has_a_suite_for_each_file_and_a_case_for_each_resource(fhir: Path) -> None:
    done = run_command("validate", fhir, "--format", "junit")
    assert done.returncode == 1
    suites = ElementTree.fromstring(done.stdout)
    results = {
        Path(suite.get("name", "")).name: (suite.get("tests"), suite.get("failures")) for suite in suites
    }
    assert results == {"Patient.ndjson": ("3", "2"), "one.json": ("1", "0"), "two.xml": ("1", "1")}
    cases = {case.get("name"): case for case in suites.iter("testcase")}
    failure = cases["Patient.ndjson:3"].find("failure")
    assert failure is not None
    assert "Patient.gender" in failure.get("message", "")
    assert "<none> &" in (failure.text or "")
    assert cases["one.json"].find("failure") is None


@pytest.mark.parametrize("name", FORMATS)
def test_a_report_of_nothing_is_whole(name: str, tmp_path: Path) -> None:
    done = run_command("validate", tmp_path, "--format", name)
    assert done.returncode == 0
    if name == "sarif":
        assert json.loads(done.stdout)["runs"][0]["results"] == []
    if name == "junit":
        assert len(ElementTree.fromstring(done.stdout)) == 0


@pytest.mark.parametrize("output", ["json", "text"])
def test_several_processes_write_what_one_writes(output: str, fhir: Path) -> None:
    (fhir / "many.ndjson").write_text("\n".join((BAD if n % 7 else GOOD) % n for n in range(450)))
    item, two = (run_command("validate", fhir, "--format", output, "--jobs", jobs) for jobs in (1, 2))
    assert item.stdout == two.stdout
    assert item.returncode == two.returncode == 1
    assert item.stdout.count("many.ndjson") >= 380


def test_workers_use_the_packages_and_the_terminology_of_the_site(tmp_path: Path) -> None:
    (tmp_path / "terms").mkdir()
    system = {"resourceType": "CodeSystem", "url": "https://hospital.example/cs", "status": "active"}
    (tmp_path / "terms" / "cs.json").write_text(
        json.dumps(system | {"content": "complete", "concept": [{"code": "a"}]})
    )
    (tmp_path / "site.yaml").write_text("demo_key: true\nterminology: [terms]\n")
    lines = [
        json.dumps(
            {"resourceType": "Basic", "code": {"coding": [{"system": "https://hospital.example/cs", "code": c}]}}
        )
        for c in "ab"
    ]  # fmt: skip
    (tmp_path / "Basic.ndjson").write_text("\n".join(lines))
    source = [str(tmp_path / "Basic.ndjson")]
    for jobs in (1, 2):
        summary = ValidationSummary()
        checks = Checks(site=tmp_path / "site.yaml")
        results = [v.is_valid for v in validate_files(source, checks, summary, jobs=jobs)]
        assert (results, summary.invalid) == ([True, False], 1)


texts = st.text(max_size=20) | st.sampled_from(["\x00", "\ud800", "]]>", "<&\"'", "\x0b\r\n"])
issues = st.builds(
    Issue,
    st.sampled_from(["fatal", "error", "warning", "information"]),
    st.just("FB-FHIR-022"),
    texts,
    st.just(""),
    texts,
)
outcomes = st.lists(
    st.builds(
        lambda number, file, found: Validated(Path(file), f"{file}:{number}", found),
        st.integers(1, 9),
        st.sampled_from(["a.ndjson", "dir/ü b.ndjson"]),
        st.lists(issues, max_size=3),
    ),
    max_size=6,
)


@settings(max_examples=100)
@given(outcomes)
def test_any_text_of_an_issue_leaves_a_document_that_can_be_read(validated: list[Validated]) -> None:
    def written(name: str) -> str:
        parts: list[str] = []
        report = FORMATS[name](parts.append)
        for item in validated:
            report.add(item)
        report.close()
        return "".join(parts)

    count = sum(len(item.issues) for item in validated)
    assert len(json.loads(written("sarif"))["runs"][0]["results"]) == count
    assert len([json.loads(line) for line in written("json").split("\n") if line]) == count
    suites = ElementTree.fromstring(written("junit"))
    assert len(list(suites.iter("testcase"))) == len(validated)
    failed = sum(not item.is_valid for item in validated)
    assert len(list(suites.iter("failure"))) == failed == sum(int(s.get("failures", 0)) for s in suites)


def test_a_worker_that_dies_leaves_the_run_incomplete(fhir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fhir_bridge.pipeline.validate._in_worker", _die)
    done = run_command("validate", fhir, "--jobs", "2")
    assert (done.returncode, "a worker process died" in done.stderr) == (3, True)


def _die(_batch: Any) -> Iterator[Any]:
    import os

    os._exit(9)
