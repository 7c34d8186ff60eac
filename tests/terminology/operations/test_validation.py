"""`$validate-code`, `$lookup`, `$subsumes` and `$translate`: what is said of codes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_bridge.terminology.operations.outcomes import OperationError
from fhir_bridge.terminology.operations.service import OPERATIONS, Request
from tests.terminology.operations.conftest import (
    ANIMALS,
    BASE,
    ZOO,
    World,
    code_system,
    concept,
    filtered,
    issues,
    parameter_value,
    value_set,
)

CATS = value_set("cats", filtered("concept", "is-a", "cat"))


def validate(world: World, **values: Any) -> dict[str, Any]:
    return world.ask("ValueSet", "validate-code", url=CATS["url"], **values)


def test_a_code_of_the_value_set_is_valid_and_gets_its_display() -> None:
    answer = validate(World(CATS), system=ANIMALS, code="tiger")
    assert parameter_value(answer, "result") is True
    assert parameter_value(answer, "display") == "Tiger"
    assert parameter_value(answer, "version") == "1.0.0"
    assert issues(answer) == []


def test_a_code_outside_is_distinguished_from_one_that_does_not_exist() -> None:
    world = World(CATS)
    assert issues(validate(world, system=ANIMALS, code="cow")) == [("error", "code-invalid", "not-in-vs")]
    assert set(issues(validate(world, system=ANIMALS, code="unicorn"))) == {
        ("error", "code-invalid", "not-in-vs"),
        ("error", "code-invalid", "invalid-code"),
    }


def test_a_wrong_display_is_an_error_unless_it_is_taken_lightly() -> None:
    world = World(CATS)
    strict = validate(world, coding={"system": ANIMALS, "code": "tiger", "display": "Lion"})
    assert parameter_value(strict, "result") is False
    assert issues(strict) == [("error", "invalid", "invalid-display")]
    lenient = validate(
        world,
        coding={"system": ANIMALS, "code": "tiger", "display": "Lion"},
        lenient_display_validation=True,
    )
    assert parameter_value(lenient, "result") is True
    assert issues(lenient) == [("warning", "invalid", "invalid-display")]


def test_one_coding_of_a_concept_is_enough() -> None:
    concept = {"coding": [{"system": ANIMALS, "code": "cow"}, {"system": ANIMALS, "code": "lion"}]}
    answer = validate(World(CATS), codeableConcept=concept)
    assert parameter_value(answer, "result") is True
    assert parameter_value(answer, "code") == "lion"


def test_a_system_can_be_inferred() -> None:
    answer = validate(World(CATS), code="lion", inferSystem=True)
    assert (parameter_value(answer, "result"), parameter_value(answer, "system")) == (True, ANIMALS)


def test_a_code_system_that_is_not_available_is_named() -> None:
    world = World(value_set("lost", {"system": "https://nobody.example.org/codes"}))
    answer = world.ask(
        "ValueSet",
        "validate-code",
        url=f"{BASE}/lost",
        system="https://nobody.example.org/codes",
        code="x",
    )
    assert parameter_value(answer, "result") is False
    assert parameter_value(answer, "x-caused-by-unknown-system") == "https://nobody.example.org/codes"
    assert ("error", "not-found", "not-found") in issues(answer)


def test_resources_of_the_request_count() -> None:
    other = code_system(f"{ANIMALS}-other", concept("newt"))
    more = value_set("more", {"system": other["url"]})
    answer = World().ask(
        "ValueSet",
        "validate-code",
        url=more["url"],
        system=other["url"],
        code="newt",
        tx_resource=[other, more],
    )
    assert parameter_value(answer, "result") is True


def test_nothing_is_kept_of_a_request_for_another_whoever_names_its_cache_id() -> None:
    other = code_system(f"{ANIMALS}-other", concept("newt"))
    world = World()
    requested = {"url": other["url"], "code": "newt", "cache_id": "7"}
    assert (
        parameter_value(world.ask("CodeSystem", "validate-code", **requested, tx_resource=other), "result")
        is True
    )
    assert parameter_value(world.ask("CodeSystem", "validate-code", **requested), "result") is False


def test_a_fragment_can_not_say_no() -> None:
    part = code_system(f"{ANIMALS}-part", concept("newt"), content="fragment")
    world = World(part)
    answer = world.ask("CodeSystem", "validate-code", url=part["url"], code="toad")
    assert parameter_value(answer, "result") is True
    assert issues(answer)[0][0] == "warning"


def test_a_batch_answers_each_question() -> None:
    world = World(CATS)
    requested = [
        {
            "resourceType": "Parameters",
            "parameter": [
                {"name": "url", "valueUri": CATS["url"]},
                {"name": "coding", "valueCoding": {"system": ANIMALS, "code": code}},
            ],
        }
        for code in ("cat", "cow")
    ]
    answer = world.ask("ValueSet", "batch-validate-code", validation=requested)
    results = [parameter_value(entry["resource"], "result") for entry in answer["parameter"]]
    assert results == [True, False]


# --- lookup and subsumes ---


def test_a_lookup_returns_what_is_asked_for() -> None:
    answer = World().ask("CodeSystem", "lookup", system=ANIMALS, code="duck", property="*")
    assert (parameter_value(answer, "name"), parameter_value(answer, "display")) == ("Animals", "Duck")
    parts = [
        {part["name"]: next(v for k, v in part.items() if k != "name") for part in entry["part"]}
        for entry in answer["parameter"]
        if entry["name"] == "property"
    ]
    assert {"code": "legs", "value": 2} in parts
    assert [item["value"] for item in parts if item["code"] == "eats"] == ["grass", "worm"]
    assert [item["value"] for item in parts if item["code"] == "parent"] == ["bird"]


@pytest.mark.parametrize(
    ("a", "b", "outcome"),
    [
        ("cat", "tiger", "subsumes"),
        ("tiger", "cat", "subsumed-by"),
        ("cat", "cat", "equivalent"),
        ("cat", "cow", "not-subsumed"),
        ("animal", "tiger", "subsumes"),
    ],
)
def test_subsumption_follows_the_hierarchy(a: str, b: str, outcome: str) -> None:
    assert (
        parameter_value(World().ask("CodeSystem", "subsumes", system=ANIMALS, codeA=a, codeB=b), "outcome")
        == outcome
    )


@pytest.mark.parametrize(
    "asked",
    [
        {"system": ANIMALS, "code": "unicorn"},
        {"system": "https://nobody.example.org/codes", "code": "x"},
        {"system": ANIMALS},
    ],
)
def test_a_lookup_that_fails_is_an_outcome(asked: dict[str, str]) -> None:
    error = World().refused("CodeSystem", "lookup", **asked)
    assert error.status in (400, 404)
    assert error.json()["resourceType"] == "OperationOutcome"


# --- translate ---

MAP = {
    "resourceType": "ConceptMap",
    "url": "https://zoo.example.org/ConceptMap/food",
    "version": "2",
    "status": "active",
    "group": [
        {
            "source": ANIMALS,
            "target": "https://zoo.example.org/CodeSystem/food",
            "element": [
                {"code": "cow", "target": [{"code": "beef", "equivalence": "wider"}]},
                {"code": "duck", "target": [{"code": "poultry", "equivalence": "wider"}]},
                {"code": "cat", "target": [{"equivalence": "unmatched"}]},
            ],
            "unmapped": {"mode": "fixed", "code": "other"},
        }
    ],
}


def targets(answer: dict[str, Any]) -> list[str]:
    return [
        part["valueCoding"]["code"]
        for entry in answer["parameter"]
        if entry["name"] == "match"
        for part in entry["part"]
        if part["name"] == "concept"
    ]


def test_a_code_is_translated_and_back() -> None:
    world = World(MAP)
    there = world.ask("ConceptMap", "translate", url=MAP["url"], system=ANIMALS, code="cow")
    assert parameter_value(there, "result") is True
    assert targets(there) == ["beef"]
    assert (
        parameter_value(world.ask("ConceptMap", "translate", system=ANIMALS, code="cat"), "result") is False
    )
    assert targets(world.ask("ConceptMap", "translate", url=MAP["url"], system=ANIMALS, code="worm")) == [
        "other"
    ]
    back = world.ask(
        "ConceptMap", "translate", system="https://zoo.example.org/CodeSystem/food", code="beef", reverse=True
    )
    assert parameter_value(back, "result") is True


def test_an_unknown_map_is_named() -> None:
    error = World(MAP).refused(
        "ConceptMap", "translate", url="https://x.example.org/", system=ANIMALS, code="cow"
    )
    assert error.status == 404


# --- whatever is asked ---

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from([ANIMALS, "cat", CATS["url"], "1.0.0", "tiger"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from("system code version display coding resourceType compose include url".split()),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
NAMES = st.sampled_from(
    "url code system coding codeableConcept valueSet tx-resource count offset displayLanguage property filter "
    "system-version useSupplement version codeA codeB conceptMap validation profile cache-id abstract".split()
)
ENTRIES = st.builds(
    lambda name, kind, value: {"name": name, kind: value},
    NAMES,
    st.sampled_from(
        ["valueString", "valueCoding", "valueCodeableConcept", "valueBoolean", "resource", "part"]
    ),
    VALUES,
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(OPERATIONS)), st.lists(ENTRIES, max_size=5), st.none() | st.text(max_size=10))
def test_any_request_is_answered_or_refused(
    place: tuple[str, str], entries: list[dict[str, Any]], language: str | None
) -> None:
    request = Request({"resourceType": "Parameters", "parameter": entries}, language)
    try:
        status, answer = 200, OPERATIONS[place](WORLD.service, request)
    except OperationError as error:
        status, answer = error.status, error.json()
    assert (status, answer["resourceType"]) in [
        (200, "Parameters"),
        (200, "ValueSet"),
        (400, "OperationOutcome"),
        (404, "OperationOutcome"),
        (422, "OperationOutcome"),
    ]


WORLD = World(CATS, MAP)


def test_the_code_system_of_these_tests_is_what_it_says() -> None:
    assert WORLD.library.code_system(ZOO["url"]) is not None
