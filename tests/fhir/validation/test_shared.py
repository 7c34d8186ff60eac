"""Validators of the same definitions share what is compiled; each asks its own terminology, reports as it should."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_bridge.fhir import Validator
from tests.effort import counted_calls
from tests.fhir.resources import LOINC, concept, troponin
from tests.fhir.test_validation import OnlyGrams

UNKNOWN: dict[str, Any] = {**troponin(), "code": concept(LOINC, "0-0")}


@pytest.mark.parametrize("within", [False, True])
def test_each_asks_its_own_terminology(within: bool) -> None:
    entry = {"fullUrl": "https://h.example/fhir/Observation/o", "resource": {**UNKNOWN, "id": "o"}}
    resource = {"resourceType": "Bundle", "type": "collection", "entry": [entry]} if within else UNKNOWN
    asking, silent = Validator.of(OnlyGrams()), Validator.of()
    for _ in range(2):
        assert [issue.code for issue in asking.validate(resource)] == ["FB-FHIR-022"]
        assert silent.validate(resource) == []


def test_how_unknown_extensions_are_reported_is_not_shared() -> None:
    resource = {**troponin(), "extension": [{"url": "https://h.example/e", "valueBoolean": True}]}
    validators = Validator.of(), Validator.of(unknown_extensions="warning")
    severities = [[issue.severity for issue in each.validate(resource)] for each in validators]
    assert severities == [["error"], ["warning"]]


def test_another_one_compiles_nothing_again() -> None:
    Validator.of().validate(troponin())
    alone = counted_calls(lambda: Validator().validate(troponin()))
    assert counted_calls(lambda: Validator.of(OnlyGrams()).validate(troponin())) < alone / 10
