"""Releases of ClinVar and files in any order: the newest release that classifies a variant is what counts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.command import Done, run_command
from tests.server.conftest import Http
from tests.server.genomics.genome import LINES, genome, serving_folder, site
from tests.server.genomics.test_reclassification import CORA, classifications, search

RELEASE = """##fileformat=VCFv4.1
##fileDate={date}
##reference=GRCh38
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO
7\t7000\t103\tA\tG\t.\t.\tCLNSIG={stored};CLNREVSTAT=practice_guideline
1\t2000\t102\tG\tA\t.\t.\tCLNSIG={kept};CLNREVSTAT=practice_guideline
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("order")
    site(path)
    with (path / "crosswalk.csv").open("a") as file:
        file.write("NA-CORA;urn:oid:2.25.7;C1\nNA-DORA;urn:oid:2.25.7;D1\n")
    return path


@pytest.fixture(scope="module")
def command(folder: Path, database_url: str) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FHIR_BRIDGE_DATABASE_URL", database_url)
        environment.setenv("FHIR_BRIDGE_BLOB_DIR", str(folder / "blobs"))

        def run(name: str, path: Path, *more: str) -> Done:
            return run_command(name, path, "--site", folder / "site.yaml", *more)

        yield run


@pytest.fixture(scope="module")
def served(command: Any, database_url: str, folder: Path) -> Iterator[Http]:
    assert command
    with serving_folder(folder, database_url) as http:
        yield http


@pytest.fixture
def reclassify(command: Any, folder: Path) -> Any:
    def run(date: str, stored: str, kept: str) -> Done:
        path = folder / f"clinvar-{date}.vcf"
        path.write_text(RELEASE.format(date=date, stored=stored, kept=kept))
        done: Done = command("reclassify", path)
        return done

    return run


def person(http: Http, number: str) -> str:
    (patient,) = search(http, f"Patient?identifier=urn:oid:2.25.7|{number}")
    return str(patient["id"])


def test_an_older_release_changes_nothing_that_a_newer_one_classified(
    served: Http, command: Any, reclassify: Any, folder: Path
) -> None:
    (folder / "cora.vcf").write_text(CORA)
    assert command("load", genome(folder), "-a", "vcf", "--keep-file").returncode == 0
    assert command("load", folder / "cora.vcf", "-a", "vcf").returncode == 0
    anna, cora = person(served, "A1"), person(served, "C1")
    done = reclassify("2026-06-01", "Uncertain_significance", "Uncertain_significance")
    assert done.returncode == 0, done.stderr
    done = reclassify("2026-05-01", "Pathogenic", "Benign")
    assert done.returncode == 1
    assert "1 stored variants are classified by a newer release already" in done.stderr
    assert "classified by the release of 2026-06-01 already" in done.stderr
    assert "0 stored variants classified anew, 0 reports with other findings" in done.stdout
    assert classifications(served, cora) == ["Uncertain significance"]
    assert classifications(served, anna) == ["Uncertain significance"]
    # A newer one that says the same counts as the newest all the same.
    done = reclassify("2026-08-01", "Uncertain_significance", "Uncertain_significance")
    assert "0 stored variants classified anew, 0 reports with other findings" in done.stdout
    assert reclassify("2026-07-01", "Pathogenic", "Benign").returncode == 1
    assert classifications(served, cora) == ["Uncertain significance"]
    # What no release has classified yet is classified by an older one; what one has stays.
    (folder / "dora.vcf").write_text(CORA.replace("NA-CORA", "NA-DORA"))
    assert command("load", folder / "dora.vcf", "-a", "vcf").returncode == 0
    assert reclassify("2026-07-01", "Pathogenic", "Benign").returncode == 1
    assert classifications(served, person(served, "D1")) == ["Pathogenic"]
    assert classifications(served, cora) == ["Uncertain significance"]
    assert reclassify("2026-09-01", "Likely_pathogenic", "Pathogenic").returncode == 0
    assert (
        classifications(served, cora)
        == classifications(served, person(served, "D1"))
        == ["Likely pathogenic"]
    )
    assert classifications(served, anna) == ["Pathogenic"]


@pytest.mark.parametrize("keep", [("--keep-file",), ()])
def test_a_newer_file_of_a_sample_is_classified_by_the_release_of_the_kept_one(
    served: Http, command: Any, reclassify: Any, folder: Path, keep: tuple[str, ...]
) -> None:
    """The release makes what the file itself calls pathogenic uncertain, and another variant pathogenic."""
    month = "4" if keep else "5"
    assert command("load", genome(folder, date=f"20260{month}01"), "-a", "vcf", "--keep-file").returncode == 0
    done = reclassify(f"2026-1{int(month) - 4}-01", "Pathogenic", "Uncertain_significance")
    assert done.returncode == 0, done.stderr
    anna = person(served, "A1")
    assert classifications(served, anna)[-1] == "Uncertain significance"
    lines = (*LINES, "chr7 8000 . A G 50 PASS . GT:AD:PS 0/1:9,9:. 0/0:9,0:.")
    newer = genome(folder, date=f"20260{month}15", lines=lines)
    done = command("load", newer, "-a", "vcf", *keep)
    assert done.returncode == 0, done.stderr
    assert "classified by clinvar-2026-1" in done.stderr
    assert "FB-RUN-051" not in done.stderr
    current = search(served, f"Observation?patient={anna}&code=diagnostic-implication&status=final&_count=50")
    texts = {each["component"][0]["valueCodeableConcept"]["text"] for each in current}
    assert "Uncertain significance" in texts
    assert "Pathogenic" not in texts
    (report,) = search(served, f"DiagnosticReport?patient={anna}&status=final")
    assert "No variant that ClinVar classifies as pathogenic" in report["conclusion"]


def test_where_the_release_is_gone_a_newer_file_says_that_it_lost_it(
    served: Http, command: Any, reclassify: Any, folder: Path
) -> None:
    assert command("load", genome(folder, date="20260701"), "-a", "vcf", "--keep-file").returncode == 0
    assert reclassify("2026-12-01", "Pathogenic", "Uncertain_significance").returncode == 0
    (folder / "clinvar-2026-12-01.vcf").unlink()
    done = command("load", genome(folder, date="20260801"), "-a", "vcf", "--keep-file")
    assert done.returncode == 0, done.stderr
    assert "FB-RUN-051" in done.stderr
    # A sample of another file is no concern of it.
    (folder / "cora.vcf").write_text(CORA.replace("20260301", "20260302"))
    assert "FB-RUN-051" not in command("load", folder / "cora.vcf", "-a", "vcf", "--keep-file").stderr
