"""The walkers find what FHIRPath finds, on every real resource available."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.search_agreement import compare, official_examples, read


def test_on_what_the_adapters_make(repository: Path) -> None:
    outcome = compare(read(repository / "mappings"))
    assert outcome.resources > 20
    assert outcome.with_values > 200
    assert outcome.differences == []


@pytest.mark.shared
def test_on_an_example_of_most_types(shared: Path) -> None:
    folder = shared / "suites" / "fhir-test-cases-r4" / "examples"
    outcome = compare(pair for file in sorted(folder.glob("*.json")) for pair in read(file))
    assert outcome.resources > 50
    assert outcome.differences == []


def test_on_all_official_examples() -> None:
    archive = official_examples()
    if not archive.exists():
        pytest.skip("the official examples are not here: python scripts/search_agreement.py fetches them")
    outcome = compare(read(archive))
    assert outcome.resources > 5000
    assert outcome.differences == []
