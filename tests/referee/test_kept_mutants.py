"""Mutants of every kind, validated as R4 asks: ours must agree, whatever the official validator is set to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir import Validator
from fhir_bridge.terminology import get_terminology
from scripts.agreement.mutants import MUTATORS

CASES: list[dict[str, Any]] = [
    json.loads(line)
    for line in (Path(__file__).parent / "kept_mutants.ndjson").read_text("utf-8").splitlines()
]


@pytest.fixture(scope="module")
def validator() -> Validator:
    return Validator.of(get_terminology())


def test_every_kind_of_mutant_is_there() -> None:
    nowhere = {"primitive/oid", "primitive/uuid"}  # no example has a value of these types
    assert {case["kind"] for case in CASES} >= set(MUTATORS) - nowhere


@pytest.mark.parametrize("case", CASES, ids=[f"{n}-{case['kind']}" for n, case in enumerate(CASES)])
def test_the_verdict_is_that_of_r4(case: dict[str, Any], validator: Validator) -> None:
    errors = [i for i in validator.validate(case["resource"]) if i.severity in ("error", "fatal")]
    assert bool(errors) == case["wrong"], (case["done"], errors[:3])
