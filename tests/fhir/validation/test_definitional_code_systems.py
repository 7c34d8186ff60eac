"""A CodeSystem as a resource: the value set of its codes, supplements; and code systems that R4 doesn't have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fhir_bridge.fhir import Validator
from tests.fhir.validation.conftest import Known

MISFIT = "FB-FHIR-090"
GENDER = "http://hl7.org/fhir/administrative-gender"
VALUE_SETS = "http://hl7.org/fhir/ValueSet/"
PLACES = "https://hospital.org/places"


def found(resource: dict[str, Any], known: Known | None = None) -> list[tuple[str, str]]:
    issues = (known or Known()).validator.validate(resource)
    return [(i.code, i.expression) for i in issues if i.severity in ("error", "fatal")]


def system(url: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "CodeSystem",
        "url": url,
        "name": "X",
        "status": "active",
        "content": "complete",
        "concept": [{"code": "a"}],
        **more,
    }


@pytest.mark.parametrize(
    ("url", "value_set", "right"),
    [
        (GENDER, VALUE_SETS + "administrative-gender", True),
        (GENDER, VALUE_SETS + "administrative-gender|0.0.1", True),
        (GENDER, "https://hospital.org/ValueSet/unknown", True),
        (GENDER, VALUE_SETS + "observation-status", False),
        (PLACES, VALUE_SETS + "administrative-gender", False),
    ],
)
def test_the_value_set_of_a_code_system_has_its_codes_alone(url: str, value_set: str, right: bool) -> None:
    wrong = [] if right else [(MISFIT, "CodeSystem.valueSet")]
    assert found(system(url, valueSet=value_set)) == wrong


@pytest.mark.parametrize(("codes", "right"), [("ab", True), ("a", False)])
def test_the_value_set_of_a_code_system_has_all_its_codes(
    defined: Callable[..., None], known: Known, codes: str, right: bool
) -> None:
    locations = system(PLACES, concept=[{"code": "a"}, {"code": "b"}], valueSet=PLACES + "/all", version="1")
    listed = {
        "resourceType": "ValueSet",
        "url": PLACES + "/all",
        "version": "1",
        "status": "active",
        "compose": {"include": [{"system": PLACES, "concept": [{"code": c} for c in codes]}]},
    }
    defined(locations, listed)
    assert found(locations, known) == ([] if right else [(MISFIT, "CodeSystem.valueSet")])


def test_codes_that_moved_to_a_system_of_their_own_stay_in_its_value_set(
    defined: Callable[..., None], known: Known
) -> None:
    """As HL7's tables: their value sets in R4 have codes of NullFlavor, which THO has in each table's own system."""
    moved = system(PLACES, concept=[{"code": "male"}, {"code": "female"}], valueSet=PLACES + "/all")
    include = [{"system": GENDER, "concept": [{"code": "male"}]}]
    defined(moved, {"resourceType": "ValueSet", "url": PLACES + "/all", "compose": {"include": include}})
    assert found(moved, known) == []
    other = [{"system": GENDER, "concept": [{"code": "other"}]}]
    defined(moved, {"resourceType": "ValueSet", "url": PLACES + "/all", "compose": {"include": other}})
    assert found(moved, known) == [(MISFIT, "CodeSystem.valueSet")]


def test_a_supplement_names_what_it_adds_to_and_adds_to_codes_that_there_are() -> None:
    supplement = system(PLACES, content="supplement", supplements=GENDER, concept=[{"code": "male"}])
    assert found(supplement) == []
    assert found({**supplement, "concept": [{"code": "man"}]}) == [
        ("FB-FHIR-022", "CodeSystem.concept[0].code")
    ]
    assert found({**supplement, "content": "complete"}) == [(MISFIT, "CodeSystem.content")]
    del supplement["supplements"]
    assert found(supplement) == [(MISFIT, "CodeSystem.content")]


def test_content_that_is_not_present_has_no_concepts() -> None:
    assert found(system(PLACES, content="not-present")) == [(MISFIT, "CodeSystem.concept")]
    empty = system(PLACES, content="not-present")
    del empty["concept"]
    assert found(empty) == []


@pytest.mark.parametrize(
    ("url", "known"),
    [
        (GENDER, True),
        ("http://hl7.org/fhir/no-such-system", False),
        ("http://hl7.org/fhir/CodeSystem/no-such-system", False),
        ("http://hl7.org/fhir/message-events", True),
        ("http://hl7.org/fhir/sid/icd-10-cm", True),
        ("http://hl7.org/fhir/uv/any-guide/CodeSystem/x", True),
        ("http://terminology.hl7.org/CodeSystem/of-a-later-release", True),
        ("https://hospital.org/codes", True),
    ],
)
def test_hl7_knows_the_code_systems_of_r4(url: str, known: bool) -> None:
    coding = {"system": url, "code": "male"}
    tagged = {"resourceType": "Patient", "meta": {"tag": [coding]}}
    assert found(tagged) == ([] if known else [("FB-FHIR-024", "Patient.meta.tag[0].system")])
    concept = {"resourceType": "Observation", "status": "final", "code": {"coding": [coding], "text": "x"}}
    assert found(concept) == []
    assert any(i.code == "FB-FHIR-024" for i in Validator().validate(concept)) == (not known)


@pytest.mark.parametrize(
    ("url", "right"),
    [
        ("local", False),
        ("a/b#c", False),
        ("::", False),
        ("urn:oid:1.2.3", True),
        ("HTTPS://hospital.org/codes", True),
        ("tel:112", True),
    ],
)
def test_a_system_indicates_by_an_absolute_uri_what_its_codes_mean(url: str, right: bool) -> None:
    coding = {"system": url, "code": "x"}
    wrong = [] if right else [("FB-FHIR-016", "Patient.meta.security[0].system")]
    assert found({"resourceType": "Patient", "meta": {"security": [coding]}}) == wrong
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [coding], "text": "x"},
    }
    assert found(observation) == []
    measured = {**observation, "valueQuantity": {"value": 1, "unit": "x", **coding}}
    assert found(measured) == ([] if right else [("FB-FHIR-016", "Observation.value.system")])


def test_an_extension_may_hold_codes_of_another_version_of_fhir() -> None:
    later = {
        "url": "http://hl7.org/fhir/5.0/StructureDefinition/extension-Patient.x",
        "valueCoding": {"system": "http://hl7.org/fhir/later-system", "code": "x"},
    }
    assert found({"resourceType": "Patient", "extension": [later]}) == []
