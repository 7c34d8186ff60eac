"""Whether a model.yaml and the model beside it fit together, found out before any patient is asked about."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from fhir_bridge.fhir.views import ViewError, compile_view
from fhir_bridge.predictions.decoding import tensors_of
from fhir_bridge.predictions.manifest import (
    AnyInput,
    FramesBlock,
    Manifest,
    OnnxBlock,
    OutputBlock,
    SignalBlock,
    TensorBlock,
    ViewBlock,
)
from fhir_bridge.predictions.manifest_predictor import DATATYPES
from fhir_bridge.predictions.onnx_model import OnnxModel
from fhir_bridge.predictions.tensors import ModelFailure, Tensor

__all__ = ["problems_of"]

_ROWS = 2
"""Patients of the trial: a model that takes one at a time, or answers for one alone, is seen."""


def problems_of(manifest: Manifest, folder: Path) -> list[str]:
    """What keeps the model from answering: its file, views, inputs, the width of its outputs. Empty: nothing was found.

    An ONNX model is run once, with nought in each input (the mean, where a mean is stated). One behind a server isn't
    asked.

    Args:
        folder: of the model.yaml.
    """
    problems = [*_views(manifest, folder)]
    try:
        inputs = [_trial(block, manifest) for block in manifest.tensors]
        if isinstance(manifest.model, OnnxBlock):
            model = OnnxModel(folder / manifest.model.onnx, manifest.model.sha256)
            problems += _outputs(manifest.output, model.run(inputs, tensors_of(manifest.output)))
    except ModelFailure as error:
        problems.append(str(error))
    return problems


def _views(manifest: Manifest, folder: Path) -> Iterator[str]:
    for item in manifest.inputs:
        if isinstance(item, ViewBlock):
            try:
                view = compile_view((folder / item.view).read_bytes())
            except OSError as error:
                yield f"input {item.name}: {item.view} can't be read: {error.strerror}"
            except ViewError as error:
                yield f"input {item.name}: {item.view}: {error}"
            else:
                for name in (item.column, item.order):
                    if name is not None and name not in [column.name for column in view.columns]:
                        yield f"input {item.name}: {item.view} has no column {name}"


def _width(item: AnyInput) -> int:
    """How many values an input puts into its tensor."""
    if isinstance(item, SignalBlock):
        return len(item.leads) * item.samples
    if isinstance(item, FramesBlock):
        return item.frames * item.height * item.width
    return 1


def _trial(block: TensorBlock, manifest: Manifest) -> Tensor:
    """The tensor for the trial.

    Raises:
        ModelFailure: its inputs do not fill its shape.
    """
    items = {item.name: item for item in manifest.inputs}
    width = sum(_width(items[name]) for name in block.inputs)
    shape = block.shape or [width]
    if math.prod(shape) != width:
        raise ModelFailure(
            f"tensor {block.name}: its inputs are {width} values, and its shape {shape} holds {math.prod(shape)}"
        )
    size = _ROWS * width
    if block.type == "string":
        return Tensor(block.name, (_ROWS, *shape), "BYTES", [""] * size)
    if block.type == "int64":
        return Tensor(block.name, (_ROWS, *shape), "INT64", [0] * size)
    return Tensor(block.name, (_ROWS, *shape), DATATYPES[block.type], [0.0] * size)


def _outputs(block: OutputBlock, outputs: Mapping[str, Tensor]) -> Iterator[str]:
    needed = {"class": len(block.classes), "survival": len(block.times)}.get(block.kind)
    for name in tensors_of(block):
        tensor = outputs[name]
        if not tensor.shape or tensor.shape[0] != _ROWS:
            yield f"output {name}: it has no row for each patient (asked about {_ROWS}, shape {list(tensor.shape)})"
            continue
        width = len(tensor.values) // _ROWS
        if tensor.datatype == "BYTES" and block.kind != "text":
            yield f"output {name}: it is text, and {block.kind} needs numbers"
        elif name == block.tensor and needed is not None:
            if width != needed:
                what = "classes" if block.kind == "class" else "times"
                yield f"output {name}: it has {width} values, and model.yaml names {needed} {what}"
        else:
            index = block.index if name == block.tensor or block.interval is None else block.interval.index
            if width <= index:
                yield f"output {name}: it has {width} values, and model.yaml wants the one with index {index}"
