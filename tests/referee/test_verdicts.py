"""The table of reasons explains what it names, each row for a disagreement that there is."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from scripts.agreement import verdicts
from scripts.agreement.report import Case, cases, figures
from scripts.agreement.validators import ValidatorResult

FRACTION = (
    "error",
    "Type_Specific_Checks_DT_Time_Valid",
    "PractitionerRole.availableTime[0]",
    "Not a valid time",
)
MISSING = ("error", "Validation_VAL_Profile_Minimum", "Patient", "Patient.x: minimum required = 1")
RIGHT = ValidatorResult(())


def case(ours: ValidatorResult, official: ValidatorResult) -> Case:
    return Case("r4", "r4", "Patient-a", "", b"{}", ours, official)


def test_every_row_says_who_is_right_and_why() -> None:
    rows = verdicts.load()
    assert rows
    assert all(row.right in verdicts.RIGHT and row.why.endswith(".") for row in rows)


def test_no_two_rows_explain_the_same_and_disagree() -> None:
    of: dict[tuple[str, str, str, str], set[str]] = {}
    for row in verdicts.load():
        of.setdefault((row.side, row.code, row.message, row.path), set()).add(row.right)
    assert all(len(rights) == 1 for rights in of.values())
    assert len(of) == len(verdicts.load())


def test_a_disagreement_is_explained_when_each_of_its_errors_is() -> None:
    rows = verdicts.load()
    explained, unexplained, agreed = cases(
        [
            case(RIGHT, ValidatorResult((FRACTION,))),
            case(RIGHT, ValidatorResult((FRACTION, MISSING))),
            case(ValidatorResult((MISSING,)), ValidatorResult((FRACTION,))),
        ],
        rows,
    )
    assert explained.reasons is not None
    assert [row.name for row in explained.reasons] == ["time-with-a-fraction"]
    assert unexplained.reasons is None
    assert agreed.agree
    result = figures([explained, unexplained, agreed])
    assert (result.cases, result.agreed, result.explained, result.they_alone, result.we_alone) == (
        3,
        1,
        1,
        2,
        0,
    )


def test_warnings_are_no_disagreement() -> None:
    assert case(ValidatorResult((("warning", "FB-FHIR-023", "Patient", "display"),)), RIGHT).agree


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('[x]\nside = "ours"\ncode = "FB-FHIR-001"\nright = "ours"\n', "needs side, right and why"),
        ('[x]\nside = "ours"\nright = "ours"\nwhy = "so"\n', "would explain everything"),
        ('[x]\nside = "theirs"\ncode = "a"\nright = "ours"\nwhy = "so"\n', "needs side, right and why"),
    ],
)
def test_a_row_that_says_too_little_is_refused(tmp_path: Path, text: str, wanted: str) -> None:
    table = tmp_path / "verdicts.toml"
    table.write_text(text)
    with pytest.raises(ValueError, match=wanted):
        verdicts.load(table)


def test_every_row_is_used_by_the_last_run(repository: Path) -> None:
    results = repository / ".referee" / "agreement.jsonl"
    if not results.exists():
        pytest.skip("no agreement run here; `make referee` makes one")
    used: Counter[str] = Counter()
    with results.open(encoding="utf-8") as lines:
        for line in lines:
            used.update(json.loads(line).get("reasons") or ())
    names = {row.name for row in verdicts.load() if not row.rare}
    assert names - set(used) == set(), "rows that explain nothing"
