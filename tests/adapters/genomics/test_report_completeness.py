"""What a report says where the file could not be read whole, or classifies in words that can't be read."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ...command import run_command
from .conftest import HEADER, text

LINE = "1 {} . A C . PASS {} GT 0/1"
BY_ALLELE = tuple(line.replace("ID=CLNSIG,Number=.", "ID=CLNSIG,Number=A") for line in HEADER)
NONE_PATHOGENIC = "No variant that ClinVar classifies as pathogenic or likely pathogenic"


@dataclass
class Run:
    code: int
    report: dict[str, Any]
    resources: list[dict[str, Any]]

    @property
    def findings(self) -> dict[str, Any]:
        """The one genomic report."""
        return next(one for one in self.resources if one["resourceType"] == "DiagnosticReport")

    @property
    def codes(self) -> set[str]:
        return {issue["code"] for issue in self.report["issues"]}


@pytest.fixture
def convert(tmp_path: Path):
    def run(*lines: str, header=HEADER, content: bytes | None = None, name: str = "a.vcf") -> Run:
        path, out = tmp_path / name, tmp_path / "out"
        path.write_bytes(content if content is not None else text(lines, header=header).encode())
        done = run_command("convert", path, "--adapter", "vcf", "--out", out, "--force", "--validate", "all")
        assert "Traceback" not in done.stderr
        files = [file for file in out.glob("*.ndjson") if file.name != "rejects.ndjson"]
        resources = [json.loads(line) for file in files for line in file.read_text().splitlines()]
        return Run(done.returncode, json.loads((out / "report.json").read_text()), resources)

    return run


def test_a_file_that_is_read_whole_gives_a_final_report(convert):
    done = convert(LINE.format(100, "."), LINE.format(200, "."))
    assert (done.code, done.findings["status"]) == (0, "final")
    assert "Incomplete" not in done.findings["conclusion"]


def test_the_report_of_a_file_that_was_cut_is_partial_and_says_so(convert):
    lines = [LINE.format(100 + number, ".") for number in range(3000)]
    whole = gzip.compress(text(lines).encode())
    done = convert(content=whole[: len(whole) * 2 // 3], name="a.vcf.gz")
    assert done.code == 1
    assert done.findings["status"] == "partial"
    assert done.findings["conclusion"].startswith("Incomplete: the file is damaged or cut short")


def test_the_report_counts_lines_and_genotypes_that_can_not_be_read(convert):
    done = convert(LINE.format(100, "."), LINE.format("x", "."), LINE.format(300, ".").replace("0/1", "0/7"))
    assert done.findings["status"] == "partial"
    said = done.findings["conclusion"]
    assert said.startswith("Incomplete: 1 lines can't be read; 1 genotypes of the sample can't be read.")


def test_empty_lines_make_no_report_incomplete(convert):
    assert convert(content=text([LINE.format(100, ".")]).encode() + b"\n").findings["status"] == "final"


@pytest.mark.parametrize("words", ["5", "5|2", "Benign|5", "pathogenetic", "Pathogenic?"])
def test_a_classification_in_unknown_words_is_never_reported_as_none_pathogenic(convert, words):
    done = convert(LINE.format(100, f"CLNSIG={words}"))
    assert "FB-VCF-052" in done.codes
    assert NONE_PATHOGENIC not in done.findings["conclusion"]
    assert "ClinVar's classification of 1 alleles can't be read" in done.findings["conclusion"]


CONFLICTS = [
    "Benign,Pathogenic",
    "Benign|Pathogenic",
    "Benign/Pathogenic",
    "Likely_benign,Pathogenic",
    "Uncertain_significance,Pathogenic",
    "Uncertain_significance|Likely_pathogenic",
    "conflicting_interpretations_of_pathogenicity,Pathogenic",
    "Pathogenic|not_provided|Benign",
]
"""Classes of one allele that conflict."""
BESIDE = [
    "not_provided|Pathogenic",
    "drug_response|Pathogenic",
    ".,Pathogenic",
    "Affects,Pathogenic",
    "risk_factor|other|Pathogenic",
    "Pathogenic,_low_penetrance",
]
"""One class beside words that are none."""


@pytest.mark.parametrize("words", CONFLICTS)
def test_classes_that_conflict_are_words_alone_and_never_reported_as_none_pathogenic(convert, words):
    done = convert(LINE.format(100, f"CLNSIG={words}"))
    assert "FB-VCF-052" in done.codes
    (significance,) = significances(done)
    assert "coding" not in significance
    assert significance["text"] == words.replace("_", " ").replace("|", "; ")
    assert NONE_PATHOGENIC not in done.findings["conclusion"]
    assert "ClinVar's classification of 1 alleles can't be read or conflicts" in done.findings["conclusion"]


@pytest.mark.parametrize("words", BESIDE)
def test_a_pathogenic_class_counts_whatever_stands_beside_it(convert, words):
    done = convert(LINE.format(100, f"CLNSIG={words}"))
    assert "FB-VCF-052" not in done.codes
    (significance,) = significances(done)
    assert significance["coding"][0]["code"] == "LA6668-3"
    assert done.findings["conclusion"].startswith("1 reportable: ")


def significances(done):
    return [
        component["valueCodeableConcept"]
        for resource in done.resources
        for component in resource.get("component", ())
        if component["code"]["coding"][0]["code"] == "53037-8"
    ]


@pytest.mark.parametrize(
    "words",
    ["Benign", "Benign/Likely_benign|risk_factor", "Conflicting_classifications_of_pathogenicity|other", "."],
)
def test_words_that_clinvar_has_are_known(convert, words):
    done = convert(LINE.format(100, f"CLNSIG={words}"))
    assert "FB-VCF-052" not in done.codes
    assert NONE_PATHOGENIC in done.findings["conclusion"]


@pytest.mark.parametrize(
    ("header", "words"), [(HEADER, "Pathogenic"), (HEADER, "Benign,Pathogenic"), (BY_ALLELE, "Pathogenic")]
)
def test_a_pathogenic_classification_that_was_left_out_is_counted(convert, header, words):
    two = "1 100 . A C,G . PASS CLNSIG={} GT 1/2"
    done = convert(two.format(words), header=header)
    assert done.codes & {"FB-VCF-046", "FB-VCF-034"}
    assert NONE_PATHOGENIC not in done.findings["conclusion"]
    assert "ClinVar's classification of 2 alleles can't be read" in done.findings["conclusion"]
    # What can only mean harmless leaves the statement true, whichever allele it is of.
    assert NONE_PATHOGENIC in convert(two.format("Benign")).findings["conclusion"]


def test_a_reported_finding_does_not_hide_what_could_not_be_read(convert):
    done = convert(LINE.format(100, "CLNSIG=Pathogenic"), LINE.format(200, "CLNSIG=4"))
    assert done.findings["conclusion"].startswith("1 reportable: ")
    assert "ClinVar's classification of 1 alleles can't be read" in done.findings["conclusion"]


def test_undeclared_classifications_count_as_classifications(convert):
    header = [line for line in HEADER if "CLNSIG" not in line]
    done = convert(LINE.format(100, "CLNSIG=Benign"), header=header)
    assert NONE_PATHOGENIC in done.findings["conclusion"]


def test_consequences_without_declared_fields_are_reported(convert):
    declared = '##INFO=<ID=CSQ,Number=.,Type=String,Description="Consequences">'
    done = convert(LINE.format(100, "CSQ=C|missense_variant|MYH7"), header=[*HEADER, declared])
    assert "FB-VCF-053" in done.codes


def test_impossible_reads_are_reported_and_cost_no_other_allele(read):
    negative = read("1 100 . A C,G . PASS . GT:AD 1/2:5,-3,20")
    assert negative.codes == ["FB-VCF-034"]
    assert [allele.allele_depth for allele in negative.alleles] == [None, None]
    partly = read("1 100 . A C,G . PASS . GT:AD 1/2:.,10,20")
    assert [(allele.allele_depth, allele.fraction) for allele in partly.alleles] == [(10, None), (20, None)]


def test_a_refused_file_counts_all_its_lines(convert):
    lines = [LINE.format(100 + number, ".") for number in range(7)]
    bare = [line for line in HEADER if "contig" not in line]
    counts = {"read": 7, "converted": 0, "partial": 0, "skipped": 0, "rejected": 7}
    for header in (bare, ["##fileformat=VCFv9.9"]):
        done = convert(*lines, header=header)
        assert (done.code, done.report["records"]) == (1, counts)
    assert convert(content=b"no VCF at all\n").report["records"]["rejected"] == 1
