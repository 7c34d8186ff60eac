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
