"""A call that fails a filter of its line (FILTER) or of its own (FT) is one policy, which a setting chooses."""

from __future__ import annotations

import pytest

LINE = "1 100 . A C . {} . GT:FT 0/1:{}"
FT = '##FORMAT=<ID=FT,Number={},Type={},Description="Filters">'


def read_one(read, filters: str, own: str, number: str = "1", kind: str = "String", **options):
    return read(LINE.format(filters, own), extra=[FT.format(number, kind)], **options)


@pytest.mark.parametrize(
    ("filters", "own", "filtered"),
    [
        ("PASS", "PASS", None),
        ("PASS", ".", None),
        (".", "PASS", None),
        ("PASS", "LowGQ", "FT LowGQ"),
        ("PASS", "LowGQ;LowDP", "FT LowGQ, LowDP"),
        ("q10", "PASS", "FILTER q10"),
        ("q10;s50", "LowGQ", "FILTER q10, s50; FT LowGQ"),
    ],
)
def test_what_failed_is_said_of_the_call(read, filters, own, filtered):
    found = read_one(read, filters, own)
    assert [allele.call.filtered for allele in found.alleles] == [filtered]
    assert found.codes == (["FB-VCF-050"] if filtered else [])


def test_ft_is_used_only_as_declared(read):
    assert read_one(read, "PASS", "LowGQ,LowDP", number=".").alleles[0].call.filtered == "FT LowGQ, LowDP"
    for number, kind in (("1", "Integer"), ("2", "String"), ("A", "String")):
        found = read_one(read, "PASS", "7", number, kind)
        assert [allele.call.filtered for allele in found.alleles] == [None]
        assert "FB-VCF-036" in found.codes or "FB-VCF-034" in found.codes
    assert read(LINE.format("PASS", "LowGQ")).alleles[0].call.filtered == "FT LowGQ", (
        "reserved in all versions"
    )


def test_filters_that_a_setting_names_count_as_passed(read):
    found = read_one(read, "q10", "LowGQ;LowDP", passing="q10,LowGQ")
    assert found.alleles[0].call.filtered == "FT LowDP"
    assert found.codes == ["FB-VCF-050"]
    assert read_one(read, "q10", "LowGQ", passing="q10,LowGQ").codes == []


def test_filtered_calls_can_be_left_out_and_are_counted(read):
    lines = [
        "1 100 . A C . PASS . GT:FT 0/1:PASS 1/1:LowGQ 0/0:LowGQ",
        "1 200 . A C . PASS . GT:FT 0/1:LowGQ 0/0:PASS ./.:LowGQ",
        "1 300 . A C . q10 . GT:FT 0/1:PASS 1/1:. 0/0:PASS",
    ]
    found = read(*lines, samples=("S1", "S2", "S3"), extra=[FT.format(1, "String")], filtered="leave-out")
    assert [(allele.line.pos, allele.call.name) for allele in found.alleles] == [(100, "S1")]
    assert found.outcomes == {"read": 1, "skipped": 2}
    assert found.codes.count("FB-VCF-066") == 2
    assert [study.left_out for study in found.studies] == [2, 2, 0]
    assert [study.variants for study in found.studies] == [1, 0, 0]
    (said,) = [i.message for r in found.records for i in r.issues if i.code == "FB-VCF-085"]
    assert said == "4 calls that fail a filter were left out"
    assert "2 calls that fail a filter were left out by a setting" in found.studies[0].conclusion
    kept = read(*lines, samples=("S1", "S2", "S3"), extra=[FT.format(1, "String")])
    assert len(kept.alleles) == 5
    assert "left out" not in kept.studies[0].conclusion


def test_an_alt_that_has_no_name_is_not_represented_and_said(read):
    found = read(
        "1 100 . A . . PASS . GT 0|1", "1 200 . A . . PASS . GT 0/0", "1 300 . A <*> . PASS . GT 0/1"
    )
    assert found.outcomes == {"skipped": 3}
    assert found.codes.count("FB-VCF-047") == found.codes.count("FB-VCF-067") == 2
    assert read("1 100 . A . . PASS . GT 0|2").codes == ["FB-VCF-040"]
