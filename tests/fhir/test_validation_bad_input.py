"""Input that is no resource gives an issue each, and never an exception."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir import Validator, get_validator, loads_exact
from tests.fhir.resources import patient, troponin, variant

JUNK: tuple[Any, ...] = (
    7, "x", [], {}, None, True, [1], [[]], [None], [{}], {"a": [{}]}, [{"code": {"a": 1}}], {"code": [1]}, float("nan"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"", "FB-FHIR-001"),
        (b"{", "FB-FHIR-001"),
        (b'{"resourceType":"Patient","id":"a","id":"b"}', "FB-FHIR-001"),
        (b'{"resourceType":"Observation","valueInteger":NaN}', "FB-FHIR-001"),
        (b'{"resourceType":"Patient","id":"\xff\xfe"}', "FB-FHIR-001"),
        (b"[1]", "FB-FHIR-001"),
        (b'"text"', "FB-FHIR-001"),
        (b'{"resourceType":"Observation","valueInteger":' + b"9" * 5000 + b"}", "FB-FHIR-001"),
        (b"{}", "FB-FHIR-002"),
        (b'{"resourceType":"Patientt"}', "FB-FHIR-002"),
        (b'{"resourceType":5}', "FB-FHIR-002"),
        (b'{"resourceType":"Resource"}', "FB-FHIR-002"),
        (b"[" * 100_000, "FB-FHIR-003"),
    ],
)
def test_text_that_is_no_resource(text: bytes, code: str) -> None:
    (issue,) = get_validator().validate(text)
    assert issue.code == code
    assert issue.message


def test_deep_nesting_of_lawful_elements_ends_in_an_issue() -> None:
    extension: dict[str, Any] = {"url": "http://example.org/x", "valueInteger": 1}
    for _ in range(3000):
        extension = {"url": "http://example.org/x", "extension": [extension]}
    issues = get_validator().validate({"resourceType": "Patient", "extension": [extension]})
    assert issues[-1].code == "FB-FHIR-003"


def test_infinity_is_no_decimal() -> None:
    observation = {**troponin(), "valueQuantity": {"value": float("inf")}}
    assert [i.code for i in get_validator().validate(observation)] == ["FB-FHIR-016"]


def test_half_a_surrogate_pair_is_no_text() -> None:
    assert [
        i.code
        for i in get_validator().validate({**patient(), "language": "de", "name": [{"text": "\ud800"}]})
    ] == ["FB-FHIR-016"]


def test_many_unknown_elements_cost_little() -> None:
    junk = {f"x{n}": n for n in range(20_000)}
    assert len(get_validator().validate({**patient(), **junk})) == 20_000


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def put(resource: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(resource)
    node: Any = changed
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return changed


@pytest.mark.parametrize("make", [troponin, variant, patient])
def test_junk_at_any_place_never_raises(make: Any) -> None:
    validator = Validator()
    for path in places(make()):
        for junk in JUNK:
            validator.validate(put(make(), path, junk))


@pytest.mark.parametrize("make", [troponin, variant, patient])
def test_an_empty_value_at_any_place_is_found(make: Any) -> None:
    validator = Validator()
    for path in places(make()):
        for empty in ({}, [], "", None):
            assert any(i.severity != "warning" for i in validator.validate(put(make(), path, empty))), path


KNOWN_WRONG = {
    "bundle-questionnaire.json": {"FB-FHIR-013"},  # items without linkId
    "capabilitystatement-example.json": {"FB-FHIR-016"},  # a relative canonical
    "operationdefinition-example.json": {"FB-FHIR-016"},  # a relative canonical
    "codesystem-example.json": {"FB-FHIR-060"},  # a code twice (csd-1)
    "devicemetric-example.json": {"FB-FHIR-040"},  # parent is a DeviceDefinition
    "deviceusestatement-example.json": {"FB-FHIR-040"},  # reason is a Procedure
    "medicationdispense0301.json": {"FB-FHIR-022"},  # the unit `Vial`: the code is VIAL
    "medicationstatementexample1.json": {"FB-FHIR-022"},  # the unit `Tab`: the code is TAB
    "medicationrequest0301.json": {"FB-FHIR-040"},  # dispense performer is a Practitioner
    "structuredefinition-example-composition.json": {"FB-FHIR-090"},  # kind complex-type, of a resource
    "structuremap-example.json": {"FB-FHIR-093"},  # contexts that are no variable of its group
}
"""Examples that HL7 published with faults, and the faults."""


@pytest.mark.shared
def test_the_official_examples_are_valid_but_for_their_known_faults(shared: Path) -> None:
    validator = Validator()
    checked = 0
    for path in sorted((shared / "suites/fhir-test-cases-r4/examples").glob("*.json")):
        resource = json.loads(path.read_bytes())
        if not isinstance(resource, dict) or "resourceType" not in resource:
            continue
        checked += 1
        errors = {i.code for i in validator.validate(path.read_bytes()) if i.severity in ("error", "fatal")}
        assert errors == KNOWN_WRONG.get(path.name, set()), path.name
    assert checked > 60


@pytest.mark.shared
def test_mutants_of_the_official_examples_are_refused(shared: Path) -> None:
    validator, chance = Validator(), random.Random(20240229)
    for path in sorted((shared / "suites/fhir-test-cases-r4/examples").glob("*-example.json")):
        if path.name in KNOWN_WRONG:
            continue
        resource = loads_exact(path.read_bytes())
        if "resourceType" not in resource:
            continue
        for location in chance.sample(list(places(resource)), 5):
            named = isinstance(location[-1], str)
            renamed = [put(resource, (*location[:-1], f"{location[-1]}x"), 1)] if named else []
            for mutant in (put(resource, location, {}), *renamed):
                issues = validator.validate(mutant)
                assert any(i.severity in ("error", "fatal") for i in issues), (path.name, location)
