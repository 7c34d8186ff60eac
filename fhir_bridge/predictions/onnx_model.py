"""An ONNX model in this process: its bytes by their hash, nothing beside them, one thread."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from fhir_bridge.plugins.extras import require
from fhir_bridge.predictions.tensors import MOST_VALUES, ModelFailure, Tensor

__all__ = ["LARGEST_FILE", "OnnxModel", "external_data"]

LARGEST_FILE: Final = 2 * 1024**3
_TYPES: Final = {"FP32": "float32", "FP64": "float64", "INT64": "int64", "BYTES": "object"}
_NAMES: Final = {"float32": "FP32", "float64": "FP64", "int64": "INT64", "object": "BYTES"}

# Field numbers of onnx.proto3: where a message holds others that may hold a tensor.
_NESTED: Final[Mapping[str, Mapping[int, str]]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "function": {7: "node", 11: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_EXTERNAL_DATA: Final = 13
_DATA_LOCATION: Final = 14
_DEEPEST: Final = 60


class OnnxModel:
    """A loaded model.

    Args:
        sha256: of the file; another content is refused.

    Raises:
        ModelFailure: the file is not the one that was sealed, refers to other files, or can't be loaded.
    """

    def __init__(self, path: Path, sha256: str) -> None:
        require("onnx")
        import onnxruntime

        if not sha256:
            raise ModelFailure(f"{path.name} is not sealed: run `fhir-bridge model seal` on its model.yaml")
        try:
            if path.stat().st_size > LARGEST_FILE:
                raise ModelFailure(f"{path.name} is larger than {LARGEST_FILE} bytes")
            # Read once: what is hashed is what is loaded, whatever the file is by then.
            content = path.read_bytes()
        except OSError as error:
            raise ModelFailure(f"{path.name} can't be read: {error.strerror}") from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise ModelFailure(f"{path.name} was altered: its hash is not the one in model.yaml")
        try:
            external = external_data(content)
        except ValueError as error:
            raise ModelFailure(f"{path.name} is no ONNX file") from error
        if external:
            raise ModelFailure(f"{path.name} keeps weights in other files, which are not loaded")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # one of many classes of the runtime
            raise ModelFailure(f"{path.name} can't be loaded ({type(error).__name__})") from error
        self._inputs = {item.name: item.type for item in self._session.get_inputs()}
        self._outputs = {item.name for item in self._session.get_outputs()}
        self.inputs: Mapping[str, tuple[str, tuple[int | None, ...]]] = {
            item.name: (
                _datatype(item.type),
                tuple(part if isinstance(part, int) else None for part in item.shape),
            )
            for item in self._session.get_inputs()
        }
        """Type (`FP32`, …) and shape of each, with the batch; None where any size fits."""

    @property
    def outputs(self) -> frozenset[str]:
        """Their names."""
        return frozenset(self._outputs)

    def run(self, inputs: Sequence[Tensor], wanted: Sequence[str]) -> Mapping[str, Tensor]:
        """See `Backend.run`."""
        import numpy as np

        if unknown := sorted(set(wanted) - self._outputs):
            raise ModelFailure(f"it has no output {', '.join(unknown)}")
        if {item.name for item in inputs} != set(self._inputs):
            raise ModelFailure(
                f"its inputs are {', '.join(sorted(self._inputs))}, and model.yaml has other tensors"
            )
        feed = {
            item.name: np.array(list(item.values), dtype=_TYPES[item.datatype]).reshape(item.shape)
            for item in inputs
        }
        try:
            results = self._session.run(list(wanted), feed)
        except MemoryError:
            raise
        except Exception as error:  # its message may hold values
            raise ModelFailure(f"the run failed ({type(error).__name__})") from error
        return {name: _tensor(name, value) for name, value in zip(wanted, results, strict=True)}


def _datatype(text: str) -> str:
    """`FP32` of `tensor(float)`; the text itself where it is one that model.yaml can't name."""
    names = {"float": "FP32", "double": "FP64", "int64": "INT64", "string": "BYTES"}
    return names.get(text.removeprefix("tensor(").removesuffix(")"), text)


def _tensor(name: str, value: Any) -> Tensor:
    if isinstance(value, list):  # scikit-learn's converters give a list of {class: probability}
        if not all(isinstance(item, dict) for item in value) or not value:
            raise ModelFailure(f"the output {name} is no tensor")
        rows = [[float(item[key]) for key in item] for item in value]
        if len({len(row) for row in rows}) != 1:
            raise ModelFailure(f"the output {name} has rows of different lengths")
        return Tensor(name, (len(rows), len(rows[0])), "FP64", [number for row in rows for number in row])
    if value.size > MOST_VALUES:
        raise ModelFailure(f"the output {name} has more than {MOST_VALUES} values")
    kind = str(value.dtype)
    if kind.startswith("float"):
        return Tensor(name, value.shape, "FP64", [float(number) for number in value.ravel()])
    if kind.startswith(("int", "uint", "bool")):
        return Tensor(name, value.shape, "INT64", [int(number) for number in value.ravel()])
    return Tensor(name, value.shape, "BYTES", [str(text) for text in value.ravel()])


def external_data(content: bytes) -> bool:
    """Whether a tensor of the model, wherever it is, is in another file.

    Raises:
        ValueError: it is not a protocol buffer.
    """
    return _external(memoryview(content), "model", 0)


def _external(message: memoryview, kind: str, depth: int) -> bool:
    if depth > _DEEPEST:
        raise ValueError("nested too deep")
    for number, value in _fields(message):
        if kind == "tensor":
            if number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value == 1):
                return True
        elif (
            number in _NESTED[kind]
            and isinstance(value, memoryview)
            and _external(value, _NESTED[kind][number], depth + 1)
        ):
            return True
    return False


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field (protobuf wire format)."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, place = _varint(message, place)
            yield number, value
        elif kind == 2:
            size, place = _varint(message, place)
            if place + size > len(message):
                raise ValueError("cut off")
            yield number, message[place : place + size]
            place += size
        elif kind in (1, 5):
            place += 8 if kind == 1 else 4
            if place > len(message):
                raise ValueError("cut off")
        else:
            raise ValueError("no such field")


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if place >= len(message) or shift > 63:
            raise ValueError("cut off")
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
