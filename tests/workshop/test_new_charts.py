"""`mapping new`: charts of measurements: names whose words stand in another order, units of a flow."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workshop.drafts import converted, of


@pytest.mark.parametrize("name", ["O2_DEBIT", "DEBIT_O2_L_MIN", "FLOW_O2_LPM", "O2_FLUSS"])
def test_a_flow_of_oxygen_is_one_in_whatever_order(tmp_path: Path, name: str) -> None:
    rows = "".join(f"80{n:04};{n + 10}/02/2026 08:10;7{n};{n % 6 + 1}\n" for n in range(12))
    _, made, _ = converted(tmp_path, f"IPP;DATE_MESURE;FC;{name}\n{rows}")
    flows = [r for r in of(made, "Observation") if r["code"].get("coding", [{}])[0].get("code") == "3151-8"]
    assert len(flows) == 12
    assert {r["valueQuantity"]["code"] for r in flows} <= {"L/min", "l/min"}
