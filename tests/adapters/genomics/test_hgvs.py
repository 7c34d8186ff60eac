"""g.HGVS from REF and ALT alone: what is certain is written, what the reference must decide is not."""

from __future__ import annotations

import pytest

from fhir_bridge.adapters.genomics.hgvs import genomic_hgvs, trim


@pytest.mark.parametrize(
    ("position", "reference", "alternate", "expected"),
    [
        (23429278, "C", "T", "g.23429278C>T"),
        (10, "AC", "AT", "g.11C>T"),
        (10, "AC", "GA", "g.10_11delinsGA"),
        (10, "ATG", "AC", "g.11_12delinsC"),
        # GA read backwards on the other strand is TC
        (10, "GA", "TC", "g.10_11inv"),
        # The base after the deleted AC is T, so it can't move
        (10, "GACT", "GT", "g.11_12del"),
        # One C of CC is gone: the 3' one
        (10, "GCCT", "GCT", "g.12del"),
        # The next base is not shown
        (10, "GAC", "G", None),
        # T between A and G: no shift, and the base before is no T
        (10, "AG", "ATG", "g.10_11insT"),
        # A second T before G: it copies the T before it
        (10, "ATG", "ATTG", "g.11dup"),
        (10, "A", "AT", None),
        # Whether TT copies what is before can't be seen from one base
        (10, "TG", "TTTG", None),
        (10, "CTTG", "CTTTTG", "g.11_12dup"),
        (10, "N", "A", None),
        (10, "A", "A", None),
    ],
)
def test_description_is_written_only_where_it_is_proven(position, reference, alternate, expected):
    found = genomic_hgvs("NC_000014.9", position, reference, alternate)
    assert found == (f"NC_000014.9:{expected}" if expected else None)


def test_mitochondrion_is_described_with_m():
    assert genomic_hgvs("NC_012920.1", 3243, "A", "G") == "NC_012920.1:m.3243A>G"


def test_trimming_leaves_what_differs():
    assert trim(10, "ATTC", "ATC") == (11, "T", "")
