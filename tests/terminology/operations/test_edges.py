"""Questions at the edges of the operations: pages beyond the end, contradictions, case, versions, text."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_bridge.terminology.operations.outcomes import OperationError
from fhir_bridge.terminology.operations.service import OPERATIONS, Request
from tests.terminology.operations.conftest import (
    ANIMALS,
    BASE,
    World,
    code_system,
    concept,
    filtered,
    issues,
    parameter_value,
    value_set,
)

LETTERS = "https://zoo.example.org/CodeSystem/letters"
BIG = "https://zoo.example.org/CodeSystem/big"


def letters(version: str, *concepts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return code_system(LETTERS, *concepts, version=version, **more)


ALL = value_set("all", {"system": ANIMALS})


def test_pages_end_where_the_value_set_ends() -> None:
    world = World(ALL)
    url = f"{BASE}/all"
    expansion = world.ask("ValueSet", "expand", url=url, offset=100, count=5)["expansion"]
    assert (expansion["total"], expansion["offset"], "contains" in expansion) == (12, 100, False)
    assert world.codes(url=url, offset=9) == ["dodo", "worm", "grass"]
    counted = world.ask("ValueSet", "expand", url=url, count=0)["expansion"]
    assert counted["total"] == 12
    assert "contains" not in counted
    pages = [code for at in range(0, 12, 5) for code in world.codes(url=url, offset=at, count=5)]
    assert pages == world.codes(url=url)


def test_a_page_that_holds_all_is_a_tree_as_without_a_page() -> None:
    world = World(ALL)
    whole = world.ask("ValueSet", "expand", url=f"{BASE}/all")["expansion"]["contains"]
    assert world.ask("ValueSet", "expand", url=f"{BASE}/all", count=50)["expansion"]["contains"] == whole


@pytest.mark.parametrize("code", ["abc", "ABC", "Abc"])
def test_a_list_of_a_system_that_minds_no_case_minds_none(code: str) -> None:
    mixed = code_system(LETTERS, concept("Abc"), concept("dEf"), caseSensitive=False)
    listed = {"system": LETTERS, "concept": [{"code": "aBC"}]}
    without = value_set("without", {"system": LETTERS}, exclude=[listed])
    world = World(mixed, value_set("listed", listed), without)
    assert world.result(url=f"{BASE}/listed", system=LETTERS, code=code) is True
    assert world.codes(url=f"{BASE}/listed") == ["Abc"]
    assert world.result(url=f"{BASE}/without", system=LETTERS, code=code) is False
    assert world.codes(url=f"{BASE}/without") == ["dEf"]


def test_text_is_found_however_many_others_are_called_alike() -> None:
    rare = [concept(f"rare-{number}") for number in range(3)]
    for item in rare:
        item["display"] = "Common thing"
    many = [{"code": f"c{number}", "display": "Common thing"} for number in range(5000)]
    world = World(code_system(BIG, *many, concept("root", *rare)), code_system(LETTERS))
    below = value_set("below", filtered("concept", "descendent-of", "root", BIG))
    expansion = world.ask("ValueSet", "expand", valueSet=below, filter="common", count=2)["expansion"]
    assert expansion["total"] == 3
    assert [item["code"] for item in expansion["contains"]] == ["rare-0", "rare-1"]
    both = value_set("both", {"system": BIG, "valueSet": [f"{BASE}/below"]})
    assert World(code_system(BIG, *many, concept("root", *rare)), below).codes(
        valueSet=both, filter="thing"
    ) == [
        "rare-0",
        "rare-1",
        "rare-2",
    ]


def test_codes_of_two_versions_are_not_compared() -> None:
    world = World(letters("1.0.0", concept("b", concept("c"))), letters("2.0.0", concept("b"), concept("c")))
    old = [{"system": LETTERS, "version": "1.0.0", "code": code} for code in ("b", "c")]
    new = {"system": LETTERS, "version": "2.0.0", "code": "c"}
    assert (
        parameter_value(world.ask("CodeSystem", "subsumes", codingA=old[0], codingB=old[1]), "outcome")
        == "subsumes"
    )
    half = {"system": LETTERS, "code": "b"}
    assert (
        parameter_value(world.ask("CodeSystem", "subsumes", codingA=half, codingB=old[1]), "outcome")
        == "subsumes"
    )
    assert world.refused("CodeSystem", "subsumes", codingA=old[0], codingB=new).status == 400
    assert world.refused("CodeSystem", "subsumes", system=ANIMALS, codingA=half, codingB=half).status == 400


def test_a_coding_of_another_system_than_the_one_that_is_asked_is_reported() -> None:
    world = World(letters("1.0.0", concept("a")))
    answer = world.ask("CodeSystem", "validate-code", url=ANIMALS, coding={"system": LETTERS, "code": "a"})
    assert parameter_value(answer, "result") is False
    assert issues(answer) == [("error", "code-invalid", "invalid-code")]
    assert LETTERS in parameter_value(answer, "message")


@pytest.mark.parametrize(
    ("version", "used"),
    [("1.x", "1.2.0"), ("1.0.x", "1.0.0"), ("2.x", "2.0.0"), ("x", "2.0.0"), ("1.0.0", "1.0.0")],
)
def test_a_version_may_be_a_pattern(version: str, used: str) -> None:
    world = World(*(letters(item, concept("a")) for item in ("1.0.0", "1.2.0", "2.0.0")))
    answer = world.ask(
        "ValueSet", "expand", valueSet=value_set("any", {"system": LETTERS, "version": version})
    )
    assert {"name": "used-codesystem", "valueUri": f"{LETTERS}|{used}"} in answer["expansion"]["parameter"]


def test_ancestors_are_listed_without_asking_every_code() -> None:
    diamond = code_system(
        LETTERS, concept("top", concept("left", concept("low")), concept("right")), concept("other")
    )
    low = diamond["concept"][0]["concept"][0]["concept"][0]
    low["property"] = [{"code": "parent", "valueCode": "right"}]
    world = World(diamond)
    codes = world.codes(valueSet=value_set("up", filtered("concept", "generalizes", "low", LETTERS)))
    assert set(codes) == {"top", "left", "right", "low"}
    assert len(codes) == 4
    assert world.codes(valueSet=value_set("up", filtered("concept", "generalizes", "none", LETTERS))) == []


def test_a_display_beside_a_coding_is_compared() -> None:
    world = World(ALL)
    token = f"{ANIMALS}|cat"
    assert world.result(url=f"{BASE}/all", coding=token, display="Cat") is True
    assert world.result(url=f"{BASE}/all", coding=token, display="Dog") is False


def test_a_batch_is_asked_of_a_code_system_too() -> None:
    batch = [
        {"resourceType": "Parameters", "parameter": [{"name": "code", "valueCode": code}]}
        for code in ("cat", "x")
    ]
    answer = World().ask("CodeSystem", "batch-validate-code", url=ANIMALS, validation=batch)
    assert [parameter_value(item["resource"], "result") for item in answer["parameter"]] == [True, False]


@pytest.mark.parametrize("coding", [None, 1, "x", {"code": "cat"}])
def test_a_concept_without_a_list_of_codings_is_refused(coding: Any) -> None:
    request = {"parameter": [{"name": "codeableConcept", "valueCodeableConcept": {"coding": coding}}]}
    for kind, name in (("CodeSystem", "validate-code"), ("ConceptMap", "translate")):
        with pytest.raises(OperationError) as error:
            OPERATIONS[kind, name](World().service, Request(request))
        assert error.value.status == 400
