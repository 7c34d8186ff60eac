"""What a report lists: by a panel, with ACMG classes; how sure a call is; variants on lines apart; coded genes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.adapters.genomics.acmg import read_acmg

from .conftest import HEADER, text

ANNOTATED = (
    *HEADER,
    '##INFO=<ID=CSQ,Number=.,Type=String,Description="Consequences. Format: Allele|Consequence|SYMBOL">',
    '##INFO=<ID=ACMG_CLASS,Number=A,Type=String,Description="Class">',
    '##INFO=<ID=ACMG_CRITERIA,Number=A,Type=String,Description="Criteria">',
    '##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="Quality">',
    '##FORMAT=<ID=FT,Number=1,Type=String,Description="Filter">',
)
LINES = (
    "1 100 . A C . PASS CSQ=C|missense_variant|MYH7;CLNSIG=Pathogenic GT 0/1",
    "1 200 . A C . PASS CSQ=C|synonymous_variant|MYH7;CLNSIG=Benign GT 0/1",
    "1 300 . A C . PASS CSQ=C|stop_gained|TTN;ACMG_CLASS=Likely_pathogenic;ACMG_CRITERIA=PVS1&PM2_Supporting GT 0/1",
    "1 400 . A C . PASS CSQ=C|intron_variant|LDLR GT 0/1",
)


def listed(read: Any, panel: Path | None = None, **options: Any) -> list[str]:
    reading = read(*LINES, header=ANNOTATED, **({"panel": panel} if panel else {}), **options)
    (study,) = reading.studies
    return [finding.variant.split(":")[2] for finding in study.findings]


@pytest.mark.parametrize(
    ("name", "content", "positions"),
    [
        ("p.yaml", "panel: Heart 1\ngenes: [MYH7]\n", ["100", "200"]),
        ("p.yaml", "genes: [MYH7, TTN]\nconsequences: [missense_variant, stop_gained]\n", ["100", "300"]),
        ("p.yaml", "classifications: [likely pathogenic, pathogenic]\n", ["100", "300"]),
        ("p.yaml", 'genes: [TTN]\nregions: ["chr1:350-450"]\n', ["300", "400"]),
        ("p.yaml", "any:\n- {genes: [LDLR]}\n- {classifications: [benign]}\n", ["200", "400"]),
        (
            "p.tsv",
            "gene\tconsequence\tclassification\nMYH7\tmissense_variant\t.\nLDLR\t.\t.\n",
            ["100", "400"],
        ),
        ("p.bed", "1\t199\t300\n", ["200", "300"]),
    ],
)
def test_a_panel_selects_what_the_report_lists(
    read: Any, tmp_path: Path, name: str, content: str, positions: list[str]
) -> None:
    (panel := tmp_path / name).write_text(content)
    assert listed(read, panel) == positions
    assert listed(read) == ["100"]


def test_a_region_on_a_contig_that_nobody_knows_is_reported(read: Any, tmp_path: Path) -> None:
    (panel := tmp_path / "p.yaml").write_text('regions: ["chrZ:1-100", "chr9:1-10", "1:1-150"]\n')
    reading = read(*LINES, header=ANNOTATED, panel=panel)
    assert [
        issue.message for record in reading.records for issue in record.issues if issue.code == "FB-VCF-090"
    ] == ["option panel: nothing is on chrZ"]
    assert "FB-VCF-090" in read(*LINES, header=ANNOTATED, regions="1,scaffold_7").codes
    assert "FB-VCF-090" not in read(*LINES, header=ANNOTATED, regions="1,chr9").codes


def test_the_conclusion_counts_what_the_laboratory_alone_calls_pathogenic(read: Any) -> None:
    left = "Not among them: 1 that the laboratory classifies as pathogenic or likely pathogenic."
    (study,) = read(*LINES, header=ANNOTATED).studies
    assert left in study.conclusion
    (alone,) = read(*LINES[1:], header=ANNOTATED).studies
    assert left in alone.conclusion
    (none,) = read(*LINES[:2], header=ANNOTATED).studies
    assert "Not among them" not in none.conclusion


def test_the_conclusion_names_the_panel(read: Any, tmp_path: Path) -> None:
    (panel := tmp_path / "p.yaml").write_text("panel: Heart 1\ngenes: [PLN]\n")
    (study,) = read(*LINES, header=ANNOTATED, panel=panel).studies
    assert study.conclusion.startswith("No variant that the panel Heart 1 selects. ")
    assert len(read(*LINES, header=ANNOTATED, panel=panel).alleles) == len(LINES)  # all are written


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("p.yaml", "gene: [MYH7]\n", "gene is none of"),
        ("p.yaml", "classifications: [bad]\n", "bad is none of"),
        ("p.yaml", "genes: []\n", "no list of words"),
        ("p.yaml", "panel: x\n", "states nothing"),
        ("p.yaml", "genes: [A\n", "is no YAML"),
        ("p.yaml", "genes: [A]\nany: []\n", "nothing beside it"),
        ("p.tsv", "symbol\nMYH7\n", "other columns"),
        ("p.bed", "1\tx\t2\n", "p.bed:1"),
        ("none.yaml", None, "can't be read"),
    ],
)
def test_a_panel_that_is_wrong_refuses_the_file(
    read: Any, tmp_path: Path, name: str, content: str | None, words: str
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    (record,) = read(*LINES, header=ANNOTATED, panel=tmp_path / name).records
    assert record.outcome == "rejected"
    assert words in record.issues[0].message


def test_acmg_class_and_criteria_are_read_and_other_words_stay_text(read: Any) -> None:
    allele = read(*LINES, header=ANNOTATED).alleles[2]
    assert allele.acmg.classification == "likely-pathogenic"
    assert allele.acmg.criteria == ("PVS1", "PM2_Supporting")
    assert not read(*LINES, header=ANNOTATED).alleles[0].acmg.stated
    other = read_acmg("Risk allele", "PM2, PS9|BA1")
    assert (other.significance, other.classification) == ("Risk allele", None)
    assert (other.criteria, other.text) == (("PM2", "BA1"), "PS9")
    two = "1 300 . A C,G . PASS ACMG_CLASS=Benign,Pathogenic;ACMG_CRITERIA=BA1,PVS1 GT 1/2"
    assert [each.acmg.classification for each in read(two, header=ANNOTATED).alleles] == [
        "benign",
        "pathogenic",
    ]
    loose = tuple(line.replace("ACMG_CLASS,Number=A", "ACMG_CLASS,Number=.") for line in ANNOTATED)
    assert [each.acmg.classification for each in read(two, header=loose).alleles] == [None, None]


@pytest.mark.parametrize(
    ("columns", "confidence"),
    [
        (". PASS . GT:GQ 0/1:50", "high"),
        (". PASS . GT:GQ 0/1:12", "intermediate"),
        ("40 PASS . GT 0/1", "high"),
        ("10 PASS . GT 0/1", "intermediate"),
        (". PASS . GT 0/1", "intermediate"),
        ("99 . . GT:GQ 0/1:99", "intermediate"),
        (". . . GT 0/1", None),
        ("1e400 PASS . GT 0/1", "intermediate"),
        ("inf PASS . GT 0/1", "intermediate"),
        ("nan . . GT 0/1", None),
        (f"{10**40} PASS . GT 0/1", "intermediate"),
        ("10 PASS . GT:GQ 0/1:1e400", "intermediate"),
        (". q10 . GT:GQ 0/1:99", "low"),
        (". PASS . GT:GQ:FT 0/1:99:LowDP", "low"),
        (". . . GT:GQ:FT 0/1:99:PASS", "high"),
    ],
)
def test_confidence_is_of_filters_and_quality(read: Any, columns: str, confidence: str | None) -> None:
    (allele,) = read(f"1 100 . A C {columns}", header=ANNOTATED).alleles
    assert allele.call.confidence == confidence


@pytest.mark.parametrize("quality", ["nan", "inf", "-Infinity", "1e400", str(10**40)])
@pytest.mark.parametrize("before", [0, 3])
def test_a_quality_that_is_no_finite_number_is_left_out_and_reported(
    converted: Any, quality: str, before: int
) -> None:
    usual = [f"1 {at} . A C 50 PASS . GT:DP 0/1:9" for at in range(100, 100 + before)]
    done = converted(*usual, f"1 500 . A C {quality} PASS . GT:DP 0/1:9")
    assert done.messages["FB-VCF-034"] == ["QUAL is no finite number; the value is left out (VCF 4.3 §1.6.1)"]
    assert "QUAL" not in done.variants[-1]["note"][0]["text"]


def test_a_variant_on_lines_apart_is_stated_with_its_conflict(read: Any) -> None:
    reading = read(
        "1 100 . A C . PASS . GT 0/1",
        "1 500 . A C . PASS . GT 0/1",
        "1 100 . A C . PASS . GT 1/1",
        "X 100 . A C . PASS . GT 1",
        "1 100 . A C . PASS . GT 0/1",
    )
    apart = [allele for allele in reading.alleles if allele.line.chrom == "1" and allele.line.pos == 100]
    assert [(allele.occurrence, allele.repeated) for allele in apart] == [(1, False), (2, False), (1, True)]
    assert len({allele.key for allele in apart}) == 2
    assert "in another way on an earlier line" in apart[1].evidence
    assert {"FB-VCF-037", "FB-VCF-038", "FB-VCF-084"} <= set(reading.codes)


def run_apart(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own: what it knows of an imported terminology must not stay in this one."""
    command = [sys.executable, "-m", "fhir_bridge.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_genes_are_coded_where_hgnc_is_imported_and_the_laboratorys_class_is_an_implication(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FHIR_BRIDGE_TERMINOLOGY_STORE", str(tmp_path / "store"))
    symbols = [f"{stem}{number}" for stem in ("A", "AR", "TT", "C1orf", "HLA-D") for number in range(1, 41)]
    rows = ["hgnc_id\tsymbol\tname\tstatus\talias_symbol\tprev_symbol"]
    rows += [
        f"HGNC:{number}\t{symbol}\tgene {number} like A AR TT\tApproved\t"
        f"A1-L{'|GBA-LIKE' * (number < 90003)}\t{'OLD1' * (number == 90001)}"
        for number, symbol in enumerate(symbols, 90001)
    ]
    (tmp_path / "hgnc_complete_set.txt").write_text("\n".join(rows) + "\n")
    imported = run_apart("terminology", "import", tmp_path / "hgnc_complete_set.txt")
    assert imported.returncode == 0, imported.stderr
    lines = [
        f"1 {1000 + 10 * place} . A C . PASS CSQ=C|missense_variant|{symbol} GT 0/1"
        for place, symbol in enumerate([*symbols, "UNKNOWN", "OLD1", "GBA-LIKE"])
    ]
    lines[0] = lines[0].replace(" GT", ";ACMG_CLASS=Pathogenic;ACMG_CRITERIA=PVS1&PM2 GT")
    (tmp_path / "a.vcf").write_text(text(lines, header=ANNOTATED))
    (tmp_path / "site.yaml").write_text("demo_key: true\n")
    done = run_apart(
        "convert", tmp_path / "a.vcf", "--adapter", "vcf", "--site", tmp_path / "site.yaml", "--out", tmp_path / "out",
        "--set", "consequences=false",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in (tmp_path / "out/Observation.ndjson").read_text().splitlines()]
    genes = [
        component["valueCodeableConcept"]
        for each in found
        for component in each["component"]
        if component["code"]["coding"][0]["code"] == "48018-6"
    ]
    assert len(genes) == len(symbols) + 3
    # A former symbol is of the gene of today, and says so; an alias of two genes is of neither.
    *genes, former, ambiguous = genes
    assert former == {
        "coding": [{"system": "http://www.genenames.org", "code": "HGNC:90001", "display": "A1"}],
        "text": "OLD1 (previous symbol of A1)",
    }
    assert ambiguous == {"text": "GBA-LIKE"}
    assert sum("coding" in gene for gene in genes) == len(symbols)
    assert {gene["text"]: gene["coding"][0]["code"] for gene in genes[:-1]} == {
        symbol: f"HGNC:{number}" for number, symbol in enumerate(symbols, 90001)
    }
    (implication,) = (each for each in found if each.get("method") == {"text": "ACMG/AMP 2015"})
    values = [component["valueCodeableConcept"] for component in implication["component"]]
    assert values[0]["coding"][0]["code"] == "LA6668-3"
    assert [value["text"] for value in values[1:]] == ["ACMG PVS1", "ACMG PM2"]
