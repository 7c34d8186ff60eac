"""HL7's suite for terminology services, case by case (docs/terminology-operations.md has the results)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.tx.http import Asker, serving
from tests.conformance.tx.report import PAGE, REASONS, table, written
from tests.conformance.tx.run import Result, run


@pytest.fixture(scope="module")
def suite(shared: Path) -> Path:
    return shared / "suites" / "tx-ecosystem"


@pytest.fixture(scope="module")
def results(suite: Path) -> list[Result]:
    return list(run(suite))


@pytest.mark.shared
def test_nineteen_of_twenty_cases_that_need_no_licensed_content_pass(results: list[Result]) -> None:
    free = [result for result in results if result.case.content is None]
    passed = [result for result in free if result.difference is None]
    assert len(free) > 600
    assert len(passed) / len(free) >= 0.95


@pytest.mark.shared
def test_every_miss_is_known_with_its_reason(results: list[Result]) -> None:
    missed = {
        result.case.key: result.difference
        for result in results
        if result.case.content is None and result.difference is not None
    }
    assert set(missed) <= set(REASONS), missed


@pytest.mark.shared
def test_no_case_ends_in_a_crash(results: list[Result]) -> None:
    crashed = [
        (result.case.key, result.difference)
        for result in results
        if result.status == 0 and result.difference is not None
    ]
    assert not crashed


@pytest.mark.shared
def test_the_page_indicates_the_results(results: list[Result], suite: Path) -> None:
    page = PAGE.read_text("utf-8")
    assert page == written(page, table(results, suite))


SAMPLE = {
    "metadata",
    "simple-cases",
    "parameters",
    "language",
    "extensions",
    "overload",
    "errors",
    "translate",
    "exclude",
    "search",
    "batch",
    "UCUM",
}


@pytest.mark.shared
@pytest.mark.parametrize("written", [False, True], ids=["sent along", "written before"])
def test_over_http_the_answers_are_the_same(
    written: bool, results: list[Result], suite: Path, database_url: str
) -> None:
    with serving(database_url) as client:
        served = list(run(suite, SAMPLE, Asker(client, written=written)))
    missed = {
        result.case.key for result in served if result.difference is not None and result.case.content is None
    }
    known = {result.case.key for result in results if result.difference is not None}
    assert len(served) > 150
    assert missed <= known, {
        result.case.key: result.difference for result in served if result.case.key in missed - known
    }
