"""`assert_valid` and `assert_equal`, as the tests of another project use them."""

from __future__ import annotations

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
