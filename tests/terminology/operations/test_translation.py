"""`$translate`: all codings, dependencies, and what a map leaves to others."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_bridge.terminology.concept_maps import ConceptMaps
from fhir_bridge.terminology.operations.service import Request
from tests.terminology.operations.conftest import (
    ANIMALS,
    World,
    code_system,
    concept,
    parameter_value,
    parameters,
    value_set,
)

MAP, OTHER = "https://zoo.example.org/ConceptMap/feed", "https://zoo.example.org/ConceptMap/rest"
FEED = "https://zoo.example.org/CodeSystem/feed"
AGE = "https://zoo.example.org/age"


def concept_map(url: str = MAP, *elements: dict[str, Any], **group: Any) -> dict[str, Any]:
    results = {"source": ANIMALS, "target": FEED, "element": list(elements), **group}
    return {"resourceType": "ConceptMap", "url": url, "status": "active", "group": [results]}


def element(code: str, *targets: str, **more: Any) -> dict[str, Any]:
    return {"code": code, "target": [{"code": target, "equivalence": "wider", **more} for target in targets]}


def matches(answer: dict[str, Any]) -> list[str]:
    """Codes of the matches' concepts."""
    parts = (entry["part"] for entry in answer["parameter"] if entry["name"] == "match")
    return [item["valueCoding"]["code"] for part in parts for item in part if item["name"] == "concept"]


def asked(world: World, **values: Any) -> dict[str, Any]:
    return world.ask("ConceptMap", "translate", url=MAP, system=ANIMALS, **values)


def test_every_coding_of_a_concept_is_translated() -> None:
    world = World(concept_map(MAP, element("cow", "hay"), element("cat", "meat")))
    codings = [{"system": ANIMALS, "code": code} for code in ("dodo", "cat", "cow")]
    answer = world.ask("ConceptMap", "translate", url=MAP, codeableConcept={"coding": codings})
    assert matches(answer) == ["meat", "hay"]
    assert parameter_value(answer, "result") is True


def test_a_row_for_another_dependency_does_not_count() -> None:
    young = element("cat", "milk", dependsOn=[{"property": AGE, "value": "kitten"}])
    young["target"] += element("cat", "meat", dependsOn=[{"property": AGE, "value": "adult"}])["target"]
    world = World(concept_map(MAP, young))
    assert matches(asked(world, code="cat")) == ["milk", "meat"]
    request = parameters(url=MAP, system=ANIMALS, code="cat")
    parts = [
        {"name": "element", "valueUri": AGE},
        {"name": "concept", "valueCodeableConcept": {"coding": [{"code": "adult"}]}},
    ]
    request["parameter"].append({"name": "dependency", "part": parts})
    assert matches(world.service.translate(Request(request))) == ["meat"]


@pytest.mark.parametrize(
    ("unmapped", "found"),
    [
        ({"mode": "provided"}, ["lion"]),
        ({"mode": "fixed", "code": "anything", "display": "Anything"}, ["anything"]),
        ({"mode": "other-map", "url": OTHER}, ["meat"]),
        ({"mode": "other-map", "url": MAP}, []),
        ({"mode": "other-map", "url": OTHER + "-absent"}, []),
        ({"mode": "fixed"}, []),
    ],
)
def test_a_code_without_row_is_left_to_unmapped(unmapped: dict[str, Any], found: list[str]) -> None:
    first = concept_map(MAP, element("cow", "hay"), unmapped=unmapped)
    other = concept_map(OTHER, element("lion", "meat"), unmapped={"mode": "other-map", "url": MAP})
    world = World(first, other)
    answer = asked(world, code="lion")
    assert matches(answer) == found
    assert parameter_value(answer, "result") is bool(found)
    assert matches(asked(world, code="cow")) == ["hay"]
    port = ConceptMaps([first, other]).translate_by_map(MAP, "lion")
    assert [item.code for item in port] == found


def test_a_map_that_is_missing_is_reported() -> None:
    world = World(concept_map(unmapped={"mode": "other-map", "url": OTHER}))
    assert OTHER in parameter_value(asked(world, code="lion"), "message")


def test_in_reverse_the_outcome_is_on_the_source_side() -> None:
    world = World(concept_map(MAP, element("cow", "hay")))
    back = world.ask("ConceptMap", "translate", url=MAP, system=FEED, code="hay", reverse=True)
    assert matches(back) == ["cow"]
    by_target = world.ask("ConceptMap", "translate", url=MAP, targetSystem=FEED, targetCode="hay")
    assert matches(by_target) == ["hay"]


def test_only_targets_of_the_value_set_that_is_sought_are_reported() -> None:
    """A map that does not say between which value sets it is."""
    feed = code_system(FEED, concept("hay"), concept("meat"))
    dry = value_set("dry", {"system": FEED, "concept": [{"code": "hay"}]})
    world = World(concept_map(MAP, element("cow", "hay", "meat")), feed, dry)
    assert matches(asked(world, code="cow")) == ["hay", "meat"]
    assert matches(asked(world, code="cow", target=dry["url"])) == ["hay"]
    assert matches(asked(world, code="cow", target="https://zoo.example.org/ValueSet/absent")) == [
        "hay",
        "meat",
    ]
