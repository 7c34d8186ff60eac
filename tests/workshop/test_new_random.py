"""`mapping new` on tables drawn at random: it never fails, and what it writes compiles and converts the table."""

from __future__ import annotations

from pathlib import Path

import pytest

from fhir_bridge.workshop.first_mapping import SampleError, draft_mapping
from fhir_bridge.workshop.trial import convert_with
from tests.workshop.random_tables import random_table

_ALLOWED = frozenset(("FB-ID-002", "FB-MAP-107"))
"""What a row without a patient is rejected for, and a word that is asked about is flagged with."""


@pytest.mark.parametrize("first", range(0, 40, 20))
def test_any_table_gives_a_mapping_that_converts_it(tmp_path: Path, first: int) -> None:
    for seed in range(first, first + 20):
        table = tmp_path / f"table{seed}.csv"
        table.write_text(random_table(seed), "utf-8")
        try:
            draft = draft_mapping(table)
        except SampleError:
            continue  # nothing in it is known
        account = convert_with(draft.text, table).account
        errors = [issue for issue in account.issues if issue[0] == "error" and issue[1] not in _ALLOWED]
        assert not errors, (seed, errors)
        assert not account.withheld, seed


def test_each_column_arrives_or_is_asked_about(tmp_path: Path) -> None:
    for seed in range(100, 130):
        table = tmp_path / f"table{seed}.csv"
        table.write_text(random_table(seed), "utf-8")
        try:
            draft = draft_mapping(table)
        except SampleError:
            continue
        head = draft.text[: draft.text.index("\nmapping:")]
        questions = head[head.index("# To be answered:") :]
        for guess in draft.guesses:
            if not set(guess.uses) - {"key"}:
                assert " ".join(guess.column.split()) in questions, (seed, guess.column)
