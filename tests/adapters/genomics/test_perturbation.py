"""Each column, INFO key and FORMAT key of a line changes the output, or a report says that no rule represents it."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

import pytest

from fhir_bridge.adapters.genomics.model import _SELECTORS
from fhir_bridge.adapters.genomics.sources import represented
from tests.adapters.genomics.perturbed import perturb
from tests.perturbation import Tally, convert

SILENT = 0.01

HEADER = (
    "##fileformat=VCFv4.3",
    "##fileDate=20260302",
    "##contig=<ID=1,length=248956422>",
    "##contig=<ID=2,length=242193529>",
    *(
        f'##INFO=<ID={name},Number={number},Type={kind},Description="{text}">'
        for name, number, kind, text in (
            ("DP", 1, "Integer", "Depth"),
            ("MQ", 1, "Float", "Quality"),
            ("AF", "A", "Float", "Frequency"),
            ("DB", 0, "Flag", "dbSNP"),
            ("RS", 1, "Integer", "dbSNP ID"),
            ("END", 1, "Integer", "End"),
            ("SVTYPE", 1, "String", "Type"),
            ("SVLEN", ".", "Integer", "Length"),
            ("CIPOS", 2, "Integer", "Interval"),
            ("CIEND", 2, "Integer", "Interval"),
            ("IMPRECISE", 0, "Flag", "Imprecise"),
            ("CLNSIG", ".", "String", "ClinVar"),
            ("CLNREVSTAT", ".", "String", "ClinVar"),
            ("CLNDN", ".", "String", "ClinVar"),
            ("CLNVID", ".", "String", "ClinVar"),
            ("GENEINFO", 1, "String", "Gene"),
            ("CSQ", ".", "String", "Format: Allele|Consequence|IMPACT|SYMBOL|Feature|HGVSc|EXON"),
        )
    ),
    *(
        f'##FORMAT=<ID={name},Number={number},Type={kind},Description="{name}">'
        for name, number, kind in (
            ("GT", 1, "String"),
            ("AD", "R", "Integer"),
            ("DP", 1, "Integer"),
            ("GQ", 1, "Integer"),
            ("PL", "G", "Integer"),
            ("CN", 1, "Integer"),
            ("FT", 1, "String"),
        )
    ),
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\tS2",
)
LINES = (
    "1 100 rs12 A C 50 PASS DP=40;MQ=60;AF=0.5;DB;XX=1 GT:AD:DP:GQ:PL:ZZ 0/1:20,20:40:99:10,0,10:7 0/0:9,0:9:9:0,9,9:1",
    "1 200 rs13;cosm1 G T 50 q10 RS=13;GENEINFO=MYH7:4625;CLNSIG=Pathogenic;CLNREVSTAT=reviewed_by_expert_panel;"
    "CLNDN=Cardiomyopathy;CLNVID=77 GT:FT 0/1:lowGQ ./.:.",
    "1 300 . G T,C 50 PASS CLNSIG=Pathogenic;AF=0.1,0.2 GT:AD 1/2:1,20,21 0/1:9,9,0",
    "1 400 . G T . . CSQ=T|missense_variant|MODERATE|MYH7|NM_1.1|c.1G>T|2,T|intron_variant|LOW|MYH7|NM_2.1||;"
    "GENEINFO=MYH7:4625 GT 0/1 0/0",
    "2 500 . G <DEL> . PASS SVTYPE=DEL;END=900;SVLEN=-400 GT:CN 0/1:1 0/0:2",
    "2 1500 . G <DEL> . PASS SVTYPE=DEL;END=1900;IMPRECISE;CIPOS=-5,5;CIEND=-9,9 GT 0/1 0/0",
    "2 2500 . G <INS> . PASS SVTYPE=INS;END=2500;SVLEN=40 GT 0/1 0/0",
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A VCF of lines of several kinds."""
    path = tmp_path / "lines.vcf"
    path.write_text("\n".join([*HEADER, *(line.replace(" ", "\t") for line in LINES), ""]))
    return path


def test_what_no_rule_represents_is_counted_by_key(file: Path) -> None:
    counts = {
        name: int(count)
        for message in convert("genomics/vcf", [file]).messages
        for name, count in re.findall(r"no rule represents (\S+) \(values: (\d+)\)", message)
    }
    assert counts == {
        "INFO/SVTYPE": 3, "INFO/AF": 2, "INFO/DP": 1, "INFO/MQ": 1, "INFO/DB": 1, "INFO/XX": 1, "INFO/CLNSIG": 1,
        "INFO/GENEINFO": 1, "INFO/SVLEN": 1, "INFO/IMPRECISE": 1, "INFO/END": 1, "FORMAT/PL": 1, "FORMAT/ZZ": 1,
        "ID": 1,
    }  # fmt: skip


def test_the_fields_of_an_annotation_are_listed(file: Path) -> None:
    messages = convert("genomics/vcf", [file]).messages
    assert "no rule represents of INFO/CSQ (values: 1): IMPACT, EXON" in messages
    assert "of INFO/CSQ one effect is represented, of several (values: 1)" in messages


def test_each_place_changes_the_output_or_is_reported(file: Path, tmp_path: Path) -> None:
    tally = Tally()
    perturb(file, tmp_path, tally, lambda number: True)
    assert tally.total > 60
    assert tally.share("silent") <= SILENT, tally.silent


def test_what_the_mapping_ignores_is_reported_as_information(
    file: Path, tmp_path: Path, repository: Path
) -> None:
    mapping = tmp_path / "mapping.yaml"
    shipped = (repository / "mappings/genomics/vcf/mapping.yaml").read_text()
    mapping.write_text(shipped.replace("source: {adapter: vcf}", "source: {adapter: vcf, ignore: [INFO/MQ]}"))
    messages = convert(str(mapping), [file]).messages
    assert "the mapping leaves out INFO/MQ (values: 1)" in messages
    assert not any("no rule represents INFO/MQ" in message for message in messages)


def test_every_derived_value_of_a_line_says_what_it_is_computed_from() -> None:
    """A derived value that is new must be added to `sources.py`, or what it reads would be reported as unread."""
    place = {"key", "alt", "change_type", "hgvs_g", "spdi", "outer", "symbolic", "variant.first", "restated"}
    unstated = {
        text
        for text in _SELECTORS["Allele"]
        if text.partition(".")[0] in ("call", "variant", "consequence", "clinvar")
        and text.partition(".")[2] not in place
        and not represented([text])
    }
    assert not unstated


@pytest.mark.shared
def test_the_places_of_real_lines_change_the_output_or_are_reported(shared: Path, tmp_path: Path) -> None:
    tally = Tally()
    for path in sorted((shared / "data" / "vcf").rglob("*.vcf")):
        if sha256(path.name.encode()).digest()[1] % 3 or path.stat().st_size > 1 << 20:
            continue
        try:
            perturb(path, tmp_path, tally, lambda number: number % 5 == 0, most=2)
        except (UnicodeDecodeError, ValueError):
            continue  # a file that is malformed on purpose
    print(tally)
    assert tally.total > 100
    assert tally.share("silent") <= SILENT, tally.silent
