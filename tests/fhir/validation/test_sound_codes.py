"""A code that was found in order is not checked again; what depends on where it stands is."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_bridge.fhir.canonical import SOURCE_EXTENSION
from fhir_bridge.fhir.validation import Validator
from fhir_bridge.terminology import Terminology

LOINC = "http://loinc.org"
CODE = {"coding": [{"system": LOINC, "code": "718-7"}]}


def observation(**changes: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "status": "final", "code": CODE, **changes}


def meta(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What a converted resource says of its source."""
    return {"extension": [{"url": SOURCE_EXTENSION, "extension": [*parts]}], "source": "urn:x", **more}


TIME = {"url": "time", "valueDateTime": "2026-01-02T05:59:00+01:00"}


@pytest.fixture(scope="module")
def validator() -> Validator:
    return Validator(unknown_extensions="warning")


CASES = [
    observation(),
    observation(code={"coding": [{"system": "no uri at all", "code": "718-7"}]}),
    observation(code={"coding": [{"system": LOINC, "code": " 718-7"}]}),
    observation(code={"coding": []}),
    observation(code={}),
    observation(code={"coding": [{"system": LOINC, "code": "718-7", "unknown": 1}]}),
    observation(category=[CODE, {"text": ""}], interpretation=[CODE]),
    observation(code={"id": "a", **CODE}, method={"id": "a", **CODE}),
    observation(code={**CODE, "extension": [{"url": "http://example.org/x"}]}),
    observation(code={"_text": {"id": "a"}, **CODE}, method={"_text": {"id": "a"}, **CODE}),
    observation(code={"coding": [{"system": LOINC, "code": "718-7", "userSelected": "true"}]}),
    observation(meta=meta(TIME)),
    observation(meta=meta({**TIME, "valueDateTime": "2026-13-02"})),
    observation(meta=meta(TIME, TIME)),
    observation(meta=meta(TIME, {"url": "unknown", "valueString": "x"})),
    observation(meta=meta({"url": "time"})),
    observation(meta=meta(TIME, source="no uri at all")),
    observation(meta=meta({**TIME, "id": "a"}), text={"id": "a"}),
    observation(meta=meta(TIME, security=[{"system": "no uri at all", "code": "R"}])),
    observation(
        meta={**meta(TIME), "extension": [*meta(TIME)["extension"], {"url": "http://example.org/x"}]}
    ),
    observation(extension=meta(TIME)["extension"], meta=meta(TIME)),  # on meta alone
    observation(meta=meta(TIME), contained=[{"resourceType": "Device", "id": "d", "meta": meta(TIME)}]),
    {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": observation(meta=meta(TIME))}]},
    {"resourceType": "Basic", "code": CODE, "meta": meta(TIME)},
]


@pytest.mark.parametrize("resource", CASES)
def test_what_is_remembered_changes_no_finding(validator: Validator, resource: dict[str, Any]) -> None:
    shared = Terminology(())
    for other in CASES:  # whatever came before, twice
        validator.validate(other, (), shared)
    assert validator.validate(resource, (), shared) == validator.validate(resource, (), Terminology(()))


def test_the_source_of_a_resource_is_wrong_each_time_and_right_once(validator: Validator) -> None:
    shared = Terminology(())
    right, wrong = (
        observation(meta=meta(TIME)),
        observation(meta=meta({**TIME, "valueDateTime": "2026-13-02"})),
    )
    assert [len(validator.validate(one, (), shared)) for one in (right, wrong, wrong, right, wrong)] == [
        0,
        1,
        1,
        0,
        1,
    ]


def test_an_element_does_not_answer_for_another(validator: Validator) -> None:
    """The same concept is right where any code may stand, and wrong where a value set is required."""
    shared = Terminology(())
    status = {"resourceType": "AllergyIntolerance", "patient": {"reference": "Patient/1"}, "code": CODE}
    before = validator.validate(status, (), shared)
    wrong = {**status, "clinicalStatus": CODE}
    after = [issue for issue in validator.validate(wrong, (), shared) if issue not in before]
    assert [issue.severity for issue in after][:1] == ["error"]
    assert validator.validate(wrong, (), shared) == validator.validate(wrong, (), Terminology(()))
