"""With a reference sequence every insertion and deletion has its g.HGVS and SPDI, however the VCF aligns it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from random import Random

import pytest

from fhir_bridge.adapters.genomics.hgvs import canonical_spdi, genomic_hgvs, placed, trim
from fhir_bridge.adapters.genomics.reference import Reference

REPEATS = "CACACACACATTTTTGATTACAGATTACA"


@pytest.fixture(scope="module")
def sequence() -> str:
    random = Random(3)
    return "".join(random.choices("ACGT", k=200)) + REPEATS + "".join(random.choices("ACGT", k=200))


@pytest.fixture(scope="module")
def fasta(sequence: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("reference") / "r.fa"
    lines = [sequence[start : start + 60] for start in range(0, len(sequence), 60)]
    path.write_text(">chr1 of the tests\n" + "\n".join(lines) + "\n>chrX\nACGT\n")
    return path


def test_bases_are_those_of_the_file_under_any_name_of_the_contig(fasta, sequence):
    reference = Reference(fasta)
    assert reference.fetch("1", 1, 10_000) == sequence
    assert reference.fetch("chr1", 59, 63) == sequence[58:63]
    assert (reference.fetch("X", 2, 9), reference.fetch("2", 1, 1)) == ("CGT", None)


@pytest.mark.parametrize("seed", range(20))
def test_names_do_not_depend_on_how_the_vcf_aligns_a_variant(fasta, sequence, seed):
    fetch, random = partial(Reference(fasta).fetch, "1"), Random(seed)
    for _ in range(30):
        at, length = random.randint(195, 230), random.randint(0, 3)
        ref = sequence[at - 1 : at + length]
        alt = ref[0] + "".join(random.choices("CAT", k=random.randint(0, 4)))
        if ref == alt:
            continue
        more = random.randint(1, 9)
        longer = (
            at - more,
            sequence[at - 1 - more : at + length + more],
            sequence[at - 1 - more : at - 1] + alt + sequence[at + length : at + length + more],
        )
        spdi = placed(canonical_spdi, "NC", (at, ref, alt), fetch)
        assert spdi is not None
        _, start, deleted, inserted = spdi.split(":")
        changed = sequence[: int(start)] + inserted + sequence[int(start) + len(deleted) :]
        assert sequence[int(start) :].startswith(deleted)
        assert changed == sequence[: at - 1] + alt + sequence[at + length :]
        _, old, new = trim(at, ref, alt)
        if not (old and new):  # a deletion-insertion is written as it is
            assert placed(canonical_spdi, "NC", longer, fetch) == spdi
            assert placed(genomic_hgvs, "NC", longer, fetch) == placed(
                genomic_hgvs, "NC", (at, ref, alt), fetch
            )


def test_without_a_reference_only_what_ref_proves_is_named():
    assert canonical_spdi("NC", 10, "A", "C") == "NC:9:A:C"
    assert canonical_spdi("NC", 10, "CAG", "C") is None
    assert canonical_spdi("NC", 10, "CAGT", "CT") == "NC:10:AG:"
    assert canonical_spdi("NC", 10, "GAAT", "GAAAT") == "NC:10:AA:AAA"
    assert canonical_spdi("NC", 10, "N", "C") is None


def test_calls_take_the_names_and_a_ref_that_differs_has_none(read, fasta, sequence):
    right = f"1 200 . {sequence[199:202]} {sequence[199]} . PASS . GT 0/1"
    wrong = f"1 100 . {'A' if sequence[99] != 'A' else 'C'} G . PASS . GT 0/1"
    found = read(right, wrong, reference=str(fasta))
    deletion, other = found.alleles[::-1] if found.alleles[0].line.pos == 100 else found.alleles
    assert deletion.hgvs_g.endswith("del")
    assert deletion.spdi.startswith("NC_000001.11:")
    assert (other.hgvs_g, other.spdi) == (None, None)
    assert "FB-VCF-039" in found.codes
    assert read(right, reference="nowhere.fa").codes == ["FB-VCF-009"]
