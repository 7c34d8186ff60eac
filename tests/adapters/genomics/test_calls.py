"""What a genotype says of each allele, and what it does not say."""

from __future__ import annotations

from decimal import Decimal

import pytest


def test_only_the_alts_of_the_genotype_are_reported(read):
    found = read("1 100 . A C,G . PASS . GT 0/2")
    assert [(allele.alt, allele.allelic_state) for allele in found.alleles] == [("G", "heterozygous")]


def test_two_alts_of_one_genotype_are_two_variants(read):
    found = read("1 100 . A C,G . PASS AF=0.1,0.2 GT:AD 1/2:2,10,8")
    assert [allele.alt for allele in found.alleles] == ["C", "G"]
    assert [allele.info("AF") for allele in found.alleles] == [Decimal("0.1"), Decimal("0.2")]
    assert [allele.allele_depth for allele in found.alleles] == [10, 8]
    assert {allele.allelic_state for allele in found.alleles} == {"heterozygous"}


@pytest.mark.parametrize("genotype", ["./1", "1/.", ".|1"])
def test_half_missing_genotype_is_not_called_homozygous(read, genotype):
    found = read(f"1 100 . A C . PASS . GT {genotype}")
    assert [allele.allelic_state for allele in found.alleles] == [None]
    assert "FB-VCF-042" in found.codes


def test_missing_genotype_gives_nothing_and_is_counted(read):
    found = read("1 100 . A C . PASS . GT ./.", "1 101 . A C . PASS . GT .")
    assert found.alleles == []
    assert found.outcomes == {"skipped": 2}
    assert found.codes.count("FB-VCF-062") == 2
    assert found.studies[0].no_calls == 2


def test_reference_line_is_skipped_with_its_reason(read):
    found = read("1 100 . A C . PASS . GT 0/0")
    assert found.outcomes == {"skipped": 1}
    assert "FB-VCF-060" in found.codes


def test_gvcf_block_is_a_region_and_no_variant(read):
    found = read("1 100 . A <NON_REF> . . END=200 GT 0/0", "1 201 . A C,<NON_REF> . . . GT 0/1")
    assert found.outcomes == {"skipped": 1, "read": 1}
    assert "FB-VCF-061" in found.codes
    assert [allele.alt for allele in found.alleles] == ["C"]


def test_a_call_of_the_unnamed_allele_names_none(read):
    found = read("1 100 . A C,<NON_REF> . . . GT 1/2")
    assert [allele.alt for allele in found.alleles] == ["C"]
    assert "FB-VCF-047" in found.codes


def test_spanning_deletion_is_no_allele_of_its_own(read):
    found = read("1 100 . A C,* . PASS . GT 1/2", "1 101 . A * . PASS . GT 0/1")
    assert [(allele.alt, allele.allelic_state) for allele in found.alleles] == [("C", "hemizygous")]
    assert found.outcomes == {"read": 1, "skipped": 1}
    assert {"FB-VCF-048", "FB-VCF-064"} <= set(found.codes)


def test_one_copy_of_x_is_hemizygous_and_of_an_autosome_is_not_stated(read):
    found = read("X 100000 . A C . PASS . GT 1", "1 100 . A C . PASS . GT 1")
    assert [allele.allelic_state for allele in found.alleles] == ["hemizygous", None]


def test_mitochondrial_fraction_comes_from_the_reads_of_its_own_allele(read):
    found = read("MT 3243 . A T,G . PASS . GT:AD 0/2:60,0,40", "MT 8993 . T G . PASS . GT:AD 1:0,500")
    assert [(allele.fraction, allele.allelic_state) for allele in found.alleles] == [
        (Decimal("0.4"), "heteroplasmic"),
        (Decimal(1), "homoplasmic"),
    ]
    assert found.alleles[0].hgvs_g == "NC_012920.1:m.3243A>G"


def test_breakend_is_kept_as_written_and_said_so(read):
    found = read("1 321681 bnd_W G G]1:321982] 6 PASS SVTYPE=BND GT 0/1")
    (allele,) = found.alleles
    assert (allele.line.ref, allele.alt, allele.change_type, allele.hgvs_g) == (
        "G",
        "G]1:321982]",
        "breakend",
        None,
    )
    assert "FB-VCF-044" in found.codes


def test_symbolic_deletion_has_extent_and_copy_number_and_no_hgvs(read):
    found = read("1 1000 . T <DEL> . PASS SVTYPE=DEL;END=2000;SVLEN=-1000 GT:CN 0/1:1")
    (allele,) = found.alleles
    assert (allele.change_type, allele.first, allele.last, allele.copy_number) == (
        "deletion",
        1001,
        2000,
        Decimal(1),
    )
    assert allele.hgvs_g is None


def test_imprecise_structural_variant_has_inner_and_outer_bounds(read):
    found = read(
        "1 1000 . T <DUP:TANDEM> . PASS SVTYPE=DUP;END=2000;IMPRECISE;CIPOS=-50,60;CIEND=-20,30 GT 0/1"
    )
    (allele,) = found.alleles
    assert (allele.change_type, allele.first, allele.last) == ("tandem_duplication", None, None)
    assert (allele.inner, allele.outermost) == ((1061, 1980), (951, 2030))


def test_deletion_without_end_costs_its_extent_only(read):
    found = read("1 1000 . T <DEL> . PASS SVTYPE=DEL GT 0/1", "1 2000 . A C . PASS . GT 0/1")
    assert found.outcomes == {"read": 2}
    assert found.alleles[0].last is None
    assert "FB-VCF-045" in found.codes


def test_a_wrong_genotype_loses_only_its_sample(read):
    found = read("1 100 . A C . PASS . GT 0/1 0/7", samples=("S1", "S2"))
    assert found.outcomes == {"read": 1}
    assert [allele.call.name for allele in found.alleles] == ["S1"]
    assert "FB-VCF-040" in found.codes


def test_all_samples_are_read_in_one_pass_and_some_can_be_chosen(read):
    line = "1 100 . A C . PASS . GT 0/1 1|1 0/0"
    samples = ("S1", "S2", "S3")
    assert [a.call.name for a in read(line, samples=samples).alleles] == ["S1", "S2"]
    assert [a.call.name for a in read(line, samples=samples, only=["S2"]).alleles] == ["S2"]
    assert read(line, samples=samples, only=["S9"]).codes == ["FB-VCF-008"]


def test_phase_set_is_of_a_phased_call_only(read):
    found = read("1 100 . A C . PASS . GT:PS 0|1:77", "1 200 . A C . PASS . GT:PS 0/1:77")
    assert [allele.call.phase_set for allele in found.alleles] == ["77", None]


def test_filtered_call_is_kept_with_its_filters(read):
    found = read("1 100 . A C . q10;s50 . GT 0/1")
    assert found.alleles[0].line.failed_filters == ["q10", "s50"]


def test_line_without_gt_is_skipped_with_its_reason(read):
    assert read("1 100 . A C . PASS . DP 12").codes == ["FB-VCF-065"]


def test_indel_without_context_keeps_its_alleles_and_says_why_it_has_no_name(read):
    found = read("1 100 . AC A . PASS . GT 0/1")
    assert (found.alleles[0].hgvs_g, found.alleles[0].change_type) == (None, "deletion")
    assert found.codes == ["FB-VCF-043"]


def test_file_without_samples_is_accounted_line_by_line(read):
    found = read("1 100 . A C . PASS .", "1 200 . A C . PASS .", samples=())
    assert found.outcomes == {"skipped": 2}
    assert set(found.codes) == {"FB-VCF-063"}
