"""Slips in a model.yaml: each is reported with file, line and what is meant."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fhir_bridge.cli.main import app
from tests.predictions.made_models import CLASSES, manifest, write

SIGNAL = {
    "name": "ecg",
    "type": "signal",
    "codes": ["loinc|11524-6"],
    "hz": 100,
    "samples": 9,
    "max_age_days": 9,
}
FRAMES = {"name": "mri", "type": "frames", "height": 8, "width": 8, "max_age_days": 9}
VARIANT = {"name": "fh", "type": "variant"}
SICK = {"name": "sick", "type": "condition"}


def given(**more: Any) -> Callable[[dict[str, Any]], Any]:
    """Another input."""
    return lambda d: d["inputs"].append(more)


def systolic(**more: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda d: d["inputs"][1].update(more)


def says(**more: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda d: d["output"].update(more)


SLIPS: dict[str, tuple[Callable[[dict[str, Any]], Any], str, str]] = {
    # What is changed, what is said of it, and what stands in the line that is named.
    "built in": (
        lambda d: d.update(name="score2"),
        "name of a model that is installed; write another",
        "score2",
    ),
    "lead": (given(**SIGNAL, leads=["II", "ZZ"]), "ZZ is no lead of an ECG", "ZZ"),
    "kind of AI": (lambda d: d["card"].update(ai_kinds=["Foo"]), "Foo is not a kind of AI", "Foo"),
    "kind of AI nearly": (
        lambda d: d["card"].update(ai_kinds=["AI-for-Multimodel-Data"]),
        "did you mean AI-for-Multimodal-Data?",
        "Multimodel",
    ),
    "unit": (systolic(unit="mmHg"), "not a UCUM unit; write mm[Hg]", "mmHg"),
    "unit of something else": (
        systolic(unit="mmol/L"),
        "systolic blood pressure is not measured in mmol/L",
        "mmol/L",
    ),
    "system": (systolic(codes=["lonic|8480-6"]), "did you mean loinc?", "lonic"),
    "address of a system": (
        systolic(codes=["https://loinc.org/|8480-6"]),
        "system is http://loinc.org",
        "loinc.org",
    ),
    "code of LOINC": (
        systolic(codes=["loinc|8480-7"]),
        "8480-7 is no code of LOINC: its check digit",
        "8480-7",
    ),
    "code of SNOMED CT": (given(**SICK, codes=["snomed|22298007"]), "no code of SNOMED CT", "22298007"),
    "code of ICD-10": (given(**SICK, codes=["icd10|E11.*"]), "all below E11 are E11*", "E11"),
    "code of ATC": (given(**SICK, codes=["atc|C10-AA"]), "no code of ATC", "C10-AA"),
    "window": (systolic(max_age_day=365), "did you mean max_age_days?", "max_age_day"),
    "window as text": (systolic(max_age_days="365d"), "valid integer", "365d"),
    "window of nought": (systolic(max_age_days=0), "greater than 0", "max_age_days"),
    "choice": (systolic(select="latest"), "'newest', 'maximum' or 'mean'", "latest"),
    "type": (given(name="x2", type="quantitiy"), "did you mean quantity?", "x2"),
    "gene": (given(**VARIANT, genes=["LDRL"]), "did you mean LDLR?", "LDRL"),
    "modality": (given(**FRAMES, modality="MRI"), "did you mean MR?", "MRI"),
    "baseline": (systolic(baseline=12), "12 is outside plausible, 50 to 300", "baseline"),
    "in place of a missing one": (systolic(missing=0), "0 is outside plausible", "missing"),
    "goes nowhere": (given(name="sex", type="sex"), "sex goes into no tensor", "sex"),
    "tensor's input": (
        lambda d: d["tensors"][0].update(inputs=["age", "sistolic", "smokes"]),
        "mean systolic?",
        "- ",
    ),
    "type of a tensor": (lambda d: d["tensors"][0].update(type="float64"), "x is float32", "float64"),
    "shape": (
        lambda d: d["tensors"][0].update(shape=[2, 2]),
        "3 values, and its shape [2, 2] holds 4",
        "shape",
    ),
    "name of a tensor": (
        lambda d: d["tensors"][0].update(name="X"),
        "no input X; its inputs are x; did you mean x?",
        "X",
    ),
    "output": (says(tensor="risks"), "no output risks; its outputs are risk; did you mean risk?", "risks"),
    "index": (says(index=3), "wants the one with index 3", "tensor"),
    "thresholds": (lambda d: d["output"]["thresholds"].reverse(), "thresholds rise", "output"),
    "threshold of a probability": (
        lambda d: d["output"]["thresholds"][1].update(at_least=0.2),
        "thresholds of a risk are in percent",
        "thresholds",
    ),
    "threshold beyond": (
        lambda d: d["output"]["thresholds"][1].update(at_least=120),
        "is no percentage",
        "120",
    ),
    "classes of a probability": (says(classes=CLASSES), "kind probability has no classes", "classes"),
    "unit of a probability": (says(unit="%"), "kind probability has no unit", "unit"),
    "kind of output": (says(kind="probabilty"), "did you mean probability?", "probabilty"),
    "no use": (lambda d: d["card"].pop("intended_use"), "intended_use: is missing", "card"),
    "nothing said": (
        lambda d: d["card"].update(intended_use="TODO"),
        "says nothing; a person has to know",
        "TODO",
    ),
    "version": (lambda d: d.update(version=2), 'write it in quotes: "2"', "version"),
    "ages": (lambda d: d["applies"].update(age=[18, 999]), "are no ages in years", "age"),
    "no baseline": (
        lambda d: [i.pop("baseline", 0) for i in d["inputs"]],
        "no input has a baseline",
        "explain",
    ),
    "two places": (
        lambda d: d["model"].update(url="http://localhost"),
        "model.onnx: there is no such key",
        "onnx",
    ),
    "address": (
        lambda d: d.update(model={"url": "http://localhost/v2/models/x/infer", "model": "x"}),
        "without /v2/models",
        "url",
    ),
    "hash": (lambda d: d["model"].update(sha256="0" * 64), "was altered: its hash is not the one", "onnx"),
    "attribute": (
        lambda d: d["card"].update(attributes={"fundin": "x"}),
        "did you mean funding?",
        "attributes",
    ),
}


@pytest.mark.parametrize("name", SLIPS)
def test_a_slip_in_a_model_yaml_is_told_with_file_line_and_what_is_meant(
    name: str, tmp_path: Path, checked_here: None
) -> None:
    change, text, at = SLIPS[name]
    document = manifest(explain=True)
    path = write(tmp_path, document)
    document["model"]["sha256"] = hashlib.sha256((tmp_path / "model.onnx").read_bytes()).hexdigest()
    change(document)
    write(tmp_path, document, None)
    checked = CliRunner().invoke(app, ["model", "check", str(path)])
    assert checked.exit_code == 1, checked.output
    (said, *_) = [line for line in checked.output.splitlines() if text in line] or [checked.output]
    assert text in said
    line = int(said.removeprefix(f"{path}:").partition(":")[0])
    assert at in path.read_text().splitlines()[line - 1], said
