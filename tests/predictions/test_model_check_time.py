"""`model check` of a model that hangs ends, and says so."""

from __future__ import annotations

from pathlib import Path

from onnx import TensorProto, helper
from typer.testing import CliRunner

from fhir_bridge.cli.main import app
from tests.predictions.made_models import BIAS, WEIGHTS, manifest, save, write


def hanging(path: Path) -> None:
    """Counts to 10^15 before it answers."""
    body = helper.make_graph(
        [
            helper.make_node("Add", ["sum", "step"], ["more"]),
            helper.make_node("Identity", ["go"], ["on"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum", TensorProto.FLOAT, [None, 1]),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("more", TensorProto.FLOAT, [None, 1]),
        ],
    )
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["x", "w", "b"], ["score"]),
            helper.make_node("Loop", ["turns", "go", "score"], ["counted"], body=body),
            helper.make_node("Sigmoid", ["counted"], ["risk"]),
        ],
        "hanging",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])],
        [helper.make_tensor_value_info("risk", TensorProto.FLOAT, None)],
        [
            helper.make_tensor("w", TensorProto.FLOAT, [3, 1], list(WEIGHTS)),
            helper.make_tensor("b", TensorProto.FLOAT, [1], [BIAS]),
            helper.make_tensor("turns", TensorProto.INT64, [], [10**15]),
            helper.make_tensor("go", TensorProto.BOOL, [], [True]),
            helper.make_tensor("step", TensorProto.FLOAT, [1], [1.0]),
        ],
    )
    save(graph, path)


def test_it_is_stopped_when_its_time_is_up(tmp_path: Path) -> None:
    path = write(tmp_path, manifest(), hanging)
    result = CliRunner().invoke(app, ["model", "check", "--seconds", "3", str(path)])
    assert result.exit_code == 1
    assert "did not end within 3 seconds, and was stopped" in result.output
