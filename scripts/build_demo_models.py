"""Train the two demonstration models on synthetic data, and write them as ONNX with their model.yaml; and the example.

    python scripts/build_demo_models.py

They show how signals and several modalities reach a model. They are worth nothing for a decision, and say so.
Needs the extras `onnx` and `dev`. The same seed gives the same files.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OUT = Path(__file__).parent.parent / "fhir_bridge" / "demo" / "models"
EXAMPLE = OUT.parent.parent / "predictions" / "example_model"
HZ, SAMPLES = 100, 1000
SEED = 20261130
WIDTH, STEP = 9, 4
"""Samples that the envelope is a mean of, and between two of its points."""
LOW, HIGH = 0.5, 8.0
"""Band of the rhythm in Hz: 30 beats a minute, and harmonics."""


def synthetic_ecg(rng: np.random.Generator, irregular: bool) -> np.ndarray:
    """Ten seconds of lead II in mV: QRS and T at regular or irregular intervals, P only where regular, noise."""
    time = np.arange(SAMPLES) / HZ
    signal = rng.normal(0, 0.02, SAMPLES) + 0.05 * np.sin(2 * np.pi * rng.uniform(0.1, 0.4) * time)
    mean = 60 / rng.uniform(60, 110)
    beat = rng.uniform(0, mean)
    while beat < SAMPLES / HZ:
        signal += rng.uniform(0.8, 1.2) * np.exp(-(((time - beat) / 0.012) ** 2))
        signal += 0.2 * np.exp(-(((time - beat - 0.25) / 0.05) ** 2))
        if not irregular:
            signal += 0.12 * np.exp(-(((time - beat + 0.16) / 0.025) ** 2))
        spread = 0.25 if irregular else 0.02
        beat += max(0.3, mean * (1 + rng.normal(0, spread)))
    return signal.astype("float32")


def rhythm_graph() -> tuple[list[Any], list[Any]]:
    """Nodes and constants from `ecg` to `rhythm`: how concentrated the spectrum of the beats' envelope is."""
    points = (SAMPLES - 1 - WIDTH) // STEP + 1
    frequencies = np.fft.rfftfreq(points, STEP / HZ)
    chosen = np.flatnonzero((frequencies >= LOW) & (frequencies <= HIGH))
    angles = 2 * np.pi * np.outer(np.arange(points), chosen) / points
    constants = {
        "one": np.array([1], dtype="int64"),
        "zero": np.array([0], dtype="int64"),
        "last": np.array([SAMPLES - 1], dtype="int64"),
        "end": np.array([SAMPLES], dtype="int64"),
        "axis": np.array([1], dtype="int64"),
        "as_signal": np.array([-1, 1, SAMPLES - 1], dtype="int64"),
        "as_row": np.array([-1, points], dtype="int64"),
        "cosine": np.cos(angles).astype("float32"),
        "sine": np.sin(angles).astype("float32"),
        "small": np.array([1e-9], dtype="float32"),
    }
    node = helper.make_node
    nodes = [
        node("Slice", ["ecg", "one", "end", "axis"], ["later"]),
        node("Slice", ["ecg", "zero", "last", "axis"], ["earlier"]),
        node("Sub", ["later", "earlier"], ["slope"]),
        node("Abs", ["slope"], ["steep"]),
        node("Reshape", ["steep", "as_signal"], ["steep_signal"]),
        node("AveragePool", ["steep_signal"], ["smooth"], kernel_shape=[WIDTH], strides=[STEP]),
        node("Reshape", ["smooth", "as_row"], ["envelope"]),
        node("ReduceMean", ["envelope"], ["level"], axes=[1], keepdims=1),
        node("Sub", ["envelope", "level"], ["centred"]),
        node("MatMul", ["centred", "cosine"], ["real"]),
        node("MatMul", ["centred", "sine"], ["imaginary"]),
        node("Mul", ["real", "real"], ["real2"]),
        node("Mul", ["imaginary", "imaginary"], ["imaginary2"]),
        node("Add", ["real2", "imaginary2"], ["power"]),
        node("ReduceSum", ["power", "axis"], ["total"], keepdims=1),
        node("Add", ["total", "small"], ["total_safe"]),
        node("Div", ["power", "total_safe"], ["shares"]),
        node("ReduceMax", ["shares"], ["peak"], axes=[1], keepdims=1),
        node("ReduceSumSquare", ["shares"], ["concentration"], axes=[1], keepdims=1),
        node("Concat", ["peak", "concentration"], ["rhythm"], axis=1),
    ]
    return nodes, [numpy_helper.from_array(value, name) for name, value in constants.items()]


def save(
    nodes: list[Any], constants: list[Any], inputs: list[Any], path: Path, name: str = "probability"
) -> None:
    """Write a model; name: of its output."""
    output = helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1])
    graph = helper.make_graph(nodes, path.parent.name, inputs, [output], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))


def features(ecgs: np.ndarray) -> np.ndarray:
    """What `rhythm_graph` computes, by running it."""
    import onnxruntime

    nodes, constants = rhythm_graph()
    graph = helper.make_graph(
        nodes,
        "rhythm",
        [helper.make_tensor_value_info("ecg", TensorProto.FLOAT, [None, SAMPLES])],
        [helper.make_tensor_value_info("rhythm", TensorProto.FLOAT, [None, 2])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    session = onnxruntime.InferenceSession(model.SerializeToString())
    result: np.ndarray = session.run(None, {"ecg": ecgs})[0]
    return result


def logistic(rows: np.ndarray, events: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights and bias by Newton's method, a little ridge."""
    design = np.hstack([rows, np.ones((len(rows), 1))])
    weights = np.zeros(design.shape[1])
    for _ in range(25):
        chance = 1 / (1 + np.exp(-design @ weights))
        gradient = design.T @ (events - chance) - 0.01 * weights
        hessian = design.T @ (design * (chance * (1 - chance))[:, None]) + 0.01 * np.eye(len(weights))
        weights += np.linalg.solve(hessian, gradient)
    return weights[:-1], float(weights[-1])


def ecg_model(rng: np.random.Generator) -> None:
    """Irregular rhythm from lead II."""
    kinds = rng.random(1500) < 0.5
    rows = features(np.stack([synthetic_ecg(rng, bool(kind)) for kind in kinds]))
    weights, bias = logistic(rows, kinds.astype(float))
    nodes, constants = rhythm_graph()
    nodes += [
        helper.make_node("Gemm", ["rhythm", "weights", "bias"], ["score"]),
        helper.make_node("Sigmoid", ["score"], ["probability"]),
    ]
    constants += [
        numpy_helper.from_array(weights.astype("float32")[:, None], "weights"),
        numpy_helper.from_array(np.array([bias], dtype="float32"), "bias"),
    ]
    inputs = [helper.make_tensor_value_info("ecg", TensorProto.FLOAT, [None, SAMPLES])]
    save(nodes, constants, inputs, OUT / "demo-ecg-rhythm" / "model.onnx")


def multimodal_model(rng: np.random.Generator) -> None:
    """A made-up five-year risk of clinical values, a polygenic score, the ejection fraction and the ECG."""
    count = 2000
    irregular = rng.random(count) < 0.2
    rhythm = features(np.stack([synthetic_ecg(rng, bool(kind)) for kind in irregular]))
    clinical = np.column_stack(
        [
            rng.normal(0, 1, count),
            (rng.random(count) < 0.5).astype(float),
            rng.normal(0, 1, count),
            rng.normal(0, 1, count),
            rng.normal(0, 1, count),
            rng.normal(0, 1, count),
        ]
    )
    truth = clinical @ np.array([0.9, 0.4, 0.5, 0.3, 0.6, -0.7]) + 0.9 * irregular - 2.4
    events = (rng.random(count) < 1 / (1 + np.exp(-truth))).astype(float)
    weights, bias = logistic(np.hstack([clinical, rhythm]), events)
    nodes, constants = rhythm_graph()
    nodes += [
        helper.make_node("Concat", ["clinical", "rhythm"], ["all"], axis=1),
        helper.make_node("Gemm", ["all", "weights", "bias"], ["score"]),
        helper.make_node("Sigmoid", ["score"], ["probability"]),
    ]
    constants += [
        numpy_helper.from_array(weights.astype("float32")[:, None], "weights"),
        numpy_helper.from_array(np.array([bias], dtype="float32"), "bias"),
    ]
    inputs = [
        helper.make_tensor_value_info("clinical", TensorProto.FLOAT, [None, 6]),
        helper.make_tensor_value_info("ecg", TensorProto.FLOAT, [None, SAMPLES]),
    ]
    save(nodes, constants, inputs, OUT / "demo-multimodal-risk" / "model.onnx")


def example_model() -> None:
    """The model that `fhir-bridge model new` writes: a sigmoid of age, systolic blood pressure and smoking."""
    constants = {
        "weights": np.array([[0.04], [0.02], [0.5]], dtype="float32"),
        "bias": np.array([-6], dtype="float32"),
    }
    nodes = [
        helper.make_node("Gemm", ["x", "weights", "bias"], ["score"]),
        helper.make_node("Sigmoid", ["score"], ["risk"]),
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])]
    named = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    save(nodes, named, inputs, EXAMPLE / "model.onnx", "risk")


def seal() -> None:
    """Write the hashes into the model.yaml files, which are kept by hand."""
    for folder in sorted(OUT.iterdir()):
        path = folder / "model.yaml"
        if path.exists():
            digest = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
            lines = path.read_text().splitlines()
            lines = [f"  sha256: {digest}" if line.startswith("  sha256:") else line for line in lines]
            path.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    generator = np.random.default_rng(SEED)
    ecg_model(generator)
    multimodal_model(generator)
    example_model()
    seal()
