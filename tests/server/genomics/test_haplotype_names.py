"""Haplotypes by any of their names, in each genotype that lists them; those that could not be called are not absent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.command import run_command
from tests.server.conftest import Http
from tests.server.genomics.genome import serving_folder, site
from tests.server.genomics.test_haplotypes import REPORT, ask

CALLS = {
    "DPYD": ("c.1905+1G>A (*2A)", "Reference"),
    "CYP2D6": ("*4", "*1x3"),
    "VKORC1": ("rs9923231 reference (C)", "rs9923231 variant (T)"),
    "CYP2C19": ("*2", "*17"),
}


def gene_report(gene: str, names: tuple[str, str], **more: Any) -> dict[str, Any]:
    first, second = ({"gene": gene, "name": name} for name in names)
    diplotype = {"allele1": first, "allele2": second, "gene": gene, "label": "/".join(names)}
    return {"geneSymbol": gene, "sourceDiplotypes": [diplotype], **more}


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory, database_url: str) -> Iterator[Http]:
    folder = tmp_path_factory.mktemp("names")
    report = json.loads(REPORT.read_bytes()) | {"drugs": {}}
    report["genes"] = {
        gene: gene_report(gene, names, uncalledHaplotypes=["*35"] if gene == "CYP2C19" else [])
        for gene, names in CALLS.items()
    }
    files = []
    for sample in ("NA-ANNA", "NA-BERT"):
        files.append((folder / f"{sample}.report.json", sample))
        files[-1][0].write_text(json.dumps(report | {"title": sample}))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FHIR_BRIDGE_DATABASE_URL", database_url)
        for file, sample in files:
            done = run_command(
                "load", file, "--site", site(folder), "-a", "pharmcat", "--set", f"sample={sample}"
            )
            assert done.returncode == 0, done.stderr
    with serving_folder(folder, database_url) as client:
        yield client


def names(rows: list[dict[str, Any]], kind: str) -> set[str]:
    return {row["resource"]["valueCodeableConcept"]["text"] for row in rows if row["name"] == kind}


@pytest.mark.parametrize(
    ("haplotype", "haplotypes", "genotypes"),
    [
        ("DPYD*2A", {"DPYD c.1905+1G>A (*2A)"}, {"DPYD c.1905+1G>A (*2A)/Reference"}),
        ("DPYD c.1905+1G>A", {"DPYD c.1905+1G>A (*2A)"}, {"DPYD c.1905+1G>A (*2A)/Reference"}),
        ("DPYD c.1905+1G>A (*2A)", {"DPYD c.1905+1G>A (*2A)"}, {"DPYD c.1905+1G>A (*2A)/Reference"}),
        ("DPYD Reference", {"DPYD Reference"}, {"DPYD c.1905+1G>A (*2A)/Reference"}),
        ("CYP2D6*1", {"CYP2D6*1x3"}, {"CYP2D6 *4/*1x3"}),
        ("CYP2D6*1x3", {"CYP2D6*1x3"}, {"CYP2D6 *4/*1x3"}),
        ("CYP2D6 *1x3/*4", set(), {"CYP2D6 *4/*1x3"}),
        (
            "VKORC1 rs9923231 variant (T)",
            {"VKORC1 rs9923231 variant (T)"},
            {"VKORC1 rs9923231 reference (C)/rs9923231 variant (T)"},
        ),
        ("DPYD*2", set(), set()),
        ("CYP2D6*1x2", set(), set()),
        ("CYP2D6*10", set(), set()),
    ],
)
def test_a_haplotype_is_found_by_its_names_with_each_genotype_that_lists_it(
    http: Http, haplotype: str, haplotypes: set[str], genotypes: set[str]
) -> None:
    rows, _ = ask(http, "A1", "find-subject-specific-haplotypes", haplotypes=haplotype)
    assert names(rows, "haplotype") == haplotypes
    assert names(rows, "genotype") == genotypes
    parts = {part["name"]: part for part in rows}
    assert parts["presence"]["valueBoolean"] is bool(genotypes)
    assert parts["studied"]["valueCode"] == "yes"


@pytest.mark.parametrize("haplotype", ["CYP2C19*35", "CYP2C19 *2/*35"])
def test_a_haplotype_that_could_not_be_called_is_not_absent(http: Http, haplotype: str) -> None:
    rows, warnings = ask(http, "A1", "find-subject-specific-haplotypes", haplotypes=haplotype)
    parts = {part["name"]: part for part in rows}
    assert "valueBoolean" not in parts["presence"]
    assert parts["presence"]["_valueBoolean"]["extension"][0]["valueCode"] == "not-performed"
    assert parts["studied"]["valueCode"] == "no"
    assert "the test of the gene could not call it" in warnings
    _, warnings = ask(http, "A1", "find-subject-tx-implications", haplotypes=haplotype)
    assert "the test of the gene could not call it" in warnings


def test_a_haplotype_that_a_test_could_call_is_absent(http: Http) -> None:
    def presence(number: str, haplotype: str) -> Any:
        rows, _ = ask(http, number, "find-subject-specific-haplotypes", haplotypes=haplotype)
        return {part["name"]: part for part in rows}["presence"].get("valueBoolean")

    assert presence("A1", "CYP2C19*3") is False
    assert presence("B1", "CYP2C19*35") is None
    rows, _ = ask(http, "B1", "find-subject-specific-haplotypes", haplotypes="CYP2C19*2")
    (genotype,) = (row["resource"] for row in rows if row["name"] == "genotype")
    # Of another laboratory, which could call all haplotypes of the gene.
    other = {
        key: value for key, value in genotype.items() if key not in ("id", "meta", "derivedFrom", "note")
    }
    other["component"] = other["component"][:1]
    assert http.post("/fhir/Observation", json=other).status_code == 201
    assert presence("B1", "CYP2C19*35") is False
