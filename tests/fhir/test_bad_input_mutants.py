"""Official examples with junk at seeded places: always findings, never an exception."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir import get_validator, loads_exact
from tests.fhir.test_validation_bad_input import places, put

JUNK: tuple[Any, ...] = (
    7, "", [], {}, None, True, [[]], [None], [{}], {"a": [{}]}, "\ud800", float("inf"), 10**400, {"reference": 5}, "#",
    {"resourceType": "Patient"}, [{"url": ["x"]}], {"": 1}, {"_x": None}, "2020-13-45T25:61:61Z",
)  # fmt: skip


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "Medication", "contained": [{"resourceType": [], "id": "a"}]},
        {"resourceType": "Bundle", "type": "searchset", "link": [{"relation": {}, "url": "http://x.org"}]},
        {"resourceType": "Patient", "text": {"status": "generated", "div": "\ud800"}},
        {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": {"resourceType": {"a": 1}}}]},
    ],
)
def test_a_value_of_the_wrong_kind_where_one_is_looked_up_is_a_finding(resource: dict[str, Any]) -> None:
    assert any(issue.severity in ("error", "fatal") for issue in get_validator().validate(resource))


@pytest.mark.shared
def test_junk_at_seeded_places_of_the_official_examples_never_raises(shared: Path) -> None:
    validator, chance = get_validator(), random.Random(20240229)
    for path in sorted((shared / "suites/fhir-test-cases-r4/examples").glob("*.json")):
        resource = loads_exact(path.read_bytes())
        for location in chance.choices(list(places(resource)), k=40):
            validator.validate(put(resource, location, copy.deepcopy(chance.choice(JUNK))))
