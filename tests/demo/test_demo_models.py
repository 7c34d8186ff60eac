"""The two demonstration models: they tell what they were made to tell, and call themselves so everywhere."""

from __future__ import annotations

import importlib.util
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fhir_bridge.predictions import PredictorSettings, manifest_predictor
from fhir_bridge.predictions.manifest_predictor import ManifestPredictor
from fhir_bridge.predictions.monitoring import auroc
from fhir_bridge.predictions.resources import observation
from fhir_bridge.predictions.transparency import device
from tests.predictions.records import blood_pressure, quantity, record

ROOT = Path(__file__).parent.parent.parent
MODELS = ROOT / "fhir_bridge" / "demo" / "models"
SETTINGS = PredictorSettings(enabled=True)
SCORE = "https://fhir-bridge.org/fhir/CodeSystem/polygenic-score"


def script() -> Any:
    spec = importlib.util.spec_from_file_location("made", ROOT / "scripts" / "build_demo_models.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def ecg(rng: np.random.Generator, irregular: bool) -> dict[str, Any]:
    """A synthetic recording, as the DICOM mapping writes one."""
    values = script().synthetic_ecg(rng, irregular)
    found = quantity("11524-6", 0, "1")
    del found["valueQuantity"]
    data = " ".join(str(round(float(value) * 1000)) for value in values)
    sampled = {"origin": {"value": 0, "code": "uV"}, "period": 10, "factor": 1, "dimensions": 1, "data": data}
    found["component"] = [{"code": {"text": "II"}, "valueSampledData": sampled}]
    return found


def test_the_ecg_model_tells_irregular_from_regular_recordings_that_it_has_not_seen() -> None:
    rng = np.random.default_rng(7)
    kinds = [number % 2 == 0 for number in range(40)]
    model = ManifestPredictor(MODELS / "demo-ecg-rhythm" / "model.yaml")
    answers = model.predict([record(ecg(rng, kind)) for kind in kinds], SETTINGS)
    found = auroc([(float(answer.percent), kind) for answer, kind in zip(answers, kinds, strict=True)])  # type: ignore[union-attr, arg-type]
    assert found is not None
    assert found > 0.9


@pytest.mark.parametrize("row", [3, 27, 37])
def test_the_last_digits_of_a_batch_mix_no_patients(row: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an answer near 0 a batch rounds otherwise than one alone does: 1.8e-7 and 2.4e-7."""
    monkeypatch.setattr(manifest_predictor, "randrange", lambda _: row)
    rng = np.random.default_rng(7)
    model = ManifestPredictor(MODELS / "demo-ecg-rhythm" / "model.yaml")
    answers = model.predict([record(ecg(rng, number % 2 == 0)) for number in range(40)], SETTINGS)
    assert len(answers) == 40


def person(rng: np.random.Generator, score: float, fraction: float, irregular: bool = False) -> Any:
    polygenic = quantity("x", 0, "1") | {
        "id": "score",
        "code": {"coding": [{"system": SCORE, "code": "polygenic-score"}]},
        "component": [
            {
                "code": {"coding": [{"system": SCORE, "code": "z-score"}]},
                "valueQuantity": {"value": score, "system": "http://unitsofmeasure.org", "code": "1"},
            }
        ],
    }
    return record(
        blood_pressure(150),
        quantity("14647-2", 6.0, "mmol/L"),
        quantity("18043-0", fraction, "%"),
        polygenic,
        ecg(rng, irregular),
        age=65,
    )


def test_the_multimodal_model_weighs_each_modality_and_explains_it() -> None:
    model = ManifestPredictor(MODELS / "demo-multimodal-risk" / "model.yaml")
    healthy, high_score, weak = (
        model.predict([person(np.random.default_rng(11), *values)], SETTINGS)[0]
        for values in ((0.0, 60), (2.5, 60), (0.0, 30))
    )
    assert high_score.percent > healthy.percent  # type: ignore[union-attr, operator]
    assert weak.percent > healthy.percent  # type: ignore[union-attr, operator]
    names = {item.code for item in weak.contributions}  # type: ignore[union-attr]
    assert {"contribution-ejection-fraction", "contribution-polygenic-score"} <= names
    (refused,) = model.predict([record(blood_pressure(150))], SETTINGS)
    assert refused.reason == "missing-input"  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["demo-ecg-rhythm", "demo-multimodal-risk"])
def test_each_calls_itself_a_demonstration_wherever_it_is_seen(name: str) -> None:
    model = ManifestPredictor(MODELS / name / "model.yaml")
    (answer,) = model.predict([person(np.random.default_rng(3), 0.0, 60)], SETTINGS)
    written = observation("o", "p", model, SETTINGS, answer, "d", datetime.now(UTC))
    assert "Demonstration" in written["code"]["text"]
    assert written["method"]["text"].startswith("Demonstration")
    assert any(
        note["text"].startswith("Demonstration: trained on synthetic data") for note in written["note"]
    )
    assert device("d", model, "c", "card")["deviceName"][0]["name"].startswith("Demonstration")
    assert "Not for any decision" in model.card.cautioned_out_of_scope
