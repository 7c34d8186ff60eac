"""Codes of required bindings that vendors write in other letters are those of R4; what R4 lacks is withheld."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fhir_bridge.pipeline import RunRequest, load_sources

HL7 = "http://terminology.hl7.org/CodeSystem"
CLINICAL, VERIFICATION = f"{HL7}/condition-clinical", f"{HL7}/condition-ver-status"


def condition(**more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "id": "c",
        "code": {"text": "Hypertension"},
        "subject": {"reference": "Patient/p"},
        **more,
    }


def stored(
    tmp_path: Path, url: str, *resources: dict[str, Any]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    (tmp_path / "site.yaml").write_text("site: test\ndemo_key: true\n")
    path = tmp_path / "export.ndjson"
    patient = {"resourceType": "Patient", "id": "p"}
    path.write_text("\n".join(json.dumps(one) for one in (patient, *resources)))
    request = RunRequest("fhir", site=tmp_path / "site.yaml")
    report = load_sources(request, [str(path)], url).report
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT resource_text(bytes) FROM resource WHERE type <> 'Patient' AND NOT deleted"
        ).fetchall()
    return [json.loads(row[0]) for row in rows], report


@pytest.mark.parametrize(
    ("clinical", "verification"),
    [
        ({"coding": [{"system": CLINICAL, "code": "ACTIVE"}]}, "CONFIRMED"),
        ({"coding": [{"code": "Active"}]}, {"coding": [{"system": VERIFICATION, "code": "Confirmed "}]}),
        ({"text": "Active"}, {"coding": [{"system": "urn:vendor", "code": "1"}], "text": "Confirmed"}),
        ({"coding": [{"system": CLINICAL, "code": "active"}]}, {"text": "confirmed"}),
    ],
)
def test_diagnosis_is_stored_in_whatever_letters_its_status_is_written(
    tmp_path: Path, fresh_database_url: str, clinical: Any, verification: Any
) -> None:
    sent = condition(clinicalStatus=clinical, verificationStatus=verification)
    for _ in range(2):
        (one,), report = stored(tmp_path, fresh_database_url, sent)
        assert report["records"]["rejected"] == 0
    assert one["clinicalStatus"]["coding"][0] == {"system": CLINICAL, "code": "active"}
    assert one["verificationStatus"]["coding"][0] == {"system": VERIFICATION, "code": "confirmed"}
    if isinstance(verification, dict) and len(verification) == 2:
        assert verification["coding"][0] in one["verificationStatus"]["coding"]


def test_status_that_r4_does_not_have_is_never_left_out_of_a_diagnosis(
    tmp_path: Path, fresh_database_url: str
) -> None:
    sent = condition(verificationStatus={"coding": [{"system": VERIFICATION, "code": "RULED OUT"}]})
    other = condition(id="d", verificationStatus="REFUTED")
    (one,), report = stored(tmp_path, fresh_database_url, sent, other)
    assert one["verificationStatus"]["coding"][0]["code"] == "refuted"
    assert report["records"]["rejected"] == 1


def test_codes_within_elements_and_contained_resources(tmp_path: Path, fresh_database_url: str) -> None:
    allergy = {
        "resourceType": "AllergyIntolerance",
        "id": "a",
        "clinicalStatus": {"coding": [{"code": "ACTIVE"}]},
        "type": "ALLERGY",
        "category": ["MEDICATION", "food"],
        "code": {"text": "Penicillin"},
        "patient": {"reference": "Patient/p"},
        "recorder": {"reference": "#r"},
        "contained": [{"resourceType": "Practitioner", "id": "r", "gender": "FEMALE"}],
        "reaction": [{"severity": "SEVERE", "manifestation": [{"text": "ACTIVE"}]}],
        "identifier": [{"use": "OFFICIAL", "value": "Active"}],
    }
    (one,), report = stored(tmp_path, fresh_database_url, allergy)
    assert report["records"]["partial"] == 0
    assert (one["type"], one["category"]) == ("allergy", ["medication", "food"])
    assert one["contained"][0]["gender"] == "female"
    assert one["reaction"] == [{"severity": "severe", "manifestation": [{"text": "ACTIVE"}]}]
    assert one["identifier"][0] == {"use": "official", "value": "Active"}


def vital(code: str, value: float, unit: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation", "id": code, "status": "final", "subject": {"reference": "Patient/p"},
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]}, "effectiveDateTime": "2026-01-01",
        "valueQuantity": {"value": value, "unit": unit}, **more,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("code", "value", "unit", "expected"),
    [
        ("29463-7", 150, "lbs", (150, "[lb_av]")),
        ("8310-5", 98.6, "F", (98.6, "[degF]")),
        ("8310-5", 37, "C", (37, "Cel")),
        ("8302-2", 1.75, "M", (175, "cm")),
        ("8302-2", 70, "in", (70, "[in_i]")),
        ("8867-4", 72, "bpm", (72, "/min")),
        ("59408-5", 97, "percent", (97, "%")),
    ],
)
def test_vital_sign_without_category_and_with_a_unit_as_people_write_it_is_stored(
    tmp_path: Path, fresh_database_url: str, code: str, value: float, unit: str, expected: tuple[float, str]
) -> None:
    (one,), report = stored(tmp_path, fresh_database_url, vital(code, value, unit))
    assert report["records"]["rejected"] == 0
    assert (one["valueQuantity"]["value"], one["valueQuantity"]["code"]) == expected
    assert one["category"][0]["coding"][0]["code"] == "vital-signs"
    codes = [coding["code"] for coding in one["code"]["coding"]]
    assert codes == (["2708-6", "59408-5"] if code == "59408-5" else [code])


def test_unit_that_is_none_of_a_vital_sign_is_withheld(tmp_path: Path, fresh_database_url: str) -> None:
    results, report = stored(tmp_path, fresh_database_url, vital("29463-7", 150, "stones or so"))
    assert (results, report["records"]["rejected"]) == ([], 1)


def test_a_document_a_consent_and_a_claim_are_stored(tmp_path: Path, fresh_database_url: str) -> None:
    text, subject = {"text": "x"}, {"reference": "Patient/p"}
    composition = {
        "resourceType": "Composition", "id": "d", "status": "final", "type": text, "subject": subject, "title": "IPS",
        "date": "2026-01-01", "author": [{"display": "A"}],
        "section": [{"title": "s", "code": text, "entry": [{"reference": "Condition/c"}]}],
    }  # fmt: skip
    consent = {
        "resourceType": "Consent", "id": "k", "status": "active", "patient": subject, "dateTime": "2026-01-01",
        "scope": {"coding": [{"system": f"{HL7}/consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "policyRule": {"coding": [{"system": f"{HL7}/v3-ActCode", "code": "OPTIN"}]},
        "provision": {"type": "permit", "provision": [{"type": "deny", "data": [
            {"meaning": "instance", "reference": {"reference": "Condition/c"}}]}]},
    }  # fmt: skip
    claim = {
        "resourceType": "Claim", "id": "q", "status": "active", "type": text, "use": "claim", "patient": subject,
        "created": "2026-01-01", "provider": {"display": "P"}, "priority": text,
        "insurance": [{"sequence": 1, "focal": True, "coverage": {"display": "C"}}],
    }  # fmt: skip
    problem = condition()
    results, report = stored(tmp_path, fresh_database_url, composition, consent, claim, problem)
    assert report["records"]["converted"] == 5
    by_type = {one["resourceType"]: one for one in results}
    named = {"reference": f"Condition/{by_type['Condition']['id']}"}
    assert by_type["Composition"]["section"][0]["entry"] == [named]
    assert by_type["Consent"]["provision"]["provision"][0]["data"][0]["reference"] == named
    assert by_type["Claim"]["use"] == "claim"
