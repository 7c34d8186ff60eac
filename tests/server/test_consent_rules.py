"""Consents whose rule this server can't interpret: refused over REST, reported by `load`."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.conftest import Hospital
from tests.server.test_bundle_edges import entry, send

ACTS = "http://terminology.hl7.org/CodeSystem/v3-ActCode"


@pytest.fixture(scope="module")
def clara(hospital: Hospital) -> dict[str, str]:
    return hospital.token("user/*.cruds", patient=None)


def consent(**more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Consent",
        "id": "rule",
        "status": "active",
        "scope": {
            "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}
            ]
        },
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": "Patient/bert"},
        **more,
    }


POLICY = {"policy": [{"uri": "http://example.org/policy"}]}


@pytest.mark.parametrize(
    "more",
    [
        POLICY,
        {"policyRule": {"text": "as the hospital says"}},
        {"policyRule": {"coding": [{"system": ACTS, "code": "EMRGONLY"}]}},
        {"policyRule": {"text": "as the hospital says"}, "provision": {"type": "permit"}},
    ],
)
def test_a_consent_by_a_rule_that_is_not_known_is_refused(
    hospital: Hospital, clara: dict[str, str], more: dict[str, Any]
) -> None:
    refused = hospital.http.put("/fhir/Consent/rule", headers=clara, json=consent(**more))
    assert refused.status_code == 422
    assert refused.json()["issue"][0]["details"]["coding"][0]["code"] == "FB-REST-024"
    bundled = send(hospital, clara, "transaction", entry("PUT", "Consent/rule", consent(**more)))
    assert bundled.status_code == 422
    assert hospital.http.get("/fhir/Consent/rule", headers=clara).status_code == 404
    draft = hospital.http.post("/fhir/Consent", headers=clara, json=consent(**more) | {"status": "draft"})
    assert draft.status_code == 201


def test_an_opt_out_by_policy_rule_counts_at_once(hospital: Hospital, clara: dict[str, str]) -> None:
    def seen() -> int:
        answer = hospital.http.get("/fhir/Patient?_id=bert&_total=accurate", headers=clara)
        return int(answer.json()["total"])

    before = seen()
    out = consent(policyRule={"coding": [{"system": ACTS, "code": "OPTOUT"}]})
    assert hospital.http.put("/fhir/Consent/rule", headers=clara, json=out).status_code == 201
    assert (before, seen()) == (1, 0)
    hospital.sql("DELETE FROM consent_denial")


def test_a_policy_beside_a_provision_is_taken(hospital: Hospital, clara: dict[str, str]) -> None:
    permitted = consent(**POLICY, provision={"type": "permit"})
    del permitted["id"]
    assert hospital.http.post("/fhir/Consent", headers=clara, json=permitted).status_code == 201
