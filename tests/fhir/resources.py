"""Hand-made resources that the tests of this package share; each function gives a fresh one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
VARIANT = "http://hl7.org/fhir/uv/genomics-reporting/StructureDefinition/variant"
GENOMIC_REPORT = "http://hl7.org/fhir/uv/genomics-reporting/StructureDefinition/genomic-report"
BODY_WEIGHT = "http://hl7.org/fhir/StructureDefinition/bodyweight"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"


def concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def troponin() -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": "tnt-1",
        "status": "final",
        "category": [concept(CATEGORY, "laboratory")],
        "code": {**concept(LOINC, "6598-7"), "text": "Troponin T"},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2024-02-29T10:00:00+01:00",
        "valueQuantity": {"value": Decimal("0.034"), "unit": "ug/L", "system": UCUM, "code": "ug/L"},
        "interpretation": [
            concept("http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "H")
        ],
        "referenceRange": [{"high": {"value": Decimal("0.014"), "system": UCUM, "code": "ug/L"}}],
    }


def body_weight() -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "meta": {"profile": [BODY_WEIGHT]},
        "status": "final",
        "category": [concept(CATEGORY, "vital-signs")],
        "code": concept(LOINC, "29463-7"),
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2024-03-01",
        "valueQuantity": {"value": Decimal("71.5"), "unit": "kg", "system": UCUM, "code": "kg"},
    }


def variant() -> dict[str, Any]:
    """MYBPC3 c.1504C>T in the shape of Genomics Reporting STU3."""
    return {
        "resourceType": "Observation",
        "meta": {"profile": [VARIANT]},
        "status": "final",
        "category": [
            concept(CATEGORY, "laboratory"),
            concept("http://terminology.hl7.org/CodeSystem/v2-0074", "GE"),
        ],
        "code": concept(LOINC, "69548-6"),
        "subject": {"reference": "Patient/p1"},
        "valueCodeableConcept": concept(LOINC, "LA9633-4"),
        "component": [
            {
                "code": concept(LOINC, "48018-6"),
                "valueCodeableConcept": concept("http://www.genenames.org", "HGNC:7551"),
            },
            {
                "code": concept(LOINC, "48004-6"),
                "valueCodeableConcept": concept("http://varnomen.hgvs.org", "NM_000256.3:c.1504C>T"),
            },
            {"code": concept(LOINC, "69547-8"), "valueString": "G"},
            {"code": concept(LOINC, "69551-0"), "valueString": "A"},
            {"code": concept(LOINC, "53034-5"), "valueCodeableConcept": concept(LOINC, "LA6706-1")},
        ],
    }


def patient() -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": "p1",
        "identifier": [{"system": "urn:oid:2.25.1", "value": "4711"}],
        "name": [{"family": "Example", "given": ["Anna", "Maria"]}],
        "gender": "female",
        "birthDate": "1961-07-04",
    }
