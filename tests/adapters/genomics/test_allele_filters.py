"""INFO/AS_FilterStatus: of a line that passes, an ALT may fail a filter by itself."""

from __future__ import annotations

import pytest

from .conftest import coded, component

STATUS = '##INFO=<ID=AS_FilterStatus,Number=A,Type=String,Description="Filter status for each allele">'


def confidence(variant):
    value = component(variant, "variant-confidence-status")["valueCodeableConcept"]
    return value["coding"][0]["code"], value.get("text")


@pytest.mark.parametrize(
    ("alt", "status", "expected"),
    [
        pytest.param("A,T", "SITE|weak_evidence", [None, "weak_evidence"], id="mutect"),
        pytest.param(
            "A,T", "weak_evidence,strand_bias|SITE", ["weak_evidence, strand_bias", None], id="two-filters"
        ),
        pytest.param("A,T", "PASS,VQSRTranche", [None, "VQSRTranche"], id="one-value-for-each-alt"),
        pytest.param("A", "weak_evidence,strand_bias", ["weak_evidence, strand_bias"], id="one-alt"),
        pytest.param("A", "SITE", [None], id="passed"),
    ],
)
def test_an_alt_that_fails_a_filter_by_itself_is_of_low_confidence(converted, alt, status, expected):
    genotype = "1/2" if "," in alt else "0/1"
    done = converted(f"1 1000 . C {alt} . PASS AS_FilterStatus={status} GT {genotype}", extra=[STATUS])
    said = {coded_alt(one): confidence(one) for one in done.variants}
    assert said == {
        base: ("low", f"AS_FilterStatus {name}") if name else ("intermediate", None)
        for base, name in zip(alt.split(","), expected, strict=True)
    }
    assert ("FB-VCF-050" in done.messages) == any(expected)
    assert "FB-VCF-034" not in done.messages
    assert done.code == 0


def coded_alt(variant):
    return component(variant, "69551-0")["valueString"]


def test_it_is_left_out_by_the_setting_and_counted(converted):
    line = "1 1000 . C A,T . PASS AS_FilterStatus=SITE|weak_evidence GT 1/2"
    done = converted(line, extra=[STATUS], options=["--set", "filtered=leave-out"])
    assert [coded_alt(one) for one in done.variants] == ["A"]
    assert done.report["calls"][0]["not_represented"] == {"FB-VCF-051": 1}
    assert "1 calls that fail a filter were left out by a setting" in done.reports("conclusion")[0]


def test_filters_that_count_as_passed_are_none_of_an_alt_either(converted):
    line = "1 1000 . C A . PASS AS_FilterStatus=weak_evidence GT 0/1"
    done = converted(line, extra=[STATUS], options=["--set", "passing=weak_evidence"])
    assert confidence(done.variants[0]) == ("intermediate", None)


def test_filters_that_can_not_be_tied_to_the_alts_are_reported_and_not_used(converted):
    done = converted("1 1000 . C A,T . PASS AS_FilterStatus=weak_evidence GT 1/2", extra=[STATUS])
    assert [confidence(one) for one in done.variants] == [("intermediate", None)] * 2
    assert "INFO/AS_FilterStatus has 1 values, not 2" in done.messages["FB-VCF-034"][0]


def test_a_filter_of_the_line_is_not_said_twice(converted):
    line = "1 1000 . C A . weak;other AS_FilterStatus=weak GT 0/1"
    done = converted(line, extra=[STATUS])
    assert confidence(done.variants[0]) == ("low", "FILTER weak, other")
    assert coded(done.variants[0], "53034-5") == "LA6706-1"
