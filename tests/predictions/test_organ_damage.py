"""SCORE2-Diabetes declines for severe target organ damage: microvascular disease at three sites among it."""

from __future__ import annotations

from typing import Any

from tests.predictions.records import quantity
from tests.predictions.ward import Ward, diagnosis, european, ward

__all__ = ["ward"]


def test_microvascular_disease_at_three_sites_is_severe(ward: Ward) -> None:
    diabetic = [
        *european(),
        quantity("59261-8", 53, "mmol/mol"),
        diagnosis("cm", "E11.9", onsetDateTime="2014-06-01"),
    ]

    def of(system: str, *codes: str) -> list[dict[str, Any]]:
        return [diagnosis(system, code) for code in codes]

    albumin = quantity("9318-7", 60, "mg/g")
    severe = {
        "cm": of("cm", "E11.319", "E11.42", "E11.21"),
        "gm": of("gm", "E11.30", "G63.2", "N08.3"),
        "snomed": [*of("sct", "4855003", "230572002"), albumin],
    }
    not_severe = {
        "none": [],
        "two": of("cm", "E11.319", "E11.42"),
        "cataract": of("cm", "E11.36", "E11.42", "E11.21"),
        "eye-and-albumin": [*of("cm", "E11.319"), albumin],
        "low-albumin": [*of("cm", "E11.319", "E11.42"), quantity("9318-7", 29, "mg/g")],
    }
    ward.load({name: [*diabetic, *items] for name, items in (severe | not_severe).items()})
    said = ward.ask("score2-diabetes")
    assert {name for name in severe if said[name].value is not None} == set()
    assert "microvascular disease at three sites: Condition/" in said["cm"].text
    assert "Observation/" in said["snomed"].text
    assert {name: said[name].text for name in not_severe if said[name].value is None} == {}
