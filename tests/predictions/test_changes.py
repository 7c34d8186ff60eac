"""What changed in an input, as a person reads it."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_bridge.predictions.changes import describe_change
from tests.predictions.records import blood_pressure, condition, quantity, smoking

SBP = ("systolic blood pressure", "137 mm[Hg]")


def panel(systolic: float, diastolic: float, **more: Any) -> dict[str, Any]:
    found = blood_pressure(systolic)
    low = blood_pressure(diastolic)["component"][0]
    low["code"] = {"coding": [{"code": "8462-4"}], "text": "diastolic blood pressure"}
    return found | {"component": [*found["component"], low]} | more


@pytest.mark.parametrize(
    ("label", "before", "after", "said"),
    [
        (SBP, panel(137, 80), panel(180, 80), "systolic blood pressure corrected from 137 to 180 mm[Hg]"),
        (SBP, panel(137, 80), panel(137, 95), "diastolic blood pressure corrected from 80 to 95 mm[Hg]"),
        (
            SBP,
            panel(137, 80),
            panel(180, 95),
            "systolic blood pressure corrected from 137 to 180 mm[Hg], "
            "diastolic blood pressure corrected from 80 to 95 mm[Hg]",
        ),
        (SBP, panel(137, 80), None, "systolic blood pressure withdrawn"),
        (SBP, panel(137, 80), panel(137, 80, status="entered-in-error"), "systolic blood pressure withdrawn"),
        (
            SBP,
            panel(137, 80, subject={"reference": "Patient/a"}),
            panel(137, 80, subject={"reference": "Patient/b"}),
            "systolic blood pressure is of another patient",
        ),
        (
            SBP,
            panel(137, 80, effectiveDateTime="2026-01-01"),
            panel(137, 80, effectiveDateTime="2026-02-01"),
            "time of systolic blood pressure corrected from 2026-01-01 to 2026-02-01",
        ),
        (SBP, panel(137, 80), panel(137, 80, note=[{"text": "lying"}]), "systolic blood pressure corrected"),
        (SBP, None, None, "systolic blood pressure changed"),
        (
            ("HDL cholesterol", "1.4 mmol/L"),
            quantity("14646-4", 1.4, "mmol/L"),
            quantity("14646-4", 54, "mg/dL"),
            "HDL cholesterol corrected from 1.4 mmol/L to 54 mg/dL",
        ),
        (
            ("smoking status", "not smoking now"),
            smoking("266919005"),
            smoking("77176002"),
            "smoking status corrected from 266919005 to 77176002",
        ),
        (
            ("diabetes mellitus", ""),
            condition("E11.9"),
            condition("E11.9", refuted=True),
            "diabetes mellitus corrected from E11.9 (confirmed) to E11.9 (refuted)",
        ),
        (
            ("birth date, sex, whether deceased", ""),
            {"resourceType": "Patient", "birthDate": "1970-01-01", "deceasedBoolean": False},
            {"resourceType": "Patient", "birthDate": "1971-01-01", "deceasedDateTime": "2026-11-01"},
            "birth date corrected from 1970-01-01 to 1971-01-01, time of death now stated: 2026-11-01",
        ),
        (
            ("birth date, sex, whether deceased", ""),
            {"resourceType": "Patient"},
            {"resourceType": "Patient", "link": [{"type": "replaces"}]},
            "the record was linked to another one, or parted from it",
        ),
    ],
)
def test_it_says_what_from_which_value_to_which(
    label: tuple[str, str], before: Any, after: Any, said: str
) -> None:
    assert describe_change(*label, before, after) == said
