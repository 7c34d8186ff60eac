"""`mapping new` on six tables in six vendors' styles, all made up, with the truth beside each, written first."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from fhir_bridge.fhir import ucum
from fhir_bridge.workshop.first_mapping import Draft, Guess, draft_mapping
from tests.command import run_command

TABLES = Path(__file__).with_name("first_tables")
NAMES = sorted(path.stem for path in TABLES.glob("*.csv"))


@dataclass
class Truth:
    """Where a column belongs, its unit, and the LOINC codes that are right."""

    places: str
    unit: str = ""
    codes: tuple[str, ...] = ()


def truth_of(name: str) -> dict[str, Truth]:
    result = {}
    for line in (TABLES / f"{name}.truth.tsv").read_text("utf-8").splitlines():
        if line.startswith("# "):
            continue
        column, _, text = line.partition("\t")
        places, *more = text.split("; ")
        facts = dict(fact.split("=", 1) for fact in more)
        result[column] = Truth(places, facts.get("unit", ""), tuple(facts.get("loinc", "").split(",")))
    return result


def asked(draft: Draft, column: str) -> bool:
    return any(re.match(rf"# \d+\. .*{re.escape(column)}", line) for line in draft.text.splitlines())


def fault(draft: Draft, guess: Guess, truth: Truth) -> str:
    """What is wrong of a column; nothing where it is right."""
    uses = [use for use in guess.uses if use != "key"] or guess.uses or ["ignored"]
    if not any(re.search(truth.places, use) for use in uses):
        return f"is in {uses}, not in {truth.places}"
    if truth.unit and guess.unit != truth.unit and not (guess.unit and _same(guess.unit, truth.unit)):
        return f"unit {guess.unit!r}, not {truth.unit}"
    if truth.codes != ("",) and guess.coding is not None and guess.coding[1] not in truth.codes:
        return f"code {guess.coding[1]}, not {truth.codes}"
    if uses == ["ignored"] and not asked(draft, guess.column):
        return "is left out unasked"
    return ""


def _same(first: str, second: str) -> bool:
    return ucum.commensurable(first, second) and ucum.canonical(Decimal(1), first) == ucum.canonical(
        Decimal(1), second
    )


def unasked(draft: Draft, guess: Guess, truth: Truth) -> str:
    """What is wrong of a column's unit, code or date and not asked about: the mistakes that do harm."""
    wrong = fault(draft, guess, truth)
    dated = guess.format or guess.role.endswith("ed") or "date" in guess.role
    harmful = wrong.startswith(("unit", "code")) or (wrong and dated and guess.uses)
    return wrong if harmful and not asked(draft, guess.column) else ""


@pytest.fixture(scope="module")
def drafts() -> dict[str, Draft]:
    return {name: draft_mapping(TABLES / f"{name}.csv") for name in NAMES}


def test_nine_columns_in_ten_are_right(drafts: dict[str, Draft]) -> None:
    wrong, total = [], 0
    for name, draft in drafts.items():
        truth = truth_of(name)
        guesses = {guess.column: guess for guess in draft.guesses}
        assert guesses.keys() == truth.keys()
        total += len(truth)
        wrong += [
            f"{name}: {column}: {why}"
            for column, each in truth.items()
            if (why := fault(draft, guesses[column], each))
        ]
    assert len(wrong) <= 0.1 * total, (total, wrong)


def test_no_unit_code_or_date_is_wrong_without_a_question(drafts: dict[str, Draft]) -> None:
    wrong = [
        f"{name}: {guess.column}: {why}"
        for name, draft in drafts.items()
        for guess in draft.guesses
        if (why := unasked(draft, guess, truth_of(name)[guess.column]))
    ]
    assert wrong == []


@pytest.mark.parametrize("name", NAMES)
def test_every_column_is_in_an_element_or_under_ignore_with_a_question(
    drafts: dict[str, Draft], name: str
) -> None:
    draft = drafts[name]
    for guess in draft.guesses:
        elements = [use for use in guess.uses if use != "key"]
        assert elements or asked(draft, guess.column) or guess.role == "empty", guess.column


@pytest.mark.parametrize("name", NAMES)
def test_convert_takes_every_row_of_the_sample(name: str, tmp_path: Path) -> None:
    table, mapping = TABLES / f"{name}.csv", tmp_path / "mapping.yaml"
    done = run_command("mapping", "new", table, "--out", mapping)
    assert done.returncode == 0, done.stderr
    assert ", 0 rejected" in done.stderr
    assert run_command("mapping", "check", mapping).returncode == 0
    (tmp_path / "site.yaml").write_text("demo_key: true\nzone: Europe/Paris\n")
    converted = run_command(
        "convert", table, "--adapter", "csv", "--mapping", mapping, "--site", tmp_path / "site.yaml",
        "--out", tmp_path / "out", "--validate", "all",
    )  # fmt: skip
    assert converted.returncode == 0, converted.stderr
