"""Samples that are held, of files that are to be kept: nothing of them stays in the file, and the account says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.command import run_command
from tests.server.genomics.genome import genome, site

MAN = """MSH|^~\\&|A|B|C|D|20260101120000||ADT^A01^ADT_A01|1|P|2.5
EVN|A01|20260101120000
PID|1||M1^^^&2.25.7&ISO^MR||Doe^J||19800101|M
PV1|1|I
"""
WOMAN = "".join(f"chrX\t{5_000_000 + 1000 * n}\t.\tA\tG\t50\tPASS\t.\tGT\t0/1\n" for n in range(40))
HEAD = """##fileformat=VCFv4.3
##fileDate=20260301
##contig=<ID=chrX,length=156040895>
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tNA-WOMAN
"""


@pytest.fixture
def load(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("FHIR_BRIDGE_DATABASE_URL", database_url)
    monkeypatch.setenv("FHIR_BRIDGE_BLOB_DIR", str(tmp_path / "blobs"))
    where = site(tmp_path)
    with (tmp_path / "crosswalk.csv").open("a") as file:
        file.write("NA-WOMAN;urn:oid:2.25.7;M1\n")

    def run(path: Path, *more: str) -> dict[str, Any]:
        report = tmp_path / "report.json"
        done = run_command("load", path, "--site", where, "--report", report, *more)
        assert done.returncode in (0, 1), done.stderr
        content: dict[str, Any] = json.loads(report.read_text())
        return content

    return run


def test_the_calls_of_a_sample_that_no_crosswalk_has_are_withheld(load: Any, tmp_path: Path) -> None:
    path = genome(tmp_path)
    path.write_text(path.read_text().replace("NA-BERT", "NOBODY"))
    anna, nobody = load(path, "-a", "vcf", "--keep-file")["calls"]
    assert (anna["kept_in_file"], anna["withheld"]) == (7, {})
    assert nobody["kept_in_file"] == nobody["written"] == 0
    assert nobody["withheld"] == {"FB-ID-003": nobody["called"]}


def test_the_calls_of_a_sample_of_another_sex_are_withheld(load: Any, tmp_path: Path) -> None:
    (tmp_path / "man.hl7").write_text(MAN.replace("\n", "\r"))
    (tmp_path / "woman.vcf").write_text(HEAD + WOMAN)
    load(tmp_path / "man.hl7", "-a", "hl7v2")
    (row,) = load(tmp_path / "woman.vcf", "-a", "vcf", "--keep-file")["calls"]
    assert row["kept_in_file"] == row["written"] == 0
    assert row["withheld"] == {"FB-RUN-013": 40}


RELEASE = """##fileformat=VCFv4.1
##fileDate=2026-06-01
##reference=GRCh38
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO
1\t2000\t102\tG\tA\t.\t.\tCLNSIG=Benign;CLNREVSTAT=practice_guideline
"""


def test_a_sample_is_held_of_files_that_a_release_classified(load: Any, tmp_path: Path) -> None:
    path, release = genome(tmp_path), tmp_path / "clinvar.vcf"
    path.write_text(path.read_text().replace("NA-BERT", "NOBODY"))
    release.write_text(RELEASE)
    load(path, "-a", "vcf", "--keep-file")
    assert run_command("reclassify", release, "--site", tmp_path / "site.yaml").returncode == 0
    again = load(path, "-a", "vcf", "--keep-file")
    assert again["calls"][1]["withheld"] == {"FB-ID-003": again["calls"][1]["called"]}
    other = tmp_path / "other.vcf"
    other.write_text(path.read_text().replace("20260301", "20260401"))
    assert [row["kept_in_file"] for row in load(other, "-a", "vcf", "--keep-file")["calls"]][1] == 0
    # What waits is processed once it is known whose it is.
    with (tmp_path / "crosswalk.csv").open("a") as file:
        file.write("NOBODY;urn:oid:2.25.7;N1\n")
    waiting = load(path, "-a", "vcf", "--keep-file")["calls"][1]
    assert waiting["withheld"] == {}
    assert waiting["kept_in_file"] > 0
