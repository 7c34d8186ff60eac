"""What was made and is not written leaves its record partial and the exit code 1, whatever withheld it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.command import run_command

BEDS = """\
mapping: beds
version: 1.0.0
title: Beds of a ward, for tests
source: {adapter: csv, delimiter: ";"}
rules:
- rule: bed
  as: Location
  key: [row.ward, row.bed]
  status: active
  name: "=row.name"
"""
RELATIVES = """\
mapping: relatives
version: 1.0.0
title: Patients with a relative and a ward, for tests
source: {adapter: csv, delimiter: ";"}
rules:
- rule: person
  as: Patient
  key: [row.person]
  contact:
  - gender: "=row.relative"
- rule: ward
  as: Location
  key: [row.ward]
  status: active
  name: "=row.ward"
"""
VCF = """\
##fileformat=VCFv4.3
##fileDate=20260302
##contig=<ID=1,length=248956422>
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "site.yaml"
    path.write_text("demo_key: true\n")
    return path


def convert(source: Path, site: Path, *more: object) -> tuple[int, dict[str, Any], list[dict[str, Any]]]:
    out = source.parent / "out"
    done = run_command("convert", source, "--site", site, "--out", out, *more)
    assert "Traceback" not in done.stderr
    rejects = [json.loads(line) for line in (out / "rejects.ndjson").read_text().splitlines()]
    return done.returncode, json.loads((out / "report.json").read_text()), rejects


@pytest.mark.parametrize("name", ["beds.csv", "beds of\ta\nward.csv"])
def test_another_content_under_an_id_is_withheld_and_its_record_partial(
    site: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "mapping.yaml").write_text(BEDS)
    source = tmp_path / name
    source.write_text("ward;bed;name\nA;1;Window\nA;1;Door\nA;1;Window\nA;2;Door\n")
    code, report, rejects = convert(source, site, "--adapter", "csv", "--mapping", tmp_path / "mapping.yaml")
    assert code == 1
    assert report["records"] == {"read": 4, "converted": 4, "partial": 1, "skipped": 0, "rejected": 0}
    assert (report["resources"], report["withheld"]) == ({"Location": 2}, 1)
    assert [(reject["locator"], reject["outcome"]) for reject in rejects] == [(f"{name}:3", "partial")]


def test_a_resource_that_is_not_valid_leaves_its_record_partial(site: Path, tmp_path: Path) -> None:
    (tmp_path / "mapping.yaml").write_text(RELATIVES)
    source = tmp_path / "people.csv"
    source.write_text("person;relative;ward\n1;;A\n2;female;B\n")
    code, report, rejects = convert(source, site, "--adapter", "csv", "--mapping", tmp_path / "mapping.yaml")
    assert code == 1
    assert report["records"] == {"read": 2, "converted": 2, "partial": 1, "skipped": 0, "rejected": 0}
    assert (report["resources"], report["withheld"]) == ({"Location": 2, "Patient": 1}, 1)
    assert [reject["issues"][0]["code"] for reject in rejects] == ["FB-RUN-020"]


def test_what_a_file_loses_outside_of_its_records_is_not_exit_0(site: Path, tmp_path: Path) -> None:
    site.write_text("demo_key: true\nidentity: {unlinked: hold}\n")
    source = tmp_path / "a.vcf"
    source.write_text(VCF + "1\t100\t.\tA\tC\t.\tPASS\t.\tGT\t0/0\n")
    code, report, rejects = convert(source, site, "--adapter", "vcf")
    assert code == 1
    assert report["records"] == {"read": 1, "converted": 0, "partial": 0, "skipped": 1, "rejected": 0}
    assert report["withheld"] == 2, "the sample's Patient and Specimen, and its report"
    assert {issue["code"] for reject in rejects for issue in reject["issues"]} == {"FB-ID-003"}


def test_two_contents_of_one_variant_are_both_written_with_their_conflict(site: Path, tmp_path: Path) -> None:
    """Also where other lines stand between them: the second is remembered by the first."""
    source = tmp_path / "a.vcf"
    line = "1\t{}\t.\tA\tC\t.\tPASS\t.\tGT\t{}\n"
    source.write_text(
        VCF + "".join(line.format(*item) for item in ((100, "0/1"), (200, "0/0"), (100, "1/1")))
    )
    code, report, rejects = convert(source, site, "--adapter", "vcf")
    assert (code, rejects) == (0, [])
    assert report["records"] == {"read": 3, "converted": 2, "partial": 0, "skipped": 1, "rejected": 0}
    assert report["resources"]["Observation"] == 2
    assert "FB-VCF-038" in {issue["code"] for issue in report["issues"]}


def test_nothing_withheld_is_exit_0_and_no_count(site: Path, tmp_path: Path) -> None:
    source = tmp_path / "a.vcf"
    source.write_text(VCF + "1\t100\t.\tA\tC\t.\tPASS\t.\tGT\t0/1\n")
    code, report, rejects = convert(source, site, "--adapter", "vcf")
    assert (code, "withheld" in report, rejects) == (0, False, [])
