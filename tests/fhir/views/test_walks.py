"""Compiled paths of views give what the general evaluator gives, on real resources and on resources of any shape."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_bridge.fhir import loads_exact
from fhir_bridge.fhir.fhirpath import FHIRPathError, Item
from fhir_bridge.fhir.fhirpath.check import Shape
from fhir_bridge.fhir.fhirpath.compiled import UnexpectedShape
from fhir_bridge.fhir.fhirpath.fhir_types import r4_type
from fhir_bridge.fhir.views.model import Constant
from fhir_bridge.fhir.views.paths import Path as ViewPath
from fhir_bridge.fhir.views.paths import Paths, Surroundings

MAPPINGS = Path(__file__).parents[3] / "mappings"

COMMON = [
    "id",
    "getResourceKey()",
    "meta.source",
    "meta.profile",
    "identifier.value",
    "identifier.where(system = 'urn:dicom:uid').value.first()",
    "extension('urn:fhir-bridge:source').value.ofType(string)",
]
PATHS = {
    "Patient": [
        "name.family",
        "name.first().family",
        "name[1].given",
        "name.given.join(' ')",
        "name.where(use = 'official').given.first()",
        "name.where(use = 'official' or family = 'A').family",
        "Patient.birthDate",
        "deceased.ofType(dateTime)",
        "contact.name.given[1]",
        "contact.where(name.exists()).gender",
        "link.other.getReferenceKey(Patient)",
        "$this.gender",
        "'x'",
        "true",
        "{}",
        "name.where(use != 'official').family",
        "name.given.count()",
        "name.select(family)",
        "name.family | name.given",
        "name.given.where($this != 'B')",
        "active",
        "name.where(use = 'official').exists()",
        "name.exists() and gender = 'male'",
        "multipleBirth.ofType(integer) > 1",
        "%resource.id",
        "id & '/' & gender",
        "telecom.where(rank < 2).value.first()",
        "contact.relationship.coding.where(system.exists().not()).code",
    ],
    "Observation": [
        "code.coding.first().code",
        "value.ofType(Quantity).value",
        "value.ofType(CodeableConcept).coding.code",
        "component.where(code.coding.exists(code = '48018-6')).value.ofType(CodeableConcept).coding.first().display",
        "component.where(code.coding.where(code = '48018-6').exists()).value.ofType(string)",
        "subject.getReferenceKey(Patient)",
        "derivedFrom.getReferenceKey()",
        "effective.ofType(Period).start",
        "referenceRange.low.value",
        "value",
        "value.value",
        "component.value.ofType(CodeableConcept).text",
        "interpretation[0].coding[1].code",
        "component.where(value.exists().not()).code.text",
        "value.ofType(Quantity).value > 4",
    ],
    "Condition": ["code.coding.code", "onset.ofType(dateTime)", "subject.getReferenceKey()", "code.text"],
    "ImagingStudy": ["series.uid", "series.instance.sopClass.code", "modality.code", "series.bodySite.code"],
}
CONDITIONS = {
    "Patient": [
        "gender = 'male'",
        "name.exists()",
        "name.exists(use = 'official' and family = 'A')",
        "gender = 'male' or name.exists()",
        "name.exists(use = 'usual').not()",
    ],
    "Observation": [
        "status = 'final'",
        "category.coding.exists(code = 'laboratory')",
        "code.coding.exists(code = '1') and status = 'final'",
    ],
}


def compiled(resource_type: str, text: str) -> ViewPath:
    kind = r4_type(resource_type)
    assert kind is not None
    return Paths(kind, ()).compile(text, Shape(frozenset({kind})))


WALKED = [(kind, compiled(kind, path)) for kind, paths in PATHS.items() for path in [*COMMON, *paths]]
TESTED = [(kind, compiled(kind, path)) for kind, paths in CONDITIONS.items() for path in paths]


def by_the_engine(path: ViewPath, resource: dict[str, Any]) -> Any:
    """The values, or None where the engine refuses."""
    kind = r4_type(resource["resourceType"])
    assert kind is not None
    run = Surroundings(resource, kind, {}, None, None)
    try:
        items: list[Item] = path.items(run.root, 0, run)
    except FHIRPathError:
        return None
    return [item.value for item in items if item.value is not None]


def compiled_form(path: ViewPath, resource: dict[str, Any]) -> Any:
    """The values; None where the compiled form leaves the resource to the general evaluator."""
    assert path.many is not None, path.text
    kind = r4_type(resource["resourceType"])
    assert kind is not None
    run = Surroundings(resource, kind, {}, None, None)
    try:
        values = path.many(resource, run)
        if path.single is not None:
            single = path.single(resource, run)
            assert values == ([] if single is None else [single])
    except UnexpectedShape:
        return None
    return values


def agree(resource: dict[str, Any]) -> None:
    for kind, path in WALKED:
        if kind == resource["resourceType"]:
            walked = compiled_form(path, resource)
            if walked is not None:
                assert walked == by_the_engine(path, resource), path.text
    for kind, path in TESTED:
        if kind == resource["resourceType"]:
            assert path.test is not None, path.text
            try:
                holds = path.test(resource, SimpleNamespace(resource=resource))
            except UnexpectedShape:
                continue
            values = by_the_engine(path, resource)
            assert values is None or holds == (values == [True]), path.text


def _examples() -> list[dict[str, Any]]:
    found = []
    for file in sorted(MAPPINGS.rglob("expected.ndjson")) + sorted(MAPPINGS.rglob("*.json")):
        for line in file.read_bytes().splitlines() if file.suffix == ".ndjson" else [file.read_bytes()]:
            resource = loads_exact(line)
            if isinstance(resource, dict) and resource.get("resourceType") in PATHS:
                found.append(resource)
    return found


def test_on_the_resources_of_the_mappings_examples() -> None:
    examples = _examples()
    assert {example["resourceType"] for example in examples} == set(PATHS)
    for example in examples:
        agree(example)


_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from(
        ["male", "official", "A", "final", "48018-6", "laboratory", "Patient/1", "urn:uuid:x", "#a", ""]
    ),
)


def _nodes(value: Any) -> list[Any]:
    children = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return [value, *(node for child in children for node in _nodes(child))]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_on_resources_with_anything_anywhere(data: st.DataObject) -> None:
    """A real resource in which elements are exchanged for others, lists for single ones, values for holes."""
    resource = copy.deepcopy(data.draw(st.sampled_from(SEEDS)))
    for _ in range(data.draw(st.integers(1, 4))):
        parents = [node for node in _nodes(resource) if isinstance(node, (dict, list)) and node]
        parent = data.draw(st.sampled_from(parents))
        key = data.draw(st.sampled_from(sorted(parent) if isinstance(parent, dict) else range(len(parent))))
        if key == "resourceType":
            continue
        old = parent[key]
        change = data.draw(st.sampled_from(["replace", "wrap", "unwrap", "companion"]))
        if change == "replace":
            parent[key] = data.draw(_VALUES)
        elif change == "wrap":
            parent[key] = [old, data.draw(_VALUES)]
        elif change == "unwrap" and isinstance(old, list) and old:
            parent[key] = old[0]
        elif isinstance(parent, dict):
            parent["_" + key] = {"extension": [{"url": "urn:x"}]}
    agree(resource)


SEEDS = [
    {
        "resourceType": "Patient",
        "id": "p",
        "meta": {"profile": ["urn:a", "urn:b"]},
        "identifier": [{"system": "urn:dicom:uid", "value": "1"}],
        "name": [{"use": "official", "family": "A", "given": ["B", "C"]}, {"family": "D", "given": ["E"]}],
        "gender": "male",
        "birthDate": "1970",
        "deceasedDateTime": "2020",
        "contact": [{"name": {"given": ["F", "G"]}, "gender": "female"}],
        "link": [{"other": {"reference": "Patient/2"}, "type": "seealso"}],
    },
    {
        "resourceType": "Observation",
        "id": "o",
        "extension": [{"url": "urn:fhir-bridge:source", "valueString": "x"}],
        "status": "final",
        "category": [{"coding": [{"code": "laboratory"}]}],
        "code": {"coding": [{"code": "1"}]},
        "subject": {"reference": "Patient/1"},
        "effectivePeriod": {"start": "2020"},
        "valueQuantity": {"value": 5},
        "component": [
            {
                "code": {"coding": [{"code": "48018-6"}]},
                "valueCodeableConcept": {"coding": [{"display": "LDLR"}]},
            }
        ],
    },
]


@pytest.mark.parametrize(
    "path",
    ["name.last()", "descendants().count()", "%rootResource.id", "birthDate + 1 year", "birthDate > @1970"],
)
def test_what_has_no_compiled_form_is_left_to_the_general_evaluator(path: str) -> None:
    assert compiled("Patient", path).many is None


def test_a_constant_that_is_text_keeps_a_path_compiled() -> None:
    kind = r4_type("Patient")
    assert kind is not None
    paths = Paths(kind, (Constant("use", "code", "official", ""), Constant("n", "integer", 1, "")))
    found = paths.compile("name.where(use = %use).family", Shape(frozenset({kind})))
    assert compiled_form(found, SEEDS[0]) == ["A"]
    assert paths.compile("name[%n].family", Shape(frozenset({kind}))).many is None
