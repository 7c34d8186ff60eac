"""`load` of FHIR as it is: every resource stored or named, and a second load changes nothing."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.serialization import loads
from fhir_bridge.pipeline import RunResult, load_fhir, validate_files
from fhir_bridge.pipeline.validate import ValidationSummary
from fhir_bridge.storage import Store

MOTHER = "88f151c0-a954-468a-88bd-5ae15c08e059"
TRANSACTION: dict[str, Any] = {
    "resourceType": "Bundle",
    "type": "transaction",
    "entry": [
        {
            "fullUrl": f"urn:uuid:{MOTHER}",
            "resource": {"resourceType": "Patient", "gender": "female"},
            "request": {"method": "POST", "url": "Patient"},
        },
        {
            "fullUrl": "urn:uuid:88f151c0-a954-468a-88bd-5ae15c08e05a",
            "resource": {
                "resourceType": "Observation",
                "status": "final",
                "code": {"text": "mood"},
                "subject": {"reference": f"urn:uuid:{MOTHER}"},
            },
            "request": {"method": "POST", "url": "Observation"},
        },
    ],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    site = tmp_path / "site.yaml"
    site.write_text("demo_key: true\n")
    fhir = tmp_path / "fhir"
    fhir.mkdir()
    lines = [
        '{"resourceType":"Patient","id":"a","gender":"male"}',
        '{"resourceType":"Patient","gender":"male"}',
        '{"resourceType":"Patient","id":"c","gender":"of the sea"}',
        "{not json",
    ]
    (fhir / "Patient.ndjson").write_text("\n".join(lines))
    (fhir / "broken.json").write_text("{nope")
    (fhir / "mother.json").write_text(json.dumps(TRANSACTION))
    (fhir / "report.json").write_text('{"records": {}}')
    return tmp_path


def load(folder: Path, url: str) -> RunResult:
    return load_fhir([str(folder / "fhir")], url, site=folder / "site.yaml")


def stored(url: str, *types: str) -> list[Any]:
    async def read() -> list[Any]:
        async with await Store.open(url) as store:
            pages = [await store.search(name, [], EVERYTHING, count=100) for name in types]
            return [loads(entry.bytes) for page in pages for entry in page.entries]

    return asyncio.run(read())


def test_every_resource_is_stored_or_rejected_by_name(folder: Path, fresh_database_url: str) -> None:
    result = load(folder, fresh_database_url)
    assert result.report["records"] == {"read": 7, "converted": 3, "partial": 0, "skipped": 0, "rejected": 4}
    named = {issue["source"]: issue["code"] for issue in result.report["issues"]}
    assert named == {
        "Patient.ndjson:2": "FB-RUN-031",
        "Patient.ndjson:3": "FB-FHIR-020",
        "Patient.ndjson:4": "FB-FHIR-001",
        "broken.json": "FB-FHIR-001",
    }
    assert {item["id"] for item in stored(fresh_database_url, "Patient")} == {"a", MOTHER}


def test_references_within_a_transaction_are_resolved(folder: Path, fresh_database_url: str) -> None:
    load(folder, fresh_database_url)
    (observation,) = stored(fresh_database_url, "Observation")
    assert observation["subject"]["reference"] == f"Patient/{MOTHER}"


def test_loading_twice_changes_no_version(folder: Path, fresh_database_url: str) -> None:
    load(folder, fresh_database_url)
    load(folder, fresh_database_url)
    result = stored(fresh_database_url, "Patient", "Observation")
    assert len(result) == 3
    assert {item["meta"]["versionId"] for item in result} == {"1"}


def test_validation_names_what_can_not_be_read_and_goes_on(folder: Path) -> None:
    summary = ValidationSummary()
    validated = validate_files([str(folder / "fhir")], summary=summary)
    findings = {item.locator: item.issues for item in validated}
    assert summary.resources == len(findings) == 6, "a Bundle is one resource"
    assert summary.invalid == 3
    assert {issue.code for issue in findings["broken.json"]} == {"FB-FHIR-001"}


def test_load_checks_codes_with_the_terminology_of_the_site(tmp_path: Path, fresh_database_url: str) -> None:
    (tmp_path / "terms").mkdir()
    system = {"resourceType": "CodeSystem", "url": "https://hospital.example/cs", "status": "active"}
    concepts = {"content": "complete", "concept": [{"code": "known"}]}
    (tmp_path / "terms" / "cs.json").write_text(json.dumps(system | concepts))
    (tmp_path / "site.yaml").write_text("demo_key: true\nterminology: [terms]\n")
    lines = [
        {
            "resourceType": "Basic",
            "id": f"coded-{code}",
            "code": {"coding": [{"system": "https://hospital.example/cs", "code": code}]},
        }
        for code in ("known", "unknown")
    ]
    (tmp_path / "fhir").mkdir()
    (tmp_path / "fhir" / "Basic.ndjson").write_text("\n".join(map(json.dumps, lines)))
    report = load(tmp_path, fresh_database_url).report
    assert (report["records"]["converted"], report["records"]["rejected"]) == (1, 1)
    assert [issue["code"] for issue in report["issues"]] == ["FB-FHIR-022"]


def test_a_consent_that_decides_nothing_is_reported(tmp_path: Path, fresh_database_url: str) -> None:
    (tmp_path / "site.yaml").write_text("demo_key: true\n")
    fhir = tmp_path / "fhir"
    fhir.mkdir()
    consent = {
        "resourceType": "Consent",
        "id": "rule",
        "status": "active",
        "scope": {"coding": [{"code": "patient-privacy"}]},
        "category": [{"text": "privacy"}],
        "patient": {"display": "someone"},
        "policyRule": {"text": "as the hospital says"},
    }
    (fhir / "Consent.ndjson").write_text(json.dumps(consent))
    result = load(tmp_path, fresh_database_url)
    assert result.report["records"]["converted"] == 1
    assert [issue["code"] for issue in result.report["issues"]] == ["FB-STORE-040"]
