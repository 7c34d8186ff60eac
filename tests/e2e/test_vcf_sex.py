"""A sample whose calls show another sex than its Patient has is not stored; the others of its file are."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.command import run_command
from tests.e2e.conftest import stored

HEADER = """\
##fileformat=VCFv4.2
##fileDate={date}
##contig=<ID=1,length=248956422>
##contig=<ID=X,length=156040895>
##contig=<ID=Y,length=57227415>
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tMAN\tWOMAN
"""


def vcf(path: Path, date: str, *, sexes: bool) -> Path:
    rows = ["1\t100\t.\tA\tC\t50\tPASS\t.\tGT\t0/1\t0/1"]
    if sexes:
        rows += [f"X\t{30_000_000 + place}\t.\tA\tC\t50\tPASS\t.\tGT\t1/1\t0/1" for place in range(25)]
        rows += [f"Y\t{10_000_000 + place}\t.\tA\tC\t50\tPASS\t.\tGT\t1\t." for place in range(4)]
    path.write_text(HEADER.format(date=date) + "".join(f"{row}\n" for row in rows))
    return path


def test_a_sample_of_another_sex_is_held_with_a_report(
    tmp_path: Path, fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FHIR_BRIDGE_DATABASE_URL", fresh_database_url)
    site, crosswalk = tmp_path / "site.yaml", tmp_path / "crosswalk.csv"
    site.write_text("demo_key: true\nidentity: {crosswalk: crosswalk.csv}\n")
    crosswalk.write_text("sample;system;value\nMAN;urn:oid:2.999.1;111\nWOMAN;urn:oid:2.999.1;222\n")

    def load(path: Path, *more: object) -> tuple[int, dict[str, Any]]:
        report = tmp_path / "report.json"
        done = run_command("load", path, "--site", site, "--report", report, *more)
        assert "Traceback" not in done.stderr
        return done.returncode, json.loads(report.read_text())

    def subjects() -> Counter[str]:
        found = (json.loads(content) for content in stored(fresh_database_url, versions=False).values())
        return Counter(
            people[resource["subject"]["reference"]]
            for resource in found
            if resource["resourceType"] == "Observation" and resource["status"] == "final"
        )

    load(vcf(tmp_path / "a.vcf", "20260101", sexes=False), "--adapter", "vcf")
    patients = [
        json.loads(content)
        for name, content in stored(fresh_database_url, versions=False).items()
        if name.startswith("Patient/")
    ]
    people = {f"Patient/{patient['id']}": patient["identifier"][0]["value"] for patient in patients}
    for patient in patients:
        del patient["meta"]
    lines = (json.dumps({**patient, "gender": "female"}) for patient in patients)
    (tmp_path / "people.ndjson").write_text("\n".join(lines) + "\n")
    assert load(tmp_path / "people.ndjson")[0] == 0
    assert subjects() == {"111": 1, "222": 1}

    code, report = load(vcf(tmp_path / "b.vcf", "20260201", sexes=True), "--adapter", "vcf")
    assert code == 1
    assert any(issue["code"] == "FB-RUN-013" for issue in report["issues"])
    man, woman = report["calls"]
    assert (man["sex"], man["written"], man["withheld"]) == ("male", 0, {"FB-RUN-013": 30})
    assert (woman["sex"], woman["written"], woman["withheld"]) == ("female", 26, {})
    assert subjects() == {"111": 1, "222": 26}

    code, report = load(tmp_path / "b.vcf", "--adapter", "vcf", "--set", "check_sex=false")
    assert code == 0
    assert subjects() == {"111": 30, "222": 26}


def test_a_patient_who_came_as_fhir_is_compared_by_identifier(
    tmp_path: Path, fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FHIR_BRIDGE_DATABASE_URL", fresh_database_url)
    site, report, system = tmp_path / "site.yaml", tmp_path / "report.json", "urn:oid:2.999.1"
    site.write_text("demo_key: true\nidentity: {crosswalk: crosswalk.csv}\n")
    (tmp_path / "crosswalk.csv").write_text(f"sample;system;value\nMAN;{system};11,1\nWOMAN;{system};222\n")
    people = [("m1", "11,1", "male"), ("m2", "11,1", "female"), ("w", "222", "female"), ("x", "333", "male")]
    (tmp_path / "people.ndjson").write_text(
        "".join(
            json.dumps(
                {
                    "resourceType": "Patient",
                    "id": identity,
                    "identifier": [{"system": system, "value": value}],
                    "gender": gender,
                }
            )
            + "\n"
            for identity, value, gender in people
        )
    )
    assert run_command("load", tmp_path / "people.ndjson", "--site", site).returncode == 0
    path = vcf(tmp_path / "b.vcf", "20260201", sexes=True)
    done = run_command("load", path, "--adapter", "vcf", "--site", site, "--report", report)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    man, woman = json.loads(report.read_text())["calls"]
    assert (man["written"], man["withheld"]) == (0, {"FB-RUN-013": 30})
    assert (woman["written"], woman["withheld"]) == (26, {})
    kept = [name for name in stored(fresh_database_url, versions=False) if name.startswith("Patient/")]
    assert len(kept) == len(people) + 1  # the woman's own of the file; none of the man's
