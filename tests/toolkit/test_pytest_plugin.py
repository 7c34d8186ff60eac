"""`assert_valid` and `assert_equal`, as the tests of another project use them."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

TESTS = """
PATIENT = {"resourceType": "Patient", "id": "a", "gender": "male"}

def test_valid(assert_valid):
    assert_valid(PATIENT)

def test_invalid(assert_valid):
    assert_valid(PATIENT | {"gender": "m"})

def test_equal(assert_equal):
    assert_equal(PATIENT, PATIENT | {"id": "b"})

def test_different(assert_equal):
    assert_equal(PATIENT, PATIENT | {"id": "b"}, ignore_ids=False)

def test_functions():
    from fhir_bridge.pytest_plugin import assert_equal, assert_valid
    assert_valid(PATIENT)
    assert_equal(PATIENT, dict(PATIENT))
"""


def test_another_project_asserts_with_them(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_subprocess("-p", "fhir_bridge.pytest_plugin", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=3, failed=2)
    result.stdout.fnmatch_lines(["*the resource is not valid:*", "*Patient.gender: error:*FB-FHIR-*"])
    result.stdout.fnmatch_lines(["*the resources differ*", '*Patient.id: "a" ≠ "b"*'])


def test_pytest_loads_it_where_the_package_is_installed(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"fhir_bridge.pytest_plugin": "fhir_bridge.pytest_plugin"}


MAPPING = """mapping: walks
version: 1.0.0
source: {adapter: csv}
rules:
- {rule: walk, as: Basic, key: [row.id], code: {text: =row.what}}
- {rule: none, as: Basic, when: row.id == 'x', key: [row.id], code: {text: x}}
"""


def golden(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """A run with the golden examples of one mapping: one that passes, one that differs, one without expectation."""
    pytester.makefile(".yaml", **{"maps/a/walks/mapping": MAPPING})
    folder = pytester.path / "maps/a/walks/examples"
    for name, expected in (("good", "run"), ("wrong", "swim"), ("new", None)):
        case = folder / name
        case.mkdir(parents=True, exist_ok=True)
        (case / "t.csv").write_text("id,what\n1,run\n")
        if expected is None:
            continue
        resource = {
            "resourceType": "Basic",
            "id": "a",
            "meta": {"source": "urn:fhir-bridge:csv:t"},
            "code": {"text": expected},
        }
        (case / "expected.ndjson").write_text(json.dumps(resource) + "\n")
    return pytester.runpytest_subprocess(
        "-p", "fhir_bridge.pytest_plugin", "-p", "no:cacheprovider", *arguments
    )


def test_golden_examples_and_their_coverage_are_tests(pytester: pytest.Pytester) -> None:
    options = ("--fhir-bridge-mappings", "maps", "--fhir-bridge-coverage", "rules=60")
    result = golden(pytester, *options)
    result.assert_outcomes(passed=1, failed=3)
    result.stdout.fnmatch_lines(
        ["*expected.ndjson is missing*", "*Basic.code.text*", '*-*"swim"*', '*+*"run"*']
    )
    result.stdout.fnmatch_lines(["*rules 50.0 % is below 60 %*", "*none  *mapping.yaml*"])


def test_golden_examples_are_chosen_by_name(pytester: pytest.Pytester) -> None:
    options = ("--fhir-bridge-mappings", "maps", "-k", "good or coverage", "--fhir-bridge-coverage")
    golden(pytester, *options, "rules=50,leaves=100").assert_outcomes(passed=2, deselected=2)
