"""A Medication that an order refers to is of no patient, and an input of the patients' results all the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.predictions import Predicted, PredictionRun, Refusal
from fhir_bridge.predictions.changes import outdated_models
from fhir_bridge.predictions.score2 import Score2
from tests.predictions.clinic import ENABLED, Clinic, in_clinic

METFORMIN, SALBUTAMOL = "A10BA02", "R03AC02"


def drug(code: str, identity: str = "drug", **more: Any) -> dict[str, Any]:
    coding = {"system": "http://www.whocc.no/atc", "code": code}
    return {"resourceType": "Medication", "id": identity, "code": {"coding": [coding]}, **more}


def order(reference: str = "Medication/drug", patient: str = "p", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "MedicationRequest",
        "id": f"order-{patient}",
        "status": "active",
        "intent": "order",
        "subject": {"reference": f"Patient/{patient}"},
        "medicationReference": {"reference": reference},
        **more,
    }


async def by_correction(clinic: Clinic) -> None:
    await clinic.write(drug(SALBUTAMOL))


async def by_load(clinic: Clinic) -> None:
    await clinic.store.load([drug(SALBUTAMOL)], adapter="test")


async def in_error(clinic: Clinic) -> None:
    await clinic.write(drug(METFORMIN, status="entered-in-error"))


async def by_deletion(clinic: Clinic) -> None:
    await clinic.store.delete("Medication", "drug", EVERYTHING)


async def everybody(clinic: Clinic) -> list[Predicted]:
    run = PredictionRun(Score2(), ENABLED, IdKey(DEMO_KEY), clinic.store)
    return [item async for item in run.for_all()]


async def again(clinic: Clinic) -> Any:
    """What the job does that the change added."""
    assert await clinic.jobs() == [{"patient": "p", "model": "score2"}]
    return (await clinic.predict()).result


@pytest.mark.parametrize("way", [by_correction, by_load, in_error, by_deletion])
def test_what_rests_on_an_order_of_it_is_withdrawn_when_it_was_another_drug(
    way: Callable[[Clinic], Awaitable[None]], fresh_database_url: str
) -> None:
    async def work(clinic: Clinic) -> None:
        await clinic.store.load([drug(METFORMIN), order()], adapter="test")
        refused = await clinic.predict()
        assert isinstance(refused.result, Refusal)
        assert refused.result.reason == "not-applicable"
        (made,) = await clinic.find("Provenance", ("target", f"Observation/{refused.observation_id}"))
        assert "Medication/drug/_history/1" in {item["what"]["reference"] for item in made["entity"]}
        await way(clinic)
        (standing,) = await clinic.standings()
        assert standing.state == "withdrawn"
        outdated = await outdated_models(clinic.store, EVERYTHING, [standing])
        assert outdated["score2"].startswith("medication of diabetes mellitus")
        assert (await clinic.read("Observation", refused.observation_id))["status"] == "entered-in-error"
        result = await again(clinic)
        known = way in (by_correction, by_load)
        assert isinstance(result, Refusal) != known
        assert known or "may be one of diabetes" in result.text

    in_clinic(fresh_database_url, work)


def test_what_did_not_count_for_a_result_and_now_may_is_computed_again(fresh_database_url: str) -> None:
    async def work(clinic: Clinic) -> None:
        await clinic.store.load([drug(SALBUTAMOL), order()], adapter="test")
        assert not isinstance((await clinic.predict()).result, Refusal)
        assert [item.outcome for item in await everybody(clinic)] == ["unchanged"]
        assert await clinic.jobs() == []
        await clinic.write(drug(METFORMIN))
        (standing,) = await clinic.standings()
        assert standing.waiting
        # Also for who goes by what was seen: the run over all takes the job and asks the model.
        (done,) = await everybody(clinic)
        assert isinstance(done.result, Refusal)
        assert await clinic.jobs() == []
        assert [item.outcome for item in await everybody(clinic)] == ["unchanged"]

    in_clinic(fresh_database_url, work)


def test_one_that_arrives_after_its_order_is_seen_then(fresh_database_url: str) -> None:
    async def work(clinic: Clinic) -> None:
        await clinic.store.load([order()], adapter="test")
        missing = (await clinic.predict()).result
        assert isinstance(missing, Refusal)
        assert missing.reason == "missing-input"
        await clinic.store.load([drug(SALBUTAMOL)], adapter="test")
        assert not isinstance(await again(clinic), Refusal)

    in_clinic(fresh_database_url, work)


def test_what_no_model_reads_of_it_and_what_is_of_others_changes_nothing(fresh_database_url: str) -> None:
    async def work(clinic: Clinic) -> None:
        await clinic.store.load(
            [drug(METFORMIN), drug(SALBUTAMOL, "other"), order(), order("Medication/other", "q")],
            adapter="test",
        )
        done = await clinic.predict()
        await clinic.write(drug(METFORMIN, manufacturer={"display": "Another"}))
        await clinic.write(drug(METFORMIN, "other"))
        assert await clinic.current() == [done.observation_id]

    in_clinic(fresh_database_url, work)


def test_one_of_another_server_is_not_the_one_that_has_its_id_here(fresh_database_url: str) -> None:
    async def work(clinic: Clinic) -> None:
        elsewhere = "https://other.example/fhir/Medication/drug"
        await clinic.store.load([drug(SALBUTAMOL), order(elsewhere)], adapter="test")
        result = (await clinic.predict()).result
        assert isinstance(result, Refusal)
        assert "may be one of diabetes" in result.text

    in_clinic(fresh_database_url, work)
