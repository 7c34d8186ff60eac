"""Whether a model.yaml and the model beside it fit together, found out before any patient is asked about."""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from fhir_bridge.fhir.views import ViewError, compile_view
from fhir_bridge.plugins import predictors
from fhir_bridge.predictions.decoding import tensors_of
from fhir_bridge.predictions.independence import MIXES, mixes
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
from fhir_bridge.predictions.manifest_rules import Fault, doubts, remarks
from fhir_bridge.predictions.onnx_model import OnnxModel
from fhir_bridge.predictions.suggestions import near
from fhir_bridge.predictions.tensors import ModelFailure, Tensor

__all__ = ["problems_of", "remarks", "within"]

_ROWS = 2
"""Patients of the trial: a model that takes one at a time, or answers for one alone, is seen."""


def within(seconds: float, manifest: Manifest, folder: Path) -> list[Fault]:
    """As `problems_of`, in a process of its own, which is ended when the time is up: a model may hang."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(theirs, manifest, folder), daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(seconds):
            return [(("model",), f"the trial run did not end within {seconds:g} seconds, and was stopped")]
        problems: list[Fault] = ours.recv()
        return problems
    except EOFError:
        return [
            (("model",), "the process of the trial run ended: the model crashed, or took too much memory")
        ]
    finally:
        process.kill()
        process.join()


def _send(connection: Connection, manifest: Manifest, folder: Path) -> None:
    connection.send(problems_of(manifest, folder))


def problems_of(manifest: Manifest, folder: Path) -> list[Fault]:
    """What keeps the model from answering, or is hardly meant: its name, file, views, inputs, the width of its outputs.

    An ONNX model is run with nought in each input (the mean, where a mean is stated), and on patients of different
    values, together, alone and in another order. One behind a server isn't asked. Empty: nothing was found.

    Args:
        folder: of the model.yaml.
    """
    problems = [*_name(manifest), *doubts(manifest), *_views(manifest, folder)]
    trials: list[Tensor] = []
    for number, block in enumerate(manifest.tensors):
        try:
            trials.append(_trial(block, manifest))
        except ModelFailure as error:
            problems.append((("tensors", number, "shape"), str(error)))
    if not isinstance(manifest.model, OnnxBlock):
        return problems
    try:
        model = OnnxModel(folder / manifest.model.onnx, manifest.model.sha256)
    except ModelFailure as error:
        return [*problems, (("model", "onnx"), str(error))]
    beside = [*_inputs(manifest, model, trials), *_named_outputs(manifest.output, model)]
    if beside or len(trials) < len(manifest.tensors):
        return [*problems, *beside]
    try:
        problems += _outputs(manifest.output, model.run(trials, tensors_of(manifest.output)))
    except ModelFailure as error:
        return [*problems, (("model", "onnx"), str(error))]
    if _is_mixing(model, trials, tensors_of(manifest.output)):
        problems.append((("model", "onnx"), MIXES))
    return problems


def _is_mixing(model: OnnxModel, trials: Sequence[Tensor], wanted: Sequence[str]) -> bool:
    """By patients of different values: small ones, and some that are as large as a pressure or an age."""
    for values in ((0, 1, -1), (40, 60, 120), (1, 2, 3)):
        inputs = []
        for trial in trials:
            width = len(trial.values) // _ROWS
            cells: list[Any] = []
            for value in values:
                if trial.datatype == "BYTES":
                    cells += [f"text {value}"] * width
                else:
                    cells += [value if trial.datatype == "INT64" else float(value)] * width
            inputs.append(Tensor(trial.name, (len(values), *trial.shape[1:]), trial.datatype, cells))
        try:
            if mixes(model, inputs, wanted):
                return True
        except ModelFailure:
            continue  # values that the model does not take say nothing of whether it mixes
    return False


def _name(manifest: Manifest) -> Iterator[Fault]:
    if manifest.name in predictors():
        yield (
            ("name",),
            f"{manifest.name} is the name of a model that is installed; write another one, such as own-{manifest.name}",
        )


def _inputs(manifest: Manifest, model: OnnxModel, trials: Sequence[Tensor]) -> Iterator[Fault]:
    """Names, types and shapes of the file's inputs, beside those of model.yaml."""
    names = [block.name for block in manifest.tensors]
    for name in model.inputs:
        if name not in names:
            yield ("tensors",), f"the file has an input {name}, and no tensor is called so"
    places = {tensor.name: tensor for tensor in trials}
    for number, block in enumerate(manifest.tensors):
        if block.name not in model.inputs:
            listed = ", ".join(sorted(model.inputs))
            yield (
                ("tensors", number, "name"),
                f"the file has no input {block.name}; its inputs are {listed}{near(block.name, model.inputs)}",
            )
            continue
        datatype, shape = model.inputs[block.name]
        wanted = DATATYPES.get(block.type, "BYTES")
        if datatype != wanted:
            known = {value: name for name, value in DATATYPES.items()}
            yield (
                ("tensors", number, "type"),
                f"the file's input {block.name} is {known.get(datatype, datatype)}, and model.yaml says {block.type}",
            )
        trial = places.get(block.name)
        if trial is not None and not _fits(shape, trial.shape):
            asked = " by ".join("any" if part is None else str(part) for part in shape[1:])
            stated = " by ".join(map(str, trial.shape[1:]))
            if shape and shape[0] not in (None, _ROWS):
                yield (
                    ("tensors", number, "name"),
                    f"the file's input {block.name} takes {shape[0]} patient at a time; "
                    "export it with a batch of any size",
                )
            else:
                yield (
                    ("tensors", number, "inputs"),
                    f"the file's input {block.name} is {_counted(asked)} a patient, "
                    f"and model.yaml gives {stated}",
                )


def _counted(asked: str) -> str:
    return "one value" if asked in ("", "1") else f"{asked} values"


def _fits(shape: Sequence[int | None], given: Sequence[int]) -> bool:
    return not shape or (
        len(shape) == len(given)
        and all(part in (None, size) for part, size in zip(shape, given, strict=True))
    )


def _named_outputs(block: OutputBlock, model: OnnxModel) -> Iterator[Fault]:
    keys = {block.tensor: ("output", "tensor")}
    if block.interval is not None:
        keys = {
            block.interval.low: ("output", "interval"),
            block.interval.high: ("output", "interval"),
        } | keys
    for name, place in keys.items():
        if name not in model.outputs:
            listed = ", ".join(sorted(model.outputs))
            yield place, f"the file has no output {name}; its outputs are {listed}{near(name, model.outputs)}"


def _views(manifest: Manifest, folder: Path) -> Iterator[Fault]:
    for number, item in enumerate(manifest.inputs):
        if isinstance(item, ViewBlock):
            try:
                view = compile_view((folder / item.view).read_bytes())
            except OSError as error:
                yield ("inputs", number, "view"), f"{item.view} can't be read: {error.strerror}"
            except ViewError as error:
                yield ("inputs", number, "view"), f"{item.view}: {error}"
            else:
                columns = [column.name for column in view.columns]
                for key, name in (("column", item.column), ("order", item.order)):
                    if name is not None and name not in columns:
                        yield (
                            ("inputs", number, key),
                            f"{item.view} has no column {name}{near(name, columns)}",
                        )


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


def _outputs(block: OutputBlock, outputs: Mapping[str, Tensor]) -> Iterator[Fault]:
    needed = {"class": len(block.classes), "survival": len(block.times)}.get(block.kind)
    for name in tensors_of(block):
        tensor = outputs[name]
        if not tensor.shape or tensor.shape[0] != _ROWS:
            yield (
                ("output", "tensor"),
                f"output {name}: it has no row for each patient (asked about {_ROWS}, shape {list(tensor.shape)})",
            )
            continue
        width = len(tensor.values) // _ROWS
        if tensor.datatype == "BYTES" and block.kind != "text":
            yield ("output", "tensor"), f"output {name}: it is text, and {block.kind} needs numbers"
        elif name == block.tensor and needed is not None:
            if width != needed:
                what = "classes" if block.kind == "class" else "times"
                yield (
                    ("output", "tensor"),
                    f"output {name}: it has {width} values, and model.yaml names {needed} {what}",
                )
        else:
            index = block.index if name == block.tensor or block.interval is None else block.interval.index
            if index is None and width != 1:
                yield (
                    ("output", "tensor"),
                    f"output {name}: it has {width} values for each patient: say by `index` which one counts, from 0",
                )
            elif index is not None and width <= index:
                yield (
                    ("output", "tensor"),
                    f"output {name}: it has {width} values, and model.yaml wants the one with index {index}",
                )
