"""The cohort's VCF states the facts of its people, and says that the rest is made up."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_bridge.adapters.genomics import Options, read_vcf
from fhir_bridge.demo.cardiology_variants import VARIANTS, known
from fhir_bridge.demo.genome import write
from fhir_bridge.demo.people import people


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    target = tmp_path_factory.mktemp("cohort")
    write(target, people())
    return target


def test_every_carrier_and_nobody_else_has_the_classified_variants(folder):
    records = list(read_vcf(folder / "genomics" / "cohort.vcf", Options()))
    assert not [
        issue for record in records for issue in record.issues if issue.severity in ("error", "warning")
    ]
    results = {
        (
            allele.call.name,
            allele.consequence.symbol,
            _coding(allele).rpartition(":")[2],
            allele.allelic_state,
        )
        for record in records
        for allele in record.scope("Allele")
        if allele.clinvar.significance
    }
    stated = {
        (person.sample, gene, name, zygosity)
        for person in people()
        if person.sample
        for gene, name, zygosity in person.variants
    }
    assert results == stated


def _coding(allele: Any) -> str:
    """The c. name, which is text where the source knows no transcript."""
    effect = allele.consequence
    return str(effect.hgvs_c or effect.names.partition(";")[0])


def test_reads_and_names_agree_with_the_genotype(folder):
    for record in read_vcf(folder / "genomics" / "cohort.vcf", Options()):
        for allele in record.scope("Allele"):
            assert allele.hgvs_g.startswith("NC_0000")
            assert allele.source_class == "germline"
            assert (allele.fraction == 1) == (allele.allelic_state == "homozygous")


def test_crosswalk_names_every_linked_sample_and_no_other(folder):
    rows = [line.split(";") for line in (folder / "crosswalk.csv").read_text().splitlines()]
    assert rows[0] == ["sample", "system", "value"]
    linked = {person.sample: person.mrn for person in people() if person.sample and person.sample_linked}
    assert {row[0]: row[2] for row in rows[1:]} == linked
    assert [p.sample for p in people() if p.sample and not p.sample_linked]


def test_same_people_give_the_same_bytes(folder, tmp_path):
    for path in write(tmp_path, people()):
        assert path.read_bytes() == (folder / path.relative_to(tmp_path)).read_bytes()


def test_the_file_says_that_it_is_synthetic(folder):
    header = (folder / "genomics" / "cohort.vcf").read_text()
    assert "##note=Synthetic data for demonstration" in header
    assert "./." in header


def test_table_of_variants_is_consistent():
    assert len({(v.chromosome, v.position, v.alternate) for v in VARIANTS}) == len(VARIANTS) == 44
    assert known("TTR", "c.424G>A").hgvs_p == "p.Val142Ile"
    with pytest.raises(KeyError):
        known("TTR", "c.1A>G")


@pytest.mark.shared
def test_table_of_variants_equals_the_published_facts(shared):
    lines = (shared / "data" / "cardiology_variants.tsv").read_text().splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")][1:]
    assert [tuple([*row, *[""] * 13][:13]) for row in rows] == [
        tuple(map(str, variant)) for variant in VARIANTS
    ]
