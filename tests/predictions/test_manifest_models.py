"""A model by its model.yaml: ONNX without Python, what it says, and what is refused."""

from __future__ import annotations

import asyncio
import base64
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import onnx
import orjson
import pytest
from onnx import TensorProto, helper
from typer.testing import CliRunner

from fhir_bridge.cli.main import app
from fhir_bridge.predictions import PredictorSettings
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
from tests.predictions.made_models import BIAS, CLASSES, logistic, manifest, risk, save, with_inputs, write
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
    assert said.output.interval.level is None  # none is stated in the model.yaml
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
    "several": (
        output(kind="probability", horizon_years=1),
        constant([0.9, 0.1]),
        "2 values for each patient",
    ),
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


def one_wide(path: Path) -> None:
    node = helper.make_node("Identity", ["x"], ["risk"])
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1]) for name in ("x", "risk"))
    save(helper.make_graph([node], "one", [x], [y]), path)


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
        ({}, one_wide, "is one value a patient, and model.yaml gives 3"),
        ({"tensors": [{"name": "x", "inputs": ["age"], "shape": [2]}]}, None, "are 1 values, and its shape"),
        ({"tensors": [{"name": "y", "inputs": ["age"]}]}, None, "its inputs are x"),
        ({"output": output(kind="probability")}, answers_once, "no row for each patient"),
    ],
)
def test_a_model_that_does_not_fit_its_file_is_told_before_anybody_is_asked_about(
    changes: dict[str, Any],
    make: Callable[[Path], None] | None,
    reason: str,
    tmp_path: Path,
    checked_here: None,
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


def test_an_ecg_is_read_in_millivolt_at_the_models_rate_or_refused(tmp_path: Path) -> None:

    path = with_inputs(tmp_path, SIGNAL)
    read = features_of(path, record(ecg([0, 100, 200, 300, 400, 500, 600])))["ecg"]
    assert read.values == pytest.approx([0, 0.4, 0.8, 1.2] * 2)
    assert read.modality == "signals"
    for bad, text in (
        (ecg([0, 1, 2]), "shorter"),
        (ecg([0, 1, 2, 3, 4, 5, 6], unit="apples"), "no unit"),
        (ecg([0, 1, 2, 3, 4, 5, 6], lost=True), "lost samples"),
        (ecg([0, 1, 2, 3, 4, 5, 6], unit="V"), "beyond 330 mV"),
    ):
        with pytest.raises(UnusableInput, match=text):
            features_of(path, record(bad))


def test_what_is_faster_than_the_models_rate_is_averaged_and_no_slower_wave(tmp_path: Path) -> None:
    """Each second sample of a wave of 250 Hz would be a straight line at its top, or at its bottom."""
    path = with_inputs(tmp_path, SIGNAL)
    fast = [0.0, *[1000.0, -1000.0] * 4]
    read = features_of(path, record(ecg(fast)))["ecg"].values
    assert max(map(abs, read[1:3])) < 0.01
    five = with_inputs(tmp_path / "five", SIGNAL | {"hz": 100, "samples": 3})
    pulse = [0.0] * 5 + [1000.0] + [0.0] * 7
    assert features_of(five, record(ecg(pulse)))["ecg"].values == pytest.approx([0, 0.4, 0] * 2)


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


def test_what_is_withdrawn_replaced_or_not_final_is_in_no_text_and_no_view(tmp_path: Path) -> None:
    columns = [
        {"name": "value", "path": "value.ofType(Quantity).value", "type": "decimal"},
        {"name": "when", "path": "effective.ofType(dateTime)", "type": "dateTime"},
    ]
    view = {"resourceType": "ViewDefinition", "name": "v", "status": "active", "resource": "Observation"}
    (tmp_path / "v.json").write_bytes(orjson.dumps(view | {"select": [{"column": columns}]}))
    path = with_inputs(
        tmp_path,
        {"name": "newest", "type": "view", "view": "v.json", "column": "value", "order": "when"},
        {"name": "note", "type": "text", "max_age_days": 100},
    )
    now = datetime.now(UTC)

    def reading(number: int, value: float, status: str, when: datetime, zone: int = 0) -> dict[str, Any]:
        time = when.astimezone(timezone(timedelta(hours=zone))).isoformat(timespec="seconds")
        return quantity("14646-4", value, "mmol/L", when=time) | {"id": f"o{number}", "status": status}

    def note(name: str, status: str, days: int, **more: Any) -> dict[str, Any]:
        data = base64.b64encode(name.encode()).decode()
        return {
            "resourceType": "DocumentReference",
            "id": name,
            "status": status,
            "date": (now - timedelta(days=days)).isoformat(timespec="seconds"),
            "content": [{"attachment": {"contentType": "text/plain", "data": data}}],
        } | more

    person = record(
        reading(1, 1.1, "final", now - timedelta(hours=30), zone=12),
        reading(2, 1.2, "final", now - timedelta(hours=28), zone=-10),
        reading(3, 1.3, "entered-in-error", now - timedelta(hours=3)),
        reading(4, 1.4, "preliminary", now - timedelta(hours=2)),
        note("right", "current", 5),
        note("replaced", "superseded", 3),
        note("wrong", "entered-in-error", 2),
        note("draft", "current", 1, docStatus="preliminary"),
    )
    read = features_of(path, person)
    assert (read["newest"].values, read["note"].text) == ((1.2,), "right")


@pytest.mark.parametrize(
    ("system", "code", "present"),
    [
        ("http://hl7.org/fhir/sid/icd-10-cm", "E11.65", True),
        ("http://fhir.de/CodeSystem/bfarm/icd-10-gm", "E1190", True),
        ("http://hl7.org/fhir/sid/icd-10", "e10.9", False),
        ("http://snomed.info/sct", "44054006", False),
        ("http://hospital.example/diagnoses", "DM2", None),
        ("", "", None),
    ],
)
def test_a_condition_without_a_code_that_decides_is_not_taken_for_none(
    tmp_path: Path, system: str, code: str, present: bool | None
) -> None:
    path = with_inputs(tmp_path, {"name": "dm", "type": "condition", "codes": ["icd10|E11*"], "absent": 0})
    coded = {"coding": [{"system": system, "code": code}]} if system else {"text": "Diabetes mellitus Typ 2"}
    person = record(condition("E11") | {"code": coded})
    if present is None:
        with pytest.raises(UnusableInput, match="can't be read"):
            features_of(path, person)
    else:
        assert features_of(path, person)["dm"].values == (float(present),)


def test_a_condition_of_the_future_is_neither_present_nor_absent(tmp_path: Path) -> None:
    path = with_inputs(tmp_path, {"name": "dm", "type": "condition", "codes": ["icd10|E11*"], "absent": 0})
    soon = (datetime.now(UTC) + timedelta(days=9)).isoformat(timespec="seconds")
    for name in ("onsetDateTime", "recordedDate"):
        future = condition("E11.9") | {"onsetDateTime": "2020-01-01", name: soon}
        with pytest.raises(UnusableInput, match="dated after this run"):
            features_of(path, record(future))
        assert features_of(path, record(future, condition("E11.2") | {"id": "known"}))["dm"].values == (1.0,)


@pytest.mark.parametrize(
    "code",
    [
        "44054006:246112005=24484000",
        "44054006 |Diabetes mellitus type 2| : 363698007 = 113331007",
        "=== 73211009+44054006",
    ],
)
def test_an_expression_of_snomed_ct_is_what_its_focus_is(tmp_path: Path, code: str) -> None:
    path = with_inputs(
        tmp_path, {"name": "dm", "type": "condition", "codes": ["snomed|44054006"], "absent": 0}
    )
    coded = condition("E11") | {"code": {"coding": [{"system": "http://snomed.info/sct", "code": code}]}}
    assert features_of(path, record(coded))["dm"].values == (1.0,)


def test_a_lead_is_known_by_its_code_alone(tmp_path: Path) -> None:
    found = ecg([0, 100, 200, 300, 400, 500, 600])
    for part, code in zip(found["component"], ("131329", "131330"), strict=True):
        part["code"] = {"coding": [{"system": "urn:oid:2.16.840.1.113883.6.24", "code": code}]}
    read = features_of(with_inputs(tmp_path, SIGNAL), record(found))["ecg"]
    assert read.values == pytest.approx([0, 0.4, 0.8, 1.2] * 2)


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
    assert [of(taken(status)) for status in ("active", "not-taken", "intended")] == [1, 0, 0]
    with pytest.raises(UnusableInput, match="not confirmed"):
        of(taken("unknown"))
    assert of(taken("active", medicationCodeableConcept=coded, doNotPerform=True)) == 0
    named = taken("active", medicationReference={"reference": "Medication/metformin"})
    medication = {"resourceType": "Medication", "id": "metformin", "code": coded}
    assert of(named, medication) == 1
    with pytest.raises(UnusableInput, match="not here"):
        features_of(path, record(named))
    local = {"coding": [{"system": "urn:local", "code": "MET"}]}
    for concept, what in ((local, "code is not known here"), ({"text": "Metformin"}, "without a code")):
        with pytest.raises(UnusableInput, match=what):
            features_of(path, record(taken("active", medicationCodeableConcept=concept)))


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


def test_bias_alone_is_what_the_model_says_of_nothing() -> None:
    assert risk(0, 0, 0) == pytest.approx(1 / (1 + math.exp(-BIAS)))


def test_a_model_yaml_that_is_nested_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    path.write_text("inputs: " + "[" * 3000)
    with pytest.raises(ManifestError, match="nested too deep"):
        load_manifest(path)
