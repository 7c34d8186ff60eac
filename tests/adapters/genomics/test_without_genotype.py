"""Lines without GT: what a caller of somatic variants states of a tumour, and what of the others is not passed over."""

from __future__ import annotations

import pytest

from .conftest import HEADER, coded, component

STRELKA = (
    '##INFO=<ID=SOMATIC,Number=0,Type=Flag,Description="Somatic mutation">',
    *(
        f'##FORMAT=<ID={base}U,Number=2,Type=Integer,Description="Alleles used in tiers 1,2">'
        for base in "ACGT"
    ),
    '##FORMAT=<ID=TAR,Number=2,Type=Integer,Description="Reads strongly supporting alternate allele for tiers 1,2">',
    '##FORMAT=<ID=TIR,Number=2,Type=Integer,Description="Reads strongly supporting indel allele for tiers 1,2">',
)
BOTH = ("NORMAL", "TUMOR")
SNV = "1 1000 . A G . PASS SOMATIC DP:AU:CU:GU:TU 30:30,30:0,0:0,0:0,0 60:40,41:0,0:10,22:0,0"


def test_a_somatic_variant_without_genotype_is_present_in_the_tumour_without_zygosity(converted):
    done = converted(SNV, samples=BOTH, extra=STRELKA)
    (variant,) = done.variants
    assert coded(variant, "48002-0") == "LA6684-0"
    assert component(variant, "81258-6")["valueQuantity"]["value"] == 0.2
    assert component(variant, "82121-5")["valueQuantity"]["value"] == 10
    assert component(variant, "53034-5") == {}
    assert "DP=60 SOMATIC without genotype" in variant["note"][0]["text"]
    assert done.reports("status") == ["partial", "final"]
    normal, tumour = done.reports("conclusion")
    assert normal.startswith("Incomplete: 1 lines have no genotype (GT)")
    assert "1 variant alleles called" in tumour
    assert [entry["called"] for entry in done.report["calls"]] == [0, 1]
    assert "FB-VCF-042" not in done.messages
    assert not any("FORMAT" in text for text in done.messages.get("FB-VCF-086", []))


def test_reads_of_an_insertion_or_deletion_are_those_of_tier_1(converted):
    line = "1 1000 . ACT A . LowEVS SOMATIC DP:TAR:TIR 30:30,30:0,0 60:30,31:10,12"
    (variant,) = converted(line, samples=BOTH, extra=STRELKA).variants
    assert component(variant, "81258-6")["valueQuantity"]["value"] == 0.25
    assert component(variant, "82121-5")["valueQuantity"]["value"] == 10
    assert coded(variant, "53034-5") is None
    confidence = component(variant, "variant-confidence-status")["valueCodeableConcept"]
    assert (confidence["coding"][0]["code"], confidence["text"]) == ("low", "FILTER LowEVS")


def test_tiers_that_are_declared_otherwise_give_no_reads(converted):
    other = [line.replace("Number=2", "Number=1") for line in STRELKA]
    line = "1 1000 . A G . PASS SOMATIC DP:AU:CU:GU:TU 30:30:0:0:0 60:40:0:10:0"
    done = converted(line, samples=BOTH, extra=other)
    assert component(done.variants[0], "81258-6") == {}
    assert "no rule represents FORMAT/AU (values: 1)" in done.messages["FB-VCF-086"]


@pytest.mark.parametrize(
    ("samples", "line"),
    [
        pytest.param(("A", "B"), SNV, id="which-is-the-tumour-is-not-said"),
        pytest.param(BOTH, SNV.replace("SOMATIC", "."), id="not-somatic"),
        pytest.param(BOTH, SNV.replace(" G ", " G,T "), id="which-alt-is-not-said"),
    ],
)
def test_lines_without_genotype_make_the_reports_partial_and_are_counted(converted, samples, line):
    done = converted(line, samples=samples, extra=STRELKA)
    assert done.variants == []
    assert done.reports("status") == ["partial", "partial"]
    assert all("1 lines have no genotype (GT)" in text for text in done.reports("conclusion"))
    alts = line.split()[4].count(",") + 1
    for entry in done.report["calls"]:
        assert (entry["called"], entry["not_represented"]["FB-VCF-065"]) == (alts, alts)
    assert "FB-VCF-065" in done.messages


def test_a_tumour_that_the_header_names_and_a_breakend_without_genotype(converted):
    header = (*HEADER, "##normal_sample=A", *STRELKA)
    lines = [
        "1 1000 . A A[X:500[ . PASS SOMATIC DP 30 60",
        "X 500 . C ]1:1000]C . PASS SOMATIC DP 30 60",
    ]
    done = converted(*lines, samples=("A", "B"), header=header)
    junction = [
        one for one in done.resources if one["resourceType"] == "Observation" and "derivedFrom" in one
    ]
    assert len(junction) == 1
    assert [entry["written"] for entry in done.report["calls"]] == [0, 2]


def test_a_line_without_alt_loses_nothing(converted):
    done = converted("1 1000 . A . . PASS . DP 12", "1 1001 . A <*> . PASS . DP 12")
    assert done.reports("status") == ["final"]
