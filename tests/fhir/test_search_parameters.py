"""Search parameters find in a resource what R4 says they find (R4 search.html)."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_bridge.fhir.definitions import DEFAULT, resource_types
from fhir_bridge.fhir.search.compiling import codes_of, compiled
from fhir_bridge.fhir.search.entries import (
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
from fhir_bridge.fhir.search.values import date_range, split_reference
from fhir_bridge.fhir.search_parameters import (
    extract,
    extract_composites,
    find,
    searchable,
    uncompiled,
    unindexed,
)

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
        ("0001-01-01T00:00:00+00:01", "0001-01-01T00:00:00+00:00", "0001-01-01T00:00:01+00:00"),
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


def test_only_what_has_no_expression_or_is_special_finds_nothing() -> None:
    left = [entry for entry in uncompiled() if entry.code != "near"]
    assert {entry.reason for entry in left} == {"has no expression"}
    assert not [entry for entry in left if entry.expression]
    assert [entry.type for entry in uncompiled() if entry.code == "near"] == ["Location"]
    for resource_type in resource_types():
        assert codes_of(resource_type, DEFAULT) == compiled(resource_type, None, DEFAULT).codes


def test_values_that_no_search_type_has_a_form_for_are_listed() -> None:
    assert {(entry.type, entry.code, entry.value_type) for entry in unindexed()} == {
        ("CarePlan", "activity-date", "string"),
        ("Consent", "source-reference", "Attachment"),
        ("Immunization", "date", "string"),
        ("Procedure", "date", "string"),
        ("Procedure", "date", "Age"),
        ("Procedure", "date", "Range"),
    }


def test_a_parameter_is_found_by_its_code() -> None:
    composite = find("Observation", "code-value-quantity")
    assert composite is not None
    assert composite.type == "composite"
    assert find("Observation", "value-quantity") is not None
    assert find("Observation", "colour") is None
    assert find("Observation", "_text") is None
    assert {parameter.code for parameter in searchable("Patient")} >= {
        "_id",
        "_lastUpdated",
        "family",
        "birthdate",
    }


def test_extraction_can_be_bounded_to_some_parameters() -> None:
    event = {
        "resourceType": "AuditEvent",
        "action": "R",
        "source": {"site": "ward", "observer": {"reference": "Device/d"}},
    }
    assert {entry.parameter for entry in extract(event)} == {"action", "site", "source"}
    assert {entry.parameter for entry in extract(event, frozenset({"action"}))} == {"action"}


def test_a_document_is_found_by_its_composition_and_not_as_a_message() -> None:
    bundle = {
        "resourceType": "Bundle",
        "type": "document",
        "entry": [{"resource": {"resourceType": "Composition", "id": "c"}}, {"resource": {"id": "x"}}],
    }
    assert _of(bundle, "composition") == [ReferenceEntry("composition", "Composition", "c", None)]
    assert _of(bundle, "message") == []


def test_samples_are_found_between_their_bounds() -> None:
    samples = {
        "origin": {"value": 1, "unit": "mV", "system": "http://unitsofmeasure.org", "code": "mV"},
        "period": 10,
        "factor": 0.5,
        "lowerLimit": -8,
        "upperLimit": 12,
        "dimensions": 1,
        "data": "2 4 E L -2",
    }
    (result,) = _of({"resourceType": "Observation", "valueSampledData": samples}, "value-quantity")
    assert isinstance(result, QuantityEntry)
    assert (result.low, result.high, result.code) == (Decimal("-3.0"), Decimal("3.0"), "mV")
    malformed = {**samples, "data": "E"}
    assert _of({"resourceType": "Observation", "valueSampledData": malformed}, "value-quantity") == []


_JUNK = (
    st.sampled_from(
        [
            None,
            True,
            3,
            "x",
            "",
            [],
            {},
            [None],
            [[]],
            {"value": "1e999999"},
            {"value": 10**400},
            "2020-13-45",
            "0000-01-01",
        ]
    )
    | st.floats()
)


@given(st.data())
def test_whatever_is_in_a_resource_it_is_walked(data: st.DataObject) -> None:
    resource = copy.deepcopy(OBSERVATION)
    for _ in range(data.draw(st.integers(1, 4))):
        location: Any = resource
        while True:
            keys = (
                [key for key in location if key != "resourceType"]
                if isinstance(location, dict)
                else range(len(location))
            )
            if not keys:
                break
            key = data.draw(st.sampled_from(list(keys)))
            if isinstance(location[key], dict | list) and data.draw(st.booleans()):
                location = location[key]
                continue
            location[key] = copy.deepcopy(data.draw(_JUNK))  # it may be malformed further
            break
    assert all(entry.parameter for entry in (*extract(resource), *extract_composites(resource)))


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
