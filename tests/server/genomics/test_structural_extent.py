"""Structural variants whose extent is uncertain: surely in a range only by inner bounds; found where they begin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.command import run_command
from tests.server.conftest import Http
from tests.server.genomics.genome import serving_folder, site
from tests.server.genomics.test_reclassification import search

FILE = """##fileformat=VCFv4.3
##fileDate=20260301
##contig=<ID=chr2,length=242193529>
##contig=<ID=chr5,length=181538259>
##INFO=<ID=CHR2,Number=1,Type=String,Description="Chromosome of the end">
##INFO=<ID=SVTYPE,Number=1,Type=String,Description="Type">
##INFO=<ID=END,Number=1,Type=Integer,Description="End">
##INFO=<ID=SVLEN,Number=.,Type=Integer,Description="Length">
##INFO=<ID=CIPOS,Number=2,Type=Integer,Description="Interval">
##INFO=<ID=CIEND,Number=2,Type=Integer,Description="Interval">
##INFO=<ID=IMPRECISE,Number=0,Type=Flag,Description="Imprecise">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{sample}
chr2\t20000\t.\tN\t<DEL>\t40\tPASS\tSVTYPE=DEL;END=30000\tGT\t0/1
chr2\t50000\t.\tN\t<DEL>\t40\tPASS\tSVTYPE=DEL\tGT\t0/1
chr2\t60000\t.\tN\t<DEL>\t40\tPASS\tIMPRECISE;END=61000;CIPOS=-100,900;CIEND=-900,100\tGT\t0/1
chr2\t70000\t.\tN\t<DEL>\t40\tPASS\tEND=71000;CIPOS=5,-5;CIEND=-5,5\tGT\t0/1
chr2\t80000\t.\tN\t<DEL>\t40\tPASS\tSVLEN=-9000\tGT\t0/1
chr2\t100000\t.\tN\t<DEL>\t40\tPASS\tIMPRECISE;END=180000;SVLEN=-80000;CIPOS=(0,100);CIEND=(-100,0)\tGT\t0/1
chr2\t200000\t.\tN\t<DEL>\t40\tPASS\tIMPRECISE;END=280000;CIPOS=-50;CIEND=-100,100\tGT\t0/1
chr2\t300000\t.\tN\t<INS>\t40\tPASS\tIMPRECISE;SVLEN=3000\tGT\t0/1
chr2\t310000\t.\tN\t<TRA>\t40\tPASS\tSVTYPE=TRA;CHR2=chr5;END=5000000\tGT\t0/1
chr2\t320000\t.\tN\tN]chr5:6000000]\t40\tPASS\tSVTYPE=BND;CIPOS=-20,20\tGT\t0/1
"""
WAYS = {"NA-ANNA": ["--keep-file"], "NA-BERT": []}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, database_url: str) -> Iterator[Http]:
    folder = tmp_path_factory.mktemp("extent")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FHIR_BRIDGE_DATABASE_URL", database_url)
        environment.setenv("FHIR_BRIDGE_BLOB_DIR", str(folder / "blobs"))
        where = site(folder)
        for sample, options in WAYS.items():
            path = folder / f"{sample}.vcf"
            path.write_text(FILE.format(sample=sample))
            done = run_command("load", path, "-a", "vcf", "--site", where, *options)
            assert done.returncode == 1, done.stderr  # an interval is in brackets
    with serving_folder(folder, database_url) as http:
        yield http


def ask(
    http: Http, number: str, operation: str, ranges: str, accession: str = "NC_000002.12"
) -> tuple[bool | None, str]:
    """Presence, and the warnings."""
    (patient,) = search(http, f"Patient?identifier=urn:oid:2.25.7|{number}")
    answer = http.get(
        f"/fhir/$find-subject-structural-{operation}-variants",
        params={"subject": patient["id"], "ranges": f"{accession}:{ranges}", "includeVariants": "true"},
    )
    assert answer.status_code == 200, answer.text
    parameters: list[dict[str, Any]] = answer.json()["parameter"]
    texts = [
        issue["diagnostics"]
        for each in parameters
        if each["name"] == "outcome"
        for issue in each["resource"]["issue"]
    ]
    (presence,) = [
        part.get("valueBoolean")
        for each in parameters
        for part in each.get("part", ())
        if part["name"] == "presence"
    ]
    return presence, " ".join(texts)


@pytest.mark.parametrize("number", ["A1", "B1"])
@pytest.mark.parametrize(
    ("ranges", "surely"),
    [
        ("20100-20200", True),
        ("60100-60200", False),  # only the outer bounds hold it
        ("70100-70200", False),  # an interval with its ends exchanged gives no inner bounds
        ("50000-50001", False),  # how far it reaches is not said
    ],
)
def test_only_inner_bounds_show_what_a_variant_surely_changes(
    served: Http, number: str, ranges: str, surely: bool
) -> None:
    assert ask(served, number, "subsuming", ranges)[0] is surely
    assert ask(served, number, "intersecting", ranges)[0] is True


@pytest.mark.parametrize("number", ["A1", "B1"])
def test_a_deletion_without_an_end_is_found_where_it_begins_with_a_warning(served: Http, number: str) -> None:
    presence, warnings = ask(served, number, "intersecting", "49990-50010")
    assert presence is True
    assert "do not say where they end" in warnings
    presence, warnings = ask(served, number, "intersecting", "49000-49990")
    assert presence is False
    assert "do not say where they end" not in warnings
    presence, warnings = ask(served, number, "intersecting", "50100-50200")
    assert presence is False
    assert "do not say where they end" in warnings


@pytest.mark.parametrize("number", ["A1", "B1"])
@pytest.mark.parametrize("operation", ["intersecting", "subsuming"])
def test_a_deletion_without_an_end_may_reach_far(served: Http, number: str, operation: str) -> None:
    for ranges, warned in (("51500-51600", True), ("200000000-200000100", True), ("30500-31000", False)):
        presence, warnings = ask(served, number, operation, ranges)
        assert presence is False
        assert ("do not say where they end" in warnings) is warned


@pytest.mark.parametrize("number", ["A1", "B1"])
def test_a_deletion_whose_length_alone_is_stated_is_found_within_it(served: Http, number: str) -> None:
    assert ask(served, number, "subsuming", "85000-85100")[0] is True


@pytest.mark.parametrize("number", ["A1", "B1"])
@pytest.mark.parametrize(
    ("accession", "ranges", "found"),
    [
        pytest.param("NC_000002.12", "120000-120100", True, id="an-unusable-interval-takes-no-END-with-it"),
        pytest.param("NC_000002.12", "220000-220100", True, id="nor-does-a-half-one"),
        pytest.param("NC_000002.12", "190000-190100", False, id="between"),
        pytest.param("NC_000002.12", "299999-300000", True, id="an-insertion-that-is-imprecise"),
        pytest.param("NC_000002.12", "309999-310000", True, id="a-translocation-at-POS"),
        pytest.param("NC_000005.10", "4999990-5000000", True, id="a-translocation-at-its-mate"),
        pytest.param("NC_000002.12", "319979-319980", True, id="a-breakend-within-its-interval"),
        pytest.param("NC_000002.12", "319970-319979", False, id="and-not-before-it"),
        pytest.param("NC_000005.10", "5999990-6000010", True, id="a-breakend-at-its-mate"),
        pytest.param("NC_000005.10", "5999980-5999990", False, id="and-not-beside-it"),
    ],
)
def test_a_structural_variant_is_found_at_each_place_that_its_line_names(
    served: Http, number: str, accession: str, ranges: str, found: bool
) -> None:
    assert ask(served, number, "intersecting", ranges, accession)[0] is found


@pytest.mark.parametrize("number", ["A1", "B1"])
@pytest.mark.parametrize("ranges", ["120000-120100", "220000-220100", "319999-320000"])
def test_what_is_imprecise_surely_changes_nothing(served: Http, number: str, ranges: str) -> None:
    assert ask(served, number, "subsuming", ranges)[0] is False
