"""Search parameters find in a resource what R4 says they find (R4 search.html)."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir.search_entries import (
    DateEntry,
    IndexEntry,
    NumberEntry,
    QuantityEntry,
    ReferenceEntry,
    StringEntry,
    TokenEntry,
    UriEntry,
    indexable,
    normalise,
)
from fhir_bridge.fhir.search_parameters import compartment_patients, extract, find, searchable, uncompiled
from fhir_bridge.fhir.search_paths import Unsupported, compile_expression
from fhir_bridge.fhir.search_values import date_range, split_reference

OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "o",
    "meta": {
        "profile": ["http://example.org/p"],
        "security": [{"system": "urn:s", "code": "R"}],
        "source": "urn:fhir-bridge:hl7v2:LAB",
    },
    "status": "final",
    "identifier": [{"system": "urn:i", "value": "7"}],
    "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}, {"code": "local"}], "text": "BP"},
    "subject": {"reference": "Patient/anna/_history/2"},
    "performer": [{"reference": "https://elsewhere.org/fhir/Practitioner/1"}, {"reference": "Patient/bea"}],
    "effectiveDateTime": "2024-03-01T10:00:00+01:00",
    "component": [
        {
            "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]},
            "valueQuantity": {
                "value": 120.0,
                "unit": "mmHg",
                "system": "http://unitsofmeasure.org",
                "code": "mm[Hg]",
            },
        },
        {"code": {"text": "comment"}, "valueCodeableConcept": {"coding": [{"code": "x"}]}},
    ],
}


def _of(resource: dict[str, Any], parameter: str) -> list[IndexEntry]:
    return [entry for entry in extract(resource) if entry.parameter == parameter]


def test_an_observation_is_found_by_its_parts() -> None:
    assert _of(OBSERVATION, "code") == [
        TokenEntry("code", "http://loinc.org", "85354-9"),
        TokenEntry("code", None, "local"),
    ]
    assert _of(OBSERVATION, "status") == [
        TokenEntry("status", "http://hl7.org/fhir/observation-status", "final")
    ]
    assert _of(OBSERVATION, "identifier") == [TokenEntry("identifier", "urn:i", "7")]
    assert _of(OBSERVATION, "patient") == [ReferenceEntry("patient", "Patient", "anna", None)]
    assert _of(OBSERVATION, "performer") == [
        ReferenceEntry("performer", None, None, "https://elsewhere.org/fhir/Practitioner/1"),
        ReferenceEntry("performer", "Patient", "bea", None),
    ]
    assert _of(OBSERVATION, "date") == [
        DateEntry("date", datetime(2024, 3, 1, 9, tzinfo=UTC), datetime(2024, 3, 1, 9, 0, 1, tzinfo=UTC))
    ]
    assert [entry.code for entry in _of(OBSERVATION, "combo-code") if isinstance(entry, TokenEntry)] == [
        "85354-9",
        "local",
        "8480-6",
    ]
    (pressure,) = _of(OBSERVATION, "component-value-quantity")
    assert isinstance(pressure, QuantityEntry)
    assert (pressure.low, pressure.high, pressure.code) == (Decimal(120), Decimal(120), "mm[Hg]")
    assert _of(OBSERVATION, "value-quantity") == []
    assert _of(OBSERVATION, "component-value-concept") == [TokenEntry("component-value-concept", None, "x")]
    assert _of(OBSERVATION, "_profile") == [UriEntry("_profile", "http://example.org/p")]
    assert _of(OBSERVATION, "_security") == [TokenEntry("_security", "urn:s", "R")]
    assert _of(OBSERVATION, "_source") == [UriEntry("_source", "urn:fhir-bridge:hl7v2:LAB")]


def test_a_patient_is_found_by_name_address_telecom_and_death() -> None:
    patient = {
        "resourceType": "Patient",
        "id": "anna",
        "name": [{"family": "D'Ángelo", "given": ["Anna  Maria"], "text": "A. D'Ángelo"}],
        "telecom": [{"system": "phone", "value": "1"}, {"system": "email", "value": "a@b"}],
        "address": [{"line": ["Via Roma 1"], "city": "Forlì"}],
        "deceasedBoolean": False,
        "link": [{"other": {"reference": "Patient/old"}, "type": "replaces"}],
    }
    assert _of(patient, "family") == [StringEntry("family", "d'angelo", "D'Ángelo")]
    assert StringEntry("name", "anna maria", "Anna  Maria") in _of(patient, "name")
    assert _of(patient, "email") == [TokenEntry("email", None, "a@b")]
    assert _of(patient, "phone") == [TokenEntry("phone", None, "1")]
    assert len(_of(patient, "telecom")) == 2
    assert _of(patient, "address-city") == [StringEntry("address-city", "forli", "Forlì")]
    assert [entry.code for entry in _of(patient, "deceased") if isinstance(entry, TokenEntry)] == ["false"]
    assert compartment_patients(patient, extract(patient)) == ("anna", "old")


def test_compartment_membership_is_by_its_parameters_alone() -> None:
    assert compartment_patients(OBSERVATION, extract(OBSERVATION)) == ("anna", "bea")
    focus = {
        **OBSERVATION,
        "subject": {"reference": "Device/d"},
        "performer": [],
        "focus": [{"reference": "Patient/x"}],
    }
    assert compartment_patients(focus, extract(focus)) == ()
    organization = {"resourceType": "Organization", "partOf": {"reference": "Organization/o"}}
    assert compartment_patients(organization, extract(organization)) == ()


@pytest.mark.parametrize(
    ("resource", "parameter", "expected"),
    [
        (
            {"resourceType": "Encounter", "period": {"start": "2024", "end": "2024-02"}},
            "date",
            DateEntry("date", datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC)),
        ),
        (
            {"resourceType": "Encounter", "period": {"start": "2024-12"}},
            "date",
            DateEntry("date", datetime(2024, 12, 1, tzinfo=UTC), None),
        ),
        (
            {"resourceType": "RiskAssessment", "prediction": [{"probabilityDecimal": 0.2}]},
            "probability",
            NumberEntry("probability", Decimal("0.2"), Decimal("0.2")),
        ),
        (
            {"resourceType": "Observation", "valueQuantity": {"value": 5, "comparator": "<", "code": "x"}},
            "value-quantity",
            QuantityEntry("value-quantity", None, "x", None, None, Decimal(5), None, None, None),
        ),
        (
            {"resourceType": "Condition", "onsetRange": {"low": {"value": 3, "unit": "a"}}},
            "onset-age",
            QuantityEntry("onset-age", None, None, "a", Decimal(3), None, None, None, None),
        ),
        (
            {"resourceType": "Invoice", "totalNet": {"value": 3, "currency": "EUR"}},
            "totalnet",
            QuantityEntry(
                "totalnet", "urn:iso:std:iso:4217", "EUR", None, Decimal(3), Decimal(3), None, None, None
            ),
        ),
        (
            {"resourceType": "Observation", "valueCodeableConcept": {"text": "Trace"}},
            "value-string",
            StringEntry("value-string", "trace", "Trace"),
        ),
        (
            {
                "resourceType": "PlanDefinition",
                "relatedArtifact": [{"type": "depends-on", "resource": "http://x/L|1"}],
            },
            "depends-on",
            ReferenceEntry("depends-on", None, None, "http://x/L|1"),
        ),
        (
            {
                "resourceType": "Patient",
                "managingOrganization": {"identifier": {"system": "urn:h", "value": "1"}},
            },
            "organization:identifier",
            TokenEntry("organization:identifier", "urn:h", "1"),
        ),
        (
            {"resourceType": "CarePlan", "activity": [{"detail": {"scheduledTiming": {"event": ["2024"]}}}]},
            "activity-date",
            DateEntry("activity-date", datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)),
        ),
    ],
)
def test_each_data_type_gives_its_entry(
    resource: dict[str, Any], parameter: str, expected: IndexEntry
) -> None:
    assert _of(resource, parameter) == [expected]


@pytest.mark.parametrize(
    "resource",
    [
        {
            "resourceType": "Observation",
            "code": "text",
            "subject": "Patient/1",
            "component": {"code": 3},
            "meta": [],
        },
        {"resourceType": "Observation", "effectiveDateTime": "yesterday", "valueQuantity": {"value": "many"}},
        {"resourceType": "Patient", "name": "Rossi", "telecom": [None], "birthDate": 1950, "link": [{}]},
    ],
)
def test_a_malformed_resource_gives_no_entries_for_its_malformed_parts(resource: dict[str, Any]) -> None:
    left = [entry for entry in extract(resource) if entry.parameter != "deceased"]
    assert left == []


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("2024", "2024-01-01T00:00:00+00:00", "2025-01-01T00:00:00+00:00"),
        ("2024-12", "2024-12-01T00:00:00+00:00", "2025-01-01T00:00:00+00:00"),
        ("2024-02-29", "2024-02-29T00:00:00+00:00", "2024-03-01T00:00:00+00:00"),
        ("2024-03-01T23:30:00-01:00", "2024-03-02T00:30:00+00:00", "2024-03-02T00:30:01+00:00"),
        ("2024-03-01T10:00:00.5Z", "2024-03-01T10:00:00.500000+00:00", "2024-03-01T10:00:00.600000+00:00"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59+00:00", "2017-01-01T00:00:00+00:00"),
        ("9999", "9999-01-01T00:00:00+00:00", None),
        ("9999-12-31", "9999-12-31T00:00:00+00:00", None),
    ],
)
def test_a_date_covers_the_time_of_its_precision(text: str, low: str, high: str | None) -> None:
    start, end = date_range(text)
    assert (start.isoformat(), end.isoformat() if end else None) == (low, high)


@pytest.mark.parametrize(
    "text", ["", "24", "2024-1", "2024-02-30", "2024-13", "2024-01-01T", "2024-01-01 10:00:00"]
)
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        date_range(text)


def test_references_are_split() -> None:
    assert split_reference("Patient/1/_history/3") == ("Patient", "1", None)
    assert split_reference("urn:uuid:1") == (None, None, "urn:uuid:1")
    assert split_reference("https://x/fhir/Patient/1/_history/2") == (None, None, "https://x/fhir/Patient/1")


def test_texts_are_compared_without_case_accents_and_spaces() -> None:
    assert normalise("  Žofia  STRAßE ") == "zofia strasse"
    assert indexable("x" * 250) == "x" * 250
    assert len(indexable("x" * 5000)) < 250
    assert indexable("x" * 5000) != indexable("x" * 5001)


def test_what_is_not_compiled_is_listed_with_its_reason() -> None:
    observation = {entry.code: entry.reason for entry in uncompiled("Observation")}
    assert "composite" in observation["code-value-quantity"]
    assert "SampledData" in observation["value-quantity"]
    assert find("Observation", "code-value-quantity") is None
    assert find("Observation", "value-quantity") is not None
    assert find("Observation", "colour") is None
    assert {parameter.code for parameter in searchable("Patient")} >= {
        "_id",
        "_lastUpdated",
        "family",
        "birthdate",
    }
    reasons = {entry.reason for entry in uncompiled()}
    assert not [reason for reason in reasons if "can't read" in reason or "no element" in reason]


@pytest.mark.parametrize(
    "expression",
    ["Patient.colour", "Patient.name.first()", "Patient.name +", "Patient", "Patient.name.where(use=1)"],
)
def test_an_expression_outside_the_subset_is_refused_whole(expression: str) -> None:
    with pytest.raises(Unsupported):
        compile_expression(expression, "Patient")


@pytest.mark.shared
def test_real_resources_are_walked_without_error(shared: Path) -> None:
    files = sorted((shared / "data").rglob("*.json"))
    walked = 0
    for file in files:
        try:
            resource = json.loads(file.read_text())
        except ValueError:
            continue
        if isinstance(resource, dict) and isinstance(resource.get("resourceType"), str):
            extract(resource)
            walked += 1
    if not walked:
        pytest.skip("no FHIR JSON in the folder of real inputs")


def test_evaluation_is_fast_enough_for_loading() -> None:
    extract(OBSERVATION)
    parameters = len(searchable("Observation"))
    start = time.perf_counter()
    rounds = 300
    for _ in range(rounds):
        extract(OBSERVATION)
    per_second = rounds * parameters / (time.perf_counter() - start)
    assert per_second > 100_000
