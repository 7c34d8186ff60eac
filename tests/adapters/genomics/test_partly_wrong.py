"""Lines of which a part is wrong: an ALT among others, and a place beyond the contig's bases."""

from __future__ import annotations

import pytest

from .conftest import HEADER, coded, component


@pytest.mark.parametrize(
    ("alt", "said"),
    [
        ("ATG,A", "an ALT equals REF"),
        ("A,", "an ALT is neither bases, *, <ID> nor a breakend"),
        ("A?,A", "an ALT is neither bases, *, <ID> nor a breakend"),
    ],
)
def test_a_wrong_alt_among_others_loses_itself_alone(converted, alt, said):
    done = converted(f"1 2800 . ATG {alt} 90 PASS . GT 1/2")
    (variant,) = done.variants
    assert component(variant, "69551-0")["valueString"] == "A"
    assert coded(variant, "53034-5") == "LA6706-1"
    assert done.messages["FB-VCF-026"] == [said]
    assert (done.code, done.report["records"]["partial"]) == (1, 1)
    assert done.report["calls"][0]["not_represented"] == {"FB-VCF-026": 1}
    assert done.reports("status") == ["partial"]
    assert done.reports("conclusion")[0].startswith("Incomplete: 1 genotypes of the sample can't be read")


def test_a_line_whose_alts_are_all_wrong_is_rejected(converted):
    done = converted("1 2800 . ATG ATG 90 PASS . GT 0/1", "1 2900 . A ?,A 90 PASS . GT 0/1")
    assert (done.code, done.report["records"]["rejected"]) == (1, 2)
    assert done.variants == []


BARE = tuple(line for line in HEADER if "ID=MT" not in line)


@pytest.mark.parametrize(
    ("header", "contig", "position"),
    [
        pytest.param(HEADER, "MT", 16570, id="one-beyond-the-declared-length"),
        pytest.param(BARE, "MT", 17000, id="beyond-the-length-in-the-build"),
        pytest.param(HEADER, "1", 0, id="before-the-first-base"),
    ],
)
def test_no_name_is_coded_where_the_contig_has_no_bases(converted, header, contig, position):
    # Lines that are alike before it are read by what is known of them.
    length = 16569
    alike = [f"{contig} {length - 3 + number} . G A 90 PASS . GT:DP 0/1:30" for number in range(4)]
    beyond = f"{contig} {position} . G A 90 PASS . GT:DP 0/1:30"
    lines = [*alike, beyond] if position else [beyond, *alike]
    done = converted(*lines, header=header)
    names = [coded(one, "81290-9") for one in done.variants]
    assert names.count(None) == 1
    (unnamed,) = (one for one in done.variants if coded(one, "81290-9") is None)
    assert component(unnamed, "81254-5")["valueRange"]["low"]["value"] == position
    assert not any("api.ncbi" in str(one) for one in unnamed["component"])
    assert len(done.messages["FB-VCF-057"]) == 1
    assert "FB-VCF-043" not in done.messages


def test_the_last_base_and_a_ref_up_to_it_are_named(converted):
    done = converted("MT 16568 . G A 90 PASS . GT 0/1", "MT 16569 . G A 90 PASS . GT 0/1")
    assert [coded(one, "81290-9") for one in done.variants] == [
        "NC_012920.1:m.16568G>A",
        "NC_012920.1:m.16569G>A",
    ]
    assert "FB-VCF-057" not in done.messages
