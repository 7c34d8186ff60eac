"""Phases, junctions, repeats, copy numbers and called regions: what a call says beyond its own allele."""

from __future__ import annotations

from base64 import b64decode

import pytest

SV = (
    '##INFO=<ID=RU,Number=1,Type=String,Description="Unit">',
    '##INFO=<ID=RN,Number=A,Type=Integer,Description="Motifs">',
    '##INFO=<ID=RUS,Number=.,Type=String,Description="Motifs">',
    '##INFO=<ID=RUC,Number=.,Type=Float,Description="Counts">',
)


def scope(found, name):
    return [entry for record in found.records for entry in record.scope(name)]


def test_alleles_of_a_phase_set_are_on_one_copy_or_on_two(read):
    found = read(
        "1 100 . A C . PASS . GT:PS 0|1:100",
        "1 200 . A C . PASS . GT:PS 0|1:100",
        "1 300 . A C,G . PASS . GT:PS 1|2:100",
        "1 400 . A C . PASS . GT:PS 1|1:100",
        "1 500 . A C . PASS . GT:PS 0|1:500",
        "1 600 . A C . PASS . GT:PS 0/1:500",
        "X 700 . A C . PASS . GT:PS 0|1:500",
    )
    phases = scope(found, "Phase")
    assert [phase.relation for phase in phases] == ["Cis", "Trans", "Trans"]
    assert [phase.set for phase in phases] == ["100"] * 3
    keys = [allele.key for allele in found.alleles]
    assert [(keys.index(phase.first), keys.index(phase.second)) for phase in phases] == [
        (0, 1),
        (1, 2),
        (2, 3),
    ]


@pytest.mark.parametrize(("phasing", "count"), [("sets", 0), ("all", 1), ("none", 0)])
def test_phased_calls_without_a_set_are_related_by_setting(read, phasing, count):
    found = read("1 100 . A C . PASS . GT 0|1", "1 200 . A C . PASS . GT 1|0", phasing=phasing)
    assert [phase.relation for phase in scope(found, "Phase")] == ["Trans"] * count


def test_two_breakends_that_name_each_other_are_a_junction_and_one_alone_is_reported(read):
    pair = ("1 100 a G G]X:500] . PASS . GT 0/1", "X 500 b T T]1:100] . PASS . GT 0/1")
    (junction,) = scope(read(*pair), "Junction")
    assert junction.text == "what is preceding at 1:100 joined to what is preceding at X:500"
    assert junction.chromosomes == ["1", "X"]
    assert not junction.fusion
    alone = read(pair[0], "X 600 b T T]1:100] . PASS . GT 0/1")
    assert scope(alone, "Junction") == []
    assert alone.codes == ["FB-VCF-044"]


def test_the_motifs_of_repeats_have_their_counts(read):
    found = read(
        "1 100 . C <STR20>,<STR31> . PASS END=150;RU=CAG GT 1/2",
        "1 200 . C <CNV:TR>,<CNV:TR> . PASS SVLEN=30,40;RN=2,1;RUS=CAG,CCG,CA;RUC=5,3,20 GT 1/2",
        extra=SV,
    )
    repeats = [[(r.order, r.motif, r.number) for r in allele.repeats] for allele in found.alleles]
    assert repeats == [[(1, "CAG", 20)], [(1, "CAG", 31)], [(1, "CAG", 5), (2, "CCG", 3)], [(1, "CA", 20)]]
    assert {allele.change_type for allele in found.alleles} == {"tandem_repeat"}


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("1 100 . C <CNV> . PASS END=900 GT:CN ./.:3", 1),
        ("1 100 . C <CNV> . PASS END=900 GT:CN ./.:2", 0),
        ("1 100 . C <DEL> . PASS END=900 GT:CN ./.:3", 0),
        ("1 100 . C <DEL>,<DUP> . PASS SVLEN=-800,800 GT:CN ./.:3", 1),
        ("X 100 . C <CNV> . PASS END=900 GT:CN ./.:1", 0),
        ("X 100 . C <CNV> . PASS END=900 GT:CN .:2", 1),
    ],
)
def test_a_sample_without_genotype_has_the_allele_that_its_copy_number_says(read, line, count):
    found = read(line)
    assert len(found.alleles) == count
    assert all(allele.copy_number is not None and allele.allelic_state is None for allele in found.alleles)


def test_blocks_of_a_gvcf_are_regions_that_are_called_or_not(read):
    found = read(
        "1 100 . A <NON_REF> . . END=199 GT 0/0",
        "1 200 . A C,<NON_REF> . . . GT 0/1",
        "1 201 . A <NON_REF> . . END=300 GT 0/0",
        "1 301 . A <NON_REF> . . END=400 GT ./.",
        "1 500 . A <NON_REF> . q10 END=600 GT 0/0",
    )
    (study,) = found.studies
    assert b64decode(study.called_bed).decode() == "1\t99\t300\n"
    assert b64decode(study.uncalled_bed).decode() == "1\t300\t400\n1\t499\t600\n"
    assert read("1 100 . A C . . . GT 0/0").studies[0].called_bed is None


@pytest.mark.parametrize(
    ("sample", "called"),
    [
        ("GT:DP:GQ:MIN_DP 0/0:0:0:0", False),
        ("GT:DP:GQ:MIN_DP 0/0:12:30:0", False),  # a base of the block has no read
        ("GT:MIN_DP 0/0:0", False),
        ("GT:DP 0/0:0", False),
        ("GT:DP:RGQ 0|0:10:0", False),
        ("GT:GQ 0/0:0", False),
        ("GT:DP:MIN_DP 0/0:0:4", True),
        ("GT:DP:GQ 0/0:.:.", True),
        ("GT 0/0", True),
        ("GT:DP:GQ:MIN_DP 0/0:30:90:25", True),
    ],
)
def test_what_no_read_shows_is_not_called_as_reference(read, sample, called):
    (study,) = read(f"1 100 . A <NON_REF> . . END=199 {sample}").studies
    assert (study.called_bed is not None, study.uncalled_bed is not None) == (called, not called)


def test_a_block_below_a_setting_is_not_called(read):
    block = "1 100 . A <NON_REF> . . END=199 GT:DP:GQ:MIN_DP 0/0:30:19:8"
    for settings, called in (
        ({"min_depth": "9"}, False),
        ({"min_depth": "8"}, True),
        ({"min_genotype_quality": "20"}, False),
        ({"min_genotype_quality": "19"}, True),
    ):
        assert (read(block, **settings).studies[0].called_bed is not None) is called
    # A variant that was called stays a place that was: its own quality is on it.
    (study,) = read(
        "1 100 . A <NON_REF> . . END=199 GT:DP 0/0:0", "1 200 . A C,<NON_REF> . . . GT:DP:GQ 0/1:0:0"
    ).studies
    assert b64decode(study.called_bed).decode() == "1\t199\t200\n"


@pytest.mark.parametrize(
    ("position", "state"), [(100_000, None), (30_000_000, "hemizygous"), (155_800_000, None)]
)
def test_one_copy_in_a_pseudoautosomal_region_is_not_hemizygous(read, position, state):
    (allele,) = read(f"X {position} . A C . PASS . GT 1").alleles
    assert allele.allelic_state == state


def test_a_mitochondrial_mixture_is_not_claimed_without_reads(read):
    with_reads, without, of_others = read(
        "MT 100 . A C . PASS . GT:AD 0/1:70,30",
        "MT 200 . A C . PASS . GT 1/1",
        "MT 300 . A C . PASS . GT:AD 0|1:70,0",
    ).alleles
    assert (with_reads.allelic_state, without.allelic_state) == ("heteroplasmic", None)
    assert of_others.allelic_state is None
