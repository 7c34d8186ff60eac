"""Kept files of a sample end alike in whichever order they come and are sent again, for operations as for REST."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.command import run_command
from tests.server.conftest import Http
from tests.server.genomics.genome import serving_folder, site
from tests.server.genomics.test_reclassification import search

HEAD = """##fileformat=VCFv4.3
##fileDate={date}
##contig=<ID=chr21,length=46709983>
##INFO=<ID=CLNSIG,Number=A,Type=String,Description="ClinVar">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{sample}
"""
FILES = {
    "old": (
        "a/exome.vcf",
        "20260101",
        ("1000 A G 0/1 .", "2000 C T 0/1 Pathogenic", "5000 G C 0/1 Pathogenic"),
    ),
    "panel": (
        "b/panel.vcf",
        "20260201",
        ("2000 C T 0/0 Pathogenic", "3000 G A 1/1 .", "3500 G T 0/1 Likely_pathogenic"),
    ),
    "new": ("c/exome.vcf", "20260301", ("1000 A T 0/1 .", "2000 C T 0/1 Benign", "7000 G A 0/1 Pathogenic")),
}
ORDERS = [
    *itertools.permutations(FILES),
    ("old", "panel", "new", "old", "panel"),
    ("new", "old", "new", "panel"),
    # Not kept is the first of them alone.
    ("plain", "panel", "new"),
    ("new", "plain", "panel"),
    ("panel", "plain", "new", "plain"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("orders")
    site(path)
    with (path / "crosswalk.csv").open("a") as file:
        file.writelines(f"Q{number};urn:oid:2.25.7;Q{number}\n" for number in range(len(ORDERS)))
    return path


@pytest.fixture(scope="module")
def load(folder: Path, database_url: str) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FHIR_BRIDGE_DATABASE_URL", database_url)
        environment.setenv("FHIR_BRIDGE_BLOB_DIR", str(folder / "blobs"))

        def run(sample: str, kind: str) -> None:
            name, date, lines = FILES["old" if kind == "plain" else kind]
            path = folder / sample / name
            path.parent.mkdir(parents=True, exist_ok=True)
            rows = []
            for line in lines:
                position, reference, alternate, call, word = line.split(" ")
                info = "." if word == "." else f"CLNSIG={word}"
                rows.append(f"chr21\t{position}\t.\t{reference}\t{alternate}\t50\tPASS\t{info}\tGT\t{call}\n")
            path.write_text(HEAD.format(date=date, sample=sample) + "".join(rows))
            keep = [] if kind == "plain" else ["--keep-file"]
            done = run_command("load", path, "-a", "vcf", "--site", folder / "site.yaml", *keep)
            assert done.returncode == 0, done.stderr
            assert "Traceback" not in done.stderr

        yield run


@pytest.fixture(scope="module")
def served(load: Any, database_url: str, folder: Path) -> Iterator[Http]:
    assert load
    with serving_folder(folder, database_url) as http:
        yield http


def statements(resources: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Position, ALT or classification, and state of Observations."""
    results = []
    for resource in resources:
        values = {each["code"]["coding"][0]["code"]: each for each in resource["component"]}
        place = values["81254-5"]["valueRange"]["low"]["value"] if "81254-5" in values else ""
        said = values["69551-0"]["valueString"] if "69551-0" in values else ""
        meant = values["53037-8"]["valueCodeableConcept"]["text"] if "53037-8" in values else ""
        results.append((str(place), said, meant, resource["status"]))
    return sorted(results)


def test_all_orders_end_alike(served: Http, load: Any) -> None:
    for number, order in enumerate(ORDERS):
        for kind in order:
            load(f"Q{number}", kind)
        of = f"patient.identifier=urn:oid:2.25.7|Q{number}"
        live = [each for each in search(served, f"Observation?{of}") if each["status"] == "final"]
        assert statements(live) == [
            ("", "", "Benign", "final"),
            ("", "", "Likely pathogenic", "final"),
            ("", "", "Pathogenic", "final"),
            ("2000", "T", "", "final"),
            ("3500", "T", "", "final"),
            ("7000", "A", "", "final"),
        ], order
        conclusions = [
            report["conclusion"]
            for report in search(served, f"DiagnosticReport?{of}")
            if report["status"] == "final" and report["effectiveDateTime"] == "2026-03-01"
        ]
        assert ["1 of them stay in the kept file" in text for text in conclusions] == [True], order
        (patient,) = search(served, f"Patient?identifier=urn:oid:2.25.7|Q{number}")
        asked = {"subject": patient["id"], "ranges": "NC_000021.9:0-20000", "includeVariants": "true"}
        answer = served.get("/fhir/$find-subject-variants", params=asked).json()
        variants = [
            part["resource"]
            for parameter in answer["parameter"]
            for part in parameter.get("part", ())
            if part["name"] == "variant"
        ]
        assert statements(variants) == [
            ("1000", "T", "", "final"),
            ("2000", "T", "", "final"),
            ("3000", "A", "", "final"),
            ("3500", "T", "", "final"),
            ("7000", "A", "", "final"),
        ], order
        for variant in variants:
            stored = served.get(f"/fhir/Observation/{variant['id']}")
            assert stored.status_code == 404 or stored.json()["status"] == variant["status"], order
