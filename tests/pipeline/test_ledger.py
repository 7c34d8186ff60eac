"""The ledger: one id, many lines."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fhir_bridge.pipeline.ledger import Ledger


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    ledger = Ledger()
    yield ledger
    ledger.close()


def test_the_same_line_again_is_the_same_thing(ledger: Ledger) -> None:
    assert ledger.enter("Patient", "a", "t1 ", b"{}") == "new"
    assert ledger.enter("Patient", "a", "t1 ", b"{}") == "same"


def test_another_business_time_is_another_version(ledger: Ledger) -> None:
    ledger.enter("Observation", "a", "t1 preliminary", b"1")
    assert ledger.enter("Observation", "a", "t2 final", b"2") == "version"


def test_two_contents_at_one_time_are_a_conflict_and_the_first_stays(ledger: Ledger) -> None:
    ledger.enter("Observation", "a", "t1 final", b"1")
    assert ledger.enter("Observation", "a", "t1 final", b"2") == "conflict"
    assert ledger.enter("Observation", "a", "t1 final", b"1") == "same"


def test_types_do_not_share_ids(ledger: Ledger) -> None:
    ledger.enter("Patient", "a", "", b"1")
    assert ledger.enter("Device", "a", "", b"2") == "new"
