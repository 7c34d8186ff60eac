"""Extensions: where they may be, what they hold, how often, and those that nobody defines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fhir_bridge.fhir import Validator
from tests.fhir.definitions.makers import BASE, R4, element, extension
from tests.fhir.resources import concept, patient, troponin
from tests.fhir.validation.conftest import ErrorsOf

Defined = Callable[..., None]


def size(**more: Any) -> dict[str, Any]:
    return extension("Size", element("Extension.value[x]", min=1, type=[{"code": "integer"}]), **more)


SIZED = {"url": BASE + "Size", "valueInteger": 43}


def trial() -> dict[str, Any]:
    """An extension of parts: a name, and up to two arms with a code each."""
    part = {"type": [{"code": "Extension"}]}
    return extension(
        "Trial",
        element("Extension.extension:name", min=1, max="1", **part),
        element("Extension.extension:name.url", fixedUri="name"),
        element("Extension.extension:name.value[x]", min=1, type=[{"code": "string"}], maxLength=5),
        element("Extension.extension:arm", max="2", **part),
        element("Extension.extension:arm.url", fixedUri="arm"),
        element(
            "Extension.extension:arm.value[x]",
            type=[{"code": "CodeableConcept"}],
            binding={"strength": "required", "valueSet": "http://hl7.org/fhir/ValueSet/observation-category"},
        ),
        element("Extension.value[x]", max="0"),
    )


def with_trial(*parts: dict[str, Any]) -> dict[str, Any]:
    return {**patient(), "extension": [{"url": BASE + "Trial", "extension": list(parts)}]}


NAME = {"url": "name", "valueString": "A"}
ARM = {
    "url": "arm",
    "valueCodeableConcept": concept("http://terminology.hl7.org/CodeSystem/observation-category", "exam"),
}


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ([NAME], []),
        ([NAME, ARM, ARM], []),
        ([ARM], [("FB-FHIR-051", "Patient.extension[0].extension")]),
        ([NAME, NAME], [("FB-FHIR-051", "Patient.extension[0].extension")]),
        ([NAME, ARM, ARM, ARM], [("FB-FHIR-051", "Patient.extension[0].extension")]),
        ([NAME, {"url": "leg", "valueString": "x"}], [("FB-FHIR-051", "Patient.extension[0].extension[1]")]),
        (
            [{"url": "name", "valueString": "too long"}],
            [("FB-FHIR-018", "Patient.extension[0].extension[0].value")],
        ),
        ([{"url": "name", "valueCode": "A"}], [("FB-FHIR-051", "Patient.extension[0].extension[0].value")]),
        (
            [NAME, {"url": "arm", "valueCodeableConcept": concept("http://example.org", "left")}],
            [("FB-FHIR-020", "Patient.extension[0].extension[1].value")],
        ),
    ],
)
def test_parts_are_held_to_their_definition(
    defined: Defined, errors_of: ErrorsOf, parts: list[dict[str, Any]], found: list[tuple[str, str]]
) -> None:
    defined(trial())
    assert errors_of(with_trial(*parts)) == found


def test_a_value_has_the_type_of_its_definition(defined: Defined, errors_of: ErrorsOf) -> None:
    defined(size())
    assert errors_of({**patient(), "extension": [SIZED]}) == []
    assert errors_of({**patient(), "extension": [{"url": SIZED["url"], "valueString": "43"}]}) == [
        ("FB-FHIR-051", "Patient.extension[0].value")
    ]


@pytest.mark.parametrize(
    ("on", "stands"),
    [
        (["Patient"], True),
        (["DomainResource"], True),
        (["Resource"], True),
        (["Element"], True),
        (["Observation"], False),
        (["Patient.name"], False),
    ],
)
def test_an_extension_is_where_its_context_allows(
    defined: Defined, errors_of: ErrorsOf, on: list[str], stands: bool
) -> None:
    defined(size(on=on))
    assert errors_of({**patient(), "extension": [SIZED]}) == (
        [] if stands else [("FB-FHIR-052", "Patient.extension[0]")]
    )


@pytest.mark.parametrize("on", ["Patient.contact.name", "HumanName", "Element"])
def test_a_context_may_be_a_path_or_a_type(defined: Defined, errors_of: ErrorsOf, on: str) -> None:
    defined(size(on=[on]))
    assert errors_of({**patient(), "contact": [{"name": {"text": "x", "extension": [SIZED]}}]}) == []


@pytest.mark.parametrize("on", ["Patient.birthDate", "date"])
def test_a_context_may_be_a_primitive(defined: Defined, errors_of: ErrorsOf, on: str) -> None:
    defined(size(on=[on]))
    assert errors_of({**patient(), "_birthDate": {"extension": [SIZED]}}) == []
    assert errors_of({**patient(), "_gender": {"extension": [SIZED]}}) == [
        ("FB-FHIR-052", "Patient.gender.extension[0]")
    ]


@pytest.mark.parametrize("on", ["Observation.value[x]", "Quantity", "Observation.component.value[x]"])
def test_a_context_may_be_a_choice(defined: Defined, errors_of: ErrorsOf, on: str) -> None:
    defined(size(on=[on]))
    observation = troponin()
    observation["valueQuantity"]["extension"] = [SIZED]
    fits = "component" not in on
    assert errors_of(observation) == ([] if fits else [("FB-FHIR-052", "Observation.value.extension[0]")])


def test_a_context_may_be_another_extension(defined: Defined, errors_of: ErrorsOf) -> None:
    inner = {**size(), "context": [{"type": "extension", "expression": BASE + "Outer"}]}
    outer = extension("Outer", element("Extension.value[x]", type=[{"code": "string"}]))
    defined(inner, outer)
    nested = {"url": BASE + "Outer", "_valueString": {"extension": [SIZED]}, "valueString": "x"}
    assert errors_of({**patient(), "extension": [nested]}) == []
    assert errors_of({**patient(), "extension": [SIZED]}) == [("FB-FHIR-052", "Patient.extension[0]")]


def test_a_context_may_be_an_expression(defined: Defined, errors_of: ErrorsOf) -> None:
    defined(
        {**size(), "context": [{"type": "fhirpath", "expression": "Patient.name.where(use = 'official')"}]}
    )
    for use, result in (("official", []), ("old", [("FB-FHIR-052", "Patient.name[0].extension[0]")])):
        assert errors_of({**patient(), "name": [{"use": use, "text": "x", "extension": [SIZED]}]}) == result


def test_a_context_may_have_a_rule(defined: Defined, errors_of: ErrorsOf) -> None:
    defined({**size(), "contextInvariant": ["birthDate.exists()"]})
    person = {**patient(), "extension": [SIZED]}
    assert errors_of(person) == []
    del person["birthDate"]
    assert errors_of(person) == [("FB-FHIR-052", "Patient.extension[0]")]


def test_a_modifier_is_among_modifiers(defined: Defined, errors_of: ErrorsOf) -> None:
    defined(
        extension(
            "Not",
            element("Extension", isModifier=True, isModifierReason="it negates"),
            element("Extension.value[x]", type=[{"code": "boolean"}]),
        ),
        size(),
    )
    negated = {"url": BASE + "Not", "valueBoolean": True}
    assert errors_of({**patient(), "modifierExtension": [negated]}) == []
    assert errors_of({**patient(), "extension": [negated]}) == [("FB-FHIR-051", "Patient.extension[0]")]
    assert errors_of({**patient(), "modifierExtension": [SIZED]}) == [
        ("FB-FHIR-051", "Patient.modifierExtension[0]")
    ]


def severities(validator: Validator, resource: dict[str, Any]) -> list[tuple[str, str]]:
    return [(i.code, i.severity) for i in validator.validate(resource)]


def test_an_extension_that_nobody_defines_is_an_error_unless_data_is_to_be_kept() -> None:
    unknown = {**patient(), "extension": [{"url": "https://hospital.test/x", "valueString": "a"}]}
    assert severities(Validator(), unknown) == [("FB-FHIR-050", "error")]
    assert severities(Validator(unknown_extensions="warning"), unknown) == [("FB-FHIR-050", "warning")]
    modifier = {**patient(), "modifierExtension": unknown["extension"]}
    assert severities(Validator(unknown_extensions="warning"), modifier) == [("FB-FHIR-050", "error")]
    example = {**patient(), "extension": [{"url": "http://example.org/x", "valueString": "a"}]}
    assert severities(Validator(), example) == [("FB-FHIR-050", "warning")]


def test_an_extension_of_hl7_s_publishing_tools_is_no_error(errors_of: ErrorsOf) -> None:
    tools = "http://hl7.org/fhir/tools/StructureDefinition/snapshot-base-version"
    noted = {**patient(), "extension": [{"url": tools, "valueString": "4.0.1"}]}
    assert errors_of(noted) == []
    assert errors_of({**patient(), "modifierExtension": noted["extension"]}) == []


def test_parts_of_another_version_s_element_are_named_as_in_instances(errors_of: ErrorsOf) -> None:
    url = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ValueSet.expansion.contains.property"
    part: dict[str, Any] = {"url": "value", "valueCode": "x"}
    later = {**patient(), "extension": [{"url": url, "extension": [part]}]}
    assert errors_of(later) == []
    part["url"] = "value[x]"
    assert errors_of(later) == [("FB-FHIR-051", "Patient.extension[0].extension[0]")]


def test_the_url_of_an_extension_has_no_version(errors_of: ErrorsOf) -> None:
    known = {"url": R4 + "patient-birthPlace|4.0.1", "valueAddress": {"text": "x"}}
    assert errors_of({**patient(), "extension": [known]}) == [("FB-FHIR-030", "Patient.extension[0].url")]
