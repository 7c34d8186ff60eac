"""What a program asks of the terminology directly: meaning, validity, subsumption; and layers put over it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.terminology import Terminology
from fhir_bridge.terminology.layers import ResourceLayer
from fhir_bridge.terminology.operations.subsumes import Subsumption

PLANTS = "https://garden.example.org/CodeSystem/plants"
TREES = "https://garden.example.org/ValueSet/trees"
PART = "https://garden.example.org/CodeSystem/part"


def plant(code: str, *below: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"code": code, "display": code.title(), **({"concept": [*below]} if below else {}), **more}


GERMAN = [{"language": "de", "value": "Eiche"}]
SYSTEM = {
    "resourceType": "CodeSystem",
    "url": PLANTS,
    "status": "active",
    "content": "complete",
    "caseSensitive": False,
    "hierarchyMeaning": "is-a",
    "concept": [plant("plant", plant("tree", plant("oak", designation=GERMAN), plant("elm")), plant("herb"))],
}
FRAGMENT = {**SYSTEM, "url": PART, "content": "fragment"}
VALUE_SET = {
    "resourceType": "ValueSet",
    "url": TREES,
    "version": "2",
    "status": "active",
    "compose": {
        "include": [
            {"system": PLANTS, "filter": [{"property": "concept", "op": "descendent-of", "value": "tree"}]}
        ]
    },
}


@pytest.fixture(scope="module")
def terminology(tmp_path_factory: pytest.TempPathFactory) -> Terminology:
    folder = tmp_path_factory.mktemp("garden")
    for number, item in enumerate((SYSTEM, FRAGMENT, VALUE_SET)):
        Path(folder, f"{number}.json").write_text(json.dumps(item))
    return Terminology([folder])


@pytest.mark.parametrize(
    ("value_set", "system", "code", "valid"),
    [
        (TREES, PLANTS, "oak", True),
        (f"{TREES}|2", PLANTS, "OAK", True),
        (TREES, PLANTS, "herb", False),
        (TREES, PLANTS, "moss", False),
        (TREES, PART, "oak", False),
        (TREES, None, "elm", True),
        (f"{TREES}-unknown", PLANTS, "oak", None),
        (None, PLANTS, "moss", False),
        (None, PLANTS, "herb", True),
        (None, PART, "oak", True),
        (None, PART, "moss", None),
        (None, f"{PLANTS}-unknown", "oak", None),
        (None, None, "oak", None),
    ],
)
def test_validity_is_reported_where_it_can_be_determined(
    terminology: Terminology, value_set: str | None, system: str | None, code: str, valid: bool | None
) -> None:
    assert terminology.validate_code(value_set, system, code).valid is valid


def test_what_a_code_means_is_reported_whether_it_is_valid_or_not(terminology: Terminology) -> None:
    concept = terminology.validate_code(TREES, PLANTS, "HERB").concept
    assert concept is not None
    assert (concept.code, concept.display) == ("herb", "Herb")
    assert terminology.validate_code(TREES, PLANTS, "moss").concept is None


@pytest.mark.parametrize(
    ("code", "display", "right"),
    [
        ("oak", "Oak", True),
        ("oak", "eiche", True),
        ("oak", "Elm", False),
        ("moss", "Moss", None),
        ("oak", None, None),
    ],
)
def test_a_display_is_one_of_the_names_or_not(
    terminology: Terminology, code: str, display: str | None, right: bool | None
) -> None:
    assert terminology.validate_code(None, PLANTS, code, display).display_right is right


@pytest.mark.parametrize(
    ("first", "second", "outcome"),
    [
        ("tree", "oak", "subsumes"),
        ("OAK", "plant", "subsumed-by"),
        ("oak", "Oak", "equivalent"),
        ("oak", "elm", "not-subsumed"),
        ("oak", "moss", None),
    ],
)
def test_codes_are_subsumed_as_the_hierarchy_has_it(
    terminology: Terminology, first: str, second: str, outcome: Subsumption | None
) -> None:
    assert terminology.subsumes(PLANTS, first, second) == outcome


def test_what_is_not_available_subsumes_nothing(terminology: Terminology) -> None:
    assert terminology.subsumes(f"{PLANTS}-unknown", "oak", "elm") is None


def test_a_layer_goes_before_what_it_is_put_over_and_leaves_that_as_it_was(terminology: Terminology) -> None:
    newer = {**SYSTEM, "concept": [plant("tree", plant("ash"))]}
    over = terminology.over(ResourceLayer([newer]))
    assert (over.validate_code(TREES, PLANTS, "ash").valid, over.lookup(PLANTS, "oak")) == (True, None)
    assert terminology.validate_code(TREES, PLANTS, "ash").valid is False
    twice = over.over(ResourceLayer([{**SYSTEM, "concept": [plant("tree", plant("fir"))]}]))
    assert [twice.lookup(PLANTS, code) is not None for code in ("fir", "ash")] == [True, False]
    assert twice.concept_maps() == terminology.concept_maps()
