"""Which sex a sample's calls show, and that little or mixed evidence shows none."""

from __future__ import annotations

import pytest

HEADER_38 = ("##contig=<ID=Y,length=57227415>",)


def lines(heterozygous: int, others: int, on_y: int, start: int = 30_000_000) -> list[str]:
    x = ["0/1"] * heterozygous + ["1/1"] * others
    calls = [f"X {start + 10 * place} . A C . PASS . GT {call}" for place, call in enumerate(x)]
    return [*calls, *(f"Y {10_000_000 + 10 * place} . A C . PASS . GT 1" for place in range(on_y))]


@pytest.mark.parametrize(
    ("counts", "sex"),
    [
        ((20, 10, 0), "female"),
        ((1, 29, 5), "male"),
        ((20, 10, 5), None),
        ((0, 30, 0), None),
        ((8, 30, 5), None),
        ((10, 5, 0), None),
    ],
)
def test_the_sex_is_claimed_where_x_and_y_agree(read, counts, sex):
    found = read(*lines(*counts), extra=HEADER_38)
    (study,) = found.studies
    assert study.account["sex"] == sex


def test_pseudoautosomal_calls_and_failed_ones_say_nothing(read):
    assert read(*lines(20, 10, 0, start=100_000), extra=HEADER_38).studies[0].account["sex"] is None
    failed = [line.replace("PASS", "q10") for line in lines(20, 10, 0)]
    assert read(*failed, extra=HEADER_38).studies[0].account["sex"] is None
    assert read(*lines(20, 10, 0), extra=HEADER_38, check_sex=False).studies[0].account["sex"] is None
