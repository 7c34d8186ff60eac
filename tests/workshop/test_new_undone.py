# ruff: noqa: E501 - tables are written as they are
"""What was not done is never made done by `mapping new`: statuses in letters, not understood, or none beside a reason why not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.workshop.drafts import converted, converted_again, of

_HEAD = ["patient_id", "vaccination_id", "vaccination_date", "cvx", "vaccine"]


def _vaccinations(
    status: tuple[str, str] | None, reason: tuple[str, str] | None, names: tuple[str, ...]
) -> str:
    """Twelve vaccinations, of which each fourth was refused: the status and reason of one that was, then of one that was not."""
    lines = [",".join([*_HEAD, *names])]
    for n in range(12):
        refused = n % 4 == 0
        more = [cells[refused] for cells in (status, reason) if cells is not None]
        lines.append(",".join([f"P{n % 5}", f"V{n:03}", f"2024-02-{n + 1:02}", "141", "Influenza", *more]))
    return "\n".join(lines) + "\n"


def _states(made: list[dict[str, Any]], kind: str) -> Counter[tuple[str, bool]]:
    return Counter((r["status"], "statusReason" in r) for r in of(made, kind))


@pytest.mark.parametrize(
    "names",
    [("COMPLETION_STATUS", "REFUSAL_REASON"), ("Status", "Not given reason"), ("RXA-20", "Refus motif")],
)
def test_letters_of_hl7_say_what_was_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    text = _vaccinations(("CP", "RE"), ("", "Parent declined"), names)
    _, made, mapping = converted(tmp_path, text)
    assert _states(made, "Immunization") == {("completed", False): 9, ("not-done", True): 3}
    assert "do its letters mean CP → completed, PA → completed, NA → not-done, RE → not-done" in mapping
    again, _ = converted_again(tmp_path, text.replace(",CP,", ",NA,"))  # which no row of the sample has
    assert _states(again, "Immunization") == {("not-done", False): 9, ("not-done", True): 3}


def test_letters_of_hl7_of_medication_that_was_not_given(tmp_path: Path) -> None:
    text = "patient_id,admin_time,drug,dose,dose_unit,route,completion,not_given_reason\n" + "".join(
        f"P{n % 5},2024-02-{n + 1:02} 08:00,Paracetamol,1,g,PO,{['CP', 'NA', 'RE', 'PA'][n % 4]},{['', 'NPO', 'Refused', ''][n % 4]}\n"
        for n in range(20)
    )
    _, made, _ = converted(tmp_path, text)
    assert _states(made, "MedicationAdministration") == {
        ("completed", False): 5,
        ("not-done", True): 10,
        ("stopped", False): 5,
    }


@pytest.mark.parametrize(
    "names", [("Impfstatus", "Nicht geimpft Grund"), ("vaccine_status", "reason_refused")]
)
def test_a_status_that_is_not_understood_makes_nothing_completed(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    _, made, mapping = converted(tmp_path, _vaccinations(("G", "V"), ("", "Allergie"), names))
    assert _states(made, "Immunization") == {("not-done", True): 3}
    assert "They are left out until that is known, but for those that have a reason why not" in mapping
    _, made, mapping = converted(tmp_path, _vaccinations(("ADM", "XFR"), None, names[:1]))
    assert of(made, "Immunization") == []
    assert "They are left out until that is known" in mapping


def test_of_a_status_that_is_partly_understood_the_rest_is_not_completed(tmp_path: Path) -> None:
    text = _vaccinations(("completed", "ZZ"), ("", "patient refused"), ("Status", "Not given reason"))
    _, made, _ = converted(tmp_path, text)
    assert _states(made, "Immunization") == {("completed", False): 9, ("not-done", True): 3}


@pytest.mark.parametrize("name", ["WHY_NOT", "Code 7", "EXEMPTION"])
def test_words_for_a_refusal_are_that_whatever_the_column_is_called(tmp_path: Path, name: str) -> None:
    _, made, _ = converted(tmp_path, _vaccinations(None, ("", "PARENTAL DECISION"), (name,)))
    assert _states(made, "Immunization") == {("completed", False): 9, ("not-done", True): 3}
    _, made, _ = converted(tmp_path, _vaccinations(("1", "2"), ("", "religious exemption"), ("STATUS", name)))
    assert _states(made, "Immunization") == {("not-done", True): 3}


@pytest.mark.parametrize("none", ["", "none", "Accepted"])
def test_without_a_status_a_reason_why_not_is_that(tmp_path: Path, none: str) -> None:
    _, made, mapping = converted(
        tmp_path, _vaccinations(None, (none, "parental decision"), ("REFUSAL_REASON",))
    )
    assert _states(made, "Immunization") == {("completed", False): 9, ("not-done", True): 3}
    assert "every Immunization that has a reason why not is taken for not done" in mapping
