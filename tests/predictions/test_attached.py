"""A prediction on a stored patient: what is written, once, and what it says of itself."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.fhir.serialization import loads
from fhir_bridge.predictions import (
    ModelCard,
    PatientRecord,
    PredictionError,
    PredictionRun,
    PredictorSettings,
)
from fhir_bridge.predictions.score2 import Score2
from fhir_bridge.storage import Store
from tests.predictions.records import blood_pressure, condition, quantity, record, smoking

KEY = IdKey(DEMO_KEY)
ENABLED = {"predictions": {"score2": {"enabled": True, "region": "moderate"}}}
AI_LABEL = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue|AIAST"


def stored_patient() -> list[dict[str, Any]]:
    """A patient for whom SCORE2 is meant, as resources to load."""
    inputs = [
        blood_pressure(140),
        quantity("14647-2", 6.3, "mmol/L"),
        quantity("14646-4", 1.4, "mmol/L"),
        smoking("266919005"),
    ]
    for resource in inputs:
        resource["subject"] = {"reference": "Patient/p"}
        del resource["meta"]["versionId"]
        category = "vital-signs" if resource["id"].startswith("85354") else "laboratory"
        resource["category"] = [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                        "code": category,
                    }
                ]
            }
        ]
    return [record().patient, *inputs]


async def run_twice(
    url: str, parameters: Mapping[str, Any], *extra: dict[str, Any]
) -> tuple[list[str], list[Any]]:
    async with await Store.open(url) as store:
        await store.load([*stored_patient(), *extra], adapter="test")
        run = PredictionRun(Score2(), parameters, KEY, store)
        outcomes = [(await run.for_patient("p")).outcome for _ in range(2)]
        found: list[Any] = []
        for resource_type in ("Observation", "RiskAssessment", "Device", "DocumentReference", "Provenance"):
            page = await store.search(resource_type, [], EVERYTHING, count=100)
            found += [loads(entry.bytes) for entry in page.entries]
    return outcomes, found


def of_type(found: list[Any], resource_type: str) -> list[Any]:
    return [resource for resource in found if resource["resourceType"] == resource_type]


def predicted(found: list[Any]) -> Any:
    (observation,) = [
        item
        for item in of_type(found, "Observation")
        if item["meta"].get("security", [{}])[0].get("code") == "AIAST"
    ]
    return observation


def test_a_run_that_sees_nothing_new_writes_nothing(fresh_database_url: str) -> None:
    outcomes, found = asyncio.run(run_twice(fresh_database_url, ENABLED))
    assert outcomes == ["written", "unchanged"]
    assert len(of_type(found, "RiskAssessment")) == len(of_type(found, "Provenance")) == 1


def test_the_observation_says_what_it_is_from_which_inputs_by_which_model(fresh_database_url: str) -> None:
    _, found = asyncio.run(run_twice(fresh_database_url, ENABLED))
    observation = predicted(found)
    assert observation["status"] == "preliminary"
    assert observation["code"]["coding"][0]["code"] == "score2"
    assert len(observation["derivedFrom"]) == 4
    assert all("/_history/1" in reference["reference"] for reference in observation["derivedFrom"])
    (device,) = of_type(found, "Device")
    assert observation["device"]["reference"] == f"Device/{device['id']}"
    kinds = [item["valueCodeableConcept"]["coding"][0]["code"] for item in device["extension"][:2]]
    assert kinds == ["Rule-Based-Systems", "Deterministic-AI"]
    (provenance,) = of_type(found, "Provenance")
    assert {target["reference"].partition("/")[0] for target in provenance["target"]} == {
        "Observation",
        "RiskAssessment",
    }
    assert any("Research use" in note["text"] for note in observation["note"])


def test_a_result_that_the_patient_performed_for_another_changes_nothing(fresh_database_url: str) -> None:
    """A result of B with performer A changed A's SCORE2."""
    _, alone = asyncio.run(run_twice(fresh_database_url, ENABLED))
    others = blood_pressure(180)
    del others["meta"]["versionId"]
    others |= {
        "id": "of-b",
        "subject": {"reference": "Patient/b"},
        "performer": [{"reference": "Patient/p"}],
        "effectiveDateTime": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    outcomes, found = asyncio.run(run_twice(fresh_database_url, ENABLED, others))
    assert outcomes == ["unchanged", "unchanged"]
    assert predicted(found)["valueQuantity"] == predicted(alone)["valueQuantity"]
    others |= {"id": "of-p", "subject": {"reference": "Patient/p"}}
    outcomes, _ = asyncio.run(run_twice(fresh_database_url, ENABLED, others))
    assert outcomes == ["written", "unchanged"]


def test_a_refusal_is_recorded_with_its_reason_and_no_risk(fresh_database_url: str) -> None:
    diabetes = condition("E11.9")
    diabetes["subject"] = {"reference": "Patient/p"}
    del diabetes["meta"]["versionId"]
    diabetes["verificationStatus"]["coding"][0]["system"] = (
        "http://terminology.hl7.org/CodeSystem/condition-ver-status"
    )
    _, found = asyncio.run(run_twice(fresh_database_url, ENABLED, diabetes))
    observation = predicted(found)
    assert "valueQuantity" not in observation
    assert observation["dataAbsentReason"]["coding"][0]["code"] == "not-applicable"
    assert "Condition/condition-E11-9/_history/1" in observation["dataAbsentReason"]["text"]
    assert not of_type(found, "RiskAssessment")


def test_new_data_make_a_new_prediction_beside_the_old_one(fresh_database_url: str) -> None:
    async def scenario() -> int:
        async with await Store.open(fresh_database_url) as store:
            await store.load(stored_patient(), adapter="test")
            run = PredictionRun(Score2(), ENABLED, KEY, store)
            await run.for_patient("p")
            newer = stored_patient()[1]
            newer["component"][0]["valueQuantity"]["value"] = 170
            await store.update("Observation", newer["id"], newer, EVERYTHING)
            assert (await run.for_patient("p")).outcome == "written"
            page = await store.search("Observation", [("code", "score2")], EVERYTHING, count=10)
            return len(page.entries)

    assert asyncio.run(scenario()) == 2


def test_a_predictor_that_the_site_did_not_enable_does_not_run(fresh_database_url: str) -> None:
    with pytest.raises(PredictionError, match="not enabled") as caught:
        asyncio.run(run_twice(fresh_database_url, {}))
    assert caught.value.code == "FB-PRED-001"


class Failing:
    """A plug-in's model with a defect."""

    name = "failing"
    version = "1"
    title = "A model that fails"
    manufacturer = "nobody"
    card = ModelCard("machine-learned", *("-" for _ in range(8)))

    def predict(self, records: Sequence[PatientRecord], settings: PredictorSettings) -> Any:
        raise ZeroDivisionError("secret of the patient")


def test_a_model_that_fails_leaves_a_recorded_failure_without_the_patients_values(
    fresh_database_url: str,
) -> None:
    async def scenario() -> Any:
        async with await Store.open(fresh_database_url) as store:
            await store.load(stored_patient(), adapter="test")
            run = PredictionRun(Failing(), {"predictions": {"failing": {"enabled": True}}}, KEY, store)
            done = await run.for_patient("p")
            return loads((await store.read("Observation", done.observation_id, EVERYTHING)).bytes)

    observation = asyncio.run(scenario())
    assert observation["dataAbsentReason"]["coding"][0]["code"] == "error"
    assert "ZeroDivisionError" in observation["dataAbsentReason"]["text"]
    assert "secret" not in str(observation)
