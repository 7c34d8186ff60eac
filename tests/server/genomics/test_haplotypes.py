"""Haplotypes that are not there: of a gene that was called, of one that was not, and of nobody's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.command import run_command
from tests.server.conftest import Http
from tests.server.genomics.genome import genome, serving_folder, site

REPORT = Path(__file__).parents[3] / "mappings/genomics/pharmcat/examples/cardiology/S1.report.json"


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory, database_url: str) -> Iterator[Http]:
    folder = tmp_path_factory.mktemp("haplotypes")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FHIR_BRIDGE_DATABASE_URL", database_url)
        # Bert has variants, and nothing that was called of haplotypes.
        for path, more in (
            (genome(folder), ("-a", "vcf")),
            (REPORT, ("-a", "pharmcat", "--set", "sample=NA-ANNA")),
        ):
            done = run_command("load", path, "--site", site(folder), *more)
            assert done.returncode == 0, done.stderr
    with serving_folder(folder, database_url) as client:
        yield client


def ask(http: Http, number: str, operation: str, **parameters: str) -> tuple[list[dict[str, Any]], str]:
    """The parts of the first item, and the warnings."""
    (entry,) = http.get(f"/fhir/Patient?identifier=urn:oid:2.25.7|{number}").json()["entry"]
    answer = http.get(f"/fhir/${operation}", params={"subject": entry["resource"]["id"], **parameters}).json()
    rows = answer.get("parameter", [])
    warnings = " ".join(
        issue["diagnostics"] for row in rows if row["name"] == "outcome" for issue in row["resource"]["issue"]
    )
    return rows[0].get("part", []), warnings


@pytest.mark.parametrize(
    ("number", "haplotype", "presence", "studied"),
    [
        ("A1", "CYP2C19*2", True, "yes"),
        ("A1", "CYP2C19 *2/*2", True, "yes"),
        ("A1", "CYP2C19*17", False, "yes"),
        ("A1", "CYP2D6*4", None, "no"),
        ("A1", "HLA-B*57:01", None, "no"),
        ("A1", "VKORC1 rs9923231 variant (T)", True, "yes"),
        ("A1", "VKORC1 rs7294 variant (T)", False, "yes"),
        ("A1", "http://example.org|H7", False, "unknown"),
        ("B1", "CYP2C19*2", None, "no"),
        ("B1", "CYP2D6*4", None, "no"),
        ("B1", "http://example.org|H7", None, "no"),
    ],
)
def test_a_haplotype_is_absent_where_its_gene_was_called_alone(
    http: Http, number: str, haplotype: str, presence: bool | None, studied: str
) -> None:
    rows, warnings = ask(http, number, "find-subject-specific-haplotypes", haplotypes=haplotype)
    parts = {part["name"]: part for part in rows}
    assert parts["presence"].get("valueBoolean") == presence
    assert parts["studied"]["valueCode"] == studied
    if presence is None:
        (extension,) = parts["presence"]["_valueBoolean"]["extension"]
        assert extension["valueCode"] == "not-performed"
    assert bool(warnings) is (studied != "yes")


def test_each_haplotype_of_a_list_is_answered_by_its_own_gene(http: Http) -> None:
    _, warnings = ask(http, "A1", "find-subject-specific-haplotypes", haplotypes="CYP2D6*4,CYP2C9*3")
    assert "CYP2D6*4: no test called CYP2D6" in warnings
    assert "CYP2C9" not in warnings


def test_a_gene_that_no_test_called_is_said_to_be_none(http: Http) -> None:
    for gene, studied in (("CYP2C19", "yes"), ("HGNC:2621", "yes"), ("CYP2D6", "no")):
        rows, warnings = ask(http, "A1", "find-subject-haplotypes", genes=gene)
        assert {part["name"]: part.get("valueCode") for part in rows}["studied"] == studied
        assert bool(warnings) is (studied == "no")
    _, warnings = ask(http, "A1", "find-subject-tx-implications", haplotypes="CYP2D6*4")
    assert "no test called CYP2D6" in warnings
