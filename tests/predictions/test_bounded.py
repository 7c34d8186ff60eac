"""What a view, a condition and a row of training data see of a moment: nothing that was later, by any of its times."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest
from onnx import TensorProto, helper
from ruamel.yaml import YAML

from tests.command import run_command
from tests.predictions.made_models import manifest, save, write
from tests.predictions.ward import Ward, concept, diagnosis, european, ward

__all__ = ["ward"]

LATER = (datetime.now(UTC) + timedelta(days=200)).date().isoformat()
YEARS: dict[str, Any] = {"system": "http://unitsofmeasure.org", "code": "a", "unit": "a"}


def summed(path: Path) -> None:
    """The sum of the inputs of each patient."""
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    node = helper.make_node("ReduceSum", ["x", "axes"], ["y"], keepdims=1)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, None])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    save(helper.make_graph([node], "summed", [x], [y], [axes]), path)


def model(ward: Ward, *inputs: dict[str, Any], make: Callable[[Path], None] = summed, **changes: Any) -> Path:
    """A model of the site that says the sum of its inputs."""
    output = {"kind": "quantity", "code": "own-risk", "display": "Sum", "tensor": "y", "unit": "1"}
    document = {
        "inputs": list(inputs),
        "tensors": [{"name": "x", "inputs": [item["name"] for item in inputs]}],
        "output": output,
        "applies": {},
    }
    folder = ward.site.parent / "model"
    path = write(folder, manifest(**(document | changes)), make)
    if "own-risk" not in (site := ward.site.read_text()):
        ward.site.write_text(f"{site}\n    own-risk: {{enabled: true, model: {path}}}\n")
    return path


def view(path: Path, kind: str, *columns: tuple[str, str]) -> None:
    """A view of a resource type, beside a model.yaml."""
    shown = [{"name": name, "path": text} for name, text in columns]
    document = {"resourceType": "ViewDefinition", "status": "active", "resource": kind, "name": "seen"}
    path.write_text(json.dumps(document | {"select": [{"column": shown}]}))


def counting(ward: Ward, *kinds: str) -> Path:
    """A model that counts resources of these types."""
    inputs = [
        {"name": kind.lower(), "type": "view", "view": f"{kind}.json", "column": "id", "select": "count"}
        for kind in kinds
    ]
    path = model(ward, *inputs)
    for kind in kinds:
        view(path.parent / f"{kind}.json", kind, ("id", "id"))
    return path


def rows(ward: Ward, model: Path, *moments: str, code: int = 0, **changes: Any) -> list[dict[str, Any]]:
    """Rows of training data by the times of the resources."""
    document = {"name": "c", "model": str(model), "as_of": list(moments), "arrival": "ignore"} | changes
    path = ward.site.parent / "cohort.yaml"
    with path.open("w") as file:
        YAML().dump(document, file)
    out = ward.site.parent / f"out{len(list(ward.site.parent.glob('out*')))}"
    done = run_command("dataset", path, "--out", out, "--site", ward.site)
    assert done.returncode == code, done.stdout + done.stderr
    found: list[dict[str, Any]] = parquet.read_table(out / "rows.parquet").to_pylist()
    return found


def visit(start: str, **more: Any) -> dict[str, Any]:
    found = {"resourceType": "Encounter", "status": "finished", "class": {"code": "IMP"}}
    return found | {"period": {"start": start}} | more


def order(**more: Any) -> dict[str, Any]:
    drug = {"medicationCodeableConcept": concept("http://www.whocc.no/atc", "C10AA01")}
    return {"resourceType": "MedicationRequest", "status": "active", "intent": "order"} | drug | more


def taken(period: dict[str, str]) -> dict[str, Any]:
    drug = {"medicationCodeableConcept": concept("http://www.whocc.no/atc", "C10AA01")}
    return {"resourceType": "MedicationStatement", "status": "active", "effectivePeriod": period} | drug


KINDS = ("Encounter", "Condition", "Procedure", "MedicationRequest")


def test_a_view_sees_nothing_that_came_later(ward: Ward) -> None:
    path = counting(ward, *KINDS)
    done = {"resourceType": "Procedure", "status": "completed", "code": concept("ops", "5-351.14")}
    age = {"onsetDateTime": None, "onsetAge": YEARS | {"value": 57}}  # from the 4th of March 2023
    ward.load(
        {
            "before": [visit("2021-02-03"), diagnosis("icd", "E11.9"), done | {"performedDateTime": "2020"}],
            "after": [
                visit("2024-02-03"),
                diagnosis("icd", "E11.9", onsetDateTime="2024-02-03"),
                diagnosis("icd", "E11.9", onsetDateTime=None, onsetPeriod={"start": "2024-02"}),
                diagnosis("icd", "E11.9", recordedDate="2024-02-03"),
                diagnosis("icd", "E11.9", **age),
                done | {"performedPeriod": {"start": "2023-06-30"}},
                order(authoredOn="2024-02-03"),
            ],
            # A year in which the moment is may be later; what has no time is known from its arrival on.
            "vague": [diagnosis("icd", "E11.9", onsetDateTime="2022"), order()],
            "day": [visit("2022-07-01"), visit("2022-07-02"), visit("2022-07-01T23:30:00Z")],
        }
    )
    early, late = "2022-07-01", "2025-01-01"
    seen = {(row["patient"], str(row["as_of"])[:10]): row for row in rows(ward, path, early, late)}
    counts = {key: [row[kind.lower()] for kind in KINDS] for key, row in seen.items()}
    assert counts["before", early] == [1, 1, 1, 0]
    assert counts["after", early] == [0, 0, 0, 0]
    assert counts["after", late] == [1, 4, 1, 1]
    assert [counts["vague", early], counts["vague", late]] == [[0, 0, 0, 0], [0, 1, 0, 0]]
    assert [counts["day", early], counts["day", late]] == [[2, 0, 0, 0], [3, 0, 0, 0]]
    # Asked now, all of it is known.
    assert {name: said.value for name, said in ward.ask("own-risk").items()} == {
        "before": 3,
        "after": 7,
        "vague": 2,
        "day": 3,
    }


def test_what_arrived_and_is_dated_later_is_refused_and_what_is_planned_is_not_seen(ward: Ward) -> None:
    path = counting(ward, "Encounter", "Condition", "MedicationStatement", "MedicationRequest")
    ward.load(
        {
            "wrong": [visit(LATER)],
            "booked": [visit(LATER, status="planned"), visit("2020-02-03")],
            "plan": [taken({"start": LATER}), taken({"start": "2021-02-03"})],
            "order": [order(authoredOn=LATER)],
            "onset": [diagnosis("icd", "E11.9", onsetDateTime=None, onsetAge=YEARS | {"value": 99})],
            "range": [
                diagnosis("icd", "E11.9", onsetDateTime=None, onsetRange={"low": YEARS | {"value": 99}})
            ],
        }
    )
    said = ward.ask("own-risk")
    assert said["booked"].value == said["plan"].value == 1
    refused = {"wrong": "Encounter", "onset": "Condition", "range": "Condition", "order": "MedicationRequest"}
    for name, kind in refused.items():
        assert said[name].value is None
        assert f"{kind.lower()} is dated after this run: {kind}/" in said[name].text, said[name].text
    # Of what was so, training data say the same as the answer.
    yesterday = (datetime.now(UTC) - timedelta(minutes=1)).isoformat(timespec="seconds")
    found = rows(ward, path, yesterday, code=1)
    assert {row["patient"]: row["encounter"] for row in found} == {"booked": 1, "plan": 0}
    model(ward, {"name": "statin", "type": "condition", "codes": ["atc|C10AA*"], "absent": 0})
    said = ward.ask("own-risk", "plan", "order")
    assert said["plan"].value == 1
    assert "statin is dated after this run: MedicationRequest/" in said["order"].text


def test_of_what_was_going_on_the_end_is_not_known(ward: Ward) -> None:
    item = {"type": "view", "column": "open", "select": "sum"}
    path = model(
        ward,
        {"name": "stay", "view": "stay.json", **item},
        {"name": "ill", "view": "ill.json", **item},
        {"name": "dead", "view": "dead.json", "missing": 0, **item, "select": "maximum"},
    )
    going = "iif(period.end.exists() or status = 'finished' or hospitalization.dischargeDisposition.exists(), 0, 1)"
    view(path.parent / "stay.json", "Encounter", ("open", going))
    going = "iif(abatement.exists() or clinicalStatus.coding.exists(code = 'resolved'), 0, 1)"
    view(path.parent / "ill.json", "Condition", ("open", going))
    view(path.parent / "dead.json", "Patient", ("open", "iif(deceased.exists(), 1, 0)"))
    home = {"dischargeDisposition": concept("http://example.org/disposition", "home")}
    stay = visit("2022-01-01", period={"start": "2022-01-01", "end": "2023-05-06"}, hospitalization=home)
    over = {"clinicalStatus": concept("http://terminology.hl7.org/CodeSystem/condition-clinical", "resolved")}
    ill = diagnosis("icd", "E11.9", abatementDateTime="2023-05-06", **over)
    ward.load({"a": [stay, ill]}, deceasedDateTime="2024-06-07")
    found = rows(ward, path, "2022-07-01", "2023-06-01")
    assert [[row["stay"], row["ill"], row["dead"]] for row in found] == [[1, 1, 0], [0, 0, 0]]


FUTURE = {
    "period": {"onsetDateTime": None, "onsetPeriod": {"start": LATER}},
    "age": {"onsetDateTime": None, "onsetAge": YEARS | {"value": 90}},
    "months": {"onsetDateTime": None, "onsetAge": YEARS | {"value": 1100, "code": "mo", "unit": "mo"}},
    "range": {"onsetDateTime": None, "onsetRange": {"low": YEARS | {"value": 88}}},
}


@pytest.mark.parametrize("code", ["E11.9", "I21.9"])
def test_a_diagnosis_of_an_age_to_come_is_refused_by_conditions_and_equations(ward: Ward, code: str) -> None:
    block = {"name": "ill", "type": "condition", "codes": [f"icd10|{code[:3]}*"], "absent": 0}
    path = model(ward, block)
    past = {"onsetDateTime": None, "onsetAge": YEARS | {"value": 40}}
    flutter = diagnosis("cm", "I48.91")
    ward.load(
        {name: [*european(), flutter, diagnosis("icd", code, **when)] for name, when in FUTURE.items()}
        | {"past": [*european(), flutter, diagnosis("icd", code, **past)]}
    )
    said, score, points = (ward.ask(name) for name in ("own-risk", "score2", "cha2ds2-va"))
    assert said["past"].value == 1
    for name in FUTURE:
        for answers in (said, score, points):
            assert answers[name].value is None, name
            assert "is dated after this run: Condition/" in answers[name].text, answers[name].text
            assert answers[name].observation["status"] == "preliminary"
    moment = (datetime.now(UTC) - timedelta(minutes=1)).isoformat(timespec="seconds")
    assert {row["patient"]: row["ill"] for row in rows(ward, path, moment, code=1)} == {"past": 1}


def test_whom_the_model_is_not_meant_for_has_no_row(ward: Ward) -> None:
    path = model(ward, {"name": "age", "type": "age"}, applies={"age": [56, 58], "sex": ["male"]})
    ward.load({"a": []})
    found = rows(ward, path, "2020-01-01", "2023-01-01", "2026-01-01", code=1)
    assert [row["age"] for row in found] == [56]
    out = json.loads((ward.site.parent / "out0" / "manifest.json").read_text())
    assert out["left_out"] == {"the model is meant for ages 56 to 58": 2}
