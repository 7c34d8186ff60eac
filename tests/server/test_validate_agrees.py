"""Validation gives one result by command line, Python and `$validate`; a Bundle is validated with its entries."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir.serialization import JsonError, dumps, loads_exact
from fhir_bridge.fhir.validation import get_validator
from tests.command import run_command
from tests.fhir import resources
from tests.server.conftest import Hospital

Found = tuple[str, str, str, str]
"""Severity, code, expression, message."""

IPS_PATIENT = "http://hl7.org/fhir/uv/ips/StructureDefinition/Patient-uv-ips"


def of_command(text: bytes, folder: Path, *more: object) -> list[Found]:
    (folder / "resource.json").write_bytes(text)
    done = run_command("validate", folder / "resource.json", "--format", "json", *more)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    failed = any(line["severity"] in ("error", "fatal") for line in lines)
    assert done.returncode == failed, done.stderr
    return sorted((line["severity"], line["code"], line["expression"], line["message"]) for line in lines)


def of_python(text: bytes, profiles: Sequence[str] = ()) -> list[Found]:
    issues = get_validator().validate(text, profiles)
    return sorted((issue.severity, issue.code, issue.expression, issue.message) for issue in issues)


def of_server(hospital: Hospital, headers: dict[str, str], text: bytes, query: str = "") -> list[Found]:
    kind = json.loads(text).get("resourceType")
    address = f"/fhir/{kind if kind != 'Nonsense' else 'Patient'}/$validate{query}"
    answer = hospital.http.post(
        address, content=text, headers={**headers, "Content-Type": "application/fhir+json"}
    )
    assert answer.status_code == 200, answer.text
    return sorted(
        (
            issue["severity"],
            issue["details"]["coding"][0]["code"],
            "".join(issue.get("expression", [])),
            issue["details"]["text"],
        )
        for issue in answer.json()["issue"]
        if "coding" in issue["details"]
    )


@pytest.fixture(scope="module")
def clinician(hospital: Hospital) -> dict[str, str]:
    return hospital.token("user/*.rs")


def bundle(kind: str, *held: dict[str, Any], **more: Any) -> dict[str, Any]:
    entries = []
    for number, resource in enumerate(held):
        name = f"{resource.get('resourceType')}/{resource.get('id', number)}"
        entry: dict[str, Any] = {"fullUrl": f"https://example.net/fhir/{name}", "resource": resource}
        if kind in ("transaction", "batch"):
            entry["request"] = {"method": "PUT", "url": name}
        if kind == "searchset":
            entry["search"] = {"mode": "match"}
        entries.append(entry)
    return {"resourceType": "Bundle", "type": kind, "entry": entries, **more}


def broken_patient() -> dict[str, Any]:
    return {"resourceType": "Patient", "id": "broken", "gender": "of the sea", "birthDate": "yesterday"}


SMALL: list[dict[str, Any]] = [
    {"resourceType": "Patient", "id": "p"},
    {"resourceType": "Patient", "id": "p", "nonsense": 1, "active": "yes"},
    {"resourceType": "Patient", "extension": [{"url": "https://unknown.test/e", "valueString": "x"}]},
    {"resourceType": "Patient", "contained": [{"resourceType": "Patient", "gender": "x"}]},
    {"resourceType": "Nonsense"},
    {"resourceType": "Patient", "implicitRules": "http://example.org/rules"},
    {"resourceType": "Observation"},
    {"resourceType": "Condition", "code": {"text": "x"}, "subject": {"reference": "Patient/p"}},
    {"resourceType": "Condition", "subject": {"reference": "nonsense"}, "clinicalStatus": {"coding": [{"code": "x"}]}},
    {"resourceType": "AllergyIntolerance", "patient": {"reference": "Patient/p"}, "criticality": "huge"},
    {"resourceType": "MedicationRequest", "status": "active", "intent": "order"},
    {"resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"}},
    {"resourceType": "DiagnosticReport", "status": "final", "code": {"text": "x"}},
    {"resourceType": "ImagingStudy", "status": "available", "subject": {"reference": "Group/g"}},
    {"resourceType": "Location", "status": "active", "name": ""},
    {"resourceType": "Organization", "name": "x", "telecom": [{"system": "pigeon"}]},
    {"resourceType": "Device", "deviceName": [{"name": "x", "type": "other"}]},
    {"resourceType": "Provenance", "target": []},
    {"resourceType": "DocumentReference", "status": "current", "content": [{"attachment": {"contentType": "x"}}]},
    {"resourceType": "CodeSystem", "status": "active", "content": "complete", "concept": [{"code": "a"}] * 2},
    {"resourceType": "ValueSet", "status": "active", "url": "https://example.net/v", "compose": {"include": []}},
    {"resourceType": "Questionnaire", "status": "active", "item": [{"linkId": "1", "type": "group"}]},
    {"resourceType": "Binary", "contentType": "text/plain", "data": "!"},
]  # fmt: skip


def cases() -> list[dict[str, Any]]:
    """Valid and broken resources of many types, then Bundles of them of every type."""
    valid = [resources.troponin(), resources.body_weight(), resources.variant(), resources.patient()]
    broken = []
    for resource in valid:
        wrong = copy.deepcopy(resource)
        wrong["status"] = wrong["active"] = "nonsense"
        wrong.pop("code", None)
        broken.append(wrong)
    found = [*SMALL, *valid, *broken]
    for kind in (
        "searchset", "collection", "transaction", "batch", "history", "document", "message",
        "transaction-response", "batch-response", "nonsense-type",
    ):  # fmt: skip
        found.append(bundle(kind, resources.patient()))
        found.append(bundle(kind, broken_patient(), {"resourceType": "Observation", "id": "o"}))
    found.append(bundle("collection", bundle("searchset", broken_patient(), id="inner")))
    found.append(
        {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": broken_patient()}, 3]}
    )
    found.append({"resourceType": "Bundle", "entry": "nonsense"})
    return found


@pytest.mark.parametrize(
    "resource", cases(), ids=lambda case: f"{case['resourceType']}-{case.get('type', '')}"
)
def test_command_python_and_server_give_one_result(
    resource: dict[str, Any], hospital: Hospital, clinician: dict[str, str], tmp_path: Path
) -> None:
    text = dumps(resource)
    expected = of_python(text)
    assert of_command(text, tmp_path) == expected
    assert of_server(hospital, clinician, text) == expected


@pytest.mark.parametrize("kind", ["searchset", "collection", "transaction", "batch"])
def test_the_bundle_itself_is_validated(kind: str, tmp_path: Path) -> None:
    wrong = {**bundle(kind, resources.patient()), "type": "nonsense-type", "nonsense": True}
    found = of_command(dumps(wrong), tmp_path)
    assert {("error", "Bundle.type"), ("error", "Bundle.nonsense")} <= {(f[0], f[2]) for f in found}
    assert ("error", "Bundle.total") in {
        (f[0], f[2]) for f in of_command(dumps({**bundle(kind), "total": "many"}), tmp_path)
    }


def test_an_issue_of_an_entry_carries_its_path_within_the_bundle(tmp_path: Path) -> None:
    found = of_command(dumps(bundle("collection", resources.patient(), broken_patient())), tmp_path)
    assert ("error", "Bundle.entry[1].resource.gender") in {(f[0], f[2]) for f in found}


def test_a_profile_is_asked_of_the_root_only(
    hospital: Hospital, clinician: dict[str, str], tmp_path: Path
) -> None:
    # Not an IPS Patient (no birthDate), but a Patient of R4.
    inner = {"resourceType": "Patient", "id": "p", "name": [{"text": "x"}]}
    alone = of_command(dumps(inner), tmp_path, "--profile", IPS_PATIENT)
    assert any("birthDate" in f[3] or f[2].endswith("birthDate") for f in alone)
    assert of_server(hospital, clinician, dumps(inner), f"?profile={IPS_PATIENT}") == alone
    held = dumps(bundle("collection", inner))
    inside = of_command(held, tmp_path, "--profile", IPS_PATIENT)
    assert [f[1] for f in inside if f[0] == "error"] == ["FB-FHIR-036"], "it is no profile for a Bundle"
    assert of_server(hospital, clinician, held, f"?profile={IPS_PATIENT}") == inside
    assert of_python(held, [IPS_PATIENT]) == inside


def test_every_profile_that_is_named_is_asked(
    hospital: Hospital, clinician: dict[str, str], tmp_path: Path
) -> None:
    other = "https://example.net/no-such-profile"
    text = dumps({"resourceType": "Patient", "name": [{"text": "x"}]})
    expected = of_command(text, tmp_path, "--profile", IPS_PATIENT, "--profile", other)
    assert len({f[1] for f in expected}) > 1
    assert of_server(hospital, clinician, text, f"?profile={IPS_PATIENT}&profile={other}") == expected


def test_each_line_of_ndjson_is_a_resource(tmp_path: Path) -> None:
    lines = [
        dumps(resources.patient()),
        b"",
        dumps({**bundle("collection", broken_patient()), "type": "nonsense-type"}),
        b"{not json",
        dumps(broken_patient()),
    ]
    file = tmp_path / "all.ndjson"
    file.write_bytes(b"\n".join(lines))
    done = run_command("validate", file, "--format", "json")
    found = {(line["source"], line["expression"]) for line in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 1
    assert {
        ("all.ndjson:3", "Bundle.type"),
        ("all.ndjson:3", "Bundle.entry[0].resource.gender"),
        ("all.ndjson:4", ""),
        ("all.ndjson:5", "Patient.gender"),
    } <= found
    assert "4 resources, 3 invalid" in done.stderr


def test_xml_gives_the_result_of_its_json(tmp_path: Path) -> None:
    (tmp_path / "b.xml").write_text(
        '<Bundle xmlns="http://hl7.org/fhir"><type value="nonsense-type"/><entry>'
        '<fullUrl value="https://example.net/fhir/Patient/broken"/><resource><Patient><id value="broken"/>'
        '<gender value="of the sea"/></Patient></resource></entry></Bundle>'
    )
    done = run_command("validate", tmp_path / "b.xml", "--format", "json")
    found = {json.loads(line)["expression"] for line in done.stdout.splitlines()}
    assert {"Bundle.type", "Bundle.entry[0].resource.gender"} <= found


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[1]", b'{"resourceType":"Patient","id":"a","id":"b"}', b"\xff", b"3"]
)
def test_what_is_no_resource_is_one_fatal_or_error_issue(text: bytes, tmp_path: Path) -> None:
    found = of_command(text, tmp_path)
    assert [f[0] in ("error", "fatal") for f in found] == [True]
    assert found == of_python(text)


@pytest.mark.shared
@pytest.mark.parametrize("part", range(3))
def test_the_three_agree_on_cases_of_hl7s_validator(
    part: int, hospital: Hospital, clinician: dict[str, str], tmp_path: Path, shared: Path
) -> None:
    files = sorted((shared / "suites" / "fhir-test-cases-r4" / "validator").glob("*.json"))
    compared = 0
    for file in files[part::9]:
        text = file.read_bytes()
        try:
            resource = loads_exact(text)
        except (JsonError, ValueError):
            continue
        kind = resource.get("resourceType") if isinstance(resource, dict) else None
        if len(text) > 100_000 or kind in (None, "Parameters"):  # a Parameters names what it wants validated
            continue
        if hospital.http.get(f"/fhir/{kind}?_count=0", headers=clinician).status_code == 404:
            continue
        expected = of_python(text)
        assert of_command(text, tmp_path) == expected, file.name
        assert of_server(hospital, clinician, text) == expected, file.name
        compared += 1
    assert compared > 10
