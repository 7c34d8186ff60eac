"""Equivalents are moles by the charge of the ion."""

from __future__ import annotations

from tests.predictions.records import quantity
from tests.predictions.test_bounded import model
from tests.predictions.test_numbers_of_models import measured
from tests.predictions.ward import Ward, ward

__all__ = ["ward"]


def test_equivalents_become_moles_by_the_charge_and_are_refused_without_one(ward: Ward) -> None:
    model(ward, measured("ion", ["loinc|17861-6", "loinc|19123-9", "loinc|2951-2", "loinc|2777-1"], "mmol/L"))
    ward.load(
        {
            "calcium": [quantity("17861-6", 4.8, "meq/L")],
            "magnesium": [quantity("19123-9", 1.6, "meq/L")],
            "sodium": [quantity("2951-2", 140, "meq/L")],
            "phosphate": [quantity("2777-1", 2, "meq/L")],
        }
    )
    said = ward.ask("own-risk")
    assert [said[name].value for name in ("calcium", "magnesium", "sodium")] == [2.4, 0.8, 140]
    assert "without the charge of the ion" in said["phosphate"].text
