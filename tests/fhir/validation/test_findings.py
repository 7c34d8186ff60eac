"""Findings up to a number: what is wrong is found as before, and what that costs is bounded."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_bridge.fhir.issues import Issue
from fhir_bridge.fhir.validation import get_validator
from fhir_bridge.fhir.validation.findings import Findings, IssueLimitReached

BASIC = {"resourceType": "Basic", "code": {"text": "x"}}


def unknown(count: int) -> dict[str, Any]:
    return {**BASIC, **{f"k{number}": 1 for number in range(count)}}


def warned(count: int) -> dict[str, Any]:
    extension = {"url": "http://example.org/x", "valueString": "y"}
    return {**BASIC, "extension": [extension] * count}


def failed(issues: list[Issue]) -> bool:
    return any(issue.severity in ("error", "fatal") for issue in issues)


def test_a_hundred_thousand_unknown_keys_cost_no_more_than_those_that_are_listed() -> None:
    result = get_validator().validate(unknown(100_000), most=50)
    assert [issue.code for issue in result] == ["FB-FHIR-010"] * 50 + ["FB-FHIR-004"]


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 30])
@pytest.mark.parametrize("make", [unknown, warned])
def test_the_verdict_is_that_of_all_findings(count: int, make: Any) -> None:
    resource = make(count)
    every, some = get_validator().validate(resource), get_validator().validate(resource, most=10)
    assert failed(some) == failed(every)
    assert some[:10] == every[:10]
    assert ("FB-FHIR-004" in [issue.code for issue in some]) == (len(every) > 10)


def test_an_error_behind_many_warnings_is_found() -> None:
    resource = {**warned(30), "zzz": 1}
    for body in (resource, {"zzz": 1, **resource}):
        result = get_validator().validate(body, most=10)
        assert [issue.code for issue in result if issue.severity == "error"] == ["FB-FHIR-010"]


def test_a_value_as_long_as_the_resource_is_not_quoted_whole() -> None:
    (result,) = get_validator().validate({**BASIC, "language": "x" * 1_000_000}, most=10)
    assert len(result.message) < 1500
    assert "BCP" in result.message or "language" in result.message


def test_the_first_error_beyond_the_number_ends_it() -> None:
    findings = Findings(1)
    warning, error = Issue("warning", "FB-FHIR-050", "w"), Issue("error", "FB-FHIR-010", "e")
    findings.append(warning)
    findings.append(warning)
    with pytest.raises(IssueLimitReached):
        findings.append(error)
    assert [issue.message for issue in findings][:2] == ["w", "e"]
