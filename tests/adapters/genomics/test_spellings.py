"""One variant on two lines that spell it in different ways."""

from __future__ import annotations

import pytest

from .conftest import component


def notes(done):
    return [
        (component(one, "69551-0")["valueString"], one["note"][0]["text"].partition(". ")[2])
        for one in done.variants
    ]


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        pytest.param("3000 . A G", "3000 . AT GT", "3000 A G", id="one-position"),
        pytest.param("3000 . AT GT", "3000 . A G", "3000 AT GT", id="the-longer-one-first"),
        pytest.param("1000 . CAAG CAG", "1001 . AA A", "1000 CAAG CAG", id="two-positions"),
        pytest.param("1000 . CA CG", "1001 . A G", "1000 CA CG", id="a-base-too-many"),
    ],
)
@pytest.mark.parametrize("genotype", ["1/1", "0/1"])
def test_a_variant_that_two_lines_spell_differently_is_reported_with_both_calls(
    converted, first, second, said, genotype
):
    # Lines like them, before, are known by their form.
    alike = [
        f"1 {100 + 10 * at} . {ref} 90 PASS . GT:DP 0/1:20" for at in range(4) for ref in ("A G", "AA A")
    ]
    alike.sort(key=lambda line: int(line.split()[1]))
    distinct = [line for number, line in enumerate(alike) if number % 2]
    lines = [f"1 {first} 90 PASS . GT:DP 0/1:20", f"1 {second} 90 PASS . GT:DP {genotype}:30"]
    done = converted(*distinct, *lines, "1 5000 . A G 90 PASS . GT:DP 0/1:20")
    told = f"The file calls this variant on an earlier line too, as {said} with GT=0/1"
    assert [text for _, text in notes(done) if text] == [told]
    assert len(done.messages["FB-VCF-092"]) == 1
    assert len(done.variants) == len(distinct) + 3
    assert done.code == 0


def test_other_variants_and_other_samples_are_not_the_same(converted):
    lines = [
        "1 1000 . A G,T 90 PASS . GT 0/1 0/2",
        "1 1000 . A T 90 PASS . GT 0/1 0/0",
        "1 2000 . CAAG CAG 90 PASS . GT 0/1 0/0",
        "1 2001 . AA A 90 PASS . GT 0/0 0/1",
        "1 2002 . AG A 90 PASS . GT 0/1 0/0",
        "X 2002 . AG A 90 PASS . GT 0/1 0/0",
    ]
    done = converted(*lines, samples=("S1", "S2"))
    assert "FB-VCF-092" not in done.messages


def test_of_several_samples_the_one_that_is_called_twice_has_the_note(converted):
    lines = ["1 1000 . A G 90 PASS . GT 0/1 0/1", "1 1000 . AT GT 90 PASS . GT 1/1 0/0"]
    done = converted(*lines, samples=("S1", "S2"))
    assert [text for _, text in notes(done) if text] == [
        "The file calls this variant on an earlier line too, as 1000 A G with GT=0/1"
    ]
