"""Invariants: all that the tables have are evaluated, in their surroundings, and a bad one breaks nothing."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from fhir_bridge.fhir import Validator, definitions, loads_exact
from fhir_bridge.fhir.definitions import Constraint
from fhir_bridge.fhir.fhirpath import FHIRPathError, compile  # noqa: A004
from fhir_bridge.fhir.validation import Run
from fhir_bridge.fhir.validation.invariants import Invariants
from fhir_bridge.fhir.validation.invariants_contained import EXPRESSION as DOM_3
from fhir_bridge.fhir.validation.invariants_contained import contained_are_used
from fhir_bridge.fhir.validation.invariants_published import ANSWERED_ELSEWHERE, BEST_PRACTICE, CORRECTIONS
from tests.conftest import SHARED
from tests.fhir.fhirpath.walking import mutants


def constraints() -> dict[tuple[str, str], Constraint]:
    """Every constraint of base types, profiles and extensions, by key and expression."""
    structures = [definitions.type_definition(name) for name in definitions.type_names()]
    structures += [p for url in definitions.profiles() if (p := definitions.profile(url)) is not None]
    return {(c.key, c.expression): c for s in structures for e in s.elements for c in e.constraints}


def test_every_invariant_has_a_predicate_or_a_reason() -> None:
    engine, without = Invariants(best_practice=True), set()
    for constraint in constraints().values():
        if constraint.expression:
            compile(constraint.expression, published=True)
        if engine.compile(constraint, "Element") is None:
            without.add(constraint.key)
    assert without <= set(ANSWERED_ELSEWHERE) | {"cid-0"}


def test_corrections_are_of_expressions_that_were_published() -> None:
    published = constraints()
    for (key, expression), correction in CORRECTIONS.items():
        assert any(e == expression and key in ("*", k) for k, e in published), key
        assert correction.reason
        if correction.expression is not None:
            compile(correction.expression, published=True)


def broken(resource: dict[str, Any], **options: Any) -> set[str]:
    issues = Validator(invariants=Invariants(**options)).validate(resource)
    return {
        i.message.partition(":")[0] for i in issues if i.code in ("FB-FHIR-060", "FB-FHIR-061", "FB-FHIR-062")
    }


PATIENT = {"reference": "Patient/p"}
CONDITION: dict[str, Any] = {"resourceType": "Condition", "subject": PATIENT, "code": {"text": "x"}}
VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"


@pytest.mark.parametrize(
    ("resource", "keys"),
    [
        (CONDITION, set()),
        ({**CONDITION, "abatementString": "x"}, {"con-4"}),
        (
            {
                **CONDITION,
                "verificationStatus": {"coding": [{"system": VERIFICATION, "code": "entered-in-error"}]},
                "clinicalStatus": {"coding": [{"system": CLINICAL, "code": "active"}]},
            },
            {"con-5"},
        ),
        (
            {
                "resourceType": "Observation",
                "status": "final",
                "code": {"text": "x"},
                "referenceRange": [{"age": {}}],
            },
            {"obs-3"},
        ),
        (
            {"resourceType": "Organization", "telecom": [{"use": "home", "system": "phone", "value": "1"}]},
            {"org-1", "org-3"},
        ),
        ({"resourceType": "Linkage", "item": [{"type": "source", "resource": PATIENT}]}, {"lnk-1"}),
        (
            {
                "resourceType": "Patient",
                "contained": [
                    {"resourceType": "Organization", "id": "o", "name": "x", "meta": {"versionId": "1"}}
                ],
            },
            {"dom-3", "dom-4"},
        ),
        (
            {
                "resourceType": "Observation",
                "status": "final",
                "code": {"coding": [{"system": "http://loinc.org", "code": "1-8"}]},
                "valueString": "x",
                "component": [
                    {"code": {"coding": [{"system": "http://loinc.org", "code": "1-8"}]}, "valueString": "y"}
                ],
            },
            {"obs-7"},
        ),
        (
            {
                "resourceType": "MedicationRequest",
                "status": "active",
                "intent": "order",
                "medicationCodeableConcept": {"text": "x"},
                "subject": PATIENT,
                "dosageInstruction": [{"timing": {"repeat": {"offset": 30, "when": ["MORN", "CM"]}}}],
            },
            {"tim-9"},
        ),
    ],
)
def test_a_broken_rule_is_found(resource: dict[str, Any], keys: set[str]) -> None:
    assert broken(resource) == keys


def test_a_recommended_narrative_is_asked_for_only_on_request() -> None:
    assert {"dom-6"} == BEST_PRACTICE
    assert broken(CONDITION, best_practice=True) == {"dom-6"}


TEAM: dict[str, Any] = {
    "resourceType": "CareTeam",
    "participant": [
        {
            "member": {"reference": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"},
            "onBehalfOf": {"reference": "Organization/o"},
        }
    ],
}


@pytest.mark.parametrize(("member", "keys"), [("Practitioner", set()), ("Patient", {"ctm-1"})])
def test_references_are_followed_within_the_bundle(member: str, keys: set[str]) -> None:
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {"fullUrl": "urn:uuid:8f1c2d3e-0000-4000-8000-000000000001", "resource": TEAM},
            {
                "fullUrl": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0",
                "resource": {"resourceType": member},
            },
        ],
    }
    assert broken(bundle) == keys


@pytest.mark.parametrize(
    "expression",
    [
        "name.where(",
        "name.nonsense()",
        "name.single().exists()",
        "'a' < 1",
        "'x'.memberOf('http://example.org/x')",
    ],
)
def test_an_invariant_that_can_not_be_evaluated_is_an_issue_of_its_own(expression: str) -> None:
    predicate = Invariants().compile(Constraint("x-1", "error", expression, "a rule"), "Patient")
    assert predicate is not None
    run = Run(None)
    run.resource = run.root = {"resourceType": "Patient", "name": [{"text": "a"}, {"text": "b"}]}
    assert predicate(run.resource, run) is True
    assert predicate(run.resource, run) is True
    (issue,) = run.issues
    assert (issue.code, issue.severity) == ("FB-FHIR-062", "warning")
    assert "x-1" in issue.message
    assert expression in issue.message


EXAMPLES = sorted((SHARED / "suites/fhir-test-cases-r4/examples").glob("*.json"))
CONTAINING: dict[str, Any] = {
    "resourceType": "Questionnaire",
    "status": "draft",
    "contained": [
        {"resourceType": "ValueSet", "id": "used", "status": "draft"},
        {"resourceType": "Basic", "id": "back", "code": {"text": "x"}, "subject": {"reference": "#"}},
        {"resourceType": "Basic", "id": "aside", "code": {"text": "x"}},
        {"resourceType": "Basic", "code": {"text": "without id"}},
    ],
    "derivedFrom": ["#"],
    "_title": {"extension": [{"url": "http://example.org/x", "valueReference": {"reference": "#aside"}}]},
    "item": [{"linkId": "1", "type": "choice", "answerValueSet": "#used"}],
}


def _dom_3_agrees(resource: dict[str, Any]) -> bool | None:
    ids = [c.get("id") for c in resource.get("contained") or () if isinstance(c, dict)]
    if not all(name is None or isinstance(name, str) for name in ids):
        return None  # no id at all: found where the structure is checked
    run = Run(None)
    run.resource = run.root = resource
    by_hand = contained_are_used(resource, run)
    try:
        by_expression = compile(DOM_3, published=True).is_true(resource)
    except FHIRPathError:
        return None
    assert by_hand is by_expression, resource
    return by_hand


def test_contained_resources_are_checked_by_hand_as_by_the_expression() -> None:
    assert {c.expression for c in constraints().values() if c.key == "dom-3"} == {DOM_3}
    verdicts = Counter(_dom_3_agrees(broken) for broken in (CONTAINING, *mutants(CONTAINING, 400, seed=3)))
    assert verdicts[True] > 50
    assert verdicts[False] > 50


@pytest.mark.parametrize(
    ("managed", "keys"), [(None, {"dom-3"}), ("#ward", set()), ("Organization/1", {"dom-3"})]
)
def test_a_contained_resource_that_only_refers_to_itself_is_not_used(
    managed: str | None, keys: set[str]
) -> None:
    ward = {"resourceType": "Organization", "id": "ward", "name": "W", "partOf": {"reference": "#ward"}}
    patient: dict[str, Any] = {"resourceType": "Patient", "contained": [ward]}
    if managed:
        patient["managingOrganization"] = {"reference": managed}
    assert broken(patient) == keys


def test_contained_resources_may_use_each_other() -> None:
    ward = {"resourceType": "Organization", "id": "ward", "name": "W", "partOf": {"reference": "#house"}}
    house = {"resourceType": "Organization", "id": "house", "name": "H"}
    patient = {"resourceType": "Patient", "contained": [ward, house]}
    assert broken({**patient, "managingOrganization": {"reference": "#ward"}}) == set()


@pytest.mark.shared
def test_contained_resources_of_examples_are_checked_by_hand_as_by_the_expression() -> None:
    for path in EXAMPLES:
        resource = loads_exact(path.read_bytes())
        if "contained" in resource:
            for broken in (resource, *mutants(resource, 20, seed=1)):
                _dom_3_agrees(broken)
