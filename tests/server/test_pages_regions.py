"""A region of the genome on a patient's page: the variants of a gene, and what was called of it."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from fhir_bridge.server.pages.region_drawing import draw
from fhir_bridge.server.pages.regions import regions_of
from fhir_bridge.server.pages.variants import variants_of

GUIDE = "http://hl7.org/fhir/uv/genomics-reporting/StructureDefinition/"


@pytest.fixture(scope="module")
def record(repository: Path) -> list[dict[str, Any]]:
    """What the shipped mapping makes of a cardiology panel."""
    path = repository / "mappings/genomics/vcf/examples/cardiology/expected.ndjson"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def regions(record: list[dict[str, Any]]) -> list[Any]:
    return regions_of(record, variants_of(record))[0]


def document(chromosome: str, first: int, last: int, name: str) -> dict[str, Any]:
    bed = b64encode(f"{chromosome}\t{first}\t{last}\n".encode()).decode()
    return {
        "resourceType": "DocumentReference",
        "id": name,
        "status": "current",
        "content": [{"attachment": {"contentType": "text/x-bed", "data": bed}}],
    }


def study(chromosome: str, covered: tuple[int, int], missed: tuple[int, int]) -> list[dict[str, Any]]:
    """A test that called a region and could not call another."""
    parts = [
        {"url": name, "valueReference": {"reference": f"DocumentReference/{name}"}}
        for name in ("called", "uncalled")
    ]
    build = {"coding": [{"system": "http://loinc.org", "code": "LA26806-2"}]}
    analysis = {
        "resourceType": "Procedure",
        "id": "a",
        "extension": [
            {"url": f"{GUIDE}genomic-study-analysis-genome-build", "valueCodeableConcept": build},
            {"url": f"{GUIDE}genomic-study-analysis-regions", "extension": parts},
        ],
    }
    whole = {
        "resourceType": "Procedure",
        "id": "s",
        "meta": {"profile": [f"{GUIDE}genomic-study"]},
        "extension": [
            {"url": f"{GUIDE}genomic-study-analysis-ext", "valueReference": {"reference": "Procedure/a"}}
        ],
    }
    return [
        analysis,
        whole,
        document(chromosome, *covered, "called"),
        document(chromosome, *missed, "uncalled"),
    ]


def test_each_gene_with_a_reportable_variant_is_drawn_with_links_to_the_rows(
    record: list[dict[str, Any]],
) -> None:
    reportable = {variant.id: variant for variant in variants_of(record) if variant.reportable}
    drawn = regions(record)
    assert {mark.id for region in drawn for mark in region.marks} >= set(reportable)
    assert {region.gene for region in drawn} == {variant.gene for variant in reportable.values()}
    for region in drawn:
        assert all(region.first <= mark.first <= mark.last <= region.last for mark in region.marks)
        svg = ElementTree.fromstring(str(draw(region)))
        links = {link.get("href") for link in svg.iter("a")}
        assert links == {f"#Observation-{mark.id}" for mark in region.marks}
        assert "coverage not stated" in str(draw(region))


def test_what_a_bed_says_was_called_or_not_is_drawn_and_said_in_words(record: list[dict[str, Any]]) -> None:
    plain = regions(record)[0]
    at = plain.marks[0].first
    middle = (plain.first + plain.last) // 2
    more = study(f"chr{plain.chromosome}", (plain.first - 1, middle), (at + 10, at + 60))
    region = next(each for each in regions([*record, *more]) if each.gene == plain.gene)
    assert region.called
    assert region.called[0].start == plain.first - 1
    svg = str(draw(region))
    for expected in ('class="called"', 'class="uncalled"', "50 % of it called", "could not be called"):
        assert expected in svg
    assert "coverage not stated" not in svg


def test_names_from_a_record_are_escaped(record: list[dict[str, Any]]) -> None:
    gene = regions(record)[0].gene
    attack = json.loads(json.dumps(record).replace(f'"{gene}"', '"<script>alert(1)</script>"'))
    drawn = regions(attack)
    assert any("<script" in region.gene for region in drawn)
    for region in drawn:
        ElementTree.fromstring(str(draw(region)))
        assert "<script" not in str(draw(region))


def test_a_record_without_a_reportable_variant_draws_nothing(record: list[dict[str, Any]]) -> None:
    nothing = [each for each in record if "implication" not in json.dumps(each.get("meta", {}))]
    assert regions_of(nothing, variants_of(nothing)) == ([], 0)
