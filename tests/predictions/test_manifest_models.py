"""A model by its model.yaml: ONNX without Python, what it says, and what is refused."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import math
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import onnx
import orjson
import pytest
from onnx import TensorProto, helper
from typer.testing import CliRunner

from fhir_bridge.cli.main import app
from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.predictions import PredictionRun, PredictorSettings
from fhir_bridge.predictions.answers import plain
from fhir_bridge.predictions.features import read_features
from fhir_bridge.predictions.identity import content_hash_of
from fhir_bridge.predictions.inputs import UnusableInput
from fhir_bridge.predictions.manifest_file import ManifestError, load_manifest
from fhir_bridge.predictions.manifest_predictor import ManifestPredictor
from fhir_bridge.predictions.model_workers import ModelRecord, ModelWorkers
from fhir_bridge.predictions.onnx_model import external_data
from fhir_bridge.predictions.outputs import ClassOutput, QuantityOutput, SurvivalOutput
from fhir_bridge.predictions.registry import PredictionError, find_predictor
from fhir_bridge.predictions.shapley import shapley
from fhir_bridge.predictions.tensors import ModelFailure
from fhir_bridge.storage import Store
from tests.predictions.made_models import BIAS, logistic, manifest, risk, save, write
from tests.predictions.records import blood_pressure, condition, quantity, record, smoking, variant

SETTINGS = PredictorSettings(enabled=True)


def run(path: Path, *records: Any, settings: PredictorSettings = SETTINGS) -> list[Any]:
    return ManifestPredictor(path).predict(records, settings)


def test_an_onnx_model_gives_the_risk_that_its_weights_give(tmp_path: Path) -> None:
    path = write(tmp_path, manifest())
    smoker = record(blood_pressure(150), smoking("77176002"), age=60)
    other = record(blood_pressure(120), age=40)
    none = record(age=40)
    first, second, third = run(path, smoker, other, none)
    assert float(first.percent) == pytest.approx(100 * risk(60, 150, 1), abs=0.06)
    assert float(second.percent) == pytest.approx(100 * risk(40, 120, 0), abs=0.06)
    assert (first.horizon_years, first.category) == (5, ("high", "High"))
    assert {item.reference.partition("/")[0] for item in first.evidence} == {"Observation"}
    assert (first.population, first.guideline) == ("Test region", "House rule 2026")
    assert (third.reason, third.text) == ("missing-input", "no systolic")


def test_who_it_is_not_meant_for_and_what_can_not_be_true_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, manifest(applies={"age": [18, 110], "sex": ["female"]}))
    child = record(blood_pressure(110), age=10, sex="female")
    man = record(blood_pressure(110))
    wrong = record(blood_pressure(1200), age=50, sex="female")
    results = run(path, child, man, wrong)
    assert [item.reason for item in results] == ["not-applicable", "not-applicable", "out-of-range"]
    assert "ages 18 to 110" in results[0].text


def test_contributions_are_shapley_values_that_add_up(tmp_path: Path) -> None:
    path = write(tmp_path, manifest(explain=True))
    (said,) = run(path, record(blood_pressure(170), smoking("77176002"), age=65))
    total = sum(item.value for item in said.contributions)
    assert total == pytest.approx(risk(65, 170, 1) - risk(50, 120, 0), abs=1e-5)
    assert {item.code for item in said.contributions} == {
        "contribution-age",
        "contribution-systolic",
        "contribution-smokes",
    }
    # A model without a batch in its answer: the reason is told, no IndexError.
    with pytest.raises(ModelFailure, match="no value for each patient"):
        run(write(tmp_path / "one", manifest(explain=True), one_row), record(blood_pressure(170), age=65))
    drawn = shapley([str(n) for n in range(10)], lambda sets: [float(sum(map(int, some))) for some in sets])
    assert drawn == pytest.approx({str(n): float(n) for n in range(10)})


def one_row(path: Path) -> None:
    value = helper.make_tensor("v", TensorProto.FLOAT, [1, 1], [0.25])
    node = helper.make_node("Constant", [], ["risk"], value=value)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])
    save(
        helper.make_graph(
            [node], "one", [x], [helper.make_tensor_value_info("risk", TensorProto.FLOAT, None)]
        ),
        path,
    )


def two(path: Path) -> None:
    """A probability that rises with the pressure, and what is left of it: of 130 mm[Hg] 0.52, of 120 0.48."""
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["p"]),
        helper.make_node("Sub", ["one", "p"], ["rest"]),
        helper.make_node("Concat", ["rest", "p"], ["out"], axis=1),
    ]
    weights = [
        helper.make_tensor("w", TensorProto.FLOAT, [3, 1], [0.0, 0.004, 0.0]),
        helper.make_tensor("b", TensorProto.FLOAT, [1], [0.0]),
        helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)
    save(helper.make_graph(nodes, "two", [x], [out], weights), path)


def contributed(said: Any) -> float:
    return float(sum(item.value for item in said.contributions))


def test_contributions_are_of_the_class_and_of_the_horizon_that_are_said(tmp_path: Path) -> None:
    person = record(blood_pressure(130), age=50)
    of_class = manifest(explain=True, output=output(kind="class", classes=CLASSES))
    (said,) = run(write(tmp_path / "c", of_class, two), person)
    # Of the baseline another class is likelier, and its probability is another matter.
    assert said.output.code == "af"
    assert contributed(said) == pytest.approx(0.04, abs=1e-5)
    curve = output(kind="survival", times=[1, 5], horizon_years=1)
    path = write(tmp_path / "s", manifest(explain=True, output=curve), two)
    (said,) = run(path, record(blood_pressure(90), age=50))
    assert float(said.percent) == pytest.approx(36, abs=0.1)
    assert contributed(said) == pytest.approx(0.36 - 0.48, abs=1e-5)


def test_the_content_of_a_model_is_the_same_before_and_after_it_ran(tmp_path: Path) -> None:
    path = write(tmp_path, manifest())
    model = ManifestPredictor(path)
    before = content_hash_of(model)
    model.predict([record(blood_pressure(120), age=40)], PredictorSettings(enabled=True))
    assert before == content_hash_of(model) == content_hash_of(ManifestPredictor(path))
    assert before != content_hash_of(ManifestPredictor(write(tmp_path / "2", manifest(version="2"))))


def constant(values: list[float], name: str = "out") -> Callable[[Path], None]:
    """A model that says the same of everybody."""

    def make(path: Path) -> None:
        row = helper.make_tensor("row", TensorProto.FLOAT, [1, len(values)], values)
        nodes = [
            helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=1),
            helper.make_node("Mul", ["x", "zero"], ["nothing"]),
            helper.make_node("ReduceSum", ["nothing", "axis"], ["column"], keepdims=1),
            helper.make_node("Add", ["column", "row"], [name]),
        ]
        zero = helper.make_tensor("zero", TensorProto.FLOAT, [1], [0.0])
        axis = helper.make_tensor("axis", TensorProto.INT64, [1], [1])
        graph = helper.make_graph(
            nodes[1:],
            "constant",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, None])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)],
            [row, zero, axis],
        )
        save(graph, path)

    return make


def answers_once(path: Path) -> None:
    """A model that answers for one patient, whoever many there are."""
    nodes = [helper.make_node("ReduceMean", ["x"], ["out"], keepdims=1)]
    graph = helper.make_graph(
        nodes,
        "mean",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
    )
    save(graph, path)


def output(**changes: Any) -> dict[str, Any]:
    return {"code": "own", "display": "Own", "tensor": "out"} | changes


CLASSES = [{"code": "sr", "display": "Sinus rhythm"}, {"code": "af", "display": "Atrial fibrillation"}]


def test_classes_quantities_intervals_and_curves_come_out_as_they_are(tmp_path: Path) -> None:
    person = record(blood_pressure(120))
    path = write(
        tmp_path / "class",
        manifest(output=output(kind="class", classes=CLASSES)),
        constant([0.25, 0.75]),
    )
    (said,) = run(path, person)
    assert said.output == ClassOutput(
        "af",
        "Atrial fibrillation",
        (("sr", "Sinus rhythm", Decimal("0.25")), ("af", "Atrial fibrillation", Decimal("0.75"))),
    )
    quantity_output = output(
        kind="quantity", unit="mmol/L", decimals=2, interval={"low": "out", "high": "out", "index": 0}
    )
    (said,) = run(write(tmp_path / "q", manifest(output=quantity_output), constant([5.125])), person)
    assert isinstance(said.output, QuantityOutput)
    assert (said.output.value, said.output.unit) == (Decimal("5.12"), "mmol/L")
    assert said.output.interval is not None
    curve = output(kind="survival", times=[1, 5, 10], horizon_years=5)
    (said,) = run(write(tmp_path / "s", manifest(output=curve), constant([0.99, 0.9, 0.8])), person)
    assert isinstance(said.output, SurvivalOutput)
    assert (said.percent, said.horizon_years) == (Decimal("10.0"), 5)


def workers_say(path: Path, person: Any, seconds: float = 20, memory: int = 4096) -> Any:
    """What comes out of the model's own process."""

    settings = PredictorSettings(enabled=True, seconds=seconds, memory_mb=memory)
    resources = [item for kind in ("Observation", "Condition") for item in person.all(kind)]
    found = [orjson.dumps(item) for item in resources]
    sent = ModelRecord(orjson.dumps(person.patient), found, person.as_of)
    workers = ModelWorkers()
    try:
        model = ManifestPredictor(path)
        (answer,) = asyncio.run(workers.predict(model, settings, [sent], content_hash_of(model)))
        return answer
    finally:
        workers.close()


def huge(path: Path) -> None:
    """A gigabyte for each patient."""
    logistic(
        path,
        [
            helper.make_node(
                "Constant",
                [],
                ["many"],
                value=helper.make_tensor("m", TensorProto.INT64, [2], [1, 250_000_000]),
            ),
            helper.make_node("Expand", ["risk", "many"], ["out"]),
        ],
        "out",
    )


BAD: dict[str, tuple[dict[str, Any], Callable[[Path], None], str]] = {
    "NaN": (output(kind="probability", horizon_years=1), constant([math.nan]), "not a number"),
    "250 %": (output(kind="probability", horizon_years=1), constant([2.5]), "not within 0 to 1"),
    "shape": (output(kind="class", classes=CLASSES), constant([0.2, 0.3, 0.5]), "3 values"),
    "index": (output(kind="probability", index=7), constant([0.5]), "no value 7"),
    "no such output": (output(kind="probability", tensor="other"), constant([0.5]), "no output other"),
    "sum": (output(kind="class", classes=CLASSES), constant([0.2, 0.3]), "add up to 1"),
    "rises": (output(kind="survival", times=[1, 5], horizon_years=5), constant([0.5, 0.6]), "rises"),
}


@pytest.mark.parametrize("name", BAD)
def test_an_answer_that_can_not_be_is_a_failure_with_its_reason(name: str, tmp_path: Path) -> None:

    block, make, reason = BAD[name]
    path = write(tmp_path, manifest(output=block), make)
    person = record(blood_pressure(120))
    try:
        (said,) = run(path, person)
        failed = plain(said, person)["failed"]
    except ModelFailure as failure:
        failed = str(failure)
    assert reason in failed


SHAPED = output(kind="probability", index=7)


@pytest.mark.parametrize(
    ("changes", "make", "reason"),
    [
        ({}, None, ""),
        ({"output": output(kind="probability", tensor="other")}, constant([0.5]), "no output other"),
        ({"output": SHAPED}, constant([0.5]), "has 1 values, and model.yaml wants the one with index 7"),
        (
            {"output": output(kind="class", classes=CLASSES)},
            constant([0.2, 0.3, 0.5]),
            "3 values, and model.yaml names 2",
        ),
        (
            {"output": output(kind="survival", times=[1, 5], horizon_years=5)},
            constant([0.5]),
            "1 values, and model.yaml names 2 times",
        ),
        (
            {"tensors": [{"name": "x", "inputs": ["age"]}]},
            None,
            "is 3 values a patient, and model.yaml gives 1",
        ),
        ({"tensors": [{"name": "x", "inputs": ["age"], "shape": [2]}]}, None, "are 1 values, and its shape"),
        ({"tensors": [{"name": "y", "inputs": ["age"]}]}, None, "its inputs are x"),
        ({"output": output(kind="probability")}, answers_once, "no row for each patient"),
    ],
)
def test_a_model_that_does_not_fit_its_file_is_told_before_anybody_is_asked_about(
    changes: dict[str, Any], make: Callable[[Path], None] | None, reason: str, tmp_path: Path
) -> None:
    path = write(tmp_path, manifest(**changes), *([] if make is None else [make]))
    checked = CliRunner().invoke(app, ["model", "check", str(path)])
    assert (checked.exit_code, reason in checked.output) == (1 if reason else 0, True), checked.output


def test_in_the_models_process_a_good_one_answers_and_a_gigabyte_or_an_altered_file_fails(
    tmp_path: Path,
) -> None:
    person = record(blood_pressure(150), age=60)
    good = write(tmp_path / "good", manifest())
    assert float(workers_say(good, person).percent) == pytest.approx(100 * risk(60, 150, 0), abs=0.06)
    large = write(tmp_path / "huge", manifest(output=output(kind="probability")), huge)
    assert isinstance(workers_say(large, person, memory=2048), str)
    (tmp_path / "good" / "model.onnx").write_bytes((tmp_path / "good" / "model.onnx").read_bytes() + b"\0")
    assert "was altered" in workers_say(good, person)


def test_weights_in_other_files_are_refused_wherever_they_are(tmp_path: Path) -> None:
    logistic(tmp_path / "plain.onnx")
    model = onnx.load(str(tmp_path / "plain.onnx"))
    assert not external_data((tmp_path / "plain.onnx").read_bytes())
    tensor = model.graph.initializer[0]
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"
    outside = model.SerializeToString()
    assert external_data(outside)
    inner = helper.make_graph([helper.make_node("Constant", [], ["c"], value=tensor)], "inner", [], [])
    branch = helper.make_node("If", ["flag"], ["c2"], then_branch=inner, else_branch=inner)
    nested = helper.make_model(helper.make_graph([branch], "outer", [], []))
    assert external_data(nested.SerializeToString())
    path = write(tmp_path / "m", manifest(), lambda file: file.write_bytes(outside) and None)

    with pytest.raises(ModelFailure, match="other files"):
        run(path, record(blood_pressure(120)))
    with pytest.raises(ValueError, match=r"cut off|no such"):
        external_data(b"\x0a\xff\xff\xff\xff")


WRONG: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "pickle": (lambda d: d["model"].update(onnx="model.pkl"), "never loaded"),
    "outside": (lambda d: d["model"].update(onnx="../model.onnx"), "beside model.yaml"),
    "unit": (lambda d: d["inputs"][1].update(unit="apples"), "not a UCUM unit"),
    "key": (lambda d: d["inputs"][1].update(colour="red"), "no such key"),
    "code": (lambda d: d["inputs"][1].update(codes=["8480-6"]), "write system|code"),
    "twice": (lambda d: d["inputs"].append(d["inputs"][0]), "one name"),
    "unknown": (lambda d: d["tensors"][0].update(inputs=["weight"]), "no input is called weight"),
    "thresholds": (lambda d: d["output"]["thresholds"].reverse(), "thresholds rise"),
    "classes": (lambda d: d["output"].update(kind="class"), "classes: name them"),
    "system": (lambda d: d["inputs"][1].update(codes=["lonic|8480-6"]), "lonic is neither an address"),
    "clip": (lambda d: d["inputs"][1].update(clip=[300, 50]), "300 is above 50"),
    "plausible": (lambda d: d["inputs"][1].update(plausible=[300, 50]), "300 is above 50"),
    "from the end": (lambda d: d["output"].update(index=-1), "greater than or equal to 0"),
    "times": (lambda d: d["output"].update(kind="survival", horizon_years=1, times=[5, 1]), "times rise"),
    "one code": (lambda d: d["output"].update(kind="class", classes=[CLASSES[0]] * 2), "one code"),
    "text": (lambda d: d.update(explain=True, output=output(kind="text")), "nothing contributes to a text"),
    "ages": (lambda d: d["applies"].update(age=[70, 20]), "70 is above 20"),
    "attribute": (lambda d: d["card"].update(attributes={"magic": "x"}), "no source attribute"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_a_model_yaml_is_told_with_its_line(name: str, tmp_path: Path) -> None:
    change, text = WRONG[name]
    document = manifest()
    change(document)
    path = write(tmp_path, document, None)
    with pytest.raises(ManifestError) as caught:
        load_manifest(path)
    assert text in str(caught.value)
    line = int(str(caught.value).removeprefix(f"{path}:").partition(":")[0])
    assert line >= 1
    if name == "unit":
        assert "apples" in path.read_text().splitlines()[line - 1]
    with pytest.raises(PredictionError, match=text.replace("|", r"\|")):
        find_predictor("own-risk", {"predictions": {"own-risk": {"model": str(path)}}})


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
def test_a_slip_in_a_model_yaml_is_told_with_file_line_and_what_is_meant(name: str, tmp_path: Path) -> None:
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


def test_a_site_can_not_put_a_file_in_the_place_of_a_model_that_is_installed(tmp_path: Path) -> None:
    path = write(tmp_path, manifest())
    with pytest.raises(PredictionError, match="score2 is the name of a model that is installed"):
        find_predictor("score2", {"predictions": {"score2": {"enabled": True, "model": str(path)}}})


def ecg(values: list[float], *, unit: str = "uV", period: float = 2, lost: bool = False) -> dict[str, Any]:
    data = " ".join(["E" if lost and n == 3 else str(v) for n, v in enumerate(values)])
    observation = quantity("11524-6", 0, "1")
    del observation["valueQuantity"]
    observation["component"] = [
        {
            "code": {
                "coding": [{"system": "urn:oid:2.16.840.1.113883.6.24", "code": "131329"}],
                "text": lead,
            },
            "valueSampledData": {
                "origin": {"value": 0, "code": unit},
                "period": period,
                "factor": 2,
                "dimensions": 1,
                "data": data,
            },
        }
        for lead in ("I", "II")
    ]
    return observation


SIGNAL = {
    "name": "ecg",
    "type": "signal",
    "codes": ["loinc|11524-6"],
    "leads": ["I", "II"],
    "hz": 250,
    "samples": 4,
    "max_age_days": 30,
}


def features_of(path: Path, person: Any) -> Any:

    model = ManifestPredictor(path)
    return read_features(model.manifest, person, model.source(SETTINGS))


def with_inputs(folder: Path, *inputs: dict[str, Any]) -> Path:
    names = [item["name"] for item in inputs if item["type"] != "text"]
    texts = [item["name"] for item in inputs if item["type"] == "text"]
    tensors = [{"name": "x", "inputs": names}] if names else []
    tensors += [{"name": "t", "type": "string", "inputs": [name]} for name in texts]
    return write(folder, manifest(inputs=list(inputs), tensors=tensors))


def test_an_ecg_is_read_in_millivolt_at_the_models_rate_or_refused(tmp_path: Path) -> None:

    path = with_inputs(tmp_path, SIGNAL)
    read = features_of(path, record(ecg([0, 100, 200, 300, 400, 500, 600])))["ecg"]
    assert read.values == pytest.approx([0, 0.4, 0.8, 1.2] * 2)
    assert read.modality == "signals"
    for bad, text in (
        (ecg([0, 1, 2]), "shorter"),
        (ecg([0, 1, 2, 3, 4, 5, 6], unit="apples"), "no unit"),
        (ecg([0, 1, 2, 3, 4, 5, 6], lost=True), "lost samples"),
    ):
        with pytest.raises(UnusableInput, match=text):
            features_of(path, record(bad))


def test_views_conditions_variants_and_texts_are_inputs(tmp_path: Path) -> None:
    view = {
        "resourceType": "ViewDefinition",
        "name": "hdl",
        "status": "active",
        "resource": "Observation",
        "where": [{"path": "code.coding.exists(code = '14646-4')"}],
        "select": [
            {
                "column": [
                    {"name": "value", "path": "value.ofType(Quantity).value", "type": "decimal"},
                    {"name": "when", "path": "effective.ofType(dateTime)", "type": "dateTime"},
                ]
            }
        ],
    }

    (tmp_path / "hdl.json").write_bytes(orjson.dumps(view))
    path = with_inputs(
        tmp_path,
        {"name": "hdl", "type": "view", "view": "hdl.json", "column": "value", "order": "when"},
        {"name": "low", "type": "view", "view": "hdl.json", "column": "value", "select": "minimum"},
        {"name": "diabetes", "type": "condition", "codes": ["icd10|E11*"], "absent": 0},
        {"name": "ldlr", "type": "variant", "genes": ["LDLR"], "missing": 0},
        {"name": "note", "type": "text", "max_age_days": 100, "missing": "nan"},
    )
    old = (datetime.now(UTC) - timedelta(days=200)).isoformat(timespec="seconds")
    new = (datetime.now(UTC) - timedelta(days=2)).isoformat(timespec="seconds")
    note = {
        "resourceType": "DocumentReference",
        "id": "note",
        "status": "current",
        "date": new,
        "content": [
            {
                "attachment": {
                    "contentType": "text/plain; charset=utf-8",
                    "data": base64.b64encode(b"Dyspnoea since May.").decode(),
                }
            }
        ],
    }
    person = record(
        quantity("14646-4", 0.9, "mmol/L", when=old),
        quantity("14646-4", 1.4, "mmol/L", when=new),
        condition("E11.9"),
        *variant("LDLR", "p.(Val2Leu)"),
        note,
    )
    read = features_of(path, person)
    assert {name: item.values for name, item in read.items()} == {
        "hdl": (1.4,),
        "low": (0.9,),
        "diabetes": (1.0,),
        "ldlr": (1.0,),
        "note": (),
    }
    assert read["note"].text == "Dyspnoea since May."
    assert {name for name, item in read.items() if item.evidence} == set(read)
    empty = features_of(path, record(quantity("14646-4", 1.0, "mmol/L", when=new)))
    assert (empty["diabetes"].values, empty["ldlr"].values, empty["note"].text) == ((0.0,), (0.0,), "")


def test_a_condition_counts_where_it_is_so_and_a_drug_where_it_is_taken(tmp_path: Path) -> None:
    """Suspected is neither 1 nor 0; what is not taken, or must not be, is no drug; a Medication gives its code."""
    codes = ["icd10|E11*", "atc|A10*"]
    path = with_inputs(tmp_path, {"name": "diabetes", "type": "condition", "codes": codes, "absent": 0})
    coded = {"coding": [{"system": "http://www.whocc.no/atc", "code": "A10BA02"}]}

    def of(*resources: dict[str, Any]) -> float:
        return float(features_of(path, record(*resources))["diabetes"].values[0])

    def taken(status: str, **more: Any) -> dict[str, Any]:
        found = {
            "resourceType": "MedicationStatement",
            "id": "m",
            "meta": {"versionId": "1"},
            "status": status,
        }
        return found | (more or {"medicationCodeableConcept": coded})

    for status in ("provisional", "differential", "unconfirmed"):
        suspected = condition("E11.9") | {"verificationStatus": {"coding": [{"code": status}]}}
        with pytest.raises(UnusableInput, match="suspected, not confirmed"):
            features_of(path, record(suspected))
        assert of(suspected, taken("active")) == 1
    assert of(condition("E11.9", refuted=True)) == 0
    assert [of(taken(status)) for status in ("active", "not-taken", "intended", "unknown")] == [1, 0, 0, 0]
    assert of(taken("active", medicationCodeableConcept=coded, doNotPerform=True)) == 0
    named = taken("active", medicationReference={"reference": "Medication/metformin"})
    medication = {"resourceType": "Medication", "id": "metformin", "code": coded}
    assert of(named, medication) == 1
    with pytest.raises(UnusableInput, match="not here"):
        features_of(path, record(named))


def test_the_maximum_of_a_window_is_read_and_preprocessing_is_done_in_its_order(tmp_path: Path) -> None:
    block = manifest()["inputs"][1]
    path = with_inputs(
        tmp_path,
        block | {"select": "maximum", "clip": [100, 160], "mean": 130, "sd": 10},
        block | {"name": "average", "select": "mean", "log": True},
    )
    old = (datetime.now(UTC) - timedelta(days=200)).isoformat(timespec="seconds")
    read = features_of(path, record(blood_pressure(170, when=old), blood_pressure(130)))
    assert read["systolic"].values == (3.0,)
    assert read["systolic"].raw == 170
    assert read["average"].values == pytest.approx([math.log(150)])


def test_a_value_keeps_its_digits_in_a_model_of_a_larger_or_of_a_molar_unit(tmp_path: Path) -> None:
    block = manifest()["inputs"][1] | {"codes": ["loinc|3016-3"], "plausible": [0, 5000]}
    path = with_inputs(
        tmp_path, block | {"unit": "mol/L"}, block | {"name": "mass", "unit": "ng/L", "molar_mass": 180}
    )
    read = features_of(path, record(quantity("3016-3", 14.25, "nmol/L")))
    assert read["systolic"].values == pytest.approx((1.425e-8,), rel=1e-5)
    assert read["systolic"].evidence[0].value == "0.00000001425 mol/L"
    assert read["mass"].values == pytest.approx((2565.0,))


def image(path: Path) -> None:
    """An instance of 4 by 4 grey values, 0 to 150."""
    import numpy as np
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.file_meta.MediaStorageSOPInstanceUID = file.SOPInstanceUID = "1.2.3"
    file.StudyInstanceUID, file.SeriesInstanceUID = "1.1", "1.2"
    file.file_meta.MediaStorageSOPClassUID = file.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    file.Rows = file.Columns = 4
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 8, 8, 7, 0
    file.PixelData = (np.arange(16, dtype="uint8").reshape(4, 4) * 10).tobytes()
    file.save_as(path, enforce_file_format=True)


def study(instance: str = "1.2.3", **more: Any) -> dict[str, Any]:
    series = {"uid": "1.2", "modality": {"code": "US"}, "instance": [{"uid": instance, "number": 1}]}
    return {
        "resourceType": "ImagingStudy",
        "id": "s",
        "status": "available",
        "identifier": [{"system": "urn:dicom:uid", "value": "urn:oid:1.1"}],
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "modality": [{"code": "US"}],
        "series": [series],
        **more,
    }


ECHO = {"name": "echo", "type": "frames", "modality": "US", "height": 2, "width": 2, "max_age_days": 100}


def test_frames_come_from_the_kept_file_of_the_study(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    image(kept / "1.2.3.dcm")
    model = ManifestPredictor(with_inputs(tmp_path, ECHO))
    settings = PredictorSettings(enabled=True, options={"dicom": str(kept)})

    read = read_features(model.manifest, record(study()), model.source(settings))["echo"]
    assert read.values == pytest.approx([0, 0.2, 0.8, 1])
    (refused,) = model.predict([record(study("9.9"))], settings)
    assert "has 0 frames here" in refused.text
    other = study(identifier=[{"system": "urn:dicom:uid", "value": "urn:oid:1.9"}])
    (refused,) = model.predict([record(other)], settings)
    assert "echo is in a file of another study" in refused.text


class Archive(BaseHTTPRequestHandler):
    """A DICOMweb archive, as good as its `mode`."""

    content = b""
    mode = "good"
    asked: ClassVar[list[tuple[str, str | None]]] = []

    def log_message(self, *_: Any) -> None:
        return

    def do_GET(self) -> None:
        Archive.asked.append((self.path, self.headers["Authorization"]))
        body = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + Archive.content + b"\r\n--b--\r\n"
        kind = 'multipart/related; type="application/dicom"; boundary=b'
        if Archive.mode == "alone":
            kind, body = "application/dicom", Archive.content
        if Archive.mode == "cut":
            body = body[:200]
        if Archive.mode == "garbage":
            kind, body = "text/html", b"<p>sign in</p>"
        self.send_response({"gone": 404, "closed": 401}.get(Archive.mode, 200))
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    image(tmp_path / "image")
    Archive.content, Archive.mode = (tmp_path / "image").read_bytes(), "good"
    Archive.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Archive) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        origin = f"http://127.0.0.1:{server.server_address[1]}"
        monkeypatch.setenv("FHIR_BRIDGE_EGRESS", origin)
        monkeypatch.setenv("FHIR_BRIDGE_EGRESS_NETWORKS", "127.0.0.0/8")
        yield f"{origin}/dicom-web"
        server.shutdown()


def test_frames_come_from_an_archive_that_the_site_lists(
    archive: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FHIR_BRIDGE_MODEL_ARCHIVE_TOKEN", "of-the-model")
    model = ManifestPredictor(with_inputs(tmp_path, ECHO))
    assert model.reads_elsewhere
    settings = PredictorSettings(enabled=True, options={"dicomweb": archive})

    def read(of: dict[str, Any]) -> Any:
        return read_features(model.manifest, record(of), model.source(settings))["echo"].values

    for mode in ("good", "alone"):
        Archive.mode = mode
        assert read(study()) == pytest.approx([0, 0.2, 0.8, 1])
    assert Archive.asked[0] == ("/dicom-web/studies/1.1/series/1.2/instances/1.2.3", "Bearer of-the-model")
    for mode, reason in (
        ("gone", "has 0 frames here"),
        ("closed", "answers 401"),
        ("cut", "answer can't be read"),
        ("garbage", "can't be read from its DICOM file"),
    ):
        Archive.mode = mode
        with pytest.raises(UnusableInput, match=reason):
            read(study())
    with pytest.raises(UnusableInput, match="without a UID"):
        read(study(identifier=[]))
    Archive.mode = "good"
    with pytest.raises(UnusableInput, match="file of another instance"):
        read(study("1.2.4"))
    monkeypatch.setenv("FHIR_BRIDGE_EGRESS", "")
    with pytest.raises(UnusableInput, match="may not be asked"):
        read(study())


def endpoint(address: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Endpoint",
        "id": "pacs",
        "status": "active",
        "connectionType": {"code": "dicom-wado-rs"},
        "address": address,
        **more,
    }


def test_frames_come_from_the_endpoint_of_a_study_where_its_address_is_listed(
    archive: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FHIR_BRIDGE_MODEL_ARCHIVE_TOKEN", "of-the-model")
    model = ManifestPredictor(with_inputs(tmp_path, ECHO))
    settings = PredictorSettings(enabled=True)
    named = study(endpoint=[{"reference": "Endpoint/pacs"}])

    def read(*resources: dict[str, Any]) -> Any:
        return read_features(model.manifest, record(*resources), model.source(settings))["echo"].values

    assert read(named, endpoint(archive)) == pytest.approx([0, 0.2, 0.8, 1])
    # Whoever writes an Endpoint chooses its address: the token of the site's own archive does not go there.
    assert Archive.asked == [("/dicom-web/studies/1.1/series/1.2/instances/1.2.3", None)]
    of_series = study()
    of_series["series"][0]["endpoint"] = [
        {"reference": "https://fhir.example.org/r4/Endpoint/pacs/_history/2"}
    ]
    assert read(of_series, endpoint(archive)) == pytest.approx([0, 0.2, 0.8, 1])
    contained = study(contained=[endpoint(archive)], endpoint=[{"reference": "#pacs"}])
    assert read(contained) == pytest.approx([0, 0.2, 0.8, 1])

    refused = "the study no Endpoint"
    for other in (
        endpoint(archive, status="suspended"),
        endpoint(archive, connectionType={"code": "dicom-qido-rs"}),
        endpoint(archive + "?to=elsewhere"),
    ):
        with pytest.raises(UnusableInput, match=refused):
            read(named, other)
    with pytest.raises(UnusableInput, match=refused):
        read(named)
    for address in ("http://169.254.169.254/latest", "https://pacs.example.org", "file:///etc"):
        (answer,) = model.predict([record(named, endpoint(address))], settings)
        assert "may not be asked (FHIR_BRIDGE_EGRESS)" in answer.text
    monkeypatch.setenv("FHIR_BRIDGE_EGRESS_NETWORKS", "")
    with pytest.raises(UnusableInput, match="may not be asked"):
        read(named, endpoint(archive))


def test_a_frame_of_another_patient_is_refused(tmp_path: Path) -> None:
    from pydicom import dcmread

    kept = tmp_path / "kept"
    kept.mkdir()
    image(kept / "1.2.3.dcm")
    file = dcmread(kept / "1.2.3.dcm")
    file.PatientID = "0815 "
    file.save_as(kept / "1.2.3.dcm")
    model = ManifestPredictor(with_inputs(tmp_path, ECHO))
    settings = PredictorSettings(enabled=True, options={"dicom": str(kept)})

    def read(*numbers: str, also: tuple[dict[str, Any], ...] = ()) -> Any:
        person = record(study(), *also)
        person.patient["identifier"] = [{"system": "urn:oid:1.2", "value": number} for number in numbers]
        return read_features(model.manifest, person, model.source(settings))["echo"].values

    assert read("4711", "0815") == pytest.approx([0, 0.2, 0.8, 1])
    merged = {"resourceType": "Patient", "id": "old", "identifier": [{"value": "0815"}]}
    assert read("4711", also=(merged,)) == pytest.approx([0, 0.2, 0.8, 1])
    for numbers in (("4711",), ("815",), ()):
        with pytest.raises(UnusableInput, match="in a file of another patient"):
            read(*numbers)


def mean_of_frame(path: Path) -> None:
    """The mean of a frame of 2 by 2 grey values."""
    node = helper.make_node("ReduceMean", ["x"], ["risk"], axes=[1], keepdims=0)
    shape = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 4])
    save(
        helper.make_graph(
            [node], "mean", [shape], [helper.make_tensor_value_info("risk", TensorProto.FLOAT, None)]
        ),
        path,
    )


def test_a_run_over_the_store_reads_frames_by_endpoint_and_records_that_a_file_is_anothers(
    archive: str, fresh_database_url: str, tmp_path: Path
) -> None:
    from io import BytesIO

    from pydicom import dcmread

    file = dcmread(BytesIO(Archive.content))
    file.PatientID = "0815"
    changed = BytesIO()
    file.save_as(changed, enforce_file_format=True)
    Archive.content = changed.getvalue()
    inputs = {"inputs": [ECHO], "tensors": [{"name": "x", "inputs": ["echo"]}]}
    model = ManifestPredictor(write(tmp_path, manifest(**inputs), mean_of_frame))
    born = record().patient | {"meta": {}}
    people = [
        born | {"id": name, "identifier": [{"system": "urn:oid:1.2", "value": number}]}
        for name, number in (("own", "0815"), ("other", "4711"))
    ]
    studies = [
        study(id=f"s-{each['id']}", endpoint=[{"reference": "Endpoint/pacs"}])
        | {"subject": {"reference": f"Patient/{each['id']}"}}
        for each in people
    ]

    async def run() -> dict[str, Any]:
        async with await Store.open(fresh_database_url) as store:
            await store.load([*people, endpoint(archive), *studies], adapter="test")
            site = {"predictions": {"own-risk": {"enabled": True}}}
            answers = PredictionRun(model, site, IdKey(DEMO_KEY), store).for_all()
            return {item.patient_id: item.result async for item in answers}

    results = asyncio.run(run())
    assert float(results["own"].percent) == pytest.approx(50)
    assert "echo is in a file of another patient" in results["other"].text


def test_bias_alone_is_what_the_model_says_of_nothing() -> None:
    assert risk(0, 0, 0) == pytest.approx(1 / (1 + math.exp(-BIAS)))


def test_a_model_yaml_that_is_nested_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    path.write_text("inputs: " + "[" * 3000)
    with pytest.raises(ManifestError, match="nested too deep"):
        load_manifest(path)
