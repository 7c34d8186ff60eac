"""A model that answers about a patient by the others in the batch: seen by `model check`, and when it runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from onnx import TensorProto, helper
from typer.testing import CliRunner

from fhir_bridge.cli.main import app
from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.predictions import PredictionRun, PredictorSettings
from fhir_bridge.predictions.independence import MIXES
from fhir_bridge.predictions.manifest_predictor import ManifestPredictor
from fhir_bridge.predictions.tensors import ModelFailure
from tests.predictions.clinic import Clinic, in_clinic
from tests.predictions.made_models import BIAS, WEIGHTS, manifest, save, write
from tests.predictions.records import blood_pressure, record
from tests.predictions.test_dataset import dated, people


def batch_mean(path: Path) -> None:
    """Everybody gets the mean of the batch."""
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["score"]),
        helper.make_node("Sigmoid", ["score"], ["each"]),
        helper.make_node("ReduceMean", ["each"], ["mean"], axes=[0], keepdims=1),
        helper.make_node("Shape", ["each"], ["shape"]),
        helper.make_node("Expand", ["mean", "shape"], ["risk"]),
    ]
    _save(nodes, path)


def ranked(path: Path) -> None:
    """The answers come in order of size, not in that of the patients."""
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["score"]),
        helper.make_node("Sigmoid", ["score"], ["each"]),
        helper.make_node("Shape", ["each"], ["shape"]),
        helper.make_node("Slice", ["shape", "zero", "one"], ["rows"]),
        helper.make_node("TopK", ["each", "rows"], ["risk", "places"], axis=0),
    ]
    _save(nodes, path)


def _save(nodes: list[object], path: Path) -> None:
    graph = helper.make_graph(
        nodes,
        "mixing",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])],
        [helper.make_tensor_value_info("risk", TensorProto.FLOAT, None)],
        [
            helper.make_tensor("w", TensorProto.FLOAT, [3, 1], list(WEIGHTS)),
            helper.make_tensor("b", TensorProto.FLOAT, [1], [BIAS]),
            helper.make_tensor("zero", TensorProto.INT64, [1], [0]),
            helper.make_tensor("one", TensorProto.INT64, [1], [1]),
        ],
    )
    save(graph, path)


@pytest.mark.parametrize("make", [batch_mean, ranked])
def test_model_check_sees_it(make: object, tmp_path: Path, checked_here: None) -> None:
    path = write(tmp_path, manifest(), make)  # type: ignore[arg-type]
    result = CliRunner().invoke(app, ["model", "check", str(path)])
    assert (result.exit_code, "it mixes patients" in result.output) == (1, True)
    good = CliRunner().invoke(app, ["model", "check", str(write(tmp_path / "good", manifest()))])
    assert good.exit_code == 0, good.output


def test_a_batch_of_it_is_a_failure_from_then_on(tmp_path: Path) -> None:
    model = ManifestPredictor(write(tmp_path, manifest(), batch_mean))
    people = [record(blood_pressure(150), age=60), record(blood_pressure(120), age=40)]
    for some in (people, people[:1]):
        with pytest.raises(ModelFailure, match="mixes patients"):
            model.predict(some, PredictorSettings(enabled=True))


def test_of_a_cohort_every_run_is_recorded_as_failed(fresh_database_url: str, tmp_path: Path) -> None:
    model = ManifestPredictor(write(tmp_path, manifest(explain=False), batch_mean))
    site = {"predictions": {"own-risk": {"enabled": True}}}

    async def work(clinic: Clinic) -> list[str]:
        everything = [item if item["resourceType"] == "Patient" else dated(item, 3) for item in people(4)]
        await clinic.store.load([item for item in everything if "-85354" not in item["id"]], adapter="test")
        run = PredictionRun(model, site, IdKey(DEMO_KEY), clinic.store)
        return [item.summary().more async for item in run.for_patients([f"p{n}" for n in range(4)])]

    assert in_clinic(fresh_database_url, work) == [f"the model failed: {MIXES}"] * 4
