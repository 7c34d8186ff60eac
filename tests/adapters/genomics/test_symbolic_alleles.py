"""Extent and identity of symbolic alleles: each value is that of the right ALT, and two variants are never one."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import component
from .test_declared_values import declared, form, messages

NEW = declared(
    form("SVLEN", "A", column="INFO"),
    form("CIPOS", ".", column="INFO"),
    form("CIEND", ".", column="INFO"),
    form("CN", "A", "Float", column="INFO"),
    version="VCFv4.5",
)


def info(entry: str, alternates: str = "<DEL>,<DEL>", genotype: str = "1/2") -> str:
    return f"1 1000 . T {alternates} . PASS {entry} GT {genotype}"


def test_each_alt_has_its_own_length_and_end(read):
    found = read(info("SVLEN=-100,-250"))
    assert [(allele.length, allele.end, allele.first, allele.last) for allele in found.alleles] == [
        (-100, 1100, 1001, 1100),
        (-250, 1250, 1001, 1250),
    ]
    assert found.outcomes == {"read": 1}


def test_end_of_the_line_is_the_furthest_of_its_alts(read):
    for header in (None, NEW):
        found = read(info("SVLEN=100,250;END=1250"), **({"header": header} if header else {}))
        assert [allele.last for allele in found.alleles] == [1100, 1250]


def test_end_is_of_each_alt_where_none_has_a_length(read):
    found = read(info("END=1250", "<CN0>,<CN2>"))
    assert [allele.last for allele in found.alleles] == [1250, 1250]


def test_an_alt_without_a_length_of_its_own_ends_where_the_line_does(read):
    found = read(info("SVLEN=-100,.;END=1250", "<DEL>,<DUP>"))
    assert [(allele.length, allele.last) for allele in found.alleles] == [(-100, 1100), (None, 1250)]


@pytest.mark.parametrize("entry", ["SVLEN=-100;END=1100", "SVLEN=-100,-2,-3;END=1100"])
def test_lengths_that_are_not_one_for_each_alt_are_no_alts(read, entry):
    found = read(info(entry, "<DEL>,<DUP>"))
    assert [(allele.length, allele.end, allele.last) for allele in found.alleles] == [(None, None, None)] * 2
    assert "INFO/SVLEN" in messages(found)[0]
    assert "is not a number for each ALT (VCF 4.3 §3)" in messages(found)[0]
    assert "FB-VCF-045" in found.codes


def test_a_length_declared_once_is_of_a_line_with_one_alt(read):
    header = declared(form("SVLEN", "1", column="INFO"))
    assert read(info("SVLEN=-100", "<DEL>", "0/1"), header=header).alleles[0].last == 1100
    assert [a.last for a in read(info("SVLEN=-100", "<DEL>,<DUP>"), header=header).alleles] == [None, None]


def test_each_alt_has_its_own_confidence_intervals(read):
    found = read(info("SVLEN=100,200;CIPOS=-5,5,-10,20;CIEND=-1,1,-2,2"), header=NEW)
    assert [(allele.inner, allele.outermost) for allele in found.alleles] == [
        ((1006, 1099), (996, 1101)),
        ((1021, 1198), (991, 1202)),
    ]
    found = read(info("SVLEN=100,200;CIPOS=0,0,-10,20"), header=NEW)
    assert [(allele.first, allele.outermost) for allele in found.alleles] == [
        (1001, None),
        (None, (991, 1220)),
    ]


def test_a_pair_of_the_line_is_around_the_pos_of_all_and_the_end_of_one(read):
    found = read(info("SVLEN=-100,-250;END=1250;CIPOS=-5,5;CIEND=-7,7"))
    assert [(allele.inner, allele.outermost) for allele in found.alleles] == [
        (None, (996, 1100)),
        ((1006, 1243), (996, 1257)),
    ]
    assert any("INFO/CIEND" in message for message in messages(found))


def test_an_interval_that_is_not_as_declared_goes_alone(read):
    for entry in ("CIPOS=-5,5,1", "CIPOS=-5", "CIPOS=(0,100)", "CIPOS=-5,x"):
        found = read(info(f"END=1250;{entry}", "<DEL>", "0/1"))
        allele = found.alleles[0]
        assert (allele.inner, allele.outermost, allele.last) == (None, (1001, 1250), None)
        assert "CIPOS" in said(found)
    (allele,) = read(info("IMPRECISE;SVLEN=-250;CIPOS=(0,9);CIEND=-9,20", "<DEL>", "0/1")).alleles
    assert (allele.inner, allele.outermost) == (None, (1001, 1270))
    found = read(info("SVLEN=100,200;CIPOS=-5,5"), header=NEW)
    assert [(a.inner, a.outermost) for a in found.alleles] == [(None, (1001, 1100)), (None, (1001, 1200))]
    assert any("INFO/CIPOS" in message for message in messages(found))


def test_an_imprecise_variant_without_intervals_surely_changes_nothing(read):
    (allele,) = read(info("IMPRECISE;END=1250", "<DEL>", "0/1")).alleles
    assert (allele.first, allele.inner, allele.outermost) == (None, None, (1001, 1250))


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("SVTYPE=BND", (1000, None)),
        ("CIPOS=0,0", (1000, None)),
        ("CIPOS=-20,30", (None, (980, 1030))),
        ("CIPOS=-2000,30", (None, (1, 1030))),
        ("IMPRECISE", (None, (1000, 1000))),
        ("CIPOS=-20", (None, (1000, 1000))),
    ],
)
def test_a_breakend_is_as_exact_as_its_interval(converted, entry, expected):
    done = converted(info(entry, "T]X:9000]", "0/1"))
    (variant,) = [each for each in done.resources if component(each, "69551-0")]
    exact, outer = bounds(variant, EXACT), bounds(variant, OUTER)
    assert (exact and exact[0], outer) == expected
    assert bounds(variant, INNER) is None
    assert not [text for text in done.messages.get("FB-VCF-086", []) if "CIPOS" in text or "IMPREC" in text]


@pytest.mark.parametrize(
    ("entry", "alternate", "words"),
    [
        ("CHR2=5", "<DEL>", "POS=1000 CHR2=5"),
        ("SVTYPE=INV", "<INV>", "POS=1000"),
        ("SVLEN=-248956000", "<DEL>", "POS=1000 SVLEN=-248956000"),
    ],
)
def test_where_no_extent_is_stated_the_note_says_what_the_line_does(read, entry, alternate, words):
    found = read(info(entry, alternate, "0/1"))
    allele = found.alleles[0]
    assert (allele.first, allele.outermost) == (None, None)
    assert allele.evidence == f"VCF GT=0/1 FILTER=PASS {words}"
    assert "FB-VCF-045" in found.codes


def said(found) -> str:
    return "; ".join(issue.message for record in found.records for issue in record.issues)


def test_an_end_beyond_the_contig_is_left_out_and_reported(read):
    found = read(info("END=248956424", "<DEL>", "0/1"), info("END=248956423", "<DUP>", "0/1"))
    assert [allele.last for allele in found.alleles] == [None, 248_956_423]
    assert "INFO/END lies beyond the end of the contig; the value is left out" in said(found)
    mate = read(info("END=248956424;CHR2=X", "<TRA>", "0/1"))
    assert "END=248956424" in mate.alleles[0].evidence


def test_bases_of_ref_beyond_the_contig_reject_the_line(read):
    lines = [f"X {position} . CAG T 50 PASS DP=5 GT:AD 0/1:3,3" for position in (9, 99, 999, 156_040_894)]
    assert read(*lines).outcomes == {"read": 4}  # the last one is the telomere, as POS may be
    for before in ([], lines):  # among lines of one form that are read alike, too
        found = read(*before, lines[-1].replace("894", "895"))
        assert found.outcomes.pop("rejected") == 1
        assert "REF goes beyond the end of the contig" in said(found)


@pytest.mark.parametrize(
    ("entry", "bounds"),
    [
        ("IMPRECISE;CIPOS=-5,9", (996, 1009)),
        ("END=1000;IMPRECISE;CIPOS=-5,9", (996, 1009)),
        ("END=1000;IMPRECISE;CIPOS=-5,9;CIEND=-20,20", (996, 1020)),
        ("IMPRECISE", (1000, 1000)),
        ("IMPRECISE;CIPOS=0,9", (1000, 1009)),
        ("SVLEN=40;CIPOS=1", (1000, 1000)),
    ],
)
def test_an_imprecise_insertion_lies_within_the_interval_of_its_position(read, entry, bounds):
    allele = read(info(entry, "<INS>", "0/1")).alleles[0]
    assert (allele.first, allele.outermost) == (None, bounds)


def test_copy_number_is_the_samples_or_the_alts_own(read):
    line = "1 1000 . T <DEL>,<DUP> . PASS END=1250 GT:CN 1/2:"
    assert [a.copy_number for a in read(line + "3").alleles] == [Decimal(3), Decimal(3)]
    header = declared(form("CN", "A", "Float"))
    assert [a.copy_number for a in read(line + "1,4", header=header).alleles] == [Decimal(1), Decimal(4)]
    header = declared(form("CN", "G"))
    assert [a.copy_number for a in read(line + "1,2,3,4,5,6", header=header).alleles] == [None, None]


@pytest.mark.parametrize(
    "lines",
    [
        ["1 1000 . T <INS> . PASS SVLEN=300 GT 0/1", "1 1000 . T <INS> . PASS SVLEN=5000 GT 0/1"],
        ["1 1000 . T <DEL> . PASS SVLEN=-300 GT 0/1", "1 1000 . T <DEL> . PASS SVLEN=-500 GT 0/1"],
        [
            "1 1000 . T <INS> . PASS END=1000;SVLEN=3 GT 0/1",
            "1 1000 . T <INS> . PASS END=1000;SVLEN=5 GT 0/1",
        ],
        ["1 1000 . T <DUP> . PASS END=1300 GT 0/1", "1 1000 . T <DUP> . PASS END=1500 GT 0/1"],
        ["1 1000 . T <CNV> . PASS END=1300;CN=1 GT 0/1", "1 1000 . T <CNV> . PASS END=1300;CN=4 GT 0/1"],
        ["1 1000 . T <TRA> . PASS CHR2=5;END=7 GT 0/1", "1 1000 . T <TRA> . PASS CHR2=6;END=7 GT 0/1"],
        ["1 1000 . T T[5:7[ . PASS SVTYPE=BND GT 0/1", "1 1000 . T T[5:8[ . PASS SVTYPE=BND GT 0/1"],
        ["1 1000 . T <INS>,<INS> . PASS SVLEN=300,5000 GT 1/2"],
        ["1 1000 . T <DEL>,<DEL> . PASS SVLEN=-300,-5000 GT 1/2"],
    ],
)
def test_two_variants_at_one_position_have_two_keys(read, lines):
    found = read(*lines)
    assert found.outcomes == {"read": len(lines)}
    assert len({allele.key for allele in found.alleles}) == len(found.alleles) == 2
    assert "FB-VCF-035" not in found.codes


def test_repeats_of_the_same_length_are_told_apart_by_their_units(read):
    entry = "SVLEN=30,30;RN=2,1;RUS=CAG,TTG,CA;RUC=5,5,15"
    found = read(info(entry, "<CNV:TR>,<CNV:TR>"), header=NEW)
    assert [allele.key.partition("1030")[2] for allele in found.alleles] == [
        ":RUS=CAG,TTG:RUC=5,5",
        ":RUS=CA:RUC=15",
    ]


def test_an_alt_that_stands_twice_and_differs_in_nothing_is_refused(read):
    for entry in ("END=1250", "SVLEN=-5,-5"):
        assert read(info(entry)).codes == ["FB-VCF-026"]


def test_keys_of_small_variants_and_of_symbolic_ones_with_an_end_are_as_ever(read):
    found = read(
        "1 100 . A C . PASS . GT 0/1",
        "1 200 . AC A,ACC . PASS SVLEN=-1,1;END=201 GT 1/2",
        "1 300 . A <DEL> . PASS END=400;SVLEN=-100 GT 0/1",
        "1 500 . A A]5:7] . PASS END=500 GT 0/1",
    )
    assert [allele.key for allele in found.alleles] == [
        "GRCh38:1:100:A:C",
        "GRCh38:1:200:AC:A",
        "GRCh38:1:200:AC:ACC",
        "GRCh38:1:300:A:<DEL>:400",
        "GRCh38:1:500:A:A]5:7]",
    ]


def test_an_end_on_another_contig_is_no_extent(read):
    found = read(
        "1 1000 . T <TRA> . PASS CHR2=5;END=7 GT 0/1", "1 2000 . T <DEL> . PASS CHR2=1;END=2100 GT 0/1"
    )
    assert [(each.end, each.first, each.last) for each in found.alleles] == [
        (None, 1000, 1000),
        (2100, 2001, 2100),
    ]
    assert found.alleles[0].evidence == "VCF GT=0/1 FILTER=PASS CHR2=5 END=7"
    assert found.outcomes == {"read": 2}


def test_length_of_an_insertion_stands_in_the_note(read):
    (allele,) = read("1 1000 . T <INS> . PASS SVLEN=300 GT 0/1").alleles
    assert allele.evidence == "VCF GT=0/1 FILTER=PASS SVLEN=300"


symbols = st.sampled_from(["<DEL>", "<DUP>", "<INS>", "<CNV>", "<INV>", "<X>", "C", "<CN0>"])


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    alternates=st.lists(symbols, min_size=1, max_size=3),
    lengths=st.lists(st.integers(-500, 500), min_size=1, max_size=3),
    intervals=st.lists(st.integers(-50, 50), max_size=6),
    end=st.none() | st.integers(1000, 1600),
    new=st.booleans(),
)
def test_a_value_is_that_of_its_own_alt_or_none(read, alternates, lengths, intervals, end, new):
    parts = [f"SVLEN={','.join(map(str, lengths))}"]
    parts += [f"CIPOS={','.join(map(str, intervals))}"] if intervals else []
    parts += [f"END={end}"] if end else []
    header = NEW if new else declared()
    genotype = "/".join(str(number) for number, _ in enumerate(alternates, 1))
    line = f"1 1000 . T {','.join(alternates)} . PASS {';'.join(parts)} GT {genotype}"
    found = read(line, header=header)
    if found.outcomes == {"rejected": 1}:
        assert found.codes == ["FB-VCF-026"]
        return
    assert [allele.alt for allele in found.alleles] == alternates
    assert len({allele.key for allele in found.alleles}) == len(alternates)
    for allele in found.alleles:
        if not allele.symbolic:
            continue
        own = lengths[allele.number - 1] if len(lengths) == len(alternates) else None
        assert allele.length == own
        if allele.end is not None:
            assert allele.end in {end, 1000 + abs(own or 0)}
        if allele.outermost is not None and allele.outermost[0] not in (1000, 1001):
            pairs = [intervals[at : at + 2] for at in range(0, len(intervals), 2)]
            pair = pairs[allele.number - 1] if len(pairs) > 1 else pairs[0]
            assert allele.outermost[0] == 1001 + min(pair)


def bounds(variant, code):
    ends = component(variant, code).get("valueRange")
    return None if ends is None else (ends["low"]["value"], ends.get("high", {}).get("value"))


EXACT, INNER, OUTER = "81254-5", "81302-2", "81301-4"


@pytest.mark.parametrize(
    ("entry", "alternate", "expected", "words"),
    [
        ("END=2000;CIPOS=-1500,10;CIEND=-9,9", "<DEL>", (None, (1011, 1991), (1, 2009)), "CIPOS goes beyond"),
        (
            "END=248956420;CIPOS=-1,1;CIEND=-9,9",
            "<DEL>",
            (None, (1002, 248956411), (1000, 248956422)),
            "CIEND goes beyond",
        ),
        ("END=2000;CIPOS=5,-5", "<DEL>", (None, None, (996, 2000)), "CIPOS has its ends exchanged"),
        ("END=2000;SVLEN=-500", "<DEL>", ((1001, 2000), None, None), "by SVLEN it would be 1500: END counts"),
        ("END=1000;SVLEN=-500", "<DEL>", ((1001, 1500), None, None), "END is POS"),
        ("END=1000", "<DUP>", (None, None, (1001, None)), "END is POS"),
        ("END=2000;SVTYPE=DEL", "<DUP>", ((1001, 2000), None, None), "SVTYPE is DEL, and ALT says <DUP>"),
    ],
)
def test_extents_that_contradict_themselves_are_bounded_and_reported_with_their_line(
    converted, entry, alternate, expected, words
):
    done = converted(info(entry, alternate, "0/1"))
    (variant,) = [each for each in done.resources if component(each, "69551-0")]
    assert tuple(bounds(variant, code) for code in (EXACT, INNER, OUTER)) == expected
    (issue,) = [each for each in done.report["issues"] if each["code"] == "FB-VCF-036"]
    assert words in issue["message"]
    assert issue["source"].startswith("a.vcf:")


def test_since_4_4_the_length_decides_where_end_says_another(converted):
    done = converted(info("SVLEN=500;END=2000", "<DEL>", "0/1"), header=NEW)
    (variant,) = [each for each in done.resources if component(each, "69551-0")]
    assert bounds(variant, EXACT) == (1001, 1500)
    assert "by SVLEN it would be 1500: SVLEN counts" in done.messages["FB-VCF-036"][0]


@pytest.mark.parametrize(
    "entry", ["END=1500;SVLEN=-500", "END=1500;SVLEN=-501;SVTYPE=DEL", "SVTYPE=CNV;END=1500"]
)
def test_what_programs_usually_write_is_no_contradiction(converted, entry):
    assert "FB-VCF-036" not in converted(info(entry, "<DEL>", "0/1")).messages


@pytest.mark.parametrize(
    ("alternate", "copies", "contradiction"),
    [
        ("<DEL>", "1", True),
        ("<DUP>", "3", True),
        ("<DEL>", "2", False),
        ("<DEL>", "3", False),
        ("<CNV>", "4", True),
    ],
)
def test_a_copy_number_that_contradicts_a_genotype_of_the_reference_is_reported(
    converted, alternate, copies, contradiction
):
    lines = [f"1 {start} . N {alternate} . PASS END=9000 GT:CN 0/0:{copies}" for start in (1000, 2000)]
    done = converted(*lines)
    assert done.variants == []
    assert ("FB-VCF-094" in done.messages) == contradiction


@pytest.mark.parametrize(
    ("place", "alternate", "call", "contradiction"),
    [
        ("1", "<DEL>", "0/1:2", True),
        ("1", "<DEL>", "1/1:3", True),
        ("1", "<DEL>", "0/1:1", False),
        ("1", "<DEL>", "1/1:0", False),
        ("1", "<DEL>", "1/1:1.27", False),
        ("1", "<DUP>", "0/1:2", True),
        ("1", "<DUP>", "0/1:3", False),
        ("1", "<CNV>", "0/1:2", False),
        ("1", "<DEL>,<DUP>", "1/2:2", False),
        ("X", "<DUP>", "0/1:2", False),
        ("X", "<DEL>", "1:1", True),
    ],
)
def test_a_copy_number_that_contradicts_a_genotype_of_the_alt_is_reported(
    converted, place, alternate, call, contradiction
):
    header = declared(form("CN", "1", "Float"))
    done = converted(f"{place} 1000 . N {alternate} . PASS END=9000 GT:CN {call}", header=header)
    said = "a genotype of the ALT, and a copy number without it: the genotype counts"
    assert (done.messages.get("FB-VCF-094") == [said]) == contradiction
    assert [each for each in done.resources if component(each, "69551-0")]
