"""Models that tests make: a model.yaml and an ONNX file beside it, whose answers are known."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper
from ruamel.yaml import YAML

WEIGHTS = (0.04, 0.02, 0.5)
BIAS = -6.0
CLASSES = [{"code": "sr", "display": "Sinus rhythm"}, {"code": "af", "display": "Atrial fibrillation"}]


def risk(age: float, pressure: float, smokes: float) -> float:
    """What the logistic model of `logistic` gives."""
    score = BIAS + WEIGHTS[0] * age + WEIGHTS[1] * pressure + WEIGHTS[2] * smokes
    return 1 / (1 + math.exp(-score))


def save(graph: Any, path: Path) -> None:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, str(path))


def logistic(path: Path, extra: Sequence[Any] = (), output: str = "risk") -> None:
    """sigmoid(x · w + b) of three features."""
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["score"]),
        helper.make_node("Sigmoid", ["score"], ["risk"]),
        *extra,
    ]
    graph = helper.make_graph(
        nodes,
        "logistic",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [
            helper.make_tensor("w", TensorProto.FLOAT, [3, 1], list(WEIGHTS)),
            helper.make_tensor("b", TensorProto.FLOAT, [1], [BIAS]),
        ],
    )
    save(graph, path)


def manifest(**changes: Any) -> dict[str, Any]:
    """A model.yaml for `logistic`, as an object."""
    document: dict[str, Any] = {
        "name": "own-risk",
        "version": "1",
        "title": "Own risk",
        "manufacturer": "Test hospital",
        "model": {"onnx": "model.onnx"},
        "applies": {"age": [18, 110]},
        "inputs": [
            {"name": "age", "type": "age", "baseline": 50},
            {
                "name": "systolic",
                "type": "quantity",
                "codes": ["loinc|8480-6"],
                "unit": "mm[Hg]",
                "max_age_days": 365,
                "plausible": [50, 300],
                "baseline": 120,
            },
            {"name": "smokes", "type": "smoking", "missing": 0, "baseline": 0},
        ],
        "tensors": [{"name": "x", "inputs": ["age", "systolic", "smokes"]}],
        "output": {
            "kind": "probability",
            "code": "own-risk",
            "display": "Own 5-year risk",
            "tensor": "risk",
            "horizon_years": 5,
            "outcome": {"code": "event", "display": "An event"},
            "thresholds": [
                {"at_least": 0, "code": "low", "display": "Low"},
                {"at_least": 20, "code": "high", "display": "High"},
            ],
            "guideline": "House rule 2026",
            "population": "Test region",
        },
        "card": {
            "details": "made for tests",
            "intended_use": "tests",
            "cautioned_out_of_scope": "everything else",
        },
    }
    return document | changes


def write(folder: Path, document: dict[str, Any], make: Callable[[Path], None] | None = logistic) -> Path:
    """The files, sealed where there is an ONNX file."""
    folder.mkdir(parents=True, exist_ok=True)
    if make is not None:
        make(folder / "model.onnx")
        digest = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
        document = document | {"model": document["model"] | {"sha256": digest}}
    path = folder / "model.yaml"
    with path.open("w") as file:
        YAML().dump(document, file)
    return path


def with_inputs(folder: Path, *inputs: dict[str, Any]) -> Path:
    """A model.yaml of these inputs, each in the one tensor, or a text in one of its own."""
    names = [item["name"] for item in inputs if item["type"] != "text"]
    texts = [item["name"] for item in inputs if item["type"] == "text"]
    tensors = [{"name": "x", "inputs": names}] if names else []
    tensors += [{"name": "t", "type": "string", "inputs": [name]} for name in texts]
    return write(folder, manifest(inputs=list(inputs), tensors=tensors))
