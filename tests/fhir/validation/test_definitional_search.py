"""A SearchParameter as a resource: its expression fits the types that it is for."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_bridge.fhir import Validator


@pytest.fixture(scope="module")
def validator() -> Validator:
    return Validator()


def parameter(expression: str, *base: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "SearchParameter",
        "url": "https://hospital.org/SearchParameter/x",
        "name": "X",
        "status": "active",
        "description": "x",
        "code": "x",
        "base": list(base),
        "type": "string",
        "expression": expression,
        **more,
    }


def found(validator: Validator, resource: dict[str, Any]) -> list[tuple[str, str]]:
    return [(i.code, i.expression) for i in validator.validate(resource) if i.severity in ("error", "fatal")]


@pytest.mark.parametrize(
    ("expression", "base"),
    [
        ("Patient.name.given", ("Patient",)),
        ("name.given", ("Patient", "Practitioner")),
        ("Patient.name | Practitioner.name", ("Patient", "Practitioner")),
        ("(Observation.value as Quantity) | (Observation.value as CodeableConcept)", ("Observation",)),
        ("CarePlan.subject.where(resolve() is Patient)", ("CarePlan",)),
        ("Patient.extension.where(url = 'https://x.org/y').value", ("Patient",)),
        ("Resource.meta.tag", ("Resource",)),
        ("DomainResource.text", ("Patient",)),
        ("Patient.name", ("Resource",)),
    ],
)
def test_an_expression_of_its_types_is_right(
    validator: Validator, expression: str, base: tuple[str, ...]
) -> None:
    assert found(validator, parameter(expression, *base)) == []


@pytest.mark.parametrize(
    ("expression", "base"),
    [
        ("Patient.name.where(", ("Patient",)),
        ("Patient.nickname", ("Patient",)),
        ("Patient.name.nickname", ("Patient",)),
        ("Patient.name.nonsense()", ("Patient",)),
        ("Patient.name | Practitioner.nickname", ("Patient", "Practitioner")),
        ("maritalStatus", ("Patient", "Practitioner")),
        ("Evidence.identifier", ("VisionPrescription",)),
        ("Patient.name | Practitioner.name", ("Patient",)),
    ],
)
def test_an_expression_that_its_types_can_not_answer_is_wrong(
    validator: Validator, expression: str, base: tuple[str, ...]
) -> None:
    assert found(validator, parameter(expression, *base)) == [("FB-FHIR-092", "SearchParameter.expression")]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_composite_has_parts(validator: Validator, count: int) -> None:
    part = {"definition": "http://hl7.org/fhir/SearchParameter/Observation-code", "expression": "code"}
    more = {"type": "composite", "component": [part] * count} if count else {"type": "composite"}
    wrong = [] if count == 2 else [("FB-FHIR-090", "SearchParameter.component")]
    assert found(validator, parameter("Observation", "Observation", **more)) == wrong
