"""A heart rate without category: refused as R4 has it, stored where the site's policy says so."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.conftest import Hospital

RATE = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
    "subject": {"reference": "Patient/anna"},
    "effectiveDateTime": "2026-01-01",
    "valueQuantity": {"value": 60, "system": "http://unitsofmeasure.org", "code": "/min", "unit": "/min"},
}
PROFILE = "http://hl7.org/fhir/StructureDefinition/heartrate"


def post(hospital: Hospital, resource: dict[str, Any]) -> Any:
    return hospital.http.post("/fhir/Observation", json=resource, headers=hospital.token("user/*.cruds"))


def test_it_is_refused_unless_the_policy_takes_it(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = post(hospital, RATE)
    assert refused.status_code == 422
    assert "heartrate" in refused.text
    monkeypatch.setattr(hospital.services.settings, "implied_profiles", "warning")
    assert post(hospital, RATE).status_code == 201
    declared = post(hospital, RATE | {"meta": {"profile": [PROFILE]}})
    assert declared.status_code == 422, "who declares a profile is held to it"
    assert post(hospital, RATE | {"status": "nonsense"}).status_code == 422
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"resource": RATE, "request": {"method": "POST", "url": "Observation"}}],
    }
    answer = hospital.http.post("/fhir", json=bundle, headers=hospital.token("user/*.cruds"))
    assert answer.status_code == 200, answer.text
