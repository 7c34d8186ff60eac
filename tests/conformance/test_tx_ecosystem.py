"""HL7's suite for terminology services, case by case (docs/terminology-operations.md has the results)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.tx.http import Asker, serving
from tests.conformance.tx.report import PAGE, REASONS, table, written
from tests.conformance.tx.run import Result, run
from tests.server.conftest import free_port


@pytest.fixture(scope="module")
def suite(shared: Path) -> Path:
    return shared / "suites" / "tx-ecosystem"


@pytest.fixture(scope="module")
def results(suite: Path) -> list[Result]:
    return list(run(suite))


@pytest.mark.shared
def test_nineteen_of_twenty_cases_that_need_no_licensed_content_pass(results: list[Result]) -> None:
    free = [one for one in results if one.case.content is None]
    passed = [one for one in free if one.difference is None]
    assert len(free) > 600
    assert len(passed) / len(free) >= 0.95


@pytest.mark.shared
def test_every_miss_is_known_with_its_reason(results: list[Result]) -> None:
    missed = {
        one.case.key: one.difference
        for one in results
        if one.case.content is None and one.difference is not None
    }
    assert set(missed) <= set(REASONS), missed


@pytest.mark.shared
def test_no_case_ends_in_a_crash(results: list[Result]) -> None:
    crashed = [
        (one.case.key, one.difference) for one in results if one.status == 0 and one.difference is not None
    ]
    assert not crashed


@pytest.mark.shared
def test_the_page_tells_the_results(results: list[Result], suite: Path) -> None:
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
    with serving(database_url, free_port()) as client:
        served = list(run(suite, SAMPLE, Asker(client, written=written)))
    missed = {one.case.key for one in served if one.difference is not None and one.case.content is None}
    known = {one.case.key for one in results if one.difference is not None}
    assert len(served) > 150
    assert missed <= known, {one.case.key: one.difference for one in served if one.case.key in missed - known}
