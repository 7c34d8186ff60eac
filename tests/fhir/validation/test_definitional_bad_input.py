"""Definitions with junk at any place, checked as resources: findings, never an exception."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_bridge.fhir import Validator
from tests.fhir.definitions.makers import R4, element, extension, profile, sliced
from tests.fhir.fhirpath.walking import mutants
from tests.fhir.validation.test_definitional_maps import MAP
from tests.fhir.validation.test_definitional_search import parameter

GENDER = "http://hl7.org/fhir/administrative-gender"

DEFINITIONS: dict[str, dict[str, Any]] = {
    "profile": profile(
        "Heart",
        "Observation",
        sliced("Observation.component", ("value", "code")),
        element("Observation.component:one", max="1", type=[{"code": "BackboneElement"}]),
        element("Observation.component:one.code.coding.code", fixedCode="1"),
        element("Observation.value[x]", type=[{"code": "Quantity", "profile": [R4 + "SimpleQuantity"]}]),
        element("Observation.valueQuantity.code", binding={"strength": "required", "valueSet": R4 + "x"}),
        element("Observation.subject", type=[{"code": "Reference", "targetProfile": [R4 + "Patient"]}]),
        snapshot={"element": [element("Observation"), element("Observation.code", type=[{"code": "code"}])]},
    ),
    "extension": extension("Size", element("Extension.value[x]", type=[{"code": "integer"}]), on=["Element"]),
    "map": MAP,
    "search": parameter(
        "Observation.code",
        "Observation",
        type="composite",
        component=[{"definition": R4, "expression": "code"}] * 2,
    ),
    "system": {
        "resourceType": "CodeSystem",
        "url": GENDER,
        "status": "active",
        "content": "supplement",
        "supplements": GENDER,
        "count": 2,
        "valueSet": "http://hl7.org/fhir/ValueSet/administrative-gender",
        "concept": [{"code": "male", "concept": [{"code": "female"}]}],
    },
}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_junk_in_a_definition_is_found_and_raises_nothing(name: str) -> None:
    validator = Validator()
    malformed = list(mutants(DEFINITIONS[name], 250, seed=7))
    assert len(malformed) == 250
    assert sum(bool(validator.validate(definition)) for definition in malformed) > 150
