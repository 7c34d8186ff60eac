"""References of another system: to its own resources by ours, by identifier, to Binaries; never to another server's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.mapping import Site
from tests.adapters.ehr.conftest import Converted
from tests.adapters.ehr.conftest import convert as convert_records
from tests.command import run_command

SITE = Site(site="test", zone="Europe/Zurich", demo_key=True)
PATIENT = {
    "resourceType": "Patient",
    "id": "p",
    "identifier": [{"system": "urn:oid:2.25.1001", "value": "1"}],
}


def observation(identity: str, **elements: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation", "id": identity, "status": "final", "code": {"text": "x"},
        "subject": {"reference": "Patient/p"}, **elements,
    }  # fmt: skip


def converted(folder: Path, *resources: dict[str, Any]) -> Converted:
    path = folder / "export.ndjson"
    path.write_text("".join(json.dumps(one) + "\n" for one in resources))
    return convert_records("ehr/fhir", [path], SITE)


def test_reference_to_another_server_in_ndjson_is_not_to_our_resource_of_that_id(tmp_path: Path) -> None:
    other = {"reference": "https://other-hospital.example/fhir/Observation/2", "display": "their temp"}
    result = converted(tmp_path, PATIENT, observation("2"), observation("s", hasMember=[other]))
    assert result.of("Observation")[1]["hasMember"] == [{"display": "their temp"}]
    assert "FB-VEND-004" in result.codes()


@pytest.mark.parametrize(
    ("options", "written"), [((), 0), (("--set", "base=https://clinic.example/fhir"), 1)]
)
def test_absolute_references_are_to_the_system_itself_where_its_address_is_named(
    tmp_path: Path, options: tuple[str, ...], written: int
) -> None:
    path = tmp_path / "export.ndjson"
    result = observation("o", subject={"reference": "https://clinic.example/fhir/Patient/p"})
    path.write_text("".join(json.dumps(one) + "\n" for one in (PATIENT, result)))
    (tmp_path / "site.yaml").write_text("site: test\ndemo_key: true\n")
    out, report = tmp_path / "out", tmp_path / "report.json"
    run_command(
        "convert", path, "--adapter", "fhir", "--site", tmp_path / "site.yaml", "--out", out, "--report", report,
        *options,
    )  # fmt: skip
    content = json.loads(report.read_text())
    assert content["resources"].get("Observation", 0) == written
    if not written:
        assert [issue["code"] for issue in content["issues"]] == ["FB-ID-004"]
        assert "--set base=https://clinic.example/fhir" in content["issues"][0]["message"]


def test_searchset_names_the_server_that_it_is_of(tmp_path: Path) -> None:
    result = observation("o", subject={"reference": "https://clinic.example/fhir/Patient/p"})
    bundle = {
        "resourceType": "Bundle", "type": "searchset", "entry": [{"resource": PATIENT}, {"resource": result}],
        "link": [{"relation": "self", "url": "https://clinic.example/fhir/Observation?_include=Observation:patient"}],
    }  # fmt: skip
    (tmp_path / "bundle.json").write_text(json.dumps(bundle))
    result_of = convert_records("ehr/fhir", [tmp_path / "bundle.json"], SITE)
    (patient,) = result_of.of("Patient")
    assert result_of.of("Observation")[0]["subject"] == {"reference": f"Patient/{patient['id']}"}


@pytest.mark.parametrize("url", ["Binary/b", "https://clinic.example/fhir/Binary/b"])
def test_attachments_lead_to_their_binaries(tmp_path: Path, url: str) -> None:
    attachment = {"contentType": "application/pdf", "url": url}
    binary = {"resourceType": "Binary", "id": "b", "contentType": "application/pdf", "data": "JVBERg=="}
    document = {
        "resourceType": "DocumentReference", "id": "d", "status": "current", "subject": {"reference": "Patient/p"},
        "content": [{"attachment": attachment}],
    }  # fmt: skip
    media = {"resourceType": "Media", "id": "m", "status": "completed", "content": attachment}
    report = {
        "resourceType": "DiagnosticReport", "id": "r", "status": "final", "code": {"text": "x"},
        "subject": {"reference": "Patient/p"}, "presentedForm": [attachment],
    }  # fmt: skip
    resources = (PATIENT, binary, document, media, report)
    entries = [
        {"fullUrl": f"https://clinic.example/fhir/{one['resourceType']}/{one['id']}", "resource": one}
        for one in resources
    ]
    (tmp_path / "b.json").write_text(
        json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries})
    )
    result = convert_records("ehr/fhir", [tmp_path / "b.json"], SITE)
    ours = f"Binary/{result.of('Binary')[0]['id']}"
    assert ours != "Binary/b"
    assert result.of("DocumentReference")[0]["content"][0]["attachment"]["url"] == ours
    assert result.of("Media")[0]["content"]["url"] == ours
    assert result.of("DiagnosticReport")[0]["presentedForm"][0]["url"] == ours


def test_attachment_elsewhere_keeps_its_link(tmp_path: Path) -> None:
    url = "https://other.example/fhir/Binary/b"
    media = {"resourceType": "Media", "id": "m", "status": "completed", "content": {"url": url}}
    assert converted(tmp_path, media).of("Media")[0]["content"]["url"] == url


PRACTITIONER = {
    "resourceType": "Practitioner",
    "id": "a",
    "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": "9999"}],
}
SEARCH = "Practitioner?identifier=http://hl7.org/fhir/sid/us-npi|9999"


def test_reference_by_search_is_to_what_has_the_identifier_in_another_file(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(PRACTITIONER))
    lines = (PATIENT, observation("o", performer=[{"reference": SEARCH, "display": "Dr. S"}]))
    (tmp_path / "z.ndjson").write_text("".join(json.dumps(one) + "\n" for one in lines))
    result = convert_records("ehr/fhir", [tmp_path / "z.ndjson", tmp_path / "a.json"], SITE)
    (practitioner,) = result.of("Practitioner")
    (performer,) = result.of("Observation")[0]["performer"]
    assert performer == {"reference": f"Practitioner/{practitioner['id']}", "display": "Dr. S"}
    assert result.codes() == set()


def test_reference_by_search_that_finds_none_or_several_keeps_its_identifier(tmp_path: Path) -> None:
    performed = observation("o", performer=[{"reference": SEARCH, "display": "Dr. S"}])
    identifier = {"system": "http://hl7.org/fhir/sid/us-npi", "value": "9999"}
    expected = [{"display": "Dr. S", "type": "Practitioner", "identifier": identifier}]
    for others in ((), (PRACTITIONER, {**PRACTITIONER, "id": "b"})):
        result = converted(tmp_path, PATIENT, *others, performed)
        assert result.of("Observation")[0]["performer"] == expected
        assert "FB-VEND-004" in result.codes()


def test_patient_is_the_one_of_an_authority_that_the_site_knows(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(
        "site: test\ndemo_key: true\nidentity: {authorities: {HOSP: 'urn:oid:2.25.1001'}}\n"
    )
    site = Site.load(tmp_path / "site.yaml")
    path = tmp_path / "export.ndjson"
    ids = []
    for identifiers in (
        PATIENT["identifier"],
        [{"system": "https://elsewhere.example/id", "value": "7"}, *PATIENT["identifier"]],
    ):
        path.write_text(json.dumps({**PATIENT, "identifier": identifiers}))
        ids += [one["id"] for one in convert_records("ehr/fhir", [path], site).of("Patient")]
    assert ids[0] == ids[1]
