# ruff: noqa: E501 - tables are written as they are
"""`mapping new`: rows that a column marks as cancelled or deleted are no results, orders, visits or diagnoses that count."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.workshop.drafts import converted, of

_LISTS = {
    "Observation": ("COLLECTED;TEST_NAME;RESULT;UNIT", "2026-01-{d} 08:10;Sodium;13{n};mmol/L"),
    "Encounter": ("VISIT_NO;ADMIT_DT;DISCH_DT;WARD", "V7{d};2026-01-{d} 08:10;2026-01-{d} 18:10;3A"),
    "MedicationRequest": ("RX_NO;DRUG;DOSE;DOSE_UNIT;ROUTE;ORDER_DATE", "R7{d};Ramipril;5;mg;oral;2026-01-{d} 08:10"),
    "Condition": ("ICD10;DX_NAME;ONSET_DATE", "I1{n}.{n};Disease {n};2026-01-{d}"),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(_LISTS))
@pytest.mark.parametrize(
    ("name", "yes", "no"), [("STORNO", "J", "N"), ("Annulée", "O", "N"), ("GUELTIG", "N", "J")]
)
def test_a_cancelled_row_is_an_error(tmp_path: Path, kind: str, name: str, yes: str, no: str) -> None:
    header, cells = _LISTS[kind]
    rows = "".join(
        f"7{n // 2:03};19{50 + n // 2}-03-14;{cells.format(n=n % 10, d=n + 10)};{yes if n % 4 == 3 else '' if n % 4 == 2 and name == 'STORNO' else no}\n"
        for n in range(16)
    )
    _, made, mapping = converted(tmp_path, f"MRN;BIRTH_DATE;{header};{name}\n{rows}")
    states: Counter[str] = Counter()
    for resource in of(made, kind):
        sure = resource.get("verificationStatus", {}).get("coding", [{"code": ""}])[0]["code"]
        states[sure or str(resource.get("status", "counts"))] += 1
        assert kind != "Condition" or ("clinicalStatus" in resource) is (sure == "")
    assert states["entered-in-error"] == 4
    assert sum(states.values()) == 16
    assert f"{name}: rows with {yes.casefold()} are taken for cancelled or entered in error" in mapping


def test_an_operation_that_was_called_off_was_not_done(tmp_path: Path) -> None:
    rows = "".join(
        f"7{n // 2:03};14.03.19{50 + n // 2};{n + 10}.01.2026;5-511.1{n % 3};Eingriff {n % 3};{'J' if n % 4 == 3 else 'N'}\n"
        for n in range(16)
    )
    _, made, _ = converted(tmp_path, f"PatNr;GebDat;OP-Datum;OPS;Eingriff;Abgesagt\n{rows}")
    assert Counter(r["status"] for r in of(made, "Procedure")) == {"completed": 12, "not-done": 4}
