"""FHIR of other systems goes through the pipeline: our ids, coded, validated, and stored under the right patient."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fhir_bridge.adapters.ehr.fhir import resources
from fhir_bridge.mapping import Site
from fhir_bridge.pipeline import RunRequest, convert, load_sources
from tests.adapters.ehr.conftest import convert as convert_records

Write = Callable[..., Path]
EXAMPLE = Path(__file__).parents[3] / "mappings" / "ehr" / "fhir" / "examples" / "vendor"
SITE = """site: test
demo_key: true
zone: Europe/Zurich
identity:
  authorities: {HOSP: "urn:oid:2.25.1001"}
  unlinked: source
"""


def test_references_lead_to_what_the_files_became(write: Write) -> None:
    converted = convert_records("ehr/fhir", [EXAMPLE / "bundle.json"], Site.load(EXAMPLE / "site.yaml"))
    ids = {f"{one['resourceType']}/{one['id']}" for one in converted.resources}
    (observation,) = converted.of("Observation")
    assert {observation["subject"]["reference"], observation["encounter"]["reference"]} <= ids
    assert observation["status"] == "final"
    assert observation["code"]["coding"][0]["system"] == "http://loinc.org"
    assert observation["valueQuantity"]["code"] == "mmol/L"
    assert str(observation["valueQuantity"]["value"]) == "5.10"
    assert observation["performer"] == [{"display": "Lab"}]
    assert not {"eA1", "eE1", "eO1"} & {one["id"] for one in converted.resources}


def test_patient_is_the_one_whom_other_sources_name_by_the_same_identifier(write: Write) -> None:
    site = Site.load(EXAMPLE / "site.yaml")
    (vendor,) = convert_records("ehr/fhir", [EXAMPLE / "bundle.json"], site).of("Patient")
    rows = "PatNr;Aussteller;Auftrag;Code;Bezeichnung;Wert;Einheit;Referenz;Abnahme;Freigabe;Status\n"
    rows += "77;HOSP;L1;TG;Triglyzeride;5;mmol/l;;01.03.2026 10:00;;F\n"
    (result,) = convert_records("ehr/csv-laboratory", [write("lab.csv", rows)], site).resources
    assert result["subject"]["reference"] == f"Patient/{vendor['id']}"


def test_what_is_invalid_or_unknown_is_named_and_the_rest_is_written(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(SITE)
    request = RunRequest("fhir", site=tmp_path / "site.yaml")
    lines: list[dict[str, Any]] = [
        {"resourceType": "Patient", "id": "p", "identifier": [{"system": "urn:oid:2.25.1001", "value": "1"}]},
        *(
            {
                "resourceType": "Observation",
                "id": f"o{number}",
                "status": "final",
                "code": {"text": "x"},
                "subject": {"reference": "Patient/p"},
                "effectiveDateTime": "2024-02-30" if number == 70 else "2024-02-03",
                "component": [{"valueInteger": 1}] if number == 77 else None,
            }
            for number in range(80)
        ),
        {"resourceType": "Account", "id": "a"},
    ]
    text = "\n".join(json.dumps({k: v for k, v in line.items() if v is not None}) for line in lines)
    (tmp_path / "export.ndjson").write_text(text + '\n{"resourceType": "Obs')
    result = convert(request, [str(tmp_path / "export.ndjson")], tmp_path / "out")
    written = [
        json.loads(line) for line in (tmp_path / "out" / "Observation.ndjson").read_text().splitlines()
    ]
    assert len(written) == 79  # the one without the code of a component is invalid: all are validated
    assert result.report["records"]["rejected"] == 3
    assert sum("effectiveDateTime" not in one for one in written) == 1
    rejects = (tmp_path / "out" / "rejects.ndjson").read_text()
    assert all(f"export.ndjson:{line}" in rejects for line in (72, 79, 82, 83))


def test_reference_to_another_server_is_no_patient_of_this_bundle(write: Write) -> None:
    base, other = "https://epic.example/fhir/", "https://other.example/fhir/"
    patient = {
        "resourceType": "Patient",
        "id": "p",
        "identifier": [{"system": "urn:oid:2.25.1001", "value": "77"}],
    }
    subjects = (f"{base}Patient/p/_history/2", f"{other}Patient/p")
    results = [
        {"resourceType": "Observation", "id": f"o{n}", "status": "final", "code": {"text": "x"},
         "subject": {"reference": reference}, "valueString": "x"}
        for n, reference in enumerate(subjects)
    ]  # fmt: skip
    entries = [
        {"fullUrl": f"{base}{one['resourceType']}/{one['id']}", "resource": one}
        for one in (patient, *results)
    ]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    path = write("bundle.json", json.dumps(bundle))
    converted = convert_records("ehr/fhir", [path], Site.load(EXAMPLE / "site.yaml"))
    (known,) = converted.of("Patient")
    assert [one["subject"] for one in converted.of("Observation")] == [
        {"reference": f"Patient/{known['id']}"},
        {"display": f"{other}Patient/p"},
    ]


def test_number_that_readers_of_json_take_for_infinite_is_named_and_left_out(write: Write) -> None:
    text = (
        '{"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"}, '
        '"subject": {"display": "x"}, "valueQuantity": {"value": 1e400, "unit": "mg"}}'
    )
    site = Site.load(EXAMPLE / "site.yaml")
    converted = convert_records("ehr/fhir", [write("export.ndjson", text)], site)
    (vendors,) = converted.of("Observation")
    assert vendors["valueQuantity"] == {"unit": "mg"}
    rows = "PatNr;Aussteller;Auftrag;Code;Bezeichnung;Wert;Einheit;Referenz;Abnahme;Freigabe;Status\n"
    rows += "77;HOSP;L1;TG;Triglyzeride;1e400;mmol/l;;01.03.2026 10:00;;F\n"
    listed = convert_records("ehr/csv-laboratory", [write("lab.csv", rows)], site)
    assert "valueQuantity" not in listed.of("Observation")[0]
    assert "FB-MAP-207" in converted.codes() & listed.codes()


def test_extension_that_no_package_defines_is_kept(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(SITE)
    race = {"url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race", "extension": [
        {"url": "text", "valueString": "White"}]}  # fmt: skip
    patients = [
        {"resourceType": "Patient", "id": "a", "extension": [race]},
        {
            "resourceType": "Patient",
            "id": "b",
            "modifierExtension": [{"url": "http://x.test/m", "valueCode": "n"}],
        },
    ]
    (tmp_path / "export.ndjson").write_text("\n".join(map(json.dumps, patients)))
    convert(
        RunRequest("fhir", site=tmp_path / "site.yaml"), [str(tmp_path / "export.ndjson")], tmp_path / "out"
    )
    (kept,) = (json.loads(line) for line in (tmp_path / "out" / "Patient.ndjson").read_text().splitlines())
    assert kept["extension"] == [race]
    assert "export.ndjson:2" in (tmp_path / "out" / "rejects.ndjson").read_text()


def test_loading_it_twice_changes_nothing_and_a_correction_replaces(
    tmp_path: Path, fresh_database_url: str
) -> None:
    (tmp_path / "site.yaml").write_text(SITE)
    bundle = json.loads((EXAMPLE / "bundle.json").read_text())
    (tmp_path / "bundle.json").write_text(json.dumps(bundle))
    request = RunRequest("fhir", site=tmp_path / "site.yaml")
    source = [str(tmp_path / "bundle.json")]
    first = load_sources(request, source, fresh_database_url).report["stored"]
    again = load_sources(request, source, fresh_database_url).report["stored"]
    assert first["created"] == 4
    assert (again["created"], again["updated"]) == (0, 0)
    bundle["entry"][2]["resource"]["valueQuantity"]["value"] = 6.2
    bundle["entry"][2]["resource"]["meta"] = {"lastUpdated": "2024-02-01T00:00:00Z"}
    (tmp_path / "bundle.json").write_text(json.dumps(bundle))
    assert load_sources(request, source, fresh_database_url).report["stored"]["updated"] == 1
    with psycopg.connect(fresh_database_url) as connection:
        rows = connection.execute(
            "SELECT resource_text(bytes) FROM resource WHERE type = 'Observation' AND NOT deleted"
        ).fetchall()
    assert [json.loads(row[0])["valueQuantity"]["value"] for row in rows] == [6.2]


def test_a_file_too_large_to_be_read_as_a_whole_is_refused_and_lines_before_stay(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "MAX_DOCUMENT_BYTES", 200)
    patient = {
        "resourceType": "Patient",
        "id": "p",
        "identifier": [{"system": "urn:oid:2.25.1001", "value": "1"}],
    }
    small, large = json.dumps(patient), json.dumps({**patient, "name": [{"family": "x" * 200}]})
    site = Site.load(EXAMPLE / "site.yaml")
    whole = convert_records("ehr/fhir", [write("one.json", large)], site)
    assert not whole.resources
    assert [outcome for _, outcome in whole.outcomes] == ["rejected"]
    assert "was not read" in whole.issues[0].message
    lined = convert_records("ehr/fhir", [write("lines.ndjson", f"{small}\n{large}\n{small}\n")], site)
    assert len(lined.of("Patient")) == 1
    assert [outcome for _, outcome in lined.outcomes].count("rejected") == 1


@pytest.mark.parametrize(
    ("code", "value", "unit", "expected", "wanted"),
    [
        ("8480-6", 16.0, "kPa", "120", "mm[Hg]"),
        ("8480-6", 16, "kPa", "120", "mm[Hg]"),
        ("8310-5", 310.15, "K", "37.000", "Cel"),
        ("29463-7", 80000, "mg", "0.080000", "kg"),
        ("8302-2", 1.82, "m", "182", "cm"),
        ("8310-5", 98.6, "[degF]", "98.6", "[degF]"),
    ],
)
def test_vital_sign_is_in_a_unit_of_its_profile_with_what_was_sent_beside_it(
    tmp_path: Path, code: str, value: float, unit: str, expected: str, wanted: str
) -> None:
    (tmp_path / "site.yaml").write_text(SITE)
    measured = {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}
    patient = {
        "resourceType": "Patient",
        "id": "p",
        "identifier": [{"system": "urn:oid:2.25.1001", "value": "1"}],
    }
    pressure = code == "8480-6"
    coding = {"coding": [{"system": "http://loinc.org", "code": code}]}
    observation: dict[str, Any] = {
        "resourceType": "Observation",
        "id": "o",
        "status": "final",
        "category": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                        "code": "vital-signs",
                    }
                ]
            }
        ],
        "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]} if pressure else coding,
        "subject": {"reference": "Patient/p"},
        "effectiveDateTime": "2026-01-01",
    }
    if pressure:
        lower = {"coding": [{"system": "http://loinc.org", "code": "8462-4"}]}
        absent = {
            "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "unknown"}
            ]
        }
        observation["component"] = [
            {"code": coding, "valueQuantity": measured},
            {"code": lower, "dataAbsentReason": absent},
        ]
    else:
        observation["valueQuantity"] = measured
    path = tmp_path / "export.ndjson"
    path.write_text("".join(json.dumps(one) + "\n" for one in (patient, observation)))
    report = convert(RunRequest("fhir", site=tmp_path / "site.yaml"), [path], tmp_path / "out")
    assert report.account.converted == 2, report.account
    (stored,) = (
        json.loads(line) for line in (tmp_path / "out" / "Observation.ndjson").read_text().splitlines()
    )
    quantity = (stored["component"][0] if pressure else stored)["valueQuantity"]
    assert (quantity["value"], quantity["code"]) == (float(expected), wanted)
    beside = [one["valueQuantity"] for one in quantity.get("extension", ())]
    assert beside == ([] if wanted == unit else [measured])
