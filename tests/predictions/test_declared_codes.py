"""Of a long record a model is given what it declares, and what may state a finding; nothing else is read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from fhir_bridge.fhir.access import EVERYTHING, AccessFilter, AccessRule
from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.predictions import Prediction, PredictionRun, Refusal, predict_together
from fhir_bridge.predictions.cha2ds2 import Cha2ds2
from fhir_bridge.predictions.model_workers import ModelRecord, ModelWorkers, model_workers
from fhir_bridge.predictions.record import is_asserted, is_declared
from fhir_bridge.predictions.score2 import Score2
from fhir_bridge.storage.currency import RECORD_TYPES
from tests.predictions.clinic import ENABLED, Clinic, consent, in_clinic, of_patient, pressure, records
from tests.predictions.made_models import manifest, write
from tests.predictions.records import LOINC, SNOMED, quantity

CODES = Score2().observation_codes
INFARCTION = {"coding": [{"system": SNOMED, "code": "22298006"}]}
BOTH: dict[str, Any] = {"predictions": {**ENABLED["predictions"], "cha2ds2-va": {"enabled": True}}}
VIEW = json.dumps(
    {
        "resourceType": "ViewDefinition",
        "resource": "Observation",
        "status": "active",
        "select": [{"column": [{"name": "pulse", "path": "value.ofType(Quantity).value"}]}],
    }
)
READER = AccessFilter((AccessRule("*", frozenset("cruds")),), purpose="TREAT", subject="reader")


class Given(ModelWorkers):
    """The workers of this process, which keep what each was given of the last patient."""

    def __init__(self) -> None:
        super().__init__()
        self.given: dict[str, list[str]] = {}

    async def predict(
        self, predictor: Any, settings: Any, records: Sequence[ModelRecord], content: str = ""
    ) -> Any:
        resources = [orjson.loads(item) for item in records[-1].resources]
        # Earlier results come too, and no model sees them.
        self.given[predictor.name] = [item["id"] for item in resources if not is_asserted(item)]
        return await model_workers().predict(predictor, settings, records, content)


def others(count: int) -> list[dict[str, Any]]:
    """Measurements that no built-in model declares: vital signs, panels, texts."""
    made = []
    for number in range(count):
        item = quantity("8867-4", 60 + number % 40, "/min") | {"id": f"other-{number}"}
        if number % 3 == 1:
            item["component"] = [{"code": {"text": "part"}, "valueQuantity": item.pop("valueQuantity")}]
        if number % 3 == 2:
            del item["valueQuantity"]
            item["valueString"] = "as before"
        made.append(of_patient(item))
    return made


def stating(name: str, **more: Any) -> dict[str, Any]:
    """An Observation of another code that states something, or may."""
    item = of_patient(quantity("29308-4", 1, "1") | {"id": name})
    del item["valueQuantity"]
    return item | more


@pytest.mark.parametrize("access", [EVERYTHING, READER], ids=["everything", "purpose"])
def test_what_no_model_declares_is_not_read(fresh_database_url: str, access: AccessFilter) -> None:
    async def scenario(clinic: Clinic) -> None:
        workers = Given()
        run = PredictionRun(Score2(), ENABLED, IdKey(DEMO_KEY), clinic.store, workers)
        before = (await run.for_patient("p", access)).result
        given = workers.given["score2"]
        await clinic.store.load(others(1200))
        again = await run.for_patient("p", access)
        assert workers.given["score2"] == given
        assert isinstance(before, Prediction)
        assert (again.outcome, again.result) == ("unchanged", before)
        at = await run.as_of("p", access, datetime.now(UTC))
        assert workers.given["score2"] == given
        assert float(at["valueQuantity"]["value"]) == float(before.percent or 0)
        both = [run, PredictionRun(Cha2ds2(with_sex=False), BOTH, IdKey(DEMO_KEY), clinic.store, workers)]
        await predict_together(clinic.store, both, "p", access)
        assert workers.given["score2"] == workers.given["cha2ds2-va"] == given

    in_clinic(fresh_database_url, scenario)


@pytest.mark.parametrize(
    "infarction",
    [
        stating("value", valueCodeableConcept=INFARCTION),
        stating("value-with-parts", valueCodeableConcept=INFARCTION)
        | {"component": [quantity("8867-4", 60, "/min")]},
        stating("yes", code=INFARCTION, valueBoolean=True),
        stating("finding", code=INFARCTION),
        stating("extended", code=INFARCTION)
        | {"extension": [{"url": "urn:x", "valueQuantity": {"value": 3}}]},
        stating("noted", code=INFARCTION) | {"note": [{"text": '"component" and "valueQuantity" are words'}]},
        stating("within-a-range", code=INFARCTION) | {"referenceRange": [{"low": {"value": 3}}]},
    ],
    ids=lambda item: item["id"],
)
def test_a_finding_in_an_observation_excludes_whatever_its_code(
    fresh_database_url: str, infarction: dict[str, Any]
) -> None:
    async def scenario(clinic: Clinic) -> None:
        await clinic.store.load([*others(600), infarction])
        for access in (EVERYTHING, READER):
            run = PredictionRun(Score2(), ENABLED, IdKey(DEMO_KEY), clinic.store)
            result = (await run.for_patient("p", access)).result
            assert isinstance(result, Refusal)
            assert (result.reason, infarction["id"] in result.text) == ("not-applicable", True)

    in_clinic(fresh_database_url, scenario)


def test_what_is_read_has_all_that_the_content_says_is_declared(fresh_database_url: str) -> None:
    """Of corrected, linked and moved resources too; whoever's patient's it is not is left out."""

    async def scenario(clinic: Clinic) -> None:
        store = clinic.store
        shapes: list[dict[str, Any]] = [
            stating("integer", valueInteger=3),
            stating("panel", hasMember=[{"reference": "Observation/integer"}]),
            stating("absent", dataAbsentReason={"text": "none"}),
            stating("no", valueBoolean=False),
            stating("part", component=[{"code": {"coding": [{"system": LOINC, "code": "2093-3"}]}}]),
            stating("long", code={"coding": [{"system": "urn:long", "code": "x" * 3000}]}, valueInteger=1),
            stating("uncoded", code={"text": "something"}, valueString="text"),
            stating(
                "contained", contained=[{"resourceType": "Device", "id": "d"}], valueQuantity={"value": 1}
            ),
        ]
        corrected = of_patient(quantity("8867-4", 60, "/min") | {"id": "corrected"})
        moved = of_patient(quantity("2093-3", 5, "mmol/L") | {"id": "moved"})
        linked = of_patient(quantity("2093-3", 5, "mmol/L") | {"id": "linked"}, "q")
        await store.load([records()[0] | {"id": "q"}, *shapes, corrected, moved, linked])
        await clinic.write(corrected | {"code": {"coding": [{"system": LOINC, "code": "2093-3"}]}})
        await clinic.write(of_patient(moved, "q"))
        codes = CODES | {("urn:long", "x" * 3000)}
        for step in ("apart", "linked"):
            if step == "linked":
                await store.link_patients("q", "p", EVERYTHING)
            for access in (EVERYTHING, READER):
                everything = [item async for item in store.patient_record("p", access, types=RECORD_TYPES)]
                read = await store.results.record("p", access, RECORD_TYPES, [code for _, code in codes])
                declared = {
                    item.id
                    for item in everything
                    if item.type != "Observation" or is_declared(orjson.loads(item.bytes), codes)
                }
                assert declared <= {item.id for item in read} <= {item.id for item in everything}
                assert "corrected" in declared
                assert ("linked" in declared, "moved" in declared) == (step == "linked",) * 2
                assert {"integer", "panel", "uncoded"}.isdisjoint(declared)

    in_clinic(fresh_database_url, scenario)


def test_a_consent_decides_about_a_long_record_too(fresh_database_url: str) -> None:
    async def scenario(clinic: Clinic) -> None:
        await clinic.store.load([*others(600), consent()])
        done = await clinic.predict()
        assert isinstance(done.result, Refusal)
        assert done.result.reason == "opted-out"

    in_clinic(fresh_database_url, scenario)


class Undeclared(Score2):
    """A model that reads what it does not declare."""

    observation_codes = frozenset({(LOINC, "2093-3")})


class Misdeclared(Score2):
    """A model whose declaration is none."""

    observation_codes = ("2093-3",)  # type: ignore[assignment]


def test_a_model_that_reads_what_it_does_not_declare_fails(fresh_database_url: str) -> None:
    async def scenario(clinic: Clinic) -> None:
        done = await clinic.predict(model=Undeclared())
        assert isinstance(done.result, Refusal)
        assert (done.result.reason, done.result.text) == ("failed", "the model failed: LookupError")
        with pytest.raises(Exception, match="observation_codes are not pairs of system and code"):
            await clinic.predict(model=Misdeclared())

    in_clinic(fresh_database_url, scenario)


def test_of_a_model_yaml_the_inputs_are_the_declaration(fresh_database_url: str, tmp_path: Any) -> None:
    from fhir_bridge.predictions.manifest_predictor import ManifestPredictor

    model = ManifestPredictor(write(tmp_path, manifest()))
    settings = {"predictions": {model.name: {"enabled": True}}}

    async def scenario(clinic: Clinic) -> None:
        workers = Given()
        await clinic.store.load(
            [*others(600), pressure(150, id="newer", effectiveDateTime=datetime.now(UTC).isoformat())]
        )
        run = PredictionRun(model, settings, IdKey(DEMO_KEY), clinic.store, workers)
        assert isinstance((await run.for_patient("p")).result, Prediction)
        assert {"newer"} <= set(workers.given[model.name])
        assert not any(name.startswith("other") for name in workers.given[model.name])

    in_clinic(fresh_database_url, scenario)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "the view pulse.json can't be used"),
        (VIEW, ""),
    ],
    ids=["malformed", "of all"],
)
def test_a_view_sees_all_observations_and_one_that_can_not_be_used_is_a_refusal(
    fresh_database_url: str, tmp_path: Path, content: str, said: str
) -> None:
    from fhir_bridge.predictions.manifest_predictor import ManifestPredictor

    document = manifest()
    document["inputs"][2] = {
        "name": "smokes", "type": "view", "view": "pulse.json", "column": "pulse", "select": "count"
    }  # fmt: skip
    path = write(tmp_path, document)
    (tmp_path / "pulse.json").write_text(content)
    model = ManifestPredictor(path)
    settings = {"predictions": {model.name: {"enabled": True}}}

    async def scenario(clinic: Clinic) -> None:
        workers = Given()
        await clinic.store.load(others(600))
        run = PredictionRun(model, settings, IdKey(DEMO_KEY), clinic.store, workers)
        result = (await run.for_patient("p")).result
        assert isinstance(result, Refusal) == bool(said)
        assert not said or said in getattr(result, "text", "")
        assert sum(name.startswith("other") for name in workers.given[model.name]) == 600

    in_clinic(fresh_database_url, scenario)
