"""What a result says beside its value, where a person has to decide."""

from __future__ import annotations

from typing import Any

from tests.predictions.records import quantity
from tests.predictions.ward import Ward, american, concept, european, ward

__all__ = ["ward"]


def test_an_hba1c_that_was_that_of_diabetes_is_said_beside_the_value(ward: Ward) -> None:
    before = quantity("4548-4", 7.8, "%", when="2026-01-05")
    now = quantity("4548-4", 6.0, "%")
    ward.load({"was": [*european(), before, now], "never": [*european(), now]})
    said = ward.ask("score2")
    assert said["was"].value == said["never"].value is not None
    assert "Not decided: an earlier HbA1c (Observation/" in said["was"].text
    assert "2026-01-05) is that of diabetes" in said["was"].text
    assert "HbA1c" not in said["never"].text


def test_two_races_are_said(ward: Ward) -> None:
    race = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race"

    def extension(*codes: str) -> list[dict[str, Any]]:
        parts = [
            {"url": "ombCategory", "valueCoding": {"system": "urn:oid:2.16.840.1.113883.6.238", "code": code}}
            for code in codes
        ]
        return [{"url": race, "extension": [*parts, {"url": "text", "valueString": "stated"}]}]

    drug = {
        "resourceType": "MedicationStatement",
        "status": "active",
        "medicationCodeableConcept": concept("http://www.whocc.no/atc", "N02BE01"),
    }
    ward.load({"both": [*american(), drug]}, extension=extension("2106-3", "2054-5"))
    ward.load({"black": [*american(), drug]}, extension=extension("2054-5"))
    said = ward.ask("pooled-cohort")
    assert said["both"].value == said["black"].value is not None
    assert "White and black are both stated as race" in said["both"].text
    assert "both stated" not in said["black"].text
