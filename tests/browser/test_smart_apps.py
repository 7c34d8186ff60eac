"""What the SMART applications growth-chart and cardiac-risk ask for, after a real launch in headless Chromium."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.storage import Store
from tests.server.conftest import patient

_UCUM = "http://unitsofmeasure.org"
_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"


def result(
    identity: str,
    code: str,
    value: float,
    unit: str,
    day: str,
    of: str = "child",
    category: str = "laboratory",
) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": identity,
        "status": "final",
        "category": [{"coding": [{"system": _CATEGORY, "code": category}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": f"Patient/{of}"},
        "effectiveDateTime": day,
        "valueQuantity": {"value": value, "unit": unit, "system": _UCUM, "code": unit},
    }


RESULTS = [
    patient("child", "Grows"),
    patient("other", "Else"),
    result("hdl-old", "2085-9", 1.1, "mmol/L", "2025-03-01"),
    result("hdl-new", "2085-9", 1.3, "mmol/L", "2026-03-01"),
    result("total", "2093-3", 201, "mg/dL", "2026-02-28"),
    result("crp", "30522-7", 0.9, "mg/L", "2026-02-27"),
    result("pressure", "8480-6", 118, "mm[Hg]", "2026-02-26", category="vital-signs"),
    result("glucose", "2345-7", 5.1, "mmol/L", "2026-03-01"),
    result("hdl-of-other", "2085-9", 9.9, "mmol/L", "2026-03-02", of="other"),
    result("height-1", "8302-2", 94.5, "cm", "2024-01-01", category="vital-signs"),
    result("height-2", "8302-2", 40, "[in_i]", "2025-01-01", category="vital-signs"),
    result("weight", "3141-9", 15.2, "kg", "2025-01-01", category="vital-signs"),
    result("head", "8287-5", 49.1, "cm", "2024-01-01", category="vital-signs"),
    {
        "resourceType": "FamilyMemberHistory",
        "id": "mother",
        "status": "completed",
        "patient": {"reference": "Patient/child"},
        "relationship": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": "MTH"}]
        },
    },
]


async def _store(url: str) -> None:
    async with await Store.open(url) as store:
        for resource in RESULTS:
            await store.update(resource["resourceType"], resource["id"], resource, EVERYTHING)


@pytest.fixture
def shown(site: Any, database_url: str, drive: Any) -> dict[str, Any]:
    """What the application shows of the child."""
    asyncio.run(_store(database_url))
    found: dict[str, Any] = drive("results", PATIENT="child")
    assert "error" not in found, found
    return found


def test_results_are_asked_by_codes_in_pages_and_converted_by_their_units(shown: dict[str, Any]) -> None:
    assert shown["name"] == "Grows"
    assert shown["risk"] == ["hdl-new", "total", "crp", "pressure", "hdl-old"]
    assert shown["pages"] == [2, 2, 1]
    assert (shown["hdl"], shown["cholesterol"]) == ("50.3", "201.0")
    assert (shown["crp"], shown["pressure"]) == (0.9, 118)
    assert [round(height, 1) for height in shown["heights"]] == [101.6, 94.5]
    assert shown["weights"] == [15.2]
    assert shown["heads"] == ["49.1"]
    assert shown["family"] == ["MTH"]
