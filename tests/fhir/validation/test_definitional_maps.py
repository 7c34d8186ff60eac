"""A StructureMap as a resource: rules speak of variables and elements that there are."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from fhir_bridge.fhir import Validator
from tests.fhir.definitions.makers import R4

UNKNOWN = "FB-FHIR-093"
MAP: dict[str, Any] = {
    "resourceType": "StructureMap",
    "url": "https://hospital.org/StructureMap/x",
    "name": "X",
    "status": "draft",
    "structure": [
        {"url": R4 + "Patient", "mode": "source", "alias": "Person"},
        {"url": R4 + "Bundle", "mode": "target"},
        {"url": "https://hospital.org/StructureDefinition/nobody-has", "mode": "source", "alias": "Far"},
    ],
    "group": [
        {
            "name": "main",
            "typeMode": "none",
            "input": [
                {"name": "src", "type": "Person", "mode": "source"},
                {"name": "far", "type": "Far", "mode": "source"},
                {"name": "bundle", "type": "Bundle", "mode": "target"},
            ],
            "rule": [
                {
                    "name": "entry",
                    "source": [{"context": "src", "element": "name", "variable": "name"}],
                    "target": [
                        {
                            "context": "bundle",
                            "contextType": "variable",
                            "element": "entry",
                            "variable": "entry",
                        },
                        {
                            "context": "entry",
                            "contextType": "variable",
                            "element": "resource",
                            "variable": "patient",
                            "transform": "create",
                            "parameter": [{"valueString": "Patient"}],
                        },
                    ],
                    "rule": [
                        {
                            "name": "family",
                            "source": [{"context": "name", "element": "family", "variable": "family"}],
                            "target": [
                                {
                                    "context": "patient",
                                    "contextType": "variable",
                                    "element": "name",
                                    "variable": "made",
                                },
                                {
                                    "context": "made",
                                    "contextType": "variable",
                                    "element": "family",
                                    "transform": "copy",
                                    "parameter": [{"valueId": "family"}],
                                },
                            ],
                        }
                    ],
                    "dependent": [{"name": "other", "variable": ["name", "patient"]}],
                }
            ],
        }
    ],
}
OUTER, INNER = "StructureMap.group[0].rule[0]", "StructureMap.group[0].rule[0].rule[0]"


@pytest.fixture(scope="module")
def validator() -> Validator:
    return Validator()


def found(validator: Validator, resource: dict[str, Any]) -> list[tuple[str, str]]:
    return [(i.code, i.expression) for i in validator.validate(resource) if i.severity in ("error", "fatal")]


def changed(*path: Any, **values: Any) -> dict[str, Any]:
    """The map, with the node at the path below its first rule changed."""
    results = copy.deepcopy(MAP)
    node = results["group"][0]["rule"][0]
    for step in path:
        node = node[step]
    node.update(values)
    return results


def test_a_map_that_names_what_there_is_is_right(validator: Validator) -> None:
    assert found(validator, MAP) == []


@pytest.mark.parametrize(
    ("path", "values", "where"),
    [
        (("source", 0), {"context": "nobody"}, f"{OUTER}.source[0].context"),
        (("source", 0), {"element": "nickname"}, f"{OUTER}.source[0].element"),
        (("source", 0), {"element": "name.nickname"}, f"{OUTER}.source[0].element"),
        (("target", 0), {"context": "src"}, f"{OUTER}.target[0].context"),
        (("target", 0), {"element": "item"}, f"{OUTER}.target[0].element"),
        (("rule", 0, "source", 0), {"element": "surname"}, f"{INNER}.source[0].element"),
        (("rule", 0, "target", 0), {"element": "status"}, f"{INNER}.target[0].element"),
        (("dependent", 0), {"variable": ["name", "family"]}, f"{OUTER}.dependent[0].variable[1]"),
    ],
)
def test_what_there_is_not_is_named_with_its_place(
    validator: Validator, path: tuple[Any, ...], values: dict[str, Any], where: str
) -> None:
    assert found(validator, changed(*path, **values)) == [(UNKNOWN, where)]


@pytest.mark.parametrize(
    ("path", "values"),
    [
        (("source", 0), {"context": "far", "element": "anything"}),
        (("source", 0), {"context": "Patient"}),
        (("source", 0), {"element": "deceased", "type": "dateTime", "variable": "name"}),
        (("source", 0), {"element": "contact.name"}),
        (("target", 1), {"parameter": [{"valueString": "Far"}]}),
        (("dependent", 0), {"variable": ["name", "'a literal'"]}),
    ],
)
def test_what_is_not_available_is_left_unchecked(
    validator: Validator, path: tuple[Any, ...], values: dict[str, Any]
) -> None:
    result = changed(*path, **values)
    if values.get("type") == "dateTime":
        result["group"][0]["rule"][0]["rule"] = []
    assert UNKNOWN not in {code for code, _ in found(validator, result)}


def test_inputs_have_names_of_their_own(validator: Validator) -> None:
    result = copy.deepcopy(MAP)
    result["group"][0]["input"][1]["name"] = "src"
    assert (UNKNOWN, "StructureMap.group[0].input[1].name") in found(validator, result)
