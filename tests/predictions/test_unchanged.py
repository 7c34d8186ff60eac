"""A run that sees again what it saw asks no model; what a person puts in its place is what the model may give."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.fhir.validation import Validator
from fhir_bridge.predictions import Predicted, PredictionRun, predict_together
from fhir_bridge.predictions.cha2ds2 import Cha2ds2
from fhir_bridge.predictions.manifest_predictor import ManifestPredictor
from fhir_bridge.predictions.model_workers import ModelWorkers, model_workers
from fhir_bridge.predictions.reviewing import Review, review
from fhir_bridge.predictions.score2 import Score2
from fhir_bridge.predictions.smart2 import Smart2
from fhir_bridge.storage import BadResource
from fhir_bridge.terminology import get_terminology
from tests.patience import PATIENCE
from tests.predictions.clinic import (
    APPROVED,
    ENABLED,
    Clinic,
    consent,
    in_clinic,
    of_patient,
    pressure,
    records,
)
from tests.predictions.made_models import manifest, write
from tests.predictions.records import condition, quantity
from tests.predictions.test_manifest_models import constant, output


class Asked(ModelWorkers):
    """The workers of this process, which count whom they were asked about."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    async def predict(self, predictor: Any, settings: Any, records: Sequence[Any], content: str = "") -> Any:
        self.count += len(records)
        return await model_workers().predict(predictor, settings, records, content)


async def everybody(
    clinic: Clinic, workers: Asked, parameters: dict[str, Any] = ENABLED, model: Any = None
) -> dict[str, Predicted]:
    """Run over all; how many the model was asked about is in `workers` afterwards."""
    workers.count = 0
    run = PredictionRun(model or Score2(), parameters, IdKey(DEMO_KEY), clinic.store, workers)
    return {item.patient_id: item async for item in run.for_all()}


def of_other(resource: dict[str, Any]) -> dict[str, Any]:
    return {**of_patient(resource, "q"), "id": f"q-{resource['id']}"}


def test_only_whose_record_changed_is_asked_about(fresh_database_url: str) -> None:
    async def scenario(clinic: Clinic) -> None:
        workers = Asked()
        mine = records()
        theirs = [{**mine[0], "id": "q"}, *(of_other(item) for item in mine[1:])]
        await clinic.store.load([*mine, *theirs])
        first = await everybody(clinic, workers)
        assert (workers.count, {item.outcome for item in first.values()}) == (2, {"written"})

        again = await everybody(clinic, workers)
        assert (workers.count, {item.outcome for item in again.values()}) == (0, {"unchanged"})
        for name, item in again.items():
            assert item.observation_id == first[name].observation_id
            assert item.summary() == first[name].summary()

        # What no model of risk reads is read anew, and leaves the result as it is.
        await clinic.write(of_patient(quantity("718-7", 140, "g/L")))
        seen = await everybody(clinic, workers)
        assert (workers.count, {item.outcome for item in seen.values()}) == (1, {"unchanged"})
        await everybody(clinic, workers)
        assert workers.count == 0

        await clinic.write(pressure(150))
        corrected = await everybody(clinic, workers)
        assert (workers.count, corrected["p"].outcome, corrected["q"].outcome) == (1, "written", "unchanged")

        await clinic.write(of_patient(condition("E11.9"), "q"))
        excluded = await everybody(clinic, workers)
        assert (workers.count, excluded["q"].summary().kind) == (1, "not-applicable")
        declined = await everybody(clinic, workers)
        assert (workers.count, declined["q"].summary().kind) == (0, "not-applicable")

        # A refusal of research stops what is for research; the site's approval is another decision, and asks again.
        await clinic.write(consent())
        assert (await everybody(clinic, workers))["p"].summary().kind == "opted-out"
        approved = await everybody(clinic, workers, APPROVED)
        assert (workers.count, approved["p"].outcome) == (2, "written")

    in_clinic(fresh_database_url, scenario)


class Meddling(Asked):
    """Workers during whose first answer the patient's blood pressure is corrected."""

    def __init__(self, clinic: Clinic) -> None:
        super().__init__()
        self.clinic = clinic
        self.corrected = False

    async def predict(self, predictor: Any, settings: Any, records: Sequence[Any], content: str = "") -> Any:
        answers = await super().predict(predictor, settings, records, content)
        if not self.corrected:
            self.corrected = True
            await self.clinic.write(pressure(171))
        return answers


def test_several_models_read_once_and_write_together_what_each_says_alone(fresh_database_url: str) -> None:
    parameters = {
        "predictions": {
            "score2": {"enabled": True, "region": "moderate"},
            "smart2": {"enabled": True, "region": "low"},
            "cha2ds2-va": {"enabled": True},
        }
    }

    async def work(clinic: Clinic) -> None:
        async def together(workers: Asked, *models: Any) -> None:
            runs = [
                PredictionRun(model, parameters, IdKey(DEMO_KEY), clinic.store, workers) for model in models
            ]
            await predict_together(clinic.store, runs, "p", EVERYTHING, seconds=PATIENCE)

        await together(Asked(), Score2(), Smart2(), Cha2ds2(with_sex=False))
        first = await clinic.results()
        async with clinic.store.connection() as connection:
            rows = await connection.execute(
                "SELECT count(DISTINCT xid) FROM resource WHERE type = 'Observation' AND id = ANY(%s)",
                ([item["id"] for item in first],),
            )
            assert await rows.fetchone() == (1,)
        assert len(first) == 3
        alone = {
            (await clinic.predict(parameters, model=model)).observation_id
            for model in (Score2(), Smart2(), Cha2ds2(with_sex=False))
        }
        assert alone == {item["id"] for item in first}
        # A correction in the middle: what was computed of the old value is computed again, of the new one.
        await clinic.write(pressure(150))
        await together(Meddling(clinic), Score2(), Smart2())
        current = [await clinic.read("Observation", name) for name in await clinic.current()]
        (score2,) = [item for item in current if "valueQuantity" in item]
        assert any("171" in source.get("display", "") for source in score2["derivedFrom"])

    in_clinic(fresh_database_url, work)


def test_a_deleted_input_and_another_version_of_a_model_ask_again(fresh_database_url: str) -> None:
    async def scenario(clinic: Clinic) -> None:
        workers = Asked()
        await clinic.store.load(records())
        await everybody(clinic, workers)
        await everybody(clinic, workers, model=Score2())
        assert workers.count == 0
        newer = Score2()
        newer.version = "2021.2"
        assert (await everybody(clinic, workers, model=newer))["p"].outcome == "written"
        await clinic.store.delete("Observation", "14647-2-6-3", EVERYTHING)
        missing = await everybody(clinic, workers, model=newer)
        assert (workers.count, missing["p"].summary().kind) == (1, "missing-input")

    in_clinic(fresh_database_url, scenario)


class Failing(Score2):
    """A model that always fails."""

    name = "failing"

    def predict(self, records: Any, settings: Any) -> Any:
        """Fail."""
        raise ArithmeticError


def test_a_failed_run_is_tried_again(fresh_database_url: str) -> None:
    async def scenario(clinic: Clinic) -> None:
        workers, enabled = Asked(), {"predictions": {"failing": {"enabled": True}}}
        await clinic.store.load(records())
        for _ in range(2):
            failed = await everybody(clinic, workers, enabled, Failing())
            assert (workers.count, failed["p"].summary().kind) == (1, "failed")

    in_clinic(fresh_database_url, scenario)


def test_another_class_takes_the_place_of_the_models_which_stays_beside_it(
    fresh_database_url: str, tmp_path: Path
) -> None:
    classes = [{"code": "sr", "display": "Sinus rhythm"}, {"code": "af", "display": "Atrial fibrillation"}]
    block = output(kind="class", classes=classes)
    path = write(tmp_path, manifest(output=block), constant([0.2, 0.8]))
    site = {"predictions": {"own-risk": {"enabled": True, "model": str(path)}}}
    who = {"display": "Dr. Brun"}

    async def scenario(clinic: Clinic) -> None:
        await clinic.store.load(records())
        done = await clinic.predict(site, model=ManifestPredictor(path))

        async def amend(category: str) -> None:
            stored = await clinic.store.read("Observation", done.observation_id, EVERYTHING)
            await review(clinic.store, stored, Review("amend", who, "P waves", category=category), site)

        with pytest.raises(BadResource, match="one of the model's: sr, af"):
            await amend("vt")
        await amend("sr")
        amended = await clinic.read("Observation", done.observation_id)
        assert (amended["status"], amended["valueCodeableConcept"]["text"]) == ("amended", "Sinus rhythm")
        (own,) = [part for part in amended["component"] if part["code"]["coding"][0]["code"] == "model-value"]
        assert own["valueCodeableConcept"]["text"] == "Atrial fibrillation"
        assert [
            issue for issue in Validator.of(get_terminology()).validate(amended) if issue.severity == "error"
        ] == []
        site["predictions"] = {}
        with pytest.raises(BadResource, match="not installed here any more"):
            await amend("af")

    in_clinic(fresh_database_url, scenario)
