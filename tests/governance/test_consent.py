"""Which Consents keep a patient out of research, and which do not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from fhir_bridge.fhir.consent import denials, uninterpreted
from fhir_bridge.fhir.purposes import SYSTEM
from fhir_bridge.governance.consent import decide, research_opted_out

AT = datetime(2026, 3, 5, 12, tzinfo=UTC)


def purpose(code: str) -> dict[str, Any]:
    return {"purpose": [{"system": SYSTEM, "code": code}]}


def consent(provision: dict[str, Any], **more: Any) -> dict[str, Any]:
    scope = {
        "coding": [
            {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}
        ]
    }
    return {"resourceType": "Consent", "status": "active", "scope": scope, "provision": provision} | more


DENY_RESEARCH = {"type": "deny", **purpose("HRESCH")}


def test_a_denial_of_research_is_an_opt_out() -> None:
    assert research_opted_out([consent(DENY_RESEARCH)], AT)
    assert decide([consent(DENY_RESEARCH)], "TREAT", AT) is None


def test_a_denial_of_research_covers_clinical_trials() -> None:
    assert decide([consent(DENY_RESEARCH)], "CLINTRCH", AT) == "deny"
    assert not research_opted_out([consent({"type": "deny", **purpose("CLINTRCH")})], AT)


def test_without_a_consent_nobody_opted_out() -> None:
    assert not research_opted_out([])


@pytest.mark.parametrize("status", ["draft", "proposed", "rejected", "inactive", "entered-in-error"])
def test_a_consent_that_is_not_active_says_nothing(status: str) -> None:
    assert not research_opted_out([consent(DENY_RESEARCH, status=status)], AT)


@pytest.mark.parametrize(
    ("period", "opted_out"),
    [
        ({"start": "2026-01-01", "end": "2026-12-31"}, True),
        ({"end": "2026-03"}, True),
        ({"end": "2026-03-05"}, True),
        ({"end": "2026-03-04"}, False),
        ({"start": "2026-03-06"}, False),
        ({"start": "2026-03-05T13:30:00+02:00"}, True),
        ({"start": "2026-03-05T12:30:00Z"}, False),
        ({"end": "2025"}, False),
    ],
)
def test_the_period_of_the_provision_counts(period: dict[str, str], opted_out: bool) -> None:
    assert research_opted_out([consent(DENY_RESEARCH | {"period": period})], AT) is opted_out


def test_a_denial_wins_over_a_permission_of_another_consent() -> None:
    permit = consent({"type": "permit", **purpose("HRESCH")})
    assert research_opted_out([permit, consent(DENY_RESEARCH)], AT)


def test_a_nested_provision_takes_an_exception() -> None:
    assert research_opted_out([consent({"type": "permit", "provision": [DENY_RESEARCH]})], AT)
    kept = {"type": "deny", "provision": [{"type": "permit", **purpose("HRESCH")}]}
    assert decide([consent(kept)], "HRESCH", AT) == "permit"
    assert decide([consent(kept)], "TREAT", AT) == "deny"


PARTS: list[dict[str, Any]] = [
    {"class": [{"system": "http://hl7.org/fhir/resource-types", "code": "Observation"}]},
    {"securityLabel": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]},
    {"dataPeriod": {"start": "2010", "end": "2015"}},
    {"data": [{"meaning": "instance", "reference": {"reference": "Observation/x"}}]},
    {"action": [{"coding": [{"code": "disclose"}]}]},
]


@pytest.mark.parametrize("part", PARTS)
def test_a_denial_of_a_part_hides_the_whole_from_what_is_not_care(part: dict[str, Any]) -> None:
    assert research_opted_out([consent(DENY_RESEARCH | part)], AT)
    every = consent({"type": "deny", **part})
    assert {
        code for code in ("TREAT", "ETREAT", "HRESCH", "HOPERAT") if decide([every], code, AT) == "deny"
    } == {
        "HRESCH",
        "HOPERAT",
    }
    assert {denial.purpose for denial in denials(every)}.isdisjoint({"", "TREAT", "ETREAT", "BTG"})


@pytest.mark.parametrize("part", PARTS)
def test_a_permission_of_a_part_permits_nothing(part: dict[str, Any]) -> None:
    permit = {"type": "permit", **purpose("HRESCH"), **part}
    assert decide([consent({"type": "deny", "provision": [permit]})], "HRESCH", AT) == "deny"


def test_a_denial_for_an_actor_or_a_code_decides_nothing_of_the_whole() -> None:
    for part in (
        {"actor": [{"role": {"text": "recipient"}, "reference": {"reference": "Organization/x"}}]},
        {"code": [{"coding": [{"system": "http://loinc.org", "code": "718-7"}]}]},
    ):
        assert not research_opted_out([consent(DENY_RESEARCH | part)], AT)
        assert not research_opted_out([consent(DENY_RESEARCH | part | PARTS[0])], AT)


def test_what_an_opt_out_permits_is_an_exception_from_it() -> None:
    given = consent({"type": "permit", **purpose("TREAT")}) | rule("OPTOUT")
    assert {code: decide([given], code, AT) for code in ("TREAT", "ETREAT", "HRESCH", "HOPERAT")} == {
        "TREAT": "permit",
        "ETREAT": "permit",
        "HRESCH": "deny",
        "HOPERAT": "deny",
    }
    assert "HRESCH" in {denial.purpose for denial in denials(given)}
    ended = consent({"type": "permit", **purpose("TREAT"), "period": {"end": "2025"}}) | rule("OPTOUT")
    assert decide([ended], "TREAT", AT) == "deny"
    # One that permits all and nothing says two things: the denial wins.
    assert decide([consent({"type": "permit"}) | rule("OPTOUT")], "HRESCH", AT) == "deny"


def test_a_consent_to_treatment_is_no_consent_to_privacy() -> None:
    scope = {"coding": [{"code": "treatment"}]}
    assert not research_opted_out([consent(DENY_RESEARCH, scope=scope)], AT)


ACTS = "http://terminology.hl7.org/CodeSystem/v3-ActCode"


def rule(code: str, system: str = ACTS) -> dict[str, Any]:
    return {"policyRule": {"coding": [{"system": system, "code": code}]}}


def by_rule(rule: dict[str, Any], **more: Any) -> dict[str, Any]:
    result = consent({}) | rule | more
    if not result["provision"]:
        del result["provision"]
    return result


def test_a_policy_rule_decides_where_the_provision_does_not() -> None:
    out = by_rule(rule("OPTOUT"))
    assert {decide([out], code, AT) for code in ("TREAT", "HRESCH")} == {"deny"}
    assert {denial.purpose for denial in denials(out)} >= {"", "TREAT", "HRESCH"}
    assert decide([by_rule(rule("OPTIN"))], "TREAT", AT) == "permit"
    assert decide([out | {"status": "inactive"}], "TREAT", AT) is None
    exception = {"provision": [{"type": "permit", **purpose("TREAT")}]}
    assert decide([by_rule(rule("OPTOUT"), provision=exception)], "TREAT", AT) == "permit"
    # For whom an exception would be is of no consequence to an opt-out: it is of the whole.
    narrow = {"actor": [{"role": {"text": "custodian"}, "reference": {"reference": "Organization/x"}}]}
    assert decide([by_rule(rule("OPTOUT"), provision=narrow)], "TREAT", AT) == "deny"
    assert decide([by_rule(rule("OPTIN"), provision=narrow)], "TREAT", AT) is None
    # A root provision of a type says it more exactly.
    narrowed = consent(DENY_RESEARCH) | rule("OPTOUT")
    assert (decide([narrowed], "HRESCH", AT), decide([narrowed], "TREAT", AT)) == ("deny", None)


@pytest.mark.parametrize(
    "more",
    [
        {"policyRule": {"text": "as the hospital says"}},
        rule("OPTOUT", "urn:other"),
        {"policy": [{"uri": "http://example.org/policy"}]},
        {"policyRule": {"text": "as the hospital says"}, "provision": {"type": "permit"}},
    ],
)
def test_a_rule_that_is_not_known_is_never_a_silent_permission(more: dict[str, Any]) -> None:
    given = by_rule({}, **more)
    assert uninterpreted(given)
    assert decide([given], "TREAT", AT) != "permit" or "provision" in more
    assert uninterpreted(given | {"status": "draft"}) is None
    assert uninterpreted(given | {"scope": {"coding": [{"code": "treatment"}]}}) is None


@pytest.mark.parametrize(
    "coding",
    [
        {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "PurposeOfUse"},
        {"system": "urn:oid:2.16.840.1.113883.5.8", "code": "HRESCH"},
    ],
)
def test_a_purpose_by_its_parent_or_by_oid_counts(coding: dict[str, str]) -> None:
    given = consent({"type": "deny", "purpose": [coding]}, patient={"reference": "Patient/a"})
    assert uninterpreted(given) is None
    assert research_opted_out([given], AT)
    every = coding["code"] == "PurposeOfUse"
    assert ({denial.purpose for denial in denials(given)} >= {"", "TREAT"}) is every
    permitted = consent({"type": "permit", "purpose": [coding]})
    assert decide([permitted], "HRESCH", AT) == "permit"


def test_a_policy_beside_a_provision_explains_it() -> None:
    given = consent(
        DENY_RESEARCH, policy=[{"uri": "http://example.org/policy"}], patient={"reference": "Patient/a"}
    )
    assert uninterpreted(given) is None
    assert research_opted_out([given], AT)
