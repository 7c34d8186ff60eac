"""A value is used only as its header declares it; what can't be used is not computed from, and reported."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import HEADER


def declared(*lines: str, version: str = "VCFv4.2") -> list[str]:
    """The header of the tests with these declarations in place of its own of the same keys."""
    keys = {line.partition("<ID=")[2].partition(",")[0] + line[:6] for line in lines}
    kept = [line for line in HEADER if line.partition("<ID=")[2].partition(",")[0] + line[:6] not in keys]
    return [f"##fileformat={version}", *kept[1:], *lines]


def without(key: str, version: str) -> list[str]:
    return [f"##fileformat={version}", *(line for line in HEADER[1:] if f"ID={key}," not in line)]


def form(key: str, number: str, kind: str = "Integer", description: str = "x", column: str = "FORMAT") -> str:
    return f'##{column}=<ID={key},Number={number},Type={kind},Description="{description}">'


def messages(found, code: str = "FB-VCF-036") -> list[str]:
    return [issue.message for record in found.records for issue in record.issues if issue.code == code]


IN_ORDER = "Allelic depths for the ref and alt alleles in the order listed"


def test_reads_of_each_copy_are_not_read_as_reads_of_each_allele(read):
    # As a caller writes it whose AD has Number=2: the reads of the two copies, the same twice for a homozygous call.
    lines = [f"1 {100 + place} . A C . PASS . GT:AD 1/1:20,20" for place in range(50)]
    found = read(*lines, header=declared(form("AD", "2")))
    assert len(found.alleles) == 50
    assert {allele.fraction for allele in found.alleles} == {None}
    assert {allele.allele_depth for allele in found.alleles} == {None}
    assert {allele.allelic_state for allele in found.alleles} == {"homozygous"}
    said = [issue for record in found.records for issue in record.issues if issue.code == "FB-VCF-036"]
    assert len(said) == 50
    assert said[0].source == f"test.vcf:{len(HEADER) + 2}"
    assert said[0].message.startswith("FORMAT/AD is declared Number=2,Type=Integer: ")
    assert "VCF 4.3 §1.4.2" in said[0].message


@pytest.mark.parametrize(
    ("declaration", "value", "fraction"),
    [
        (form("AD", "R"), "30,10", Decimal("0.25")),
        (form("AD", ".", description=IN_ORDER), "30,10", Decimal("0.25")),
        (form("AD", "."), "30,10", None),
        (form("AD", "2"), "30,10", None),
        (form("AD", "1"), "10", None),
        (form("AD", "A"), "10", None),
        (form("AD", "G"), "30,10,0", None),
        (form("AD", "R", "String"), "30,10", None),
        (form("AD", "R", "Float"), "30,10", None),
        (form("AF", "A", "Float"), "0.25", Decimal("0.25")),
        (form("AF", "R", "Float"), "0.75,0.25", Decimal("0.25")),
        (form("AF", "1", "Float"), "0.25", Decimal("0.25")),
        (form("AF", ".", "Float"), "0.25", Decimal("0.25")),
        (form("AF", "2", "Float"), "0.75,0.25", None),
        (form("AF", "G", "Float"), "0.5,0.25,0.25", None),
        (form("AF", "A", "String"), "0.25", None),
        (form("VAF", "A", "Float"), "0.25", Decimal("0.25")),
        (form("VAF", "1", "String"), "25%", None),
    ],
)
def test_a_fraction_is_stated_only_as_declared(read, declaration, value, fraction):
    key = declaration.partition("ID=")[2].partition(",")[0]
    found = read(f"1 100 . A C . PASS . GT:{key} 0/1:{value}", header=declared(declaration))
    assert found.alleles[0].fraction == fraction
    assert bool(messages(found)) == (fraction is None)
    assert all(f"FORMAT/{key} is declared" in message for message in messages(found))


@pytest.mark.parametrize("version", ["VCFv4.0", "VCFv4.1", "VCFv4.2", "VCFv4.3", "VCFv4.4", "VCFv4.5"])
def test_an_undeclared_key_means_what_the_version_of_the_file_reserves_it_for(read, version):
    found = read("1 100 . A C . PASS . GT:AD:DP:AF 0/1:30,10:40:0.3", header=without("AD", version))
    reserved = version >= "VCFv4.3"
    allele = found.alleles[0]
    assert allele.allele_depth == (10 if reserved else None)
    assert allele.fraction == (Decimal("0.25") if reserved else None)
    assert allele.call.depth == 40
    assert ("FORMAT/AF is not declared" in " ".join(messages(found))) is True
    assert any(f"{version} reserves no such key" in m and "FORMAT/AD" in m for m in messages(found)) is (
        not reserved
    )


def test_two_declarations_that_differ_are_none(read):
    found = read("1 100 . A C . PASS . GT:AD 0/1:30,10", extra=[form("AD", "2")])
    assert found.alleles[0].fraction is None
    assert "FB-VCF-036" in found.codes
    assert "declared twice with different" in messages(found, "FB-VCF-083")[0]


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        ("AD", "3,4,5", "FB-VCF-034"),
        ("AD", "3", "FB-VCF-034"),
        ("AD", "3,x", "FB-VCF-031"),
        ("AD", "3.5,4", "FB-VCF-031"),
        ("AF", "0.1,0.2", "FB-VCF-034"),
        ("AF", "25", "FB-VCF-034"),
        ("AF", "-0.1", "FB-VCF-034"),
        ("VAF", "half", "FB-VCF-031"),
        ("DP", "1,2", "FB-VCF-034"),
        ("DP", "9999999999", "FB-VCF-031"),
        ("DP", "1.5", "FB-VCF-031"),
        ("GQ", "high", "FB-VCF-031"),
        ("PL", "1,2", "FB-VCF-034"),
        ("GP", "0.1,0.2,x", "FB-VCF-031"),
        ("GP", "0.1,0.9", "FB-VCF-034"),
        ("CN", "2,3", "FB-VCF-034"),
        ("XS", "a,b,c", "FB-VCF-034"),
    ],
)
def test_a_call_value_that_is_not_as_declared_is_left_out_with_line_key_and_clause(read, column, value, code):
    extra = [
        form("AF", "A", "Float"),
        form("VAF", "A", "Float"),
        form("GQ", "1"),
        form("GP", "G", "Float"),
        form("XS", "R", "String"),
    ]
    found = read(f"1 100 . A C . PASS . GT:{column} 0/1:{value}", extra=extra)
    assert found.outcomes == {"read": 1}
    (said,) = [issue for record in found.records for issue in record.issues if issue.code == code]
    assert said.source == f"test.vcf:{len(HEADER) + len(extra) + 2}"
    assert f"FORMAT/{column}" in said.message
    assert "VCF 4.3 §" in said.message
    allele = found.alleles[0]
    assert (allele.fraction, allele.allele_depth, allele.copy_number) == (None, None, None)
    assert (allele.call.depth, allele.call.quality, allele.format(column)) == (None, None, None)


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ("AF=0.1,0.2", "FB-VCF-034"),
        ("AF=x", "FB-VCF-031"),
        ("DP=1.5", "FB-VCF-031"),
        ("CIPOS=1", "FB-VCF-034"),
        ("CIEND=1,2,3", "FB-VCF-034"),
        ("SVLEN=5,x", "FB-VCF-031"),
        ("END=later", "FB-VCF-031"),
        ("XA=p,q", "FB-VCF-034"),
        ("DP=" + "0" * 5000 + "1,", "FB-VCF-031"),
        ("DP=" + "9" * 5000, "FB-VCF-031"),
    ],
)
def test_an_info_value_that_is_not_as_declared_is_left_out_with_line_key_and_clause(read, entry, code):
    extra = [form("XA", "A", "String", column="INFO")]
    found = read(f"1 100 . A <DEL> . PASS {entry} GT 0/1", extra=extra)
    (said,) = [issue for record in found.records for issue in record.issues if issue.code == code]
    assert said.source == f"test.vcf:{len(HEADER) + len(extra) + 2}"
    assert f"INFO/{entry.partition('=')[0]}" in said.message
    assert "VCF 4.3 §" in said.message
    allele = found.alleles[0]
    assert allele.info(entry.partition("=")[0]) is None
    assert (allele.first, allele.last, allele.length) == (None, None, None)


def test_an_end_that_is_not_declared_as_one_number_is_none(read):
    for declaration in (form("END", "1", "String", column="INFO"), form("END", "A", column="INFO")):
        found = read("1 100 . A <DEL> . PASS END=200 GT 0/1", header=declared(declaration))
        assert (found.alleles[0].end, found.alleles[0].last) == (None, None)
        assert messages(found) == ["INFO/END is not declared as one Integer (VCF 4.3 §3)"]


def test_a_number_is_dbsnps_only_where_the_header_says_so(read):
    line = "1 100 . A C . PASS RS=77 GT 0/1"
    for extra, ids in (
        ([], []),
        ([form("RS", "1", description="Read score", column="INFO")], []),
        ([form("RS", "1", description="dbSNP ID (i.e. rs number)", column="INFO")], ["rs77"]),
    ):
        assert read(line, extra=extra).alleles[0].identifiers == ids


def test_somatic_is_a_flag(read):
    found = read("1 100 . A C . PASS SOMATIC GT 0/1", "1 200 . A C . PASS SOMATIC=0 GT 0/1")
    assert [allele.source_class for allele in found.alleles] == ["somatic", None]


@pytest.mark.parametrize(
    ("samples", "extra", "classes"),
    [
        (("NORMAL", "TUMOR"), (), [None, "somatic"]),
        (("tumor", "normal"), (), ["somatic", None]),
        (("A", "B"), ("##tumor_sample=B", "##normal_sample=A"), [None, "somatic"]),
        (("A", "B"), ("##normal_sample=B",), ["somatic", None]),
        (("A", "B"), (), [None, None]),
        (("A", "B"), ("##genomic_source_class=germline",), [None, None]),
    ],
)
def test_somatic_is_said_of_the_tumour_not_of_the_normal_sample(read, samples, extra, classes):
    found = read("1 100 . A C . PASS SOMATIC GT 0/1 0/1", samples=samples, extra=extra)
    assert [allele.source_class for allele in found.alleles] == classes
    assert ("FB-VCF-054" in found.codes) == (classes == [None, None])


def test_one_value_is_no_single_alts_of_a_line_with_several(read):
    line = "1 100 . A C,G . PASS . GT:AF 1/2:0.4"
    found = read(line, header=declared(form("AF", "1", "Float")))
    assert [allele.fraction for allele in found.alleles] == [None, None]
    assert messages(found) == [
        "FORMAT/AF is one value, which is no single ALT's of a line with several (VCF 4.3 §1.4.2)"
    ]


def test_an_open_number_with_another_count_than_needed_is_reported_and_kept(read):
    found = read(
        "1 100 . A C,G . PASS . GT:AD 1/2:1,2", header=declared(form("AD", ".", description=IN_ORDER))
    )
    assert [allele.fraction for allele in found.alleles] == [None, None]
    assert found.alleles[0].format("AD") == [1, 2]
    assert len(messages(found)) == 1
    assert "column 10 has 2 values; to be read it needs 3" in messages(found)[0]


NUMBERS = ("0", "1", "2", "3", "A", "R", "G", ".", "LR", "M")
KINDS = ("Integer", "Float", "String", "Character")


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    number=st.sampled_from(NUMBERS),
    kind=st.sampled_from(KINDS),
    alternates=st.integers(1, 3),
    reads=st.lists(st.integers(0, 99) | st.just("."), min_size=1, max_size=6),
    copies=st.lists(st.integers(0, 3), min_size=1, max_size=3),
)
def test_a_depth_is_the_alleles_own_or_none(read, number, kind, alternates, reads, copies):
    """Only Number=R,Type=Integer with as many values as alleles ties reads to an allele."""
    genotype = "/".join(str(min(copy, alternates)) for copy in copies)
    text = ",".join(map(str, reads))
    line = f"1 100 . A {','.join('CGT'[:alternates])} . PASS . GT:AD {genotype}:{text}"
    found = read(line, header=declared(form("AD", number, kind)))
    tied = number == "R" and kind == "Integer" and len(reads) == alternates + 1
    whole = tied and "." not in reads
    for allele in found.alleles:
        # What is known of an allele is known, whatever another one lacks; a fraction needs all.
        own = reads[allele.number] if tied else "."
        assert allele.allele_depth == (None if own == "." else own)
        total = sum(reads) if whole else 0
        assert allele.fraction == (round(Decimal(reads[allele.number]) / total, 4) if total else None)
    missing = all(one == "." for one in reads) or (number == "R" and kind == "Integer" and "." in reads)
    if found.alleles and not whole and not missing:
        assert {"FB-VCF-031", "FB-VCF-034", "FB-VCF-036"} & set(found.codes)
