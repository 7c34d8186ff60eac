"""What a genotype says of each allele, and what it does not say."""

from __future__ import annotations

from decimal import Decimal

import pytest

from .conftest import HEADER, component


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
    found = read("X 30000000 . A C . PASS . GT 1", "1 100 . A C . PASS . GT 1")
    assert [allele.allelic_state for allele in found.alleles] == ["hemizygous", None]


def test_mitochondrial_fraction_comes_from_the_reads_of_its_own_allele(read):
    found = read("MT 3243 . A T,G . PASS . GT:AD 0/2:60,0,40", "MT 8993 . T G . PASS . GT:AD 1:0,500")
    assert [(allele.fraction, allele.allelic_state) for allele in found.alleles] == [
        (Decimal("0.4"), "heteroplasmic"),
        (Decimal(1), "homoplasmic"),
    ]
    assert found.alleles[0].hgvs_g == "NC_012920.1:m.3243A>G"


@pytest.mark.parametrize("genotype", ["1:0,500:1", "1:500,0:1", "0/1:500,0:0.4"])
def test_a_mitochondrial_allele_without_a_read_has_no_state(converted, genotype):
    fraction = '##FORMAT=<ID=AF,Number=A,Type=Float,Description="Fraction">'
    (variant,) = converted(f"MT 3243 . A G . PASS . GT:AD:AF {genotype}", extra=(fraction,)).variants
    assert bool(component(variant, "53034-5")) == (genotype == "1:0,500:1")


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


# --- what a line gives besides its alleles ------------------------------------------------------------------------


def said(found):
    """Code, place and words of all issues, as a person reads them."""
    return [(i.code, i.source, i.message) for record in found.records for i in record.issues]


FIRST = f"test.vcf:{len(HEADER) + 2}"
SECOND = f"test.vcf:{len(HEADER) + 3}"
SEVEN = tuple(f"S{number}" for number in range(1, 8))


def test_one_unreadable_column_costs_no_other_and_is_named_with_its_number(read):
    found = read("1 100 . A C . PASS . GT:DP 0/1:7 0/7:1 1/1:2:3 x:5 ./.:x 0/0:y 0/1:z", samples=SEVEN)
    left_out = "is not of its declared type; the value is left out (VCF 4.3 §1.6.2)"
    assert said(found) == [
        ("FB-VCF-040", FIRST, "the genotype of column 11 names an allele above 1"),
        ("FB-VCF-041", FIRST, "column 12 has more values than FORMAT"),
        ("FB-VCF-040", FIRST, "the genotype of column 13 is not GT"),
        ("FB-VCF-031", FIRST, f"FORMAT/DP of column 14 {left_out}"),
        ("FB-VCF-031", FIRST, f"FORMAT/DP of column 15 {left_out}"),
        ("FB-VCF-031", FIRST, f"FORMAT/DP of column 16 {left_out}"),
    ]
    assert [(a.call.name, a.call.depth) for a in found.alleles] == [("S1", 7), ("S7", None)]
    assert [study.reference for study in found.studies] == [0, 0, 0, 0, 0, 1, 0]
    assert [study.no_calls for study in found.studies] == [0, 0, 0, 0, 1, 0, 0]


def test_lines_are_counted_for_each_sample_over_the_whole_file(read):
    lines = (
        "1 100 . A C . PASS . GT 0/1 0/0 ./.",
        "1 200 . A C . PASS . GT:DP 0/0:1 0|0:2 ./.:0",
        "1 300 . A C . PASS . GT:DP 1/1:1 0/0:2 0:3",
        "1 400 . A C . PASS . DP 1 2 3",
    )
    for samples, reference, no_calls, variants in (
        ((), [1, 3, 1], [0, 0, 2], [2, 0, 0]),
        (("S3", "S1"), [1, 1], [0, 2], [2, 0]),
    ):
        found = read(*lines, samples=("S1", "S2", "S3"), only=samples)
        assert [study.reference for study in found.studies] == reference
        assert [study.no_calls for study in found.studies] == no_calls
        assert [study.variants for study in found.studies] == variants


def test_the_reason_for_skipping_a_line_stands_with_its_place(read):
    for line, code, reason in (
        ("1 100 . A C . PASS . DP 1", "FB-VCF-065", "FORMAT has no GT"),
        ("1 100 . A C . PASS . GT 0/0", "FB-VCF-060", "all samples are called as reference"),
        ("1 100 . A C . PASS . GT 0", "FB-VCF-060", "all samples are called as reference"),
        ("1 100 . A C . PASS END=200 GT 0/0", "FB-VCF-060", "all samples are called as reference"),
        ("1 100 . A . . PASS . GT 0/0", "FB-VCF-060", "all samples are called as reference"),
        ("1 100 . A . . PASS END=200 GT 0/0", "FB-VCF-061", "a gVCF block called as reference"),
        ("1 100 . A <NON_REF> . PASS END=200 GT 0/0", "FB-VCF-061", "a gVCF block called as reference"),
        ("1 100 . A <*> . PASS END=200 GT 0|0", "FB-VCF-061", "a gVCF block called as reference"),
        ("1 100 . A C . PASS . GT ./.", "FB-VCF-062", "no sample is called"),
        ("1 100 . A <NON_REF> . PASS END=200 GT ./.", "FB-VCF-062", "no sample is called"),
    ):
        assert said(read(line)) == [(code, FIRST, reason)], line
    assert said(read("1 100 . A * . PASS . GT 0/1")) == [
        ("FB-VCF-048", FIRST, "the spanning deletion * is no allele of its own"),
        ("FB-VCF-064", FIRST, "only a spanning deletion is called"),
    ]
    for line in ("1 100 . A . . PASS . GT 0|1", "1 100 . A <NON_REF> . PASS . GT 0/1"):
        assert said(read(line)) == [
            ("FB-VCF-047", FIRST, "called for <NON_REF>, <*> or an ALT `.`: no allele is named"),
            ("FB-VCF-067", FIRST, "samples are called for alleles that the line does not name"),
        ]
    # With `.` as ALT there may be one, and no second.
    assert said(read("1 100 . A . . PASS . GT 0|2"))[0] == (
        "FB-VCF-040",
        FIRST,
        "the genotype of column 10 names an allele above 1",
    )


def test_an_alt_without_a_name_does_not_hide_those_behind_it(read):
    found = read("1 100 . A *,<*>,G . PASS . GT 1/2/3")
    assert [allele.alt for allele in found.alleles] == ["G"]
    assert [code for code in found.codes if code != "FB-VCF-043"] == ["FB-VCF-047", "FB-VCF-048"]


def test_a_call_as_reference_is_recognized_whatever_stands_behind_the_genotype(read):
    fine = '##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="Quality">'
    samples = ("S1", "S2", "S3", "S4", "S5")
    line = "1 100 . A C . PASS . GT:DP:GQ 0/0:1:2 0|0:1 0/0 0/0/1:1:2 0/0:1:2:3"
    found = read(line, samples=samples, extra=[fine])
    assert [allele.call.name for allele in found.alleles] == ["S4"]
    assert said(found) == [("FB-VCF-041", SECOND, "column 14 has more values than FORMAT")]


@pytest.fixture
def large(read):
    """Reads lines behind so many reference calls that the values of such calls are looked at no further."""

    def run(*lines: str):
        samples = tuple(f"S{number}" for number in range(1000))
        many = [f"1 {place} . A C . PASS . GT:DP {' '.join(['0/0:9'] * 1000)}" for place in (10, 20)]
        more = [f"{line} {' '.join(['0/0:9'] * (1000 - line.count(' ') + 8))}" for line in lines]
        return read(*many, *more, samples=samples)

    return run


def test_in_a_large_file_reference_calls_are_counted_and_their_values_not_read(large):
    found = large(
        "1 30 . A C . PASS . GT:DP 0/1:x 0/0:x ./.:x 0:x 0|0 0/0:1:2",
        "1 40 . A C . PASS . GT:DP 0/0:9",
    )
    at = f"test.vcf:{len(HEADER) + 4}"
    left_out = "is not of its declared type; the value is left out (VCF 4.3 §1.6.2)"
    assert [one for one in said(found) if one[0] not in ("FB-VCF-060", "FB-VCF-062")] == [
        ("FB-VCF-031", at, f"FORMAT/DP of column 10 {left_out}"),
        ("FB-VCF-041", at, "column 15 has more values than FORMAT"),
    ]
    assert found.outcomes == {"read": 1, "skipped": 3}
    assert found.codes.count("FB-VCF-060") == 3
    assert [study.reference for study in found.studies[:8]] == [3, 4, 3, 4, 4, 3, 4, 4]
    assert [study.no_calls for study in found.studies[:4]] == [0, 0, 1, 0]


def test_values_of_a_line_without_genotypes_are_those_of_two_copies(read):
    line = "1 100 . A C . PASS . DP:PL 7:2:1 x:1,2 5:1,2,3 .:1,2,3,4"
    samples = ("S1", "S2", "S3", "S4")
    likelihoods = '##FORMAT=<ID=PL,Number=G,Type=Integer,Description="Likelihoods">'
    found = read(line, samples=samples, extra=[likelihoods], check=True)
    left_out = "the value is left out (VCF 4.3 §1.6.2)"
    assert said(found) == [
        ("FB-VCF-041", SECOND, "column 10 has more values than FORMAT (VCF 4.3 §1.6.2)"),
        ("FB-VCF-034", SECOND, f"FORMAT/PL of column 10 has 1 values, not 3; {left_out}"),
        ("FB-VCF-031", SECOND, f"FORMAT/DP of column 11 is not of its declared type; {left_out}"),
        ("FB-VCF-034", SECOND, f"FORMAT/PL of column 11 has 2 values, not 3; {left_out}"),
        ("FB-VCF-034", SECOND, f"FORMAT/PL of column 13 has 4 values, not 3; {left_out}"),
    ]
    # Only a check of the syntax reads them: a conversion states nothing from them.
    assert read(line, samples=samples, extra=[likelihoods]).codes == ["FB-VCF-065"]


def test_what_is_not_stated_of_an_allele_is_said_once_for_a_line(read):
    for line, wanted in (
        ("1 100 . A C . PASS . GT ./1 1/.", ["half call: zygosity is not stated"]),
        ("1 100 . A C . q10 . GT 0/1 1/1", [
            "the call fails a filter (FILTER, FT or AS_FilterStatus): kept, with confidence low"
        ]),
        ("1 100 . T <DEL> . PASS . GT 0/1 1/1", [
            "structural variant without usable END, SVLEN or intervals: its note has them, no extent is stated"
        ]),
        ("1 100 . T <INS> . PASS . GT 0/1 0/0", []),
        ("1 100 . T <INS:ME:ALU> . PASS . GT 0/1 0/0", []),
        ("1 100 . T <DEL> . PASS END=200 GT 0/1 0/0", []),
        ("1 100 . T <DUP> . PASS SVLEN=50 GT 0/1 0/0", []),
        ("1 100 . G G. . PASS . GT 0/1 0/0", ["breakend: kept as written, it names no mate"]),
    ):  # fmt: skip
        found = read(line, samples=("S1", "S2"))
        assert [message for _, at, message in said(found) if at == FIRST] == wanted, line


def test_values_of_clinvar_are_tied_to_an_alt_only_by_their_number(read):
    by_allele = tuple(one.replace("CLNSIG,Number=.", "CLNSIG,Number=A") for one in HEADER)
    for line, header, codes in (
        ("1 100 . A C,G . PASS CLNSIG=Pathogenic GT 0/1", HEADER, ["FB-VCF-046"]),
        ("1 100 . A C . PASS CLNSIG=Pathogenic GT 0/1", HEADER, []),
        ("1 100 . A C,G . PASS . GT 0/1", HEADER, []),
        ("1 100 . A C,G . PASS CLNSIG=Pathogenic,Benign GT 0/1", by_allele, []),
    ):
        assert read(line, header=header).codes == codes, line


def test_a_mitochondrion_without_a_known_reference_is_called_without_a_name(read):
    # hg19 has a chrM of its own, and the header does not say how long it is.
    header = ("##fileformat=VCFv4.3", "##reference=hg19.fa", HEADER[-5])
    said_so = "g.HGVS is not stated: the mitochondrial reference is not known"
    assert said(read("chrM 73 . A G . PASS . GT 1", header=header)) == [("FB-VCF-049", "test.vcf:5", said_so)]
    for line in ("GL000220.1 73 . A G . PASS . GT 0/1", "chr1 73 . A G . PASS . GT 0/1"):
        assert read(line, header=header).codes == []


def test_what_an_allele_of_unknown_extent_lacks_is_said_with_its_declaration(read):
    header = tuple(one.replace("CIPOS,Number=2", "CIPOS,Number=1") for one in HEADER)
    found = read("1 100 . T <DEL> . PASS CIPOS=5 GT 0/1", header=header)
    assert [(code, at) for code, at, _ in said(found) if at == FIRST] == [
        ("FB-VCF-036", FIRST), ("FB-VCF-045", FIRST)
    ]  # fmt: skip
    assert "CIPOS" in said(found)[0][2]


def test_calls_that_fail_are_left_out_one_by_one(read):
    lines = ("1 100 . A C . q10 . GT 0/1 0/0 1/1", "1 200 . A C . PASS . GT 0/1 0/0 1/1")
    found = read(*lines, samples=("S1", "S2", "S3"), filtered="leave-out")
    assert [(a.line.pos, a.call.name) for a in found.alleles] == [(200, "S1"), (200, "S3")]
    assert [study.left_out for study in found.studies] == [1, 0, 1]
    assert said(found)[:2] == [
        (
            "FB-VCF-051",
            FIRST,
            "the call fails a filter (FILTER, FT or AS_FilterStatus): left out, as the setting `filtered` says",
        ),
        ("FB-VCF-066", FIRST, "all calls fail a filter and are left out by the setting `filtered`"),
    ]
