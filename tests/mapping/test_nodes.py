"""Nodes become elements: wrapped, dropped, chosen, repeated and conditional as the language says."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

from fhir_bridge.fhir import dumps
from fhir_bridge.fhir.datatypes import Quantity
from fhir_bridge.mapping import Conversion

models = SimpleNamespace(
    **{
        name: get_fhir_model_class(name)
        for name in ("Reference", "CodeableConcept", "Coding", "Quantity", "Patient", "HumanName")
    }
)
Observation = Callable[..., tuple[dict[str, Any], list[str]]]
Rows = Callable[..., Conversion]


@pytest.mark.parametrize(
    ("elements", "cells", "expected"),
    [
        ("valueString: literal", {}, {"valueString": "literal"}),
        ("valueString: ==x", {}, {"valueString": "=x"}),
        ("valueString: =row.a", {"a": "x"}, {"valueString": "x"}),
        ("valueString: =row.a", {"a": ""}, {}),
        ("valueString: =row.a", {"a": "  "}, {}),
        ("valueString: ~", {}, {}),
        ("valueInteger: 0", {}, {"valueInteger": 0}),
        ("valueInteger: =row.a", {"a": 0}, {"valueInteger": 0}),
        ("valueBoolean: =row.a == 'x'", {"a": "y"}, {"valueBoolean": False}),
        ("valueQuantity: {value: 1.50}", {}, {"valueQuantity": {"value": Decimal("1.50")}}),
        ("note: {text: one}", {}, {"note": [{"text": "one"}]}),
        ("note: {text: =row.a}", {"a": "one"}, {"note": [{"text": "one"}]}),
        ("note: [{text: =row.a}, {text: =row.b}]", {"b": "two"}, {"note": [{"text": "two"}]}),
        ("note: [{text: =row.a}]", {}, {}),
        ("performer: =row.a", {"a": []}, {}),
        ("performer: =row.a", {"a": None}, {}),
        ("identifier: =row.a", {"a": [None, {"value": "1"}]}, {"identifier": [{"value": "1"}]}),
        ("method: {text: =row.a, coding: [{code: =row.b}]}", {}, {}),
        ("identifier: {system: urn:x, value: =row.a}", {}, {}),
        ("identifier: {system: urn:x, value: =row.a}", {"a": "1"},
         {"identifier": [{"system": "urn:x", "value": "1"}]}),
        ("extension: [{url: urn:e, valueCode: =row.a}]", {}, {}),
        ("extension: [{url: urn:e, valueCode: =row.a}]", {"a": "c"},
         {"extension": [{"url": "urn:e", "valueCode": "c"}]}),
        ("_effectiveDateTime: {extension: [{url: urn:e, valueString: =row.a}]}", {"a": "x"},
         {"_effectiveDateTime": {"extension": [{"url": "urn:e", "valueString": "x"}]}}),
        ("valueSampledData: {origin: {value: 0}, period: 2, dimensions: 1}", {},
         {"valueSampledData": {"origin": {"value": 0}, "period": 2, "dimensions": 1}}),
        ("contained: [{resourceType: Device, status: active}]", {},
         {"contained": [{"resourceType": "Device", "status": "active"}]}),
    ],
)  # fmt: skip
def test_nodes(elements: str, cells: dict[str, Any], expected: Any, observation: Observation) -> None:
    assert observation(elements, cells) == (expected, [])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", {"valueString": "text"}),
        (5, {"valueInteger": 5}),
        (True, {"valueBoolean": True}),
        (Quantity(value=1), {"valueQuantity": {"value": 1}}),
        ([Quantity(value=1)], {"valueQuantity": {"value": 1}}),
        (None, {}),
    ],
)
def test_an_open_choice_finds_its_name_by_the_value(
    value: Any, expected: Any, observation: Observation
) -> None:
    assert observation("value[x]: =row.a", {"a": value}) == (expected, [])


def test_a_decimal_has_no_place_in_an_observation_value(observation: Observation) -> None:
    assert observation("value[x]: =row.a", {"a": Decimal("1.5")}) == ({}, ["FB-MAP-102"])


MATCH = (
    "value[x]: {match: row.k, NM: =quantity(row.v), 'ST|TX': =row.v, 1: one, XX: flag, empty: none, else: %s}"
)


@pytest.mark.parametrize(
    ("kind", "otherwise", "expected"),
    [
        ("NM", "flag", ({"valueQuantity": {"value": Decimal(5)}}, [])),
        ("TX", "flag", ({"valueString": "5"}, [])),
        ("1", "flag", ({"valueString": "one"}, [])),
        (1, "flag", ({"valueString": "one"}, [])),
        (None, "flag", ({"valueString": "none"}, [])),
        ("ZZ", "flag", ({}, ["FB-MAP-107"])),
        ("ZZ", "~", ({}, [])),
        ("ZZ", "=row.k", ({"valueString": "ZZ"}, [])),
        ("ZZ", "reject", ({}, ["FB-MAP-106"])),
        ("XX", "one", ({}, ["FB-MAP-107"])),
        (["NM"], "flag", ({"valueQuantity": {"value": Decimal(5)}}, [])),
    ],
)
def test_match(kind: Any, otherwise: str, expected: Any, observation: Observation) -> None:
    assert observation(MATCH % otherwise, {"k": kind, "v": "5"}) == expected


def test_a_match_without_else_flags_what_it_does_not_know_and_passes_null(observation: Observation) -> None:
    assert observation("valueString: {match: row.k, A: a}", {"k": "B"}) == ({}, ["FB-MAP-107"])
    assert observation("valueString: {match: row.k, A: a}", {"k": None}) == ({}, [])


def test_a_match_may_give_objects_and_be_in_a_list(observation: Observation) -> None:
    elements = "note:\n- match: row.k\n  A: {text: =row.v}\n  B: [{text: b1}, {text: =row.v}]\n- {text: last}"
    assert observation(elements, {"k": "A", "v": "x"}) == ({"note": [{"text": "x"}, {"text": "last"}]}, [])
    assert observation(elements, {"k": "B", "v": "x"})[0]["note"] == [
        {"text": "b1"},
        {"text": "x"},
        {"text": "last"},
    ]


def test_nodes_repeat_with_for_and_see_their_variable(observation: Observation) -> None:
    elements = (
        "component:\n- for: r in row.list\n  let: {n: \"r + '!'\"}\n  when: r != 'b'\n"
        "  code: {text: =r}\n  valueString: =n"
    )
    assert observation(elements, {"list": ["a", "b", "c"]}) == (
        {
            "component": [
                {"code": {"text": "a"}, "valueString": "a!"},
                {"code": {"text": "c"}, "valueString": "c!"},
            ]
        },
        [],
    )
    assert observation(elements, {"list": "a"})[0]["component"][0]["valueString"] == "a!"
    assert observation(elements, {"list": None}) == ({}, [])


def test_for_in_an_element_that_takes_one_needs_one(observation: Observation) -> None:
    elements = "method: {for: r in row.list, text: =r}"
    assert observation(elements, {"list": ["a"]}) == ({"method": {"text": "a"}}, [])
    assert observation(elements, {"list": ["a", "b"]}) == ({}, ["FB-MAP-103"])


def test_a_part_that_lacks_a_required_element_is_left_out_and_reported(observation: Observation) -> None:
    elements = "component: [{code: {text: =row.c}, valueString: =row.v}]"
    assert observation(elements, {"c": "x"}) == ({"component": [{"code": {"text": "x"}}]}, [])
    assert observation(elements, {"v": "y"}) == ({}, ["FB-MAP-104"])
    assert observation(elements, {}) == ({}, [])


def test_several_values_for_an_element_that_takes_one_are_left_out(observation: Observation) -> None:
    assert observation("valueString: =row.a", {"a": ["x"]}) == ({"valueString": "x"}, [])
    assert observation("valueString: =row.a", {"a": ["x", "x", None]}) == ({"valueString": "x"}, [])
    assert observation("valueString: =row.a", {"a": ["x", "y"]}) == ({}, ["FB-MAP-103"])


@pytest.mark.parametrize(
    ("element", "value", "kept"),
    [
        ("valueInteger", Decimal("5.0"), 5),
        ("valueInteger", Decimal("5.5"), None),
        ("valueInteger", "5", None),
        ("valueDateTime", "2024-01-02", "2024-01-02"),
        ("valueDateTime", "20240102", None),
        ("valueDateTime", "2024-02-30", None),
        ("effectiveInstant", "2024-01-02T10:00:00Z", "2024-01-02T10:00:00Z"),
        ("effectiveInstant", "2024-01-02", None),
        ("valueString", 5, None),
        ("valueString", "a\x0bb", None),
        ("valueString", "a\r\nb", "a\r\nb"),
        ("language", "de-AT", "de-AT"),
        ("implicitRules", "urn:x y", None),
        ("method", Quantity(value=1), None),
    ],
)
def test_a_value_goes_in_as_its_element_type_or_not_at_all(
    element: str, value: Any, kept: Any, observation: Observation
) -> None:
    expected = ({}, ["FB-MAP-102"]) if kept is None else ({element: kept}, [])
    assert observation(f"{element}: =row.a", {"a": value}) == expected


def test_a_code_outside_a_required_binding_is_left_out_and_reported(rows: Rows) -> None:
    rule = "- rule: r\n  as: Patient\n  key: [row.id]\n  gender: =row.sex\n"
    result = rows(rule, {"id": "1", "sex": "w"})
    assert "gender" not in result.outputs[0].resource
    assert result.outcome == "partial"
    assert [(issue.code, issue.expression) for issue in result.issues] == [("FB-MAP-111", "Patient.gender")]
    assert rows(rule, {"id": "1", "sex": "female"}).outputs[0].resource["gender"] == "female"


def test_elements_are_in_the_order_of_the_definition(rows: Rows) -> None:
    rule = (
        "- rule: r\n  as: Observation\n  key: [row.id]\n  valueString: =row.v\n  code: {text: x}\n"
        "  status: final\n  category: {text: y}\n"
    )
    assert list(rows(rule, {"id": "1", "v": "x"}).outputs[0].resource) == [
        "resourceType", "id", "meta", "status", "category", "code", "valueString",
    ]  # fmt: skip


def test_unpivot_runs_the_rule_for_each_column_with_a_value(rows: Rows) -> None:
    rule = (
        "- rule: vital\n  as: Observation\n"
        '  unpivot: {Puls: {code: 8867-4, unit: /min}, "Temp °C": {code: 8310-5, unit: Cel}, SpO2: {code: 2708-6}}\n'
        "  key: [row.id, column]\n  status: final\n"
        "  code: {coding: [{system: http://loinc.org, code: =spec.code}]}\n"
        "  valueQuantity: =quantity(value, spec.unit)\n"
    )
    result = rows(rule, {"id": "1", "Puls": "72", "Temp °C": Decimal("37.0"), "SpO2": ""})
    assert [
        (output.resource["code"]["coding"][0]["code"], output.resource["valueQuantity"])
        for output in result.outputs
    ] == [
        (
            "8867-4",
            {"value": Decimal(72), "unit": "/min", "system": "http://unitsofmeasure.org", "code": "/min"},
        ),
        (
            "8310-5",
            {"value": Decimal("37.0"), "unit": "Cel", "system": "http://unitsofmeasure.org", "code": "Cel"},
        ),
    ]
    assert len({output.id for output in result.outputs}) == 2


def test_backticks_name_an_element_that_is_a_keyword(rows: Rows) -> None:
    rule = (
        "- rule: r\n  as: ImagingStudy\n  key: [row.id]\n  status: available\n"
        "  subject: =reference('Patient', row.id)\n"
        '  series:\n  - uid: =row.uid\n    modality: {code: CT}\n    "`number`": 3\n'
    )
    assert rows(rule, {"id": "1", "uid": "1.2"}).outputs[0].resource["series"] == [
        {"uid": "1.2", "number": 3, "modality": {"code": "CT"}}
    ]


def test_constants_are_shared_and_not_rebuilt(rows: Rows) -> None:
    rule = (
        "- rule: r\n  as: Observation\n  key: [row.id, column]\n  unpivot: {a: {}, b: {}}\n"
        "  status: final\n  code: {text: x}\n"
    )
    first, second = rows(rule, {"id": "1", "a": "1", "b": "2"}).outputs
    assert first.resource["code"] is second.resource["code"]


@pytest.mark.parametrize(
    ("elements", "value", "expected"),
    [
        ("performer: =row.a", models.Reference(display="x"), {"performer": [{"display": "x"}]}),
        ("method: =row.a", models.CodeableConcept(text="x"), {"method": {"text": "x"}}),
        ("method: =row.a", models.Coding(code="x"), {"method": {"coding": [{"code": "x"}]}}),
        ("value[x]: =row.a", models.Quantity(value=Decimal("1.50")), {"valueQuantity": {"value": Decimal("1.50")}}),
        ("contained: =row.a", [models.Patient(id="p")], {"contained": [{"resourceType": "Patient", "id": "p"}]}),
    ],
)  # fmt: skip
def test_what_an_adapter_gives_may_be_an_object_of_fhir_resources(
    elements: str, value: Any, expected: Any, observation: Observation
) -> None:
    result, issues = observation(elements, {"a": value})
    assert (result, issues) == (expected, [])
    assert "1.50" in dumps(result).decode() or "value[x]" not in elements


def test_an_object_of_another_type_is_reported_not_read_as_its_text(observation: Observation) -> None:
    result, (code,) = observation("valueString: =row.a", {"a": models.HumanName(text="Ann Roe")})
    assert (result, code) == ({}, "FB-MAP-102")
