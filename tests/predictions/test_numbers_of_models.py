"""Numbers of a model.yaml: units by the analyte, digits that are kept, and lists that have one code system alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest
from onnx import TensorProto, helper

from tests.command import run_command
from tests.predictions.made_models import CLASSES, save
from tests.predictions.records import quantity
from tests.predictions.test_bounded import model, rows, view
from tests.predictions.ward import Ward, diagnosis, ward

__all__ = ["ward"]


def measured(name: str, codes: list[str], unit: str) -> dict[str, Any]:
    window = {"max_age_days": 365, "plausible": [0, 10000]}
    return {"name": name, "type": "quantity", "codes": codes, "unit": unit, **window}


def test_mass_and_amount_of_a_known_analyte_convert(ward: Ward) -> None:
    glucose = measured("glucose", ["loinc|15074-8", "loinc|2345-7", "loinc|3094-0"], "mmol/L")
    path = model(ward, glucose)
    ward.load(
        {
            "moles": [quantity("15074-8", 5, "mmol/L")],
            "mass": [quantity("2345-7", 90, "mg/dL")],
            "unknown": [quantity("3094-0", 90, "mg/dL")],
        }
    )
    said = ward.ask("own-risk")
    assert said["moles"].value == 5
    assert said["mass"].value == pytest.approx(4.996, abs=0.005)
    assert "does not convert to mmol/L: Observation/" in said["unknown"].text
    # Ferritin is a mass of which no molar mass is known; the check says so where it stands.
    path = model(ward, measured("ferritin", ["loinc|2276-4", "loinc|14647-2"], "mmol/L"))
    done = run_command("model", "check", path)
    assert done.returncode == 0, done.stdout
    assert "inputs.0.codes.0: 2276-4 (Ferritin [Mass/volume] in Serum or Plasma)" in done.stdout
    assert done.stdout.count("does not convert to mmol/L") == 1


@pytest.mark.parametrize(
    ("decimals", "shown"), [(None, ["0.0399", "5.7", "123.5", "0.0"]), (1, ["0.0", "5.7", "123.5", "0.0"])]
)
def test_a_small_quantity_is_not_nought(ward: Ward, decimals: int | None, shown: list[str]) -> None:
    output = {"kind": "quantity", "code": "own-risk", "display": "Sum", "tensor": "y", "unit": "mmol/L"}
    if decimals is not None:
        output |= {"decimals": decimals}
    model(ward, measured("item", ["loinc|14749-6"], "mmol/L"), output=output)
    values = {"a": 0.0399, "b": 5.7, "c": 123.456, "d": 0}
    ward.load({name: [quantity("14749-6", value, "mmol/L")] for name, value in values.items()})
    said = ward.ask("own-risk")
    assert [str(said[name].observation["valueQuantity"]["value"]) for name in values] == shown


def test_a_quantity_that_can_not_be_true_is_a_failed_run_and_an_annotation_is_a_word(ward: Ward) -> None:
    output = {"kind": "quantity", "code": "own-risk", "display": "Sum", "tensor": "y", "unit": "{score}"}
    model(ward, measured("item", ["loinc|14749-6"], "mmol/L"), output=output | {"plausible": [0, 10]})
    ward.load({"fits": [quantity("14749-6", 10, "mmol/L")], "not": [quantity("14749-6", 130, "mmol/L")]})
    said = ward.ask("own-risk", fails=True)
    value = said["fits"].observation["valueQuantity"]
    assert (value["unit"], value["code"]) == ("score", "{score}")
    assert "outside of 0 to 10" in str(said["not"].observation)
    assert "valueQuantity" not in said["not"].observation


def share(path: Path) -> None:
    """The input as a probability, with ends of an interval."""
    nodes = [
        helper.make_node("Identity", ["x"], ["y"]),
        helper.make_node("Mul", ["x", "half"], ["low"]),
        helper.make_node("Add", ["x", "half"], ["high"]),
    ]
    half = helper.make_tensor("half", TensorProto.FLOAT, [1], [0.5])
    names = ("x", "y", "low", "high")
    x, *outputs = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1]) for name in names)
    save(helper.make_graph(nodes, "share", [x], outputs, [half]), path)


def test_a_small_risk_is_not_nought(ward: Ward) -> None:
    output = {
        **{"kind": "probability", "code": "own-risk", "display": "Risk", "tensor": "y", "horizon_years": 5},
        "interval": {"low": "low", "high": "high"},
        "outcome": {"code": "event", "display": "An event"},
    }
    model(ward, measured("item", ["loinc|14749-6"], "mmol/L"), output=output, make=share)
    values = {"a": 0.000437, "b": 0.0496, "c": 0.4567}
    ward.load({name: [quantity("14749-6", value, "mmol/L")] for name, value in values.items()})
    said = ward.ask("own-risk")
    assert [said[name].value for name in values] == [0.044, 5, 45.7]


def test_a_list_of_one_code_system_says_what_it_does_not_decide(ward: Ward) -> None:
    block = {"name": "diabetes", "type": "condition", "codes": ["icd10|E11*"], "absent": 0}
    path = model(ward, block)
    done = run_command("model", "check", path)
    assert (done.returncode, "warning" in done.stdout) == (0, True)
    assert f"{path}:" in done.stdout
    assert "inputs.0.codes: the list has no SNOMED CT: a diagnosis" in done.stdout
    ward.load(
        {
            "snomed": [diagnosis("sct", "44054006")],
            "both": [diagnosis("sct", "44054006"), diagnosis("icd", "E11.9")],
            "other": [diagnosis("icd", "J45.9")],
        }
    )
    said = ward.ask("own-risk")
    assert [said[name].value for name in ("snomed", "both", "other")] == [0, 1, 0]
    text = "Not decided: the model knows diabetes by codes of ICD-10 alone; what the record says by SNOMED CT alone"
    assert f"{text} (44054006) counts as none of it." in said["snomed"].text
    assert not any("Not decided" in said[name].text for name in ("both", "other"))
    listed = run_command("predict", "own-risk", "--patient", "snomed", "--site", ward.site)
    assert "Not decided" in listed.stdout
    snomed = block | {"codes": ["snomed|44054006"], "absent": None, "missing": 0}
    done = run_command("model", "check", model(ward, snomed))
    assert "the list has no ICD-10" in done.stdout
    both = block | {"codes": ["snomed|44054006", "icd10|E11*"]}
    assert "warning" not in run_command("model", "check", model(ward, both)).stdout


def undecided(path: Path) -> None:
    """Two classes, each as likely as the other."""
    shares = helper.make_tensor("shares", TensorProto.FLOAT, [1, 2], [0.5, 0.5])
    nodes = [
        helper.make_node("Mul", ["x", "nought"], ["none"]),
        helper.make_node("Add", ["none", "shares"], ["y"]),
    ]
    nought = helper.make_tensor("nought", TensorProto.FLOAT, [1], [0.0])
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 1])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 2])
    save(helper.make_graph(nodes, "undecided", [x], [y], [nought, shares]), path)


def test_two_classes_that_are_equally_likely_are_named(ward: Ward) -> None:
    output = {"kind": "class", "code": "own-risk", "display": "Rhythm", "tensor": "y", "classes": CLASSES}
    model(ward, {"name": "age", "type": "age"}, make=undecided, output=output)
    ward.load({"a": []})
    said = ward.ask("own-risk")["a"]
    assert said.observation["valueCodeableConcept"]["text"] == "Sinus rhythm"
    assert "Not decided: Sinus rhythm and Atrial fibrillation are equally likely to the model." in said.text


def test_columns_have_their_types_whatever_the_rows_hold(ward: Ward) -> None:
    path = model(ward, measured("item", ["loinc|14749-6"], "mmol/L") | {"missing": "nan"})
    view(ward.site.parent / "died.json", "Condition", ("when", "recordedDate"))
    ward.load({"a": []})
    outcome = {"name": "died", "view": "died.json", "time": "when", "within_days": 30}
    rows(ward, path, "2020-01-01", outcomes=[outcome])
    schema = parquet.read_schema(ward.site.parent / "out0" / "rows.parquet")
    assert {name: str(schema.field(name).type) for name in schema.names} == {
        **{"patient": "string", "as_of": "timestamp[us, tz=UTC]", "split": "string", "item": "double"},
        **{"item_filled": "bool", "item_reference": "list<element: string>"},
        **{"outcome_died": "double", "outcome_died_days": "double", "outcome_died_censored": "string"},
    }
