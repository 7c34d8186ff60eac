"""The suite's patch cases: JSON Patch, FHIRPath Patch in both directions."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from fhir_bridge.fhir import loads_exact
from fhir_bridge.fhir.patch import PatchError, fhirpath_difference, fhirpath_patch, json_patch
from fhir_bridge.fhir.xml import loads
from tests.conftest import SHARED

FOLDER = SHARED / "suites/fhir-test-cases-r4/patch"


def json_cases() -> list[dict[str, Any]]:
    path = FOLDER / "json-patch-tests.json"
    return list(loads_exact(path.read_bytes())) if path.exists() else []


def fhirpath_cases() -> list[ElementTree.Element]:
    path = FOLDER / "fhir-patch-tests.xml"
    return list(ElementTree.parse(path).getroot().iter("case")) if path.exists() else []


def resource(case: ElementTree.Element, name: str) -> dict[str, Any]:
    element = case.find(f"{name}/*")
    assert element is not None
    return loads(ElementTree.tostring(element))


def test_the_suite_is_there(shared: Path) -> None:
    if shared.is_dir():
        assert len(json_cases()) == 16
        assert len(fhirpath_cases()) == 33


@pytest.mark.shared
@pytest.mark.parametrize("case", json_cases(), ids=lambda case: case["comment"])
def test_json_patch(case: dict[str, Any]) -> None:
    before = copy.deepcopy(case["doc"])
    if "error" in case:
        with pytest.raises(PatchError):
            json_patch(case["doc"], case["patch"])
    else:
        assert json_patch(case["doc"], case["patch"]) == case["expected"]
    assert case["doc"] == before


@pytest.mark.shared
@pytest.mark.parametrize("case", fhirpath_cases(), ids=lambda case: case.get("name"))
def test_fhirpath_patch(case: ElementTree.Element) -> None:
    before = resource(case, "input")
    value = copy.deepcopy(before)
    if case.find("error") is not None:
        with pytest.raises(PatchError):
            fhirpath_patch(value, resource(case, "diff"))
    else:
        assert fhirpath_patch(value, resource(case, "diff")) == resource(case, "output")
    assert value == before


@pytest.mark.shared
@pytest.mark.parametrize(
    "case", [c for c in fhirpath_cases() if c.get("mode") == "both"], ids=lambda case: case.get("name")
)
def test_fhirpath_difference(case: ElementTree.Element) -> None:
    before, after = resource(case, "input"), resource(case, "output")
    assert fhirpath_difference(before, after) == resource(case, "diff")
