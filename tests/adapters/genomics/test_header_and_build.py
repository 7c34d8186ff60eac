"""The header decides whether a file can be read, and which genome its positions are of; nothing is guessed."""

from __future__ import annotations

import pytest

from fhir_bridge.adapters.genomics.assembly import BUILDS

from .conftest import HEADER, text

LINE = "1 100 . A C . PASS . GT 0/1"
BARE = ("##fileformat=VCFv4.2",)


def test_lengths_tell_the_build(read):
    assert read(LINE).alleles[0].hgvs_g == "NC_000001.11:g.100A>C"
    header = (*BARE, "##contig=<ID=1,length=249250621>")
    assert read(LINE, header=header).alleles[0].hgvs_g == "NC_000001.10:g.100A>C"
    header = (*BARE, "##contig=<ID=chr1,length=248387328>")
    line = LINE.replace("1 100", "chr1 100", 1)
    assert read(line, header=header).alleles[0].hgvs_g == "NC_060925.1:g.100A>C"


def test_build_is_told_by_name_of_reference_or_assembly(read):
    for line in ("##reference=file:///ref/hg38.fa", "##contig=<ID=1,assembly=GCF_000001405.26>"):
        assert read(LINE, header=(*BARE, line)).alleles[0].file.assembly == "GRCh38"


def test_unknown_build_is_refused_whole_unless_told(read):
    refused = read(LINE, LINE, header=BARE)
    assert refused.codes == ["FB-VCF-004"]
    assert refused.outcomes == {"rejected": 2}
    assert read(LINE, header=BARE, assembly="GRCh37").alleles[0].hgvs_g == "NC_000001.10:g.100A>C"
    assert read(LINE, header=BARE, assembly="hg17").codes == ["FB-VCF-009"]


def test_contradictions_about_the_build_are_refused(read):
    assert read(LINE, assembly="GRCh37").codes == ["FB-VCF-005"]
    assert read(LINE, extra=("##reference=hg19.fa",)).codes == ["FB-VCF-005"]
    assert read(LINE, extra=("##contig=<ID=2,length=243199373>",)).codes == ["FB-VCF-005"]


def test_length_of_no_known_build_is_not_overruled_by_the_option(read):
    # Chromosome 20 of NCBI36, as in the specification's example
    header = (*BARE, "##contig=<ID=20,length=62435964,assembly=B36>")
    line = LINE.replace("1 100", "20 100", 1)
    assert read(line, header=header).codes == ["FB-VCF-004"]
    assert read(line, header=header, assembly="GRCh37").codes == ["FB-VCF-005"]
    assert read(line, header=header, assembly="GRCh37", check_lengths=False).alleles


def test_mitochondrion_of_hg19_is_not_the_cambridge_sequence(read):
    header = (*BARE, "##contig=<ID=chr1,length=249250621>", "##contig=<ID=chrM,length=16571>")
    found = read("chrM 3243 . A G . PASS . GT 0/1", header=header)
    assert found.alleles[0].hgvs_g == "NC_001807.4:m.3243A>G"
    unknown = read("chrM 3243 . A G . PASS . GT 0/1", header=(*BARE, "##reference=hg19.fa"))
    assert unknown.alleles[0].hgvs_g is None
    assert "FB-VCF-049" in unknown.codes


def test_other_contigs_have_neither_chromosome_nor_hgvs(read):
    found = read("GL000220.1 100 . A C . PASS . GT 0/1")
    assert found.alleles[0].line.chromosome is None
    assert found.alleles[0].line.genomic_reference == "GL000220.1"


@pytest.mark.parametrize(
    ("content", "code", "where"),
    [
        ("", "FB-VCF-001", ""),
        ("#CHROM\tPOS\n", "FB-VCF-001", "line 1"),
        ("##fileformat=VCFv3.3\n", "FB-VCF-001", "line 1"),
        ("##fileformat=VCFv4.3\n", "FB-VCF-002", "line 1"),
        ("##fileformat=VCFv4.3\n1\t100\n", "FB-VCF-002", "line 2"),
        ('##fileformat=VCFv4.3\n##INFO=<ID=A,Number=1,Type=Word,Description="x">\n', "FB-VCF-002", "line 2"),
        ('##fileformat=VCFv4.3\n##INFO=<ID=A,Number=1,Type=String,Description="x>\n', "FB-VCF-002", "line 2"),
        ("##fileformat=VCFv4.3\n##contig=<ID=1>\n##contig=<ID=1>\n", "FB-VCF-002", "line 3"),
        (text([], samples=("S1", "S2", "S1")), "FB-VCF-003", f"line {len(HEADER) + 1}"),
        (text([]).replace("\tREF", ""), "FB-VCF-002", f"line {len(HEADER) + 1}"),
        ("##fileformat=VCFv4.3\n##source=\xff".encode("latin-1") + b"\n", "FB-VCF-002", "line 1"),
    ],
)
def test_a_header_that_can_not_be_read_refuses_the_file_with_the_line(read, content, code, where):
    found = read(content=content if isinstance(content, bytes) else content.encode())
    assert found.codes == [code]
    assert found.outcomes == {"rejected": 1}
    assert found.records[0].issues[0].source.endswith(where.replace("line ", ":"))


def test_accessions_and_lengths_are_of_twenty_five_chromosomes_each():
    for build in BUILDS.values():
        assert len(build.lengths) == len(set(build.accessions.values())) == 25
    # No chromosome but MT has one length in two builds, so one length decides.
    lengths = [length for build in BUILDS.values() for name, length in build.lengths.items() if name != "MT"]
    assert len(lengths) == len(set(lengths))


def test_studied_genes_and_date_come_from_the_header_and_yield_to_options(read):
    found = read(LINE, extra=("##studied_genes=MYH7, LDLR",)).studies[0]
    assert [term.code for term in found.genes] == ["HGNC:7577", "HGNC:6547"]
    assert found.file.date == "2026-03-02"
    reported = read(LINE, studied_genes="TTR", effective="2026-01-05").studies[0]
    assert [term.display for term in reported.genes] == ["TTR"]
    assert reported.file.date == "2026-01-05"


def test_studied_regions_come_from_a_bed_file(read, tmp_path):
    bed = tmp_path / "panel.bed"
    bed.write_text("chr14\t23412739\t23435660\tMYH7\nchr19\t11089462\t11133820\tLDLR\n")
    study = read(LINE, studied_bed=str(bed)).studies[0]
    assert [term.display for term in study.genes] == ["MYH7", "LDLR"]
    assert study.regions == "2 regions of panel.bed, 67279 bases"
    bed.write_text("chr14 5 4\n")
    assert read(LINE, studied_bed=str(bed)).codes == ["FB-VCF-009"]


def test_a_sample_name_that_no_text_holds_refuses_the_file(read):
    found = read("1 100 . A C . PASS . GT 0/1 0/1", samples=("A", "B\x00C"))
    assert found.codes == ["FB-VCF-002"]
    assert "column 11 has control characters" in found.records[0].issues[0].message
    assert read("1 100 . A C . PASS . GT 0/1 0/1", samples=("A", "B é")).outcomes == {"read": 1}


@pytest.mark.parametrize(
    ("reference", "build"),
    [
        ("/home/hg19user/ref.fa", None),
        ("file:///refs/GRCh37/genome.fa", None),
        ("C:\\hg19\\genome.fa", None),
        ("../hg19/genome.fa.gz", None),
        ("/home/hg19user/GRCh38.fa", "GRCh38"),
        ("https://example.org/hg19/GRCh38_full_analysis_set.fa", "GRCh38"),
        ("file:///refs/human_g1k_v37.fasta", "GRCh37"),
        ("GRCh38/hg38", "GRCh38"),
        ("NCBI GRCh37", "GRCh37"),
    ],
)
def test_of_a_path_the_name_of_the_file_says_the_build(read, reference, build):
    found = read(LINE, header=BARE, extra=(f"##reference={reference}",))
    assert (found.codes == ["FB-VCF-004"]) is (build is None)
    assert build is None or found.alleles[0].file.assembly == build
