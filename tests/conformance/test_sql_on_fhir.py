"""The test suite of SQL on FHIR v2: each case of its files, run as the specification asks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir import dumps, loads, loads_exact
from fhir_bridge.fhir.views import RecordError, ViewError, compile_view
from tests.conftest import SHARED

pytestmark = pytest.mark.shared

SUITE = SHARED / "suites" / "sql-on-fhir-v2" / "tests"
CASES_IN_ALL, FILES = 134, 22


def _cases() -> list[Any]:
    return [
        pytest.param(suite["resources"], case, id=f"{file.stem}: {case['title']}")
        for file in sorted(SUITE.glob("*.json"))
        for suite in [loads_exact(file.read_bytes())]
        for case in suite["tests"]
    ]


CASES = _cases() or [pytest.param([], {}, id="the suite is not there")]


def _rows(view: dict[str, Any], resources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    compiled = compile_view(view)
    return [row for resource in resources for row in compiled.dicts(resource)]


def _in_any_order(rows: list[dict[str, Any]]) -> list[bytes]:
    """Numbers compare by value (2 and 2.0), rows and keys in any order: SQL gives rows no order."""
    return sorted(dumps(_plain(dict(sorted(row.items())))) for row in rows)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, (bool, str)) or value is None:
        return value
    return float(value)


@pytest.mark.parametrize("parse", [loads_exact, loads], ids=["decimals", "floats"])
@pytest.mark.parametrize(("resources", "case"), CASES)
def test_a_case_of_the_suite(resources: list[Any], case: dict[str, Any], parse: Any) -> None:
    resources = [parse(dumps(resource)) for resource in resources]
    if case.get("expectError"):
        with pytest.raises((ViewError, RecordError)) as refused:
            _rows(case["view"], resources)
        assert "ViewDefinition" in str(refused.value)
        return
    rows = _rows(case["view"], resources)
    if "expect" in case:
        assert _in_any_order(rows) == _in_any_order(case["expect"])
    if "expectCount" in case:
        assert len(rows) == case["expectCount"]
    if "expectColumns" in case:
        assert [column.name for column in compile_view(case["view"]).columns] == case["expectColumns"]


def test_the_whole_suite_is_run() -> None:
    files = list(Path(SUITE).glob("*.json"))
    assert (len(CASES), len(files)) == (CASES_IN_ALL, FILES)
