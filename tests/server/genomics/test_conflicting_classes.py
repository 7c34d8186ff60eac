"""ClinVar's classes of one allele that conflict: words alone, from a release, and in the answers of kept files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.command import run_command
from tests.server.conftest import Http
from tests.server.genomics.genome import genome, serving_folder, site
from tests.server.genomics.test_reclassification import CORA, search

RELEASE = """##fileformat=VCFv4.1
##fileDate=2026-06-01
##reference=GRCh38
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO
7\t7000\t103\tA\tG\t.\t.\tCLNSIG=Benign|Pathogenic;CLNDN=Deafness%2C_rare|A%3Db
1\t2000\t102\tG\tA\t.\t.\tCLNSIG=Uncertain_significance/Pathogenic
1\t3000\t104\tT\tC\t.\t.\tCLNSIG=not_provided|Pathogenic
"""
KEPT = (
    "chr1 1000 . A G 50 PASS CLNSIG=Benign|Pathogenic;CLNDN=Deafness%2C_rare|A%3Db GT:AD:PS 0/1:9,9:. 0/0:9,0:.",
    "chr1 2000 . G A 50 PASS CLNSIG=Pathogenic GT:AD:PS 0/1:9,9:. 0/1:9,9:.",
    "chr1 3000 . T C 50 PASS CLNSIG=Benign GT:AD:PS 0/1:9,9:. 0/0:9,0:.",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("conflicts")
    site(path)
    with (path / "crosswalk.csv").open("a") as file:
        file.write("NA-CORA;urn:oid:2.25.7;C1\n")
    (path / "clinvar.vcf").write_text(RELEASE)
    (path / "cora.vcf").write_text(CORA)
    return path


@pytest.fixture(scope="module")
def command(folder: Path, database_url: str) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FHIR_BRIDGE_DATABASE_URL", database_url)
        environment.setenv("FHIR_BRIDGE_BLOB_DIR", str(folder / "blobs"))
        yield lambda name, path, *more: run_command(name, path, "--site", folder / "site.yaml", *more)


@pytest.fixture(scope="module")
def served(command: Any, database_url: str, folder: Path) -> Iterator[Http]:
    assert command("load", genome(folder, lines=KEPT), "-a", "vcf", "--keep-file").returncode == 0
    assert command("load", folder / "cora.vcf", "-a", "vcf").returncode == 0
    with serving_folder(folder, database_url) as http:
        yield http


def values(implication: dict[str, Any], code: str) -> list[dict[str, Any]]:
    return [
        component["valueCodeableConcept"]
        for component in implication["component"]
        if component["code"]["coding"][0]["code"] == code
    ]


def stored(served: Http, number: str) -> dict[str, dict[str, Any]]:
    """Implications of a person, by the text of their class."""
    found = search(
        served, f"Observation?patient:Patient.identifier=urn:oid:2.25.7|{number}&code=diagnostic-implication"
    )
    return {values(each, "53037-8")[0]["text"]: each for each in found}


def test_a_kept_file_answers_with_the_words_alone_and_decoded_names(served: Http) -> None:
    (patient,) = search(served, "Patient?identifier=urn:oid:2.25.7|A1")
    answer = served.get(
        "/fhir/$find-subject-dx-implications",
        params={"subject": patient["id"], "ranges": "NC_000001.11:990-1010"},
    )
    assert answer.status_code == 200, answer.text
    (implication,) = [
        each["resource"] for each in answer.json()["parameter"] if each["name"] == "implication"
    ]
    assert values(implication, "53037-8") == [{"text": "Benign; Pathogenic"}]
    assert [each["text"] for each in values(implication, "81259-4")] == ["Deafness, rare", "A=b"]


def test_a_release_whose_classes_conflict_leaves_words_alone_and_says_so(
    served: Http, command: Any, folder: Path
) -> None:
    done = command("reclassify", folder / "clinvar.vcf")
    assert done.returncode == 0, done.stderr
    assert "variants have classes that conflict, or none of ClinVar's words" in done.stderr
    cora = stored(served, "C1")["Benign; Pathogenic"]
    assert values(cora, "53037-8") == [{"text": "Benign; Pathogenic"}]
    assert [each["text"] for each in values(cora, "81259-4")] == ["Deafness, rare", "A=b"]
    anna = stored(served, "A1")
    # What was stored as pathogenic stays stored, with the words alone; a class beside none is a finding.
    assert values(anna["Uncertain significance/Pathogenic"], "53037-8") == [
        {"text": "Uncertain significance/Pathogenic"}
    ]
    assert values(anna["not provided; Pathogenic"], "53037-8")[0]["coding"][0]["code"] == "LA6668-3"
    for number in ("A1", "B1"):
        (report,) = search(
            served, f"DiagnosticReport?patient:Patient.identifier=urn:oid:2.25.7|{number}&code=51969-4"
        )
        assert "No variant that ClinVar classifies" not in report["conclusion"]
        assert "can't be read or conflicts" in report["conclusion"]
