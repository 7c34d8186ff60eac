"""The validator against profiles: fixed and pattern values, slices, narrowed types."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_bridge.fhir import Issue, Validator, definitions
from fhir_bridge.fhir.definitions.registration import with_structures
from tests.fhir.resources import (
    BODY_WEIGHT,
    CATEGORY,
    GENOMIC_REPORT,
    LOINC,
    UCUM,
    VARIANT,
    body_weight,
    concept,
    patient,
    troponin,
    variant,
)
from tests.fhir.test_definitions import DIFFERENTIAL


@pytest.fixture(scope="module")
def validator() -> Validator:
    return Validator()


def found(issues: list[Issue]) -> list[tuple[str, str]]:
    return [(i.code, i.expression) for i in issues]


def test_a_good_variant_and_a_good_weight_have_no_issue(validator: Validator) -> None:
    assert validator.validate(variant()) == []
    assert validator.validate(body_weight()) == []


def test_a_variant_without_the_ge_category_lacks_a_slice(validator: Validator) -> None:
    observation = variant()
    observation["category"][1] = concept(CATEGORY, "exam")
    assert found(validator.validate(observation)) == [("FB-FHIR-031", "Observation.category")]
    del observation["category"][1]
    assert found(validator.validate(observation)) == [
        ("FB-FHIR-013", "Observation"),
        ("FB-FHIR-031", "Observation.category"),
    ]


def test_a_variant_has_the_fixed_code(validator: Validator) -> None:
    observation = {**variant(), "code": concept(LOINC, "6598-7")}
    (issue,) = validator.validate(observation)
    assert (issue.code, issue.expression) == ("FB-FHIR-030", "Observation.code")
    assert VARIANT in issue.message
    assert "69548-6" in issue.message


def test_a_component_slice_fixes_its_type_and_number(validator: Validator) -> None:
    observation = variant()
    observation["component"].append({"code": concept(LOINC, "69551-0"), "valueString": "T"})
    assert found(validator.validate(observation)) == [("FB-FHIR-032", "Observation.component")]
    observation = variant()
    observation["component"][2] = {"code": concept(LOINC, "69547-8"), "valueCodeableConcept": {"text": "G"}}
    assert found(validator.validate(observation)) == [("FB-FHIR-034", "Observation.component[2].value")]


def test_components_that_no_slice_knows_are_in_an_open_slicing(validator: Validator) -> None:
    observation = variant()
    observation["component"].append({"code": {"text": "coverage"}, "valueInteger": 30})
    assert validator.validate(observation) == []


def test_an_example_of_a_wrong_variant_value_is_not_checked_without_loinc(validator: Validator) -> None:
    assert validator.validate({**variant(), "valueCodeableConcept": concept(LOINC, "LA1-1")}) == []


def test_a_genomic_report_needs_its_category(validator: Validator) -> None:
    report: dict[str, Any] = {
        "resourceType": "DiagnosticReport",
        "meta": {"profile": [GENOMIC_REPORT]},
        "status": "final",
        "category": [concept("http://terminology.hl7.org/CodeSystem/v2-0074", "GE")],
        "code": concept(LOINC, "51969-4"),
        "subject": {"reference": "Patient/p1"},
    }
    assert validator.validate(report) == []
    report["category"] = [concept("http://terminology.hl7.org/CodeSystem/v2-0074", "LAB")]
    assert ("FB-FHIR-031", "DiagnosticReport.category") in found(validator.validate(report))


def test_vital_signs_want_a_value_a_time_and_ucum(validator: Validator) -> None:
    observation = body_weight()
    observation["valueQuantity"]["code"] = "m"
    assert found(validator.validate(observation)) == [("FB-FHIR-020", "Observation.value.code")]
    observation = body_weight()
    del observation["effectiveDateTime"]
    assert found(validator.validate(observation)) == [("FB-FHIR-013", "Observation")]
    observation = body_weight()
    observation["category"] = [concept(CATEGORY, "laboratory")]
    assert ("FB-FHIR-031", "Observation.category") in found(validator.validate(observation))
    observation = body_weight()
    del observation["valueQuantity"]
    assert [i.message.partition(":")[0] for i in validator.validate(observation)] == ["vs-2"]


def test_a_profile_asked_for_is_checked_as_a_declared_one(validator: Validator) -> None:
    assert validator.validate(troponin()) == []
    assert validator.validate(troponin(), [BODY_WEIGHT]) != []


def test_a_vital_sign_is_held_to_its_profile_by_its_code(validator: Validator) -> None:
    observation = body_weight()
    del observation["meta"]
    assert validator.validate(observation) == []
    observation["valueQuantity"]["code"] = "m"
    assert found(validator.validate(observation)) == [("FB-FHIR-020", "Observation.value.code")]


def test_a_flow_of_oxygen_may_be_beside_its_saturation(validator: Validator) -> None:
    observation = body_weight()
    del observation["meta"]
    percent = {"value": 97, "unit": "%", "system": UCUM, "code": "%"}
    flow = {"value": 6, "unit": "L/min", "system": UCUM, "code": "L/min"}
    observation |= {
        "code": {"coding": [{"system": LOINC, "code": "2708-6"}, {"system": LOINC, "code": "59408-5"}]},
        "valueQuantity": percent,
        "component": [{"code": concept(LOINC, "3151-8"), "valueQuantity": flow}],
    }
    assert {i.severity for i in validator.validate(observation)} == {"warning"}


def test_unknown_profiles_warn_and_profiles_of_other_types_are_wrong(validator: Validator) -> None:
    person = {**patient(), "meta": {"profile": ["http://example.org/unknown", VARIANT]}}
    issues = validator.validate(person)
    assert found(issues) == [
        ("FB-FHIR-035", "Patient.meta.profile[0]"),
        ("FB-FHIR-036", "Patient.meta.profile[1]"),
    ]
    assert [i.severity for i in issues] == ["warning", "error"]


def test_a_type_may_stand_for_a_profile_of_what_builds_on_it(validator: Validator) -> None:
    core = "http://hl7.org/fhir/StructureDefinition/"
    for name, codes in (("Patient", []), ("DomainResource", []), ("Group", ["FB-FHIR-036"])):
        person = {**patient(), "meta": {"profile": [core + name]}}
        assert [i.code for i in validator.validate(person)] == codes


def test_a_site_s_own_profile_is_checked_from_its_differential() -> None:
    validator = Validator(definitions=with_structures(definitions.DEFAULT, DIFFERENTIAL))
    observation = {**troponin(), "meta": {"profile": [DIFFERENTIAL["url"]]}}
    assert found(validator.validate(observation)) == [("FB-FHIR-030", "Observation.value.code")]
    observation["code"] = {"coding": [{"code": "6598-7"}]}
    assert ("FB-FHIR-013", "Observation.code.coding[0]") in found(validator.validate(observation))


def test_a_closed_slicing_takes_nothing_else() -> None:
    closed = {
        **DIFFERENTIAL,
        "url": "http://example.org/fhir/StructureDefinition/closed",
        "differential": {"element": [dict(e) for e in DIFFERENTIAL["differential"]["element"][:3]]},  # type: ignore[index]
    }
    closed["differential"]["element"][1]["slicing"] = {
        "discriminator": [{"type": "pattern", "path": "$this"}],
        "rules": "closed",
    }
    validator = Validator(definitions=with_structures(definitions.DEFAULT, closed))
    observation = {**troponin(), "category": [concept(CATEGORY, "laboratory"), concept(CATEGORY, "exam")]}
    issues = validator.validate(observation, [str(closed["url"])])
    assert found(issues) == [("FB-FHIR-033", "Observation.category[1]")]
