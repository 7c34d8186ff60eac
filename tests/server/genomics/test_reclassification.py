"""A newer release of ClinVar: what is reportable by it is stored and reported, and reports that changed are marked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.command import Done, run_command
from tests.server.conftest import Http
from tests.server.genomics.genome import genome, serving_folder, site

RELEASE = """##fileformat=VCFv4.1
##fileDate=2026-06-01
##reference=GRCh38
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO
1\t1010\t101\tC\tT\t.\t.\tCLNSIG=Pathogenic;CLNDN=Cardiomyopathy;CLNREVSTAT=practice_guideline
1\t2000\t102\tG\tA\t.\t.\tCLNSIG=Benign;CLNREVSTAT=practice_guideline
7\t7000\t103\tA\tG\t.\t.\tCLNSIG=Likely_pathogenic;CLNREVSTAT=practice_guideline
"""
CORA = """##fileformat=VCFv4.3
##fileDate=20260301
##contig=<ID=chr7,length=159345973>
##INFO=<ID=CLNSIG,Number=A,Type=String,Description="ClinVar">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tNA-CORA
chr7\t7000\t.\tA\tG\t50\tPASS\tCLNSIG=Benign\tGT\t0/1
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("release")
    site(path)
    with (path / "crosswalk.csv").open("a") as file:
        file.write("NA-CORA;urn:oid:2.25.7;C1\n")
    (path / "clinvar.vcf").write_text(RELEASE)
    (path / "cora.vcf").write_text(CORA)
    return path


@pytest.fixture(scope="module")
def reclassify(folder: Path, database_url: str) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FHIR_BRIDGE_DATABASE_URL", database_url)
        environment.setenv("FHIR_BRIDGE_BLOB_DIR", str(folder / "blobs"))
        loading = ("-a", "vcf", "--site", folder / "site.yaml")
        assert run_command("load", genome(folder), *loading, "--keep-file").returncode == 0
        assert run_command("load", folder / "cora.vcf", *loading).returncode == 0

        def run() -> Done:
            return run_command("reclassify", folder / "clinvar.vcf", "--site", folder / "site.yaml")

        yield run


@pytest.fixture(scope="module")
def served(reclassify: Any, database_url: str, folder: Path) -> Iterator[Http]:
    assert reclassify
    with serving_folder(folder, database_url) as http:
        yield http


def search(served: Http, path: str) -> list[dict[str, Any]]:
    answer = served.get(f"/fhir/{path}").json()
    return [entry["resource"] for entry in answer.get("entry", [])]


def positions(served: Http, patient: str) -> set[int]:
    variants = search(served, f"Observation?patient={patient}&code=69548-6")
    return {
        int(component["valueRange"]["low"]["value"])
        for variant in variants
        for component in variant["component"]
        if component["code"]["coding"][0]["code"] == "81254-5"
    }


def classifications(served: Http, patient: str) -> list[str]:
    implications = search(served, f"Observation?patient={patient}&code=diagnostic-implication")
    return sorted(each["component"][0]["valueCodeableConcept"]["text"] for each in implications)


def test_a_newer_release_changes_what_is_stored_and_marks_the_reports(served: Http, reclassify: Any) -> None:
    people = {
        value: search(served, f"Patient?identifier=urn:oid:2.25.7|{value}")[0]["id"]
        for value in ("A1", "B1", "C1")
    }
    assert positions(served, people["A1"]) == {2000}
    done = reclassify()
    assert done.returncode == 0, done.stderr
    assert (
        "1 kept files read again, 1 stored variants classified anew, 3 reports with other findings"
        in done.stdout
    )
    # Of the kept file what is reportable now is stored; what is not any more is a variant all the same, and benign.
    assert positions(served, people["A1"]) == positions(served, people["B1"]) == {1010, 2000}
    assert classifications(served, people["A1"]) == ["Benign", "Pathogenic"]
    (report,) = search(served, f"DiagnosticReport?patient={people['A1']}")
    assert "1 reportable" in report["conclusion"]
    assert "Pathogenic" in report["conclusion"]
    # Of a file that is not kept the stored variant has the release's classification alone.
    assert classifications(served, people["C1"]) == ["Likely pathogenic"]
    tasks = search(served, "Task")
    assert {task["for"]["reference"] for task in tasks} == {f"Patient/{each}" for each in people.values()}
    assert all(task["status"] == "requested" and "2026-06-01" in task["description"] for task in tasks)
    (own,) = [task for task in tasks if task["for"]["reference"] == f"Patient/{people['C1']}"]
    assert own["description"].endswith("not a finding -> Likely pathogenic")
    # What operations say of the file is by the release too.
    answer = served.get(
        "/fhir/$find-subject-dx-implications",
        params={"subject": people["A1"], "ranges": "NC_000001.11:1990-2010"},
    ).json()
    (implication,) = [row["resource"] for row in answer["parameter"] if row["name"] == "implication"]
    assert implication["component"][0]["valueCodeableConcept"]["text"] == "Benign"


def test_the_same_release_again_changes_nothing(served: Http, reclassify: Any) -> None:
    before = served.get("/fhir/Observation?_count=100&_sort=_id").json()["entry"]
    done = reclassify()
    assert done.returncode == 0, done.stderr
    assert "0 stored variants classified anew, 0 reports with other findings" in done.stdout
    assert served.get("/fhir/Observation?_count=100&_sort=_id").json()["entry"] == before
    assert len(search(served, "Task")) == 3


def test_a_release_without_a_date_or_of_another_kind_is_refused(folder: Path, reclassify: Any) -> None:
    assert reclassify
    undated = folder / "undated.vcf"
    undated.write_text(RELEASE.replace("##fileDate=2026-06-01\n", ""))
    done = run_command("reclassify", undated, "--site", folder / "site.yaml")
    assert done.returncode == 2
    assert "--date" in done.stderr
    other = folder / "other.vcf"
    other.write_text(RELEASE.replace("GRCh38", "GRCh37"))
    done = run_command("reclassify", other, "--site", folder / "site.yaml")
    assert done.returncode == 1
    assert "it is of GRCh37, not of GRCh38" in done.stderr
    done = run_command("reclassify", folder / "site.yaml", "--date", "2026-06-02")
    assert done.returncode == 2
    assert "it classifies no allele" in done.stderr


def test_what_a_release_has_not_keeps_what_the_kept_file_says_of_it(
    served: Http, reclassify: Any, folder: Path
) -> None:
    """Neither a newer release without a variant nor an older release takes back that it is pathogenic."""
    assert reclassify().returncode == 0
    (anna,) = search(served, "Patient?identifier=urn:oid:2.25.7|A1")
    newer = folder / "newer.vcf"
    lines = RELEASE.replace("2026-06-01", "2026-07-01").splitlines(keepends=True)
    newer.write_text("".join(line for line in lines if not line.startswith(("1\t2000", "1\t1010"))))
    site_file = folder / "site.yaml"
    done = run_command("reclassify", newer, "--site", site_file)
    assert done.returncode == 0, done.stderr
    # 2000 is pathogenic by CLNSIG of the file, which the newer release does not contradict.
    assert classifications(served, anna["id"])[-1] == "Pathogenic"
    (report,) = search(served, f"DiagnosticReport?patient={anna['id']}&status=final")
    assert "1 reportable: NC_000001.11:g.2000G>A, heterozygous, Pathogenic" in report["conclusion"]
    # An older release changes nothing of a file that a newer one classifies.
    done = reclassify()
    assert done.returncode == 1
    assert "classified by the release of 2026-07-01 already" in done.stderr
    # The file as it came is classified by the newer release again; where that is gone, by itself, and that is said.
    done = run_command("load", genome(folder), "-a", "vcf", "--site", site_file, "--keep-file")
    assert "FB-RUN-051" not in done.stderr
    newer.rename(folder / "elsewhere.vcf")
    done = run_command("load", genome(folder), "-a", "vcf", "--site", site_file, "--keep-file")
    assert "FB-RUN-051" in done.stderr


def test_a_withdrawn_report_gets_no_task(served: Http, reclassify: Any, folder: Path) -> None:
    assert reclassify
    corrected, latest = genome(folder, date="20260401"), folder / "latest.vcf"
    latest.write_text(
        RELEASE.replace("2026-06-01", "2026-08-01").replace("CLNSIG=Benign", "CLNSIG=Uncertain_significance")
    )
    site_file = folder / "site.yaml"
    done = run_command("load", corrected, "-a", "vcf", "--site", site_file, "--keep-file")
    assert done.returncode == 0, done.stderr
    withdrawn = search(served, "DiagnosticReport?status=entered-in-error&_count=50")
    assert run_command("reclassify", latest, "--site", site_file).returncode == 0
    marked = {
        task["focus"]["reference"]
        for task in search(served, "Task?_count=50")
        if "2026-08-01" in task["description"]
    }
    assert withdrawn
    assert marked
    assert not marked & {f"DiagnosticReport/{report['id']}" for report in withdrawn}
