"""Records of made-up patients, as stored FHIR, for the predictors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from fhir_bridge.plugins import Predictor
from fhir_bridge.predictions import PatientRecord, PredictorSettings
from fhir_bridge.predictions.death import refusal_of_death

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
RECENTLY = (datetime.now(UTC) - timedelta(days=20)).isoformat(timespec="seconds")


def quantity(
    code: str, value: float, unit: str, *, when: str = RECENTLY, status: str = "final"
) -> dict[str, Any]:
    """A measured Observation."""
    return {
        "resourceType": "Observation",
        "id": f"{code}-{value}".replace(".", "-"),
        "meta": {"versionId": "2", "source": "urn:fhir-bridge:csv:lab"},
        "status": status,
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "effectiveDateTime": when,
        "valueQuantity": {"value": value, "system": "http://unitsofmeasure.org", "code": unit},
    }


def blood_pressure(systolic: float, *, when: str = RECENTLY) -> dict[str, Any]:
    """A blood pressure panel."""
    panel = quantity("85354-9", 0, "1", when=when)
    del panel["valueQuantity"]
    panel["component"] = [
        {
            "code": {"coding": [{"system": LOINC, "code": "8480-6"}]},
            "valueQuantity": {"value": systolic, "system": "http://unitsofmeasure.org", "code": "mm[Hg]"},
        }
    ]
    return panel


def smoking(code: str) -> dict[str, Any]:
    """A smoking status, SNOMED CT."""
    observation = quantity("72166-2", 0, "1")
    del observation["valueQuantity"]
    observation["valueCodeableConcept"] = {"coding": [{"system": SNOMED, "code": code}]}
    return observation


def condition(code: str, *, refuted: bool = False) -> dict[str, Any]:
    """A Condition by ICD-10."""
    status = "refuted" if refuted else "confirmed"
    return {
        "resourceType": "Condition",
        "id": f"condition-{code}".replace(".", "-"),
        "meta": {"versionId": "1", "source": "urn:fhir-bridge:csv:conditions"},
        "verificationStatus": {"coding": [{"code": status}]},
        "code": {"coding": [{"system": ICD10, "code": code}]},
    }


def variant(gene: str, protein: str, classification: str = "LA6668-3") -> list[dict[str, Any]]:
    """A variant that is present, and the Observation that classifies it."""
    meta = {"versionId": "1", "source": "urn:fhir-bridge:vcf:cohort.vcf"}
    found = {
        "resourceType": "Observation",
        "id": f"variant-{gene}",
        "meta": meta,
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": "69548-6"}]},
        "valueCodeableConcept": {"coding": [{"system": LOINC, "code": "LA9633-4"}]},
        "component": [
            {
                "code": {"coding": [{"system": LOINC, "code": "48018-6"}]},
                "valueCodeableConcept": {"coding": [{"code": "HGNC:1", "display": gene}]},
            },
            {
                "code": {"coding": [{"system": LOINC, "code": "48005-3"}]},
                "valueCodeableConcept": {"coding": [{"code": protein}]},
            },
        ],
    }
    implication = {
        "resourceType": "Observation",
        "id": f"implication-{gene}",
        "meta": meta,
        "status": "final",
        "derivedFrom": [{"reference": f"Observation/variant-{gene}"}],
        "component": [
            {
                "code": {"coding": [{"system": LOINC, "code": "53037-8"}]},
                "valueCodeableConcept": {"coding": [{"system": LOINC, "code": classification}]},
            }
        ],
    }
    return [found, implication]


def record(*resources: dict[str, Any], age: int = 50, sex: str = "male") -> PatientRecord:
    """A patient of this age today, with these resources."""
    born = datetime.now(UTC) - timedelta(days=365.25 * age + 100)
    return PatientRecord(
        {"resourceType": "Patient", "id": "p", "gender": sex, "birthDate": born.date().isoformat()},
        resources,
        datetime.now(UTC),
    )


def answer(predictor: Predictor, of: PatientRecord, settings: PredictorSettings) -> Any:
    """What a predictor says of one patient, in this process."""
    dead = refusal_of_death(predictor, of)
    if dead is not None:
        return dead
    (result,) = predictor.predict([of], settings)
    return result
