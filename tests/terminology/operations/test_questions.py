"""Questions that say a thing twice, contradict themselves, or hold something else than they may."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_bridge.terminology.layers import ResourceLayer, base_layers
from fhir_bridge.terminology.library import Library
from fhir_bridge.terminology.operations.options import Limits
from fhir_bridge.terminology.operations.scope import MAX_IMPORTS
from fhir_bridge.terminology.operations.service import OPERATIONS, Request, TerminologyService
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
    parameters,
    value_set,
)

ALL = value_set("all", {"system": ANIMALS})
URL = ALL["url"]
CAT = {"system": ANIMALS, "code": "cat"}


@pytest.mark.parametrize(
    ("kind", "name", "values"),
    [
        ("CodeSystem", "lookup", {"system": ANIMALS, "code": "cat", "coding": CAT}),
        ("CodeSystem", "validate-code", {"url": ANIMALS, "code": "cat", "coding": CAT}),
        ("ValueSet", "validate-code", {"url": URL, "coding": CAT, "codeableConcept": {"coding": [CAT]}}),
        ("CodeSystem", "subsumes", {"system": ANIMALS, "codeA": "cat", "codingA": CAT, "codeB": "cat"}),
        ("CodeSystem", "lookup", {"system": ANIMALS, "code": ["cat", "cow"]}),
        ("ValueSet", "expand", {"url": [URL, f"{BASE}/other"]}),
        ("ValueSet", "expand", {"url": URL, "count": [1, 2]}),
        ("ValueSet", "expand", {"url": URL, "activeOnly": [True, False]}),
    ],
)
def test_what_is_asked_for_in_two_ways_is_refused(kind: str, name: str, values: dict[str, Any]) -> None:
    error = World(ALL).refused(kind, name, **values)
    assert error.status == 400
    assert "together" in str(error) or "more than once" in str(error)


def test_what_occurs_twice_alike_occurs_once() -> None:
    world = World(ALL)
    assert (
        parameter_value(world.ask("CodeSystem", "lookup", system=ANIMALS, code=["cat", "cat"]), "display")
        == "Cat"
    )
    assert len(world.codes(url=[URL, URL], count=[2, 2])) == 2


def test_what_a_profile_says_gives_way_to_the_request() -> None:
    world = World(ALL)
    profile = parameters(count=5, **{"system-version": f"{ANIMALS}|9"})
    assert world.refused("ValueSet", "expand", url=URL, count=2, profile=profile).status == 422
    assert len(world.codes(url=URL, count=2, profile=parameters(count=5))) == 2
    assert len(world.codes(url=URL, profile=parameters(count=5))) == 5


@pytest.mark.parametrize("name", ["system", "version", "code", "display"])
@pytest.mark.parametrize("value", [5, True, ["x"], {"x": "y"}])
def test_an_element_of_a_coding_that_is_no_text_is_named(name: str, value: object) -> None:
    world, coding = World(ALL), {**CAT, name: value}
    questions: list[tuple[str, str, dict[str, Any]]] = [
        ("CodeSystem", "lookup", {"coding": coding}),
        ("CodeSystem", "validate-code", {"coding": coding}),
        ("ValueSet", "validate-code", {"url": URL, "coding": coding}),
        ("CodeSystem", "subsumes", {"codingA": CAT, "codingB": coding}),
        ("ConceptMap", "translate", {"coding": coding}),
    ]
    for kind, operation, values in questions:
        body = {"parameter": [_entry(*item) for item in values.items()]}
        with pytest.raises(Exception, match=f"{name} is not a string"):
            OPERATIONS[kind, operation](world.service, Request(body))
    concept_of = {"parameter": [_entry("url", URL), _concept(coding)]}
    with pytest.raises(Exception, match=rf"coding\[0\]: {name} is not a string"):
        world.service.validate_value_set(Request(concept_of))


def _entry(name: str, value: Any) -> dict[str, Any]:
    return {"name": name, "valueCoding" if isinstance(value, dict) else "valueUri": value}


def _concept(*codings: Any) -> dict[str, Any]:
    return {"name": "codeableConcept", "valueCodeableConcept": {"coding": [*codings]}}


def test_a_concept_whose_codings_are_none_is_refused() -> None:
    with pytest.raises(Exception, match="coding is not a list of objects"):
        World(ALL).service.validate_value_set(Request({"parameter": [_entry("url", URL), _concept(1, None)]}))


def test_a_question_is_not_changed_by_its_answer() -> None:
    body = {"parameter": [_entry("url", ANIMALS), _concept({"code": "cat"}, {"code": "unicorn"})]}
    body["parameter"].append({"name": "codeSystem", "resource": ZOO})
    before = repr(body)
    World(ALL).service.validate_code_system(Request(body))
    assert repr(body) == before


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
def test_a_version_may_be_behind_the_url(version: str) -> None:
    second = code_system(ANIMALS, concept("animal", concept("yeti")), version="2.0.0")
    world, known = World(second), {"1.0.0": "cat", "2.0.0": "yeti"}
    for code in known.values():
        right = known[version] == code
        checked = world.ask("CodeSystem", "validate-code", url=f"{ANIMALS}|{version}", code=code)
        assert (parameter_value(checked, "result"), parameter_value(checked, "system")) == (right, ANIMALS)
        if right:
            result = world.ask("CodeSystem", "lookup", system=f"{ANIMALS}|{version}", code=code)
            assert parameter_value(result, "version") == version
            related = world.ask(
                "CodeSystem", "subsumes", system=f"{ANIMALS}|{version}", codeA="animal", codeB=code
            )
            assert parameter_value(related, "outcome") == "subsumes"


def test_a_supplement_is_distinguished_from_a_code_system_that_is_not_available() -> None:
    extra = code_system(f"{ANIMALS}-extra", concept("cat"), content="supplement", supplements=ANIMALS)
    error = World(extra).refused("CodeSystem", "lookup", system=f"{ANIMALS}-extra", code="cat")
    assert (error.status, "supplement" in str(error)) == (404, True)


def test_a_code_that_is_inactive_in_the_version_of_the_value_set_is_not_called_unknown() -> None:
    newer = code_system(ANIMALS, concept("animal"), version="2.0.0")
    pinned = value_set("pinned", {"system": ANIMALS, "version": "1.0.0"})
    answer = World(newer, pinned).ask(
        "ValueSet", "validate-code", url=f"{BASE}/pinned", system=ANIMALS, code="dodo", activeOnly=True
    )
    assert parameter_value(answer, "result") is False
    assert parameter_value(answer, "display") == "Dodo"
    assert ("error", "code-invalid", "invalid-code") not in issues(answer)


def test_a_validation_that_can_not_be_read_fails_alone() -> None:
    world = World(ALL)
    good = parameters(url=URL, coding=CAT)
    broken = {"resourceType": "Parameters", "parameter": [1]}
    body = {"parameter": [{"name": "validation", "resource": answer} for answer in (good, broken, good)]}
    answers = [entry["resource"] for entry in world.service.batch_validate(Request(body))["parameter"]]
    assert [answer["resourceType"] for answer in answers] == ["Parameters", "OperationOutcome", "Parameters"]


def test_a_text_of_very_many_words_is_refused_and_a_repeated_one_is_not() -> None:
    world = World(ALL)
    many = " ".join(f"w{number}" for number in range(101))
    assert world.refused("ValueSet", "expand", url=URL, filter=many).issues[0].code == "too-costly"
    assert world.codes(url=URL, filter="tig " * 2000) == ["tiger"]


@pytest.mark.parametrize("known", [0, 20, MAX_IMPORTS])
def test_a_chain_of_imports_is_too_long_whatever_was_asked_before(known: int) -> None:
    chain = [value_set("0", {"system": ANIMALS})]
    chain += [value_set(str(i), {"valueSet": [f"{BASE}/{i - 1}"]}) for i in range(1, MAX_IMPORTS + 2)]
    world = World(*chain)
    assert world.result(url=f"{BASE}/{known}", system=ANIMALS, code="cat")
    error = world.refused(
        "ValueSet", "validate-code", url=f"{BASE}/{MAX_IMPORTS + 1}", system=ANIMALS, code="cat"
    )
    assert error.issues[0].message_id == "VALUESET_IMPORTS_TOO_DEEP"
    assert world.result(url=f"{BASE}/{MAX_IMPORTS}", system=ANIMALS, code="cat")


def test_what_a_request_brings_is_gone_with_it() -> None:
    world = World(ALL)
    mine = value_set("all", filtered("concept", "is-a", "bird"))
    for value in (mine, ALL, mine):
        current = world.ask("ValueSet", "validate-code", valueSet=value, system=ANIMALS, code="cat")
        assert parameter_value(current, "result") is (value is ALL)
    assert world.result(url=URL, system=ANIMALS, code="cat")
    brought = world.ask("ValueSet", "validate-code", url=URL, system=ANIMALS, code="cat", tx_resource=mine)
    assert parameter_value(brought, "result") is False
    assert world.result(url=URL, system=ANIMALS, code="cat")


def test_a_filter_that_is_kept_serves_the_code_system_that_it_was_built_from() -> None:
    birds = value_set("birds", filtered("concept", "is-a", "bird"))
    later = code_system(ANIMALS, concept("bird", concept("emu")), version="2.0.0")
    world = World(birds, later)
    for version, code, right in (("1.0.0", "duck", True), ("2.0.0", "duck", False), ("2.0.0", "emu", True)):
        for _ in range(2):
            rule = {"system-version": f"{ANIMALS}|{version}"}
            assert world.result(url=birds["url"], system=ANIMALS, code=code, **rule) is right
    assert world.result(url=birds["url"], system=ANIMALS, code="emu")


def test_a_new_library_is_asked_at_once() -> None:
    libraries = [
        Library((ResourceLayer((item, ALL)), *base_layers())) for item in (ZOO, code_system(ANIMALS))
    ]
    service = TerminologyService(lambda: libraries[0], Limits())
    request = Request(parameters(url=URL, coding=CAT))
    assert parameter_value(service.validate_value_set(request), "result") is True
    libraries.reverse()
    assert parameter_value(service.validate_value_set(request), "result") is False
