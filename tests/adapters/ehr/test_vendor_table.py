"""The table of elements of other versions leads to elements that R4 has, and its rows give valid R4."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.adapters.ehr.fhir.adapter import TYPES
from fhir_bridge.adapters.ehr.fhir.versions import Row, table
from fhir_bridge.fhir.consent import uninterpreted
from fhir_bridge.fhir.definitions import Element, find_type, type_definition
from fhir_bridge.fhir.validation import get_validator
from fhir_bridge.mapping import Site
from tests.adapters.ehr.conftest import Converted, convert

Write = Callable[..., Path]
SITE = Site(site="test", demo_key=True)
PATIENT = {"resourceType": "Patient", "id": "p"}
SUBJECT = {"reference": "Patient/p"}
ROWS = [row for rows in table().rows.values() for row in rows]
LISTS = frozenset(
    "concepts concepts-of-codings codings diagnoses diagnosis evidence if-list into item list related text uid".split()
)
SINGLE = frozenset(
    "act agent bare canonical code coding concept concept-of-coding default-concept event integer label labels not oid "
    "plain reference rule source string words".split()
)


def element_at(kind: str, path: str) -> Element | None:
    """The element at a path of JSON names."""
    definition, element, inside = find_type(kind), None, None
    for name in path.replace("[0]", "").replace("[]", "").split("."):
        child = definition.child(inside or definition.root.id, name) if definition is not None else None
        if definition is None or child is None:
            return None
        element, of = child
        if definition.children(element.id):
            inside = element.id
        else:
            definition, inside = find_type(of), None
    return element


def _id(row: Row) -> str:
    return f"{row.kind}.{row.base}.{row.source}-{row.how}"


@pytest.mark.parametrize("row", ROWS, ids=_id)
def test_row_leads_to_an_element_that_r4_has_with_as_many_values(row: Row) -> None:
    assert row.kind in TYPES
    for target in filter(None, row.targets):
        path = f"{row.base}.{target}" if row.base else target
        element = element_at(row.kind, path)
        assert element is not None, path
        many = element.max != 1
        if row.how in ("codeable", "encounters", "default-concept"):
            assert row.how == "encounters" or many == target.endswith("[]"), path
        elif row.how in LISTS:
            assert many, path
        elif row.how in SINGLE | {"one"}:
            assert not many or row.how == "one", path


@pytest.mark.parametrize("row", [row for row in ROWS if row.source], ids=_id)
def test_row_is_not_of_an_element_that_r4_has_by_its_name_alone(row: Row) -> None:
    """Of an element that is R4's too only values of another form are taken."""
    path = f"{row.base}.{row.source}" if row.base else row.source
    element = element_at(row.kind, path)
    assert element is None or row.how not in ("-", "related", "default"), path


def converted(write: Write, *resources: dict[str, Any]) -> Converted:
    lines = "\n".join(json.dumps(one) for one in (PATIENT, *resources))
    result = convert("ehr/fhir", [write("vendor.ndjson", lines)], SITE)
    for resource in result.resources:
        assert not [i for i in get_validator().validate(resource) if i.severity in ("error", "fatal")]
    return result


TEXT = {"text": "x"}
DOSE = {"value": 5, "unit": "mg"}
CASES: list[tuple[dict[str, Any], dict[str, Any], set[str]]] = [
    (
        {"resourceType": "MedicationRequest", "status": "active", "intent": "order", "subject": SUBJECT,
         "medicationCodeableConcept": TEXT, "requester": {"agent": {"display": "A"}, "onBehalfOf": {"display": "B"}},
         "dosageInstruction": [{"doseQuantity": DOSE, "text": "1"}, {"text": "2"}]},
        {"requester": {"display": "A"}, "dosageInstruction.0.doseAndRate.0.doseQuantity.value": 5,
         "dosageInstruction.1": {"text": "2"}},
        {"requester.onBehalfOf"},
    ),
    (
        {"resourceType": "MedicationOrder", "status": "active", "patient": SUBJECT, "prescriber": {"display": "A"},
         "medicationCodeableConcept": TEXT, "reasonCodeableConcept": TEXT, "note": "n"},
        {"resourceType": "MedicationRequest", "requester": {"display": "A"}, "reasonCode": [TEXT],
         "note": [{"text": "n"}], "intent": "order"},
        set(),
    ),
    (
        {"resourceType": "AllergyIntolerance", "status": "refuted", "substance": TEXT, "patient": SUBJECT,
         "criticality": "CRITH", "category": "food", "note": {"text": "n"},
         "reaction": [{"certainty": "likely", "manifestation": [TEXT]}]},
        {"verificationStatus.coding.0.code": "refuted", "clinicalStatus.coding.0.code": "inactive",
         "criticality": "high", "category": ["food"], "code": TEXT, "reaction": [{"manifestation": [TEXT]}]},
        {"reaction.certainty"},
    ),
    (
        {"resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"}, "subject": SUBJECT,
         "reason": [TEXT], "diagnosis": [{"condition": {"display": "c"}, "role": TEXT, "rank": 1}]},
        {"reasonCode": [TEXT], "diagnosis": [{"condition": {"display": "c"}, "rank": 1, "use": TEXT}]},
        set(),
    ),
    (
        {"resourceType": "Encounter", "status": "discharged", "class": [{"coding": [{"code": "IMP"}]}],
         "subject": SUBJECT, "actualPeriod": {"start": "2026-01-01"}, "reason": [{"value": [{"concept": TEXT}]}],
         "diagnosis": [{"condition": [{"reference": {"display": "c"}}], "use": [TEXT]}],
         "admission": {"dischargeDisposition": TEXT}, "plannedStartDate": "2026-01-01"},
        {"status": "finished", "class": {"code": "IMP"}, "period.start": "2026-01-01", "reasonCode": [TEXT],
         "diagnosis": [{"condition": {"display": "c"}, "use": TEXT}], "hospitalization.dischargeDisposition": TEXT},
        {"plannedStartDate"},
    ),
    (
        {"resourceType": "MedicationRequest", "status": "active", "intent": "order", "subject": SUBJECT,
         "medication": {"concept": TEXT}, "reason": [{"concept": TEXT}, {"reference": {"display": "r"}}]},
        {"medicationCodeableConcept": TEXT, "reasonCode": [TEXT], "reasonReference": [{"display": "r"}]},
        set(),
    ),
    (
        {"resourceType": "MedicationStatement", "status": "recorded", "subject": SUBJECT,
         "medication": {"reference": {"display": "m"}}, "adherence": {"code": {"coding": [{"code": "stopped"}]}}},
        {"status": "stopped", "medicationReference": {"display": "m"}},
        set(),
    ),
    (
        {"resourceType": "MedicationStatement", "status": "recorded", "subject": SUBJECT,
         "medication": {"concept": TEXT}},
        {"status": "unknown"},
        set(),
    ),
    (
        {"resourceType": "DiagnosticReport", "status": "final", "code": TEXT, "subject": SUBJECT,
         "performer": [{"role": TEXT, "actor": {"display": "A"}}], "codedDiagnosis": [TEXT]},
        {"performer": [{"display": "A"}], "conclusionCode": [TEXT]},
        {"performer.role"},
    ),
    (
        {"resourceType": "DocumentReference", "status": "current", "subject": SUBJECT, "class": TEXT,
         "indexed": "2017-01-03T00:00:00Z", "created": "2017-01-01",
         "content": [{"attachment": {"contentType": "text/plain", "data": "aA=="}}],
         "context": {"encounter": {"display": "e"}}},
        {"category": [TEXT], "date": "2017-01-03T00:00:00Z", "content.0.attachment.creation": "2017-01-01",
         "context.encounter": [{"display": "e"}]},
        set(),
    ),
    (
        {"resourceType": "DocumentReference", "status": "current", "subject": SUBJECT,
         "context": [{"reference": "Encounter/e"}, {"display": "o"}], "period": {"start": "2026-01-01"},
         "content": [{"attachment": {"contentType": "text/plain", "data": "aA==", "size": "1"}}]},
        {"context.period": {"start": "2026-01-01"}, "context.related": [{"display": "o"}],
         "content.0.attachment.size": 1},
        set(),
    ),
    (
        {"resourceType": "Goal", "status": "on-target", "description": TEXT, "subject": SUBJECT,
         "target": {"dueDate": "2018-01-01"}},
        {"lifecycleStatus": "active", "achievementStatus": {"text": "on-target"},
         "target": [{"dueDate": "2018-01-01"}]},
        set(),
    ),
    (
        {"resourceType": "Observation", "status": "final", "code": TEXT, "subject": SUBJECT,
         "interpretation": {"coding": [{"system": "http://hl7.org/fhir/v2/0078", "code": "H"}]},
         "related": [{"type": "has-member", "target": {"display": "a"}},
                     {"type": "replaces", "target": {"display": "b"}}]},
        {"hasMember": [{"display": "a"}],
         "interpretation.0.coding.0.system": "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"},
        {"related"},
    ),
    (
        {"resourceType": "Procedure", "status": "aborted", "code": TEXT, "subject": SUBJECT,
         "occurrenceDateTime": "2026-01-01", "used": [{"concept": TEXT}]},
        {"status": "stopped", "performedDateTime": "2026-01-01", "usedCode": [TEXT]},
        set(),
    ),
    (
        {"resourceType": "Condition", "code": TEXT, "subject": SUBJECT, "participant": [
            {"function": {"coding": [{"code": "author"}]}, "actor": {"display": "A"}}]},
        {"recorder": {"display": "A"}},
        set(),
    ),
]  # fmt: skip


def at(resource: Any, path: str) -> Any:
    for name in path.split("."):
        resource = resource[int(name)] if name.isdigit() else resource[name]
    return resource


@pytest.mark.parametrize(("sent", "expected", "reported"), CASES, ids=lambda value: str(value)[:60])
def test_resource_of_another_version_is_as_r4_has_it(
    write: Write, sent: dict[str, Any], expected: dict[str, Any], reported: set[str]
) -> None:
    result = converted(write, {**sent, "id": "r"})
    resource = result.resources[1]
    assert {path: at(resource, path) for path in expected} == expected
    messages = [issue.message for issue in result.issues]
    assert [issue.code for issue in result.issues] == ["FB-VEND-003"] * bool(reported)
    assert all(name in message for name in reported for message in messages)


def test_diagnostic_order_is_an_order_for_each_item_and_references_lead_to_it(write: Write) -> None:
    order = {
        "resourceType": "DiagnosticOrder", "id": "d", "status": "requested", "subject": SUBJECT,
        "orderer": {"display": "A"}, "item": [{"code": {"text": "CBC"}}, {"code": {"text": "ESR"}}],
        "event": [{"status": "requested", "dateTime": "2014-01-01"}],
    }  # fmt: skip
    report = {
        "resourceType": "DiagnosticReport", "id": "r", "status": "final", "code": TEXT, "subject": SUBJECT,
        "request": [{"reference": "DiagnosticOrder/d"}],
    }  # fmt: skip
    result = converted(write, order, report)
    orders = result.of("ServiceRequest")
    assert [one["code"]["text"] for one in orders] == ["CBC", "ESR"]
    assert {(one["status"], one["intent"], one["authoredOn"]) for one in orders} == {
        ("active", "order", "2014-01-01")
    }
    assert result.of("DiagnosticReport")[0]["basedOn"] == [{"reference": f"ServiceRequest/{orders[0]['id']}"}]
    assert result.issues == []


def test_member_that_no_version_maps_is_left_out_and_the_rest_stays(write: Write) -> None:
    statement = {
        "resourceType": "Observation", "id": "o", "status": "final", "code": {**TEXT, "zebra": 1}, "subject": SUBJECT,
    }  # fmt: skip
    result = converted(write, statement)
    assert result.of("Observation")[0]["code"] == TEXT
    assert ["code.zebra" in issue.message for issue in result.issues] == [True]


def test_types_have_definitions() -> None:
    for kind in TYPES:
        assert type_definition(kind)


@pytest.mark.parametrize(
    "consent",
    [
        {"patient": SUBJECT, "dateTime": "2018-01-01", "policyRule": "http://hl7.org/fhir/ConsentPolicy/opt-in",
         "except": [{"type": "deny", "class": [
             {"system": "http://hl7.org/fhir/resource-types", "code": "Condition"}]}]},
        {"subject": SUBJECT, "date": "2026-01-01", "decision": "deny", "category": [TEXT],
         "regulatoryBasis": [{"coding": [
             {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTIN"}]}]},
    ],
)  # fmt: skip
def test_denial_of_another_version_is_one_that_is_interpreted(write: Write, consent: dict[str, Any]) -> None:
    result = converted(write, {"resourceType": "Consent", "id": "k", "status": "active", **consent})
    (stored,) = result.of("Consent")
    provision = stored["provision"]
    assert "deny" in (provision.get("type"), *(one["type"] for one in provision.get("provision", ())))
    assert uninterpreted(stored) is None
    assert result.issues == []
