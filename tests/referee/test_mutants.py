"""Mutants are made by seed, know what was done to them, and are what their kind says."""

from __future__ import annotations

import json
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir import Validator, dumps
from scripts.agreement.corpus import Source, adapter_output, bundles_of
from scripts.agreement.mutants import MUTATORS, Mutant, draw, mutate

SEEDS = range(8)
XHTML = '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'

CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"

RICH: tuple[dict[str, Any], ...] = (
    {
        "resourceType": "Patient",
        "id": "rich",
        "meta": {"versionId": "1", "lastUpdated": "2021-05-04T10:30:00Z", "profile": ["http://hl7.org/fhir/StructureDefinition/Patient"]},
        "text": {"status": "generated", "div": XHTML},
        "contained": [{"resourceType": "Organization", "id": "o1", "name": "Ward"}],
        "extension": [
            {"url": "http://hl7.org/fhir/StructureDefinition/patient-religion", "valueCodeableConcept": {"text": "x"}}
        ],
        "active": True,
        "name": [
            {"family": "Chalmers", "given": ["Peter", "James"], "period": {"start": "2001-01-06", "end": "2002-01-06"}}
        ],
        "gender": "male",
        "birthDate": "1974-12-25",
        "multipleBirthInteger": 2,
        "managingOrganization": {"reference": "#o1"},
        "photo": [{"contentType": "image/png", "data": "SGVsbG8=", "url": "https://hospital.org/photo"}],
        "communication": [{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "en"}]}}],
    },
    {
        "resourceType": "Observation",
        "id": "weight",
        "meta": {"profile": ["http://hl7.org/fhir/StructureDefinition/bodyweight"]},
        "status": "final",
        "category": [
            {"coding": [{"system": CATEGORY, "code": "vital-signs"}]},
        ],
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
        "subject": {"reference": "Patient/rich"},
        "effectiveDateTime": "2021-05-04T10:30:00Z",
        "valueQuantity": {"value": 81.5, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
        "note": [{"text": "at home"}],
    },
    {
        "resourceType": "PractitionerRole",
        "id": "role",
        "availableTime": [{"daysOfWeek": ["mon"], "availableStartTime": "08:00:00", "availableEndTime": "10:00:00"}],
    },
    {
        "resourceType": "Media",
        "id": "media",
        "status": "completed",
        "height": 100,
        "frames": 1,
        "duration": 2.5,
        "issued": "2021-05-04T10:30:00Z",
        "content": {"contentType": "image/png", "data": "SGVsbG8=", "size": 5},
    },
    {
        "resourceType": "Library",
        "id": "library",
        "url": "https://hospital.org/Library/l",
        "status": "draft",
        "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/library-type", "code": "logic-library"}]},
        "subjectReference": {"reference": "Group/g"},
        "relatedArtifact": [{"type": "depends-on", "resource": "https://hospital.org/Library/m", "url": "https://hospital.org/m"}],
        "description": "What it *does*",
    },
    {
        "resourceType": "Parameters",
        "id": "parameters",
        "parameter": [
            {"name": "oid", "valueOid": "urn:oid:1.2.840.10008.2"},
            {"name": "uuid", "valueUuid": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"},
            {"name": "id", "valueId": "abc"},
            {"name": "integer", "valueInteger": 3},
        ],
    },
    {
        "resourceType": "Invoice",
        "id": "invoice",
        "status": "issued",
        "totalNet": {"value": 40.22, "currency": "USD"},
        "lineItem": [{"sequence": 1, "chargeItemCodeableConcept": {"text": "x"}}],
    },
)  # fmt: skip


@pytest.fixture(scope="module")
def sources(repository: Path) -> list[Source]:
    results = [Source("r4", f"{r['resourceType']}-{r['id']}", dumps(r)) for r in RICH]
    results += adapter_output(sorted((repository / "mappings").glob("**/examples/**/expected.ndjson")), 3)
    return results + list(bundles_of(results, every=5))


@pytest.fixture(scope="module")
def validator() -> Validator:
    return Validator.of()


def of_kind(name: str, sources: list[Source], count: int) -> list[Mutant]:
    mutates = (mutate(source, name, seed) for seed in SEEDS for source in sources)
    return list(islice((m for m in mutates if m is not None), count))


def codes(validator: Validator, text: bytes) -> set[str]:
    return {i.code for i in validator.validate(text) if i.severity in ("error", "fatal")}


@pytest.fixture(scope="module")
def mutants(sources: list[Source]) -> list[Mutant]:
    return list(draw(sources, 4 * len(MUTATORS), 1))


def test_the_same_seed_gives_the_same_mutants_and_another_seed_others(
    mutants: list[Mutant], sources: list[Source]
) -> None:
    assert list(draw(sources, 30, 1)) == mutants[:30]
    assert {m.text for m in mutants[:30]} != {m.text for m in draw(sources, 30, 8)}


def test_a_mutant_differs_from_its_source_and_every_mutant_from_every_other(mutants: list[Mutant]) -> None:
    assert len(mutants) > 300
    assert len({m.text for m in mutants}) == len(mutants)
    assert all(m.text != m.source.text for m in mutants)


def test_kinds_take_turns(mutants: list[Mutant]) -> None:
    counts = Counter(m.kind for m in mutants)
    assert max(counts.values()) <= 6


@pytest.mark.parametrize("name", sorted(MUTATORS))
def test_every_kind_applies_to_something_and_says_what_it_did(name: str, sources: list[Source]) -> None:
    result = of_kind(name, sources, 3)
    assert result
    assert all(m.kind == name and m.done for m in result)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        # FB-FHIR-012: the element was the only one of its object, which is empty then.
        (
            "structure/required-deleted",
            {"FB-FHIR-013", "FB-FHIR-060", "FB-FHIR-031", "FB-FHIR-002", "FB-FHIR-012"},
        ),
        ("structure/unknown-element", {"FB-FHIR-010"}),
        ("structure/misspelt-element", {"FB-FHIR-010"}),
        ("structure/array-for-single", {"FB-FHIR-011"}),
        ("structure/single-for-array", {"FB-FHIR-011"}),
        ("structure/two-of-a-choice", {"FB-FHIR-015"}),
        ("structure/type-not-of-the-choice", {"FB-FHIR-010"}),
        ("structure/empty", {"FB-FHIR-012"}),
        ("code/required-wrong", {"FB-FHIR-020", "FB-FHIR-060"}),
        ("reference/wrong-type", {"FB-FHIR-040"}),
        ("reference/dangling-contained", {"FB-FHIR-041"}),
        ("json/duplicate-key", {"FB-FHIR-001"}),
        ("json/malformed", {"FB-FHIR-001", "FB-FHIR-002"}),
    ],
)
def test_what_is_always_wrong_is_found(
    name: str, wanted: set[str], sources: list[Source], validator: Validator
) -> None:
    for mutant in of_kind(name, sources, 25):
        assert codes(validator, mutant.text) & wanted, (mutant.source.name, mutant.done)


def test_the_order_of_a_list_alone_breaks_nothing(sources: list[Source], validator: Validator) -> None:
    for mutant in of_kind("structure/reordered", sources, 25):
        assert codes(validator, mutant.text) <= codes(validator, mutant.source.text), mutant.done


def test_only_mutants_of_the_text_are_no_json(mutants: list[Mutant]) -> None:
    for mutant in mutants:
        if not mutant.kind.startswith("json/"):
            json.loads(mutant.text)
