"""The official examples through XML and back, and their XML through JSON and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir import dumps as json_dumps
from fhir_bridge.fhir import loads_exact
from fhir_bridge.fhir.xml import dumps, loads
from tests.fhir.xml.canonical import canonical_xml

OTHER_CONTENT = {"observation-example.xml"}
"""XML examples whose JSON namesake is another edition of the example (an extension less)."""


def examples(shared: Path, pattern: str) -> list[Path]:
    found = sorted((shared / "suites/fhir-test-cases-r4/examples").glob(pattern))
    assert found
    return found


def ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: ordered(value[key]) for key in sorted(value)}
    return [ordered(item) for item in value] if isinstance(value, list) else value


def digits(value: Any) -> bytes:
    """JSON text with keys sorted: equal only where every decimal has the same digits."""
    return json_dumps(ordered(value))


@pytest.mark.shared
def test_json_through_xml_and_back_is_the_same_to_the_digit(shared: Path) -> None:
    compared = 0
    for path in examples(shared, "*.json"):
        resource = loads_exact(path.read_bytes())
        if not isinstance(resource, dict) or "resourceType" not in resource:
            continue
        compared += 1
        assert digits(loads(dumps(resource))) == digits(resource), path.name
        assert digits(loads(dumps(resource, indent=True))) == digits(resource), path.name
    assert compared > 60


@pytest.mark.shared
def test_xml_through_json_and_back_is_the_same_in_canonical_form(shared: Path) -> None:
    for path in examples(shared, "*.xml"):
        text = path.read_bytes()
        assert canonical_xml(dumps(loads_exact(json_dumps(loads(text))))) == canonical_xml(text), path.name


@pytest.mark.shared
def test_xml_and_json_of_one_example_are_one_resource(shared: Path) -> None:
    compared = 0
    for path in examples(shared, "*.xml"):
        twin = path.with_suffix(".json")
        if twin.exists() and path.name not in OTHER_CONTENT:
            compared += 1
            assert digits(loads(path.read_bytes())) == digits(loads_exact(twin.read_bytes())), path.name
    assert compared >= 4
