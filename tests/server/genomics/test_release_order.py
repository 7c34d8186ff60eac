"""Releases of ClinVar and files in any order: the newest release that classifies a variant is what counts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.server import Settings, create_app
from tests.command import Done, run_command
from tests.server.conftest import Http, bare_plugins, running
from tests.server.genomics.genome import genome, site
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
    settings = Settings(
        database_url=database_url,
        auth="none",
        site=folder / "site.yaml",
        blob_dir=folder / "blobs",
        pages=False,
    )
    assert command
    with running(create_app(settings, plugins=bare_plugins())) as http:
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
