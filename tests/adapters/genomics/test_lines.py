"""A line that is wrong is rejected alone, with its place; damage of the file costs what it hits."""

from __future__ import annotations

import gzip
from random import Random

import pysam
import pytest

from .conftest import text

GOOD = "1 500 . A C . PASS . GT 0/1"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("1 100 . A C . PASS . GT", "FB-VCF-020"),
        ("1 100 . A C . PASS . GT 0/1 0/1", "FB-VCF-020"),
        (" 100 . A C . PASS . GT 0/1", "FB-VCF-023"),
        ("1 x . A C . PASS . GT 0/1", "FB-VCF-024"),
        ("1 -5 . A C . PASS . GT 0/1", "FB-VCF-024"),
        ("1 248956424 . A C . PASS . GT 0/1", "FB-VCF-024"),
        ("1 100 . R C . PASS . GT 0/1", "FB-VCF-025"),
        ("1 100 . A A . PASS . GT 0/1", "FB-VCF-026"),
        ("1 100 . A Q . PASS . GT 0/1", "FB-VCF-026"),
        ("1 100 . A , . PASS . GT 0/1", "FB-VCF-026"),
        ("1 100 . A G[1:5] . PASS . GT 0/1", "FB-VCF-026"),
        ("1 100 . A C high PASS . GT 0/1", "FB-VCF-027"),
        ("1 100 . A C . q10;;s50 . GT 0/1", "FB-VCF-027"),
        ("1 100 . A C . PASS DP=1;DP=2 GT 0/1", "FB-VCF-028"),
        ("1 100 . A <DEL> . PASS END=90 GT 0/1", "FB-VCF-029"),
        ("1 100 . A C . PASS . DP:GT 0/1", "FB-VCF-030"),
        ("1 100 . A C . PASS . GT:GT 0/1", "FB-VCF-030"),
        ("1 100 . A C . PASS . GT 0/x", "FB-VCF-040"),
        ("1 100 . A C . PASS . GT 0/1:5", "FB-VCF-041"),
        ("##contig=<ID=3>", "FB-VCF-032"),
    ],
)
def test_a_wrong_line_is_rejected_alone(read, line, code):
    found = read(line, GOOD)
    assert found.outcomes == {"rejected": 1, "read": 1}
    assert found.codes == [code]
    rejected = found.records[1]
    assert rejected.issues[0].source == rejected.locator == "test.vcf:21"


def test_a_value_that_is_no_number_is_left_out_and_said(read):
    found = read("1 100 . A C . PASS DP=many GT:DP 0/1:few")
    assert found.outcomes == {"read": 1}
    assert found.codes == ["FB-VCF-031", "FB-VCF-031"]
    assert found.alleles[0].info("DP") is None
    assert found.alleles[0].call.depth is None


def test_untidy_info_is_kept_and_said(read):
    found = read("1 100 . A C . PASS DP=7; GT 0/1")
    assert found.alleles[0].info("DP") == 7
    assert found.codes == ["FB-VCF-033"]


def test_undeclared_keys_are_read_as_text_and_told_once(read):
    found = read("1 100 . A C . PASS XYZ=5 GT:QQ 0/1:7", "1 200 . A C . PASS XYZ=5 GT:QQ 0/1:7")
    assert found.alleles[0].info("XYZ") == "5"
    assert found.codes == ["FB-VCF-080"]


def test_a_line_that_is_not_utf8_is_rejected_alone(read):
    content = text([GOOD, GOOD]).encode().replace(b"PASS", b"P\xffSS", 1)
    found = read(content=content)
    assert found.outcomes == {"rejected": 1, "read": 1}
    assert "FB-VCF-021" in found.codes


def test_windows_line_ends_and_a_missing_last_one_are_read(read):
    content = text([GOOD, GOOD]).encode().replace(b"\n", b"\r\n").removesuffix(b"\r\n")
    assert read(content=content).outcomes == {"read": 2}


def test_a_line_above_the_limit_is_passed_over(read):
    content = text([GOOD, "1 600 . A " + "C" * 5000 + " . PASS . GT 0/1", GOOD]).encode()
    found = read(content=content, max_line=4000)
    assert found.outcomes == {"read": 2, "rejected": 1}
    assert "FB-VCF-022" in found.codes


def test_gzip_and_bgzip_read_as_plain_text(read, tmp_path):
    content = text([GOOD.replace("500", str(place)) for place in (500, 501, 502)]).encode()
    assert read(content=gzip.compress(content), name="a.vcf.gz").outcomes == {"read": 3}
    plain, packed = tmp_path / "b.vcf", tmp_path / "b.vcf.gz"
    plain.write_bytes(content)
    pysam.tabix_compress(str(plain), str(packed))
    found = read(content=packed.read_bytes(), name="c.vcf.gz")
    assert (found.outcomes, found.codes) == ({"read": 3}, [])
    cut = read(content=packed.read_bytes()[:-28], name="d.vcf.gz")
    assert (cut.outcomes, cut.codes) == ({"read": 3}, ["FB-VCF-082"])


def test_a_truncated_file_gives_what_was_whole_and_names_the_loss(read):
    lines = [f"1 {position} . A C . PASS DP={position * 7919 % 1000} GT 0/1" for position in range(1, 5000)]
    packed = gzip.compress(text(lines).encode())
    found = read(content=packed[: len(packed) // 2], name="cut.vcf.gz")
    assert found.outcomes["read"] > 500
    assert "FB-VCF-006" in found.codes
    assert found.studies, "the samples' reports still come"


def test_damaged_compression_is_named(read):
    random = Random(1)
    lines = [f"1 {position} . A C {random.random()} PASS . GT 0/1" for position in range(1, 40000)]
    packed = bytearray(gzip.compress(text(lines).encode()))
    packed[-2000:-1000] = b"\xff" * 1000
    found = read(content=bytes(packed), name="bad.vcf.gz")
    assert found.outcomes["read"] > 20000
    assert "FB-VCF-006" in found.codes


def test_a_missing_file_is_refused(tmp_path):
    from pathlib import Path

    from fhir_bridge.adapters.genomics import Options, read_vcf

    (record,) = read_vcf(Path(tmp_path / "nothing.vcf"), Options())
    assert record.issues[0].code == "FB-VCF-007"


def test_bcf_reads_as_the_vcf_it_came_from(read, tmp_path):
    lines = ["1 500 rs5 A C,G 50 PASS DP=7 GT:AD 1/2:1,3,3", "1 600 . AT A . q10 . GT:AD 0/1:5,5"]
    header = '##FILTER=<ID=q10,Description="Quality below 10">'
    path = tmp_path / "a.vcf"
    path.write_text(text(lines, extra=(header,)))
    with (
        pysam.VariantFile(str(path)) as source,
        pysam.VariantFile(str(tmp_path / "a.bcf"), "wb", header=source.header) as target,
    ):
        for record in source:
            target.write(record)
    found = read(content=(tmp_path / "a.bcf").read_bytes(), name="b.bcf")
    plain = read(*lines, extra=(header,))
    assert [a.key for a in found.alleles] == [a.key for a in plain.alleles]
    assert [a.allele_depth for a in found.alleles] == [3, 3, 5]


def test_a_damaged_bcf_is_refused_or_named(read, tmp_path):
    path = tmp_path / "a.vcf"
    path.write_text(text([GOOD] * 3))
    with (
        pysam.VariantFile(str(path)) as source,
        pysam.VariantFile(str(tmp_path / "a.bcf"), "wb", header=source.header) as target,
    ):
        for record in source:
            target.write(record)
    whole = (tmp_path / "a.bcf").read_bytes()
    assert read(content=whole, name="whole.bcf").outcomes == {"read": 3}
    # The header's text says it is longer than the file
    plain = gzip.decompress(whole)
    broken = plain[:5] + (1 << 30).to_bytes(4, "little") + plain[9:]
    assert read(content=gzip.compress(broken), name="broken.bcf").codes == ["FB-VCF-010"]


def test_a_bcf_that_is_cut_gives_what_is_before_the_break(read, tmp_path):
    path = tmp_path / "a.vcf"
    bases = "ACGT"
    rows = [
        f"1 {1000 + 7 * number} rs{number * 7919} {bases[number % 4]} {bases[(number + 1) % 4]} {number}.5 PASS "
        f"DP={number % 97} GT:AD 0/1:{number % 31},{number % 29}"
        for number in range(6_000)
    ]
    path.write_text(text(rows))
    with (
        pysam.VariantFile(str(path)) as source,
        pysam.VariantFile(str(tmp_path / "a.bcf"), "wb", header=source.header) as target,
    ):
        for record in source:
            target.write(record)
    whole = (tmp_path / "a.bcf").read_bytes()
    ends, place = [], 0
    while place < len(whole):
        place += int.from_bytes(whole[place + 16 : place + 18], "little") + 1
        ends.append(place)
    assert len(ends) > 4
    cut = read(content=whole[: ends[-3] + 200], name="cut.bcf")
    assert cut.outcomes["read"] > 3_000
    assert cut.outcomes["rejected"] == 1
    assert cut.codes.count("FB-VCF-006") == 1
    endless = read(content=whole[: ends[-2]], name="endless.bcf")
    assert endless.outcomes == {"read": 6_000}
    assert "FB-VCF-082" in endless.codes


def test_lines_that_are_no_records_are_reported_together(read):
    content = text([GOOD]) + "\n" * 9_000 + "x\ty\n" * 9_000 + text([GOOD]).splitlines()[-1] + "\n\n"
    found = read(content=content.encode())
    assert found.outcomes == {"read": 2, "rejected": 18_001}
    rejected = [record for record in found.records if record.outcome == "rejected"]
    first = len(text([GOOD]).splitlines()) + 1
    columns = "10 columns are needed"
    assert [(each.locator, each.records, each.issues[0].message) for each in rejected] == [
        (f"test.vcf:{first}", 18_000, f"{columns}, in lines {first} to {first + 17_999}"),
        (f"test.vcf:{first + 18_001}", 1, columns),
    ]
    assert rejected[0].file.lost_lines == 9_000


def test_options_are_read_as_they_stand_on_a_command_line(read):
    assert read(GOOD, sampels="S1").codes == ["FB-VCF-009"]
    assert read(GOOD, max_findings="0").codes == ["FB-VCF-009"]
    assert read(GOOD, effective="02.03.2026").codes == ["FB-VCF-009"]
    assert read(GOOD, consequences="no", source_class="somatic").alleles[0].source_class == "somatic"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("1 100 . A C . PASS DP=-1 GT 0/1", "FB-VCF-034"),
        ("1 100 . A C,G . PASS AF=0.5 GT 0/1", "FB-VCF-034"),
        ("1 100 . A C . PASS AN=two GT 0/1", "FB-VCF-031"),
        ("1 100 . A C . PASS DP=2147483648 GT 0/1", "FB-VCF-031"),
        ("1 100 . A C . PASS H2=yes GT 0/1", "FB-VCF-033"),
        ("1 100 . A C . PASS CIGAR=1Q GT 0/1", "FB-VCF-033"),
        ("1 100 . A C . PASS . GT:AD 0/1:3,4,5", "FB-VCF-034"),
        ("1 100 . A C . PASS . GT:AD 0/0:3", "FB-VCF-034"),
        ("1 100 . A C . PASS . GT:PL 0/1:1,2", "FB-VCF-034"),
    ],
)
def test_a_value_that_cannot_be_right_is_told_and_the_line_kept(read, line, code):
    found = read(line)
    assert "rejected" not in found.outcomes
    assert code in found.codes


def test_a_value_list_of_another_length_is_not_read_by_position(read):
    allele = read("1 100 . A C,G . PASS AF=0.5 GT:AD 1/2:3,4").alleles[1]
    assert allele.info("AF") is None
    assert allele.allele_depth is None


def test_one_copy_has_the_likelihoods_of_one(read):
    assert "FB-VCF-034" not in read("X 5000000 . A C . PASS . GT:PL 1:9,0").codes
    assert "FB-VCF-034" in read("X 5000000 . A C . PASS . GT:PL 1:9").codes


@pytest.mark.parametrize(
    ("header", "reported"),
    [
        (
            '##INFO=<ID=AN,Number=A,Type=Integer,Description="x">',
            "INFO/AN is reserved as Number=1,Type=Integer",
        ),
        ('##FORMAT=<Number=1,Type=Integer,ID=DQ,Description="x">', "ID is not the first key of FORMAT/DQ"),
        ("##FORMAT=<ID=DQ,Number=1,Type=Integer,Description=x>", "FORMAT/DQ has no quotation marks"),
        ('##ALT=<ID=DEL:A<B,Description="x">', "the ID of ##ALT has white space"),
        ("##SAMPLE=<Assay=Exome>", "##SAMPLE does not begin with an ID"),
        ("##pedigreeDB=<>", "##pedigreeDB has no value"),
    ],
)
def test_a_header_line_that_departs_from_the_specification_is_named_once(read, header, reported):
    found = read(GOOD, GOOD.replace("500", "501"), extra=[header])
    messages = [i.message for r in found.records for i in r.issues if i.code == "FB-VCF-083"]
    assert len(messages) == 1
    assert reported in messages[0]
    assert found.outcomes == {"read": 2}


def test_order_and_repetition_are_told(read):
    assert "FB-VCF-084" in read(GOOD, GOOD.replace("500", "400")).codes
    assert "FB-VCF-084" in read(GOOD, GOOD.replace("1 ", "2 ", 1), GOOD.replace("500", "600")).codes
    assert "FB-VCF-035" in read(GOOD, GOOD).codes
    assert read(GOOD, GOOD.replace("A C", "A G")).codes == []


def test_reference_calls_of_a_cohort_are_counted_and_looked_at_no_further(read):
    samples = [f"S{number}" for number in range(6)]
    calls = "0/0:9 0|0:9 0/1:9 ./.:0 0/0 0:9".split()
    found = read(f"1 500 . A C . PASS . GT:DP {' '.join(calls)}", samples=samples)
    assert [study.reference for study in found.studies] == [1, 1, 0, 0, 1, 1]
    assert [study.no_calls for study in found.studies] == [0, 0, 0, 1, 0, 0]
    assert [allele.call.name for allele in found.alleles] == ["S2"]


@pytest.mark.parametrize(
    ("identifiers", "filters"), [("rs1;rs1", "PASS"), ("rs1;rs2;rs1", "PASS"), ("rs1", "q10;q10")]
)
def test_a_name_that_is_given_twice_is_taken_once_and_reported(converted, identifiers, filters):
    done = converted(f"1 100 {identifiers} A C . {filters} . GT 0/1", "1 200 . A C . PASS . GT 0/1")
    assert len(done.variants) == 2
    assert "gives a name twice: it is taken once" in done.messages["FB-VCF-093"][0]
    assert done.report["records"]["rejected"] == 0


def test_checking_refuses_a_name_that_is_given_twice(read):
    assert "FB-VCF-027" in read("1 100 rs1;rs1 A C . PASS . GT 0/1", check=True).codes
