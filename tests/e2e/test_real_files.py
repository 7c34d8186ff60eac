"""`convert` on real files of all four adapters: a report whose account balances, the right exit code, valid FHIR."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

pytestmark = pytest.mark.shared

# adapter, files, (exit code, read, rejected), types that come out
CASES = {
    "csv: Synthea": (
        "csv",
        ["synthea-csv-27nj/patients.csv", "synthea-csv-27nj/allergies.csv", "synthea-csv-27nj/providers.csv"],
        (0, 27 + 40 + 166, 0),
        {"Patient", "AllergyIntolerance"},
    ),
    "hl7v2: FHIR-Converter": (
        "hl7v2",
        ["hl7v2/microsoft-fhir-converter"],
        None,
        {"Patient", "Encounter", "Observation", "DiagnosticReport"},
    ),
    "dicom: ECG, CT, SR": (
        "dicom",
        [
            "dicom/ecg",
            "dicom/highdicom/ct_image.dcm",
            "dicom/highdicom/sr_document.dcm",
            "dicom/hl7_dicom_sr",
        ],
        None,
        {"Patient", "ImagingStudy", "Observation", "DiagnosticReport", "Device"},
    ),
    "vcf: vcf2fhir": (
        "vcf",
        ["vcf/vcf2fhir/vcf_example3.vcf", "vcf/hts-specs/4.3/failed/failed_empty.vcf"],
        (1, None, 4),
        {"Patient", "Specimen", "Observation", "DiagnosticReport", "Procedure"},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_convert_leaves_a_balanced_report_and_valid_resources(
    case: str, shared: Path, bridge: Any, tmp_path: Path
) -> None:
    adapter, sources, expected, kinds = CASES[case]
    site, out = tmp_path / "site.yaml", tmp_path / "out"
    site.write_text("demo_key: true\nzone: Europe/Rome\n")
    files = [shared / "data" / source for source in sources]
    arguments = ("convert", *files, "--adapter", adapter, "--site", site, "--out")
    run = bridge(*arguments, out)

    report = json.loads((out / "report.json").read_bytes())
    records = report["records"]
    assert records["read"] == records["converted"] + records["skipped"] + records["rejected"] > 0
    assert run.exit_code == (1 if records["rejected"] or records["partial"] else 0), run.output
    if expected is not None:
        code, read, rejected = expected
        assert (run.exit_code, records["rejected"]) == (code, rejected), report["issues"]
        assert records["read"] == (read or records["read"])

    lines = {
        file.stem: file.read_bytes().splitlines()
        for file in out.glob("*.ndjson")
        if file.name != "rejects.ndjson"
    }
    assert set(lines) == set(report["resources"]) >= kinds
    assert {kind: len(found) for kind, found in lines.items()} == report["resources"]
    for kind, found in lines.items():
        for line in found:
            get_fhir_model_class(kind).model_validate_json(line)
    validated = bridge("validate", out, "--quiet")
    assert validated.exit_code == 0, validated.output

    rejects = [json.loads(line) for line in (out / "rejects.ndjson").read_bytes().splitlines()]
    assert len(rejects) >= min(1, records["rejected"] + records["partial"])
    assert all(reject["issues"] for reject in rejects)

    again = bridge(*arguments, tmp_path / "again")
    assert again.exit_code == run.exit_code
    for file in out.glob("*.ndjson"):
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes(), file.name


def test_an_output_folder_with_content_is_refused(shared: Path, bridge: Any, tmp_path: Path) -> None:
    source = shared / "data/synthea-csv-27nj/patients.csv"
    (tmp_path / "Patient.ndjson").write_text("precious\n")
    (tmp_path / "site.yaml").write_text("demo_key: true\n")
    refused = bridge("convert", source, "-a", "csv", "--out", tmp_path, "--site", tmp_path / "site.yaml")
    assert refused.exit_code != 0
    assert (tmp_path / "Patient.ndjson").read_text() == "precious\n"
