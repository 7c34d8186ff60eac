"""Variants that were pinned of a kept file, and a release of ClinVar: one statement has one id, whoever makes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.command import Done, run_command
from tests.server.conftest import Http
from tests.server.genomics.genome import genome, serving_folder, site
from tests.server.genomics.test_reclassification import search

RELEASE = """##fileformat=VCFv4.1
##fileDate={date}
##reference=GRCh38
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO
1\t1000\t101\tA\tG\t.\t.\tCLNSIG={first};CLNREVSTAT=practice_guideline
1\t1010\t102\tC\tT\t.\t.\tCLNSIG=Pathogenic;CLNREVSTAT=practice_guideline
1\t3000\t103\tT\tC\t.\t.\tCLNSIG={second};CLNREVSTAT=practice_guideline
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pinned")
    site(path)
    return path


@pytest.fixture(scope="module")
def reclassify(folder: Path, database_url: str) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FHIR_BRIDGE_DATABASE_URL", database_url)
        environment.setenv("FHIR_BRIDGE_BLOB_DIR", str(folder / "blobs"))
        where = folder / "site.yaml"
        done = run_command("load", genome(folder), "-a", "vcf", "--site", where, "--keep-file")
        assert done.returncode == 0, done.stderr

        def run(date: str, first: str, second: str) -> Done:
            path = folder / f"clinvar-{date}.vcf"
            path.write_text(RELEASE.format(date=date, first=first, second=second))
            return run_command("reclassify", path, "--site", where)

        yield run


@pytest.fixture(scope="module")
def served(reclassify: Any, database_url: str, folder: Path) -> Iterator[Http]:
    assert reclassify
    with serving_folder(folder, database_url) as http:
        yield http


def implications(served: Http, subject: str) -> dict[int, set[tuple[str, str]]]:
    """Id and words of each implication, stored or of the file, by the position of its variant."""
    results = {}
    for position in (1000, 1010, 3000):
        asked = {"subject": subject, "ranges": f"NC_000001.11:{position - 1}-{position}"}
        answer = served.get("/fhir/$find-subject-dx-implications", params=asked)
        assert answer.status_code == 200, answer.text
        rows = [row["resource"] for row in answer.json().get("parameter", []) if row["name"] == "implication"]
        results[position] = {
            (each["id"], each["component"][0]["valueCodeableConcept"]["text"]) for each in rows
        }
    return results


def words(stated: dict[int, set[tuple[str, str]]]) -> dict[int, list[str]]:
    return {position: sorted(text for _, text in rows) for position, rows in stated.items()}


def test_a_pinned_variant_has_one_classification_under_one_id(served: Http, reclassify: Any) -> None:
    (anna,) = (each["id"] for each in search(served, "Patient?identifier=urn:oid:2.25.7|A1"))
    asked = {"subject": anna, "ranges": "NC_000001.11:990-3010"}
    assert served.post("/fhir/$pin-variants", params=asked).status_code == 200
    before = implications(served, anna)
    assert words(before) == {1000: [], 1010: [], 3000: ["Benign"]}
    for date, first, second in (
        ("2026-06-01", "Uncertain_significance", "Uncertain_significance"),
        ("2026-07-01", "Pathogenic", "Likely_pathogenic"),
        ("2026-08-01", "Benign", "Benign"),
    ):
        done = reclassify(date, first, second)
        assert done.returncode == 0, done.stderr
        stated = implications(served, anna)
        expected = {1000: [first.replace("_", " ")], 1010: ["Pathogenic"], 3000: [second.replace("_", " ")]}
        assert words(stated) == expected
        # Each under the id that it has in the file.
        assert {identity for identity, _ in stated[3000]} == {identity for identity, _ in before[3000]}
        rows = search(served, f"Observation?patient={anna}&code=diagnostic-implication&_count=50")
        about = [each["derivedFrom"][0]["reference"] for each in rows]
        assert len(about) == len(set(about))
    # The same release again changes nothing.
    rows = search(served, f"Observation?patient={anna}&_count=50&_sort=_id")
    assert reclassify("2026-08-01", "Benign", "Benign").returncode == 0
    assert search(served, f"Observation?patient={anna}&_count=50&_sort=_id") == rows


def test_what_a_person_made_of_a_classification_stays(served: Http, reclassify: Any) -> None:
    (anna,) = (each["id"] for each in search(served, "Patient?identifier=urn:oid:2.25.7|A1"))
    ((identity, _),) = implications(served, anna)[3000]
    content = served.get(f"/fhir/Observation/{identity}").json()
    content["component"][0]["valueCodeableConcept"] = {"text": "Reviewed by us"}
    assert served.put(f"/fhir/Observation/{identity}", json=content).status_code == 200
    assert reclassify("2026-09-01", "Pathogenic", "Pathogenic").returncode == 0
    assert words(implications(served, anna)) == {
        1000: ["Pathogenic"],
        1010: ["Pathogenic"],
        3000: ["Reviewed by us"],
    }
