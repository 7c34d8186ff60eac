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


REASONS = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
RESEARCH = {"system": REASONS, "code": "HRESCH"}


def denies(*purposes: dict[str, str], **more: Any) -> dict[str, Any]:
    return consent(**POLICY, provision={"type": "deny", "purpose": list(purposes)}) | more


def scoped(code: str) -> dict[str, Any]:
    return {
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": code}]}
    }


NESTED = {"type": "permit", "provision": [{"type": "deny", "purpose": [RESEARCH]}]}
CONTAINED = {
    "contained": [{"resourceType": "Patient", "id": "p", "identifier": [{"system": "urn:x", "value": "1"}]}],
    "patient": {"reference": "#p"},
}


@pytest.mark.parametrize(
    "undecided",
    [
        denies({"display": "research"}),
        denies({"system": "urn:hospital", "code": "studies"}),
        denies(RESEARCH, patient={"identifier": {"system": "urn:x", "value": "1"}}),
        denies(RESEARCH, patient={"display": "Bert"}),
        denies(RESEARCH, patient={"reference": "http://other.example/fhir/Patient/bert"}),
        denies(RESEARCH, **CONTAINED),
        denies(RESEARCH, **scoped("treatment")),
        denies(RESEARCH, **scoped("adr")),
        denies(RESEARCH, scope={"text": "research"}),
        consent(**POLICY, provision={"type": "permit", "provision": [NESTED]}),
    ],
)
def test_a_denial_that_would_decide_nothing_is_refused(
    hospital: Hospital, clara: dict[str, str], undecided: dict[str, Any]
) -> None:
    refused = hospital.http.put("/fhir/Consent/rule", headers=clara, json=undecided)
    assert refused.status_code == 422, refused.text
    assert refused.json()["issue"][0]["details"]["coding"][0]["code"] == "FB-REST-024"
    draft = hospital.http.post("/fhir/Consent", headers=clara, json=undecided | {"status": "draft"})
    assert draft.status_code == 201


@pytest.mark.parametrize(
    "other",
    [
        # To a treatment that the patient does not want: nothing about who may see the record.
        consent(**POLICY, provision={"type": "deny"}, **scoped("treatment")),
        consent(**POLICY, provision={"type": "deny"}, patient={"display": "Bert"}, **scoped("adr")),
        denies({"system": REASONS, "code": "TREAT"}, **scoped("treatment")),
        denies({"system": REASONS, "code": "HMARKT"}),  # nobody has that purpose here
        consent(**POLICY, provision={"type": "permit", "purpose": [RESEARCH]}, patient={"display": "Bert"}),
    ],
)
def test_what_denies_no_purpose_of_use_is_taken(
    hospital: Hospital, clara: dict[str, str], other: dict[str, Any]
) -> None:
    del other["id"]
    assert hospital.http.post("/fhir/Consent", headers=clara, json=other).status_code == 201
    assert hospital.http.get("/fhir/Patient/bert", headers=clara).status_code == 200


@pytest.mark.parametrize(
    "purpose",
    [
        {"system": REASONS, "code": "PurposeOfUse"},
        {"system": "urn:oid:2.16.840.1.113883.5.8", "code": "TREAT"},
    ],
)
def test_a_purpose_by_its_parent_or_by_oid_counts_at_once(
    hospital: Hospital, clara: dict[str, str], purpose: dict[str, str]
) -> None:
    hospital.http.put("/fhir/Patient/opted", headers=clara, json={"resourceType": "Patient", "id": "opted"})
    out = denies(purpose, patient={"reference": "Patient/opted"})
    del out["id"]
    assert hospital.http.post("/fhir/Consent", headers=clara, json=out).status_code == 201
    assert hospital.http.get("/fhir/Patient/opted", headers=clara).status_code == 404
    hospital.sql("DELETE FROM consent_denial")


def test_an_opt_out_of_a_patient_in_the_same_transaction_counts(
    hospital: Hospital, clara: dict[str, str]
) -> None:
    patient, out = {"resourceType": "Patient", "gender": "male"}, denies({"system": REASONS, "code": "TREAT"})
    del out["id"]
    name = "urn:uuid:5f2f7a36-55f0-4a2b-9a3e-7b7ae3d2c111"
    out["patient"] = {"reference": name}
    born = entry("POST", "Patient", patient) | {"fullUrl": name}
    answer = send(hospital, clara, "transaction", born, entry("POST", "Consent", out))
    assert answer.status_code == 200, answer.text
    location = answer.json()["entry"][0]["response"]["location"].partition("/_history")[0]
    identity = location.rpartition("/")[2]
    assert hospital.http.get(f"/fhir/Patient/{identity}", headers=clara).status_code == 404
    hospital.sql("DELETE FROM consent_denial")
