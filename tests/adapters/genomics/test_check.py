"""`convert --check` reads for the syntax alone: no build is needed, what is valid passes and what is not is named."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.pipeline import RunRequest, check_syntax, exit_code
from tests.command import run_command

from .conftest import HEADER, text

_LINE = re.compile(r":[0-9]+$")
BARE = ("##fileformat=VCFv4.3",)
GOOD = "1 500 . A C . PASS . GT 0/1"


def check(path: Path) -> tuple[int, dict[str, Any]]:
    result = check_syntax(RunRequest("vcf"), [str(path)], convert=False)
    return exit_code(result), result.report


def codes(report: dict[str, Any]) -> list[str]:
    return [issue["code"] for issue in report["issues"]]


@pytest.fixture
def checked(tmp_path: Path) -> Any:
    def run(*lines: str, header: Any = BARE, samples: Any = ("S1",), cut: int = 0) -> tuple[int, list[str]]:
        path = tmp_path / "a.vcf"
        content = text(lines, samples, header).encode()
        path.write_bytes(content[: len(content) - cut])
        code, report = check(path)
        assert bool(code) == bool(report["issues"])
        return code, codes(report)

    return run


def test_the_command_accepts_a_file_without_a_build_and_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.vcf"
    path.write_text(text([GOOD], header=BARE))
    done = run_command("convert", path, "--adapter", "vcf", "--check", "--report", tmp_path / "report.json")
    assert done.returncode == 0, done.stderr
    assert {entry.name for entry in tmp_path.iterdir()} == {"a.vcf", "report.json"}
    path.write_text(text([GOOD, "1 400 . A C . PASS . GT 0/1"], header=BARE))
    assert run_command("convert", path, "--adapter", "vcf", "--check").returncode == 1


@pytest.mark.parametrize(
    "line",
    [
        "1 500 . A . . PASS . GT 0|1",
        "1 500 . A C,* . PASS . GT 0/0",
        "1 500 . A <NON_REF> . . END=600 GT 0/0",
        "1 500 . A ]5:77]A,A. . q10;s50 . GT ./.",
        "1 500 . A C . PASS . DP 12",
        "X 500 . A C,G . PASS . GT:PL 0:1,2,3",
        "1 500 . A C . PASS . GT:PL 0/0/1:1,2,3,4",
        "1 500 . A <DEL>,<DEL> . PASS SVLEN=-5,-7 GT 1/2",
        "HLA-A*01:01 500 . A C . PASS NOTE=a_b GT 0/1",
        "<ctg> 500 . A C 1e3 . . GT 0/1",
        "20 0 . N C . . . GT 0/1",
    ],
)
def test_what_is_valid_passes(checked, line):
    assert checked(line) == (0, [])


def test_what_a_conversion_would_say_is_no_matter_of_syntax(checked):
    header = (
        *BARE,
        "##contig=<ID=20,length=62435964,assembly=B36>",
        "##reference=hg19.fa",
        "##contig=<ID=20>",
    )
    assert checked("20 500 . AC A . PASS XX=1 GT:AF 0/1:0.5", header=header) == (0, [])
    assert checked(GOOD.rsplit(" ", 2)[0], samples=()) == (0, [])


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("1 500 . A C -3 PASS . GT 0/1", "FB-VCF-027"),
        ("a(b) 500 . A C . PASS . GT 0/1", "FB-VCF-023"),
        ("1 500 . A C . PASS . GT 0/2", "FB-VCF-040"),
        ("1 500 . A C . PASS DP=x GT 0/1", "FB-VCF-031"),
        ("1 500 . A C . PASS DP=1; GT 0/1", "FB-VCF-033"),
        ("1 500 . A C,G . PASS AF=0.1 GT 0/1", "FB-VCF-034"),
        ("X 500 . A C,G . PASS . GT:PL 0:1,2,3,4,5,6", "FB-VCF-034"),
        ("1 500 . A C . PASS . GT:PL 0/0/1:1,2,3", "FB-VCF-034"),
        ("1 500 . A C . PASS . PL 1,2", "FB-VCF-034"),
        ("1 500 . A C . PASS . DP 1:2", "FB-VCF-041"),
        ("1 500 . A C . PASS . GT 0/1 0/1", "FB-VCF-020"),
    ],
)
def test_what_is_wrong_is_an_error_with_its_line(checked, line, code):
    assert checked(GOOD, line.replace(" 500 ", " 600 "))[0] == 1
    exit_1, found = checked(GOOD, line.replace(" 500 ", " 600 "))
    assert (exit_1, found) == (1, [code])


@pytest.mark.parametrize(
    "header",
    [
        "##contig=<ID=a(b),length=5>",
        "##contig=<ID=DEL>",
        "##assembly=my assembly",
        "##pedigreeDB=nowhere",
        "##PEDIGREE=<ID=Child,Father=,Mother=M>",
        "##PEDIGREE=<Child=C,Father=F>",
        "##PEDIGREE=Child",
        "##META=<ID=Assay,Type=String,Number=.,Values=WholeGenome>",
        '##INFO=<ID=XX,Type=String,Number=1,Description="x">',
        '##INFO=<ID=AN,Number=A,Type=Integer,Description="x">',
        '##FORMAT=<ID=AD,Number=.,Type=Integer,Description="x">',
        "##source=",
    ],
)
def test_a_header_line_that_departs_from_the_specification_is_an_error_with_its_line(
    checked, tmp_path, header
):
    assert checked(GOOD, header=(*BARE, header)) == (1, ["FB-VCF-083"])
    _, report = check(tmp_path / "a.vcf")
    assert report["issues"][0]["source"] == "a.vcf:2"
    assert "VCF 4.3 §1.4" in report["issues"][0]["message"]


def test_a_byte_order_mark_is_an_error_of_the_first_line(checked, tmp_path):
    assert checked(GOOD, header=("\ufeff##fileformat=VCFv4.3",)) == (1, ["FB-VCF-083"])
    _, report = check(tmp_path / "a.vcf")
    assert report["issues"][0]["source"] == "a.vcf:1"
    assert "byte order mark" in report["issues"][0]["message"]


def test_rules_are_those_of_the_version_of_the_file(checked):
    old = ("##fileformat=VCFv4.2",)
    ad = '##FORMAT=<ID=AD,Number=.,Type=Integer,Description="x">'
    assert checked(GOOD, header=(*old, ad))[0] == 0
    assert checked(GOOD, header=(*old, "##PEDIGREE=<Name_0=A,Name_1=B>"))[0] == 0
    assert checked(GOOD, header=(*old, "##SAMPLE=<ID=A,Description=x>"))[0] == 1
    assert checked(GOOD.replace("1 ", "a:b ", 1), header=old)[0] == 1
    assert checked(GOOD, header=old, cut=1)[0] == 0
    assert checked(GOOD, cut=1) == (1, ["FB-VCF-083"])


def test_a_variant_that_is_there_twice_is_named_however_it_is_written(checked):
    for again in (
        "1 500 . A C . PASS . GT 1/1",
        "1 500 . A G,C . PASS . GT 0/1",
        "1 500 . AT CT . PASS . GT 0/1",
    ):
        assert checked(GOOD, again) == (1, ["FB-VCF-035"]), again
    assert checked("1 500 . AT AG . PASS . GT 0/1", "1 501 . T G . PASS . GT 0/1") == (1, ["FB-VCF-035"])
    for other in (
        "1 500 . A G . PASS . GT 0/1",
        "1 500 . A <INS> . PASS . GT 0/1",
        "2 500 . A C . PASS . GT 0/1",
        "1 500 . A AC . PASS . GT 0/1",
    ):
        assert checked(GOOD, other)[0] == 0, other


def test_a_symbolic_allele_may_occur_again(checked):
    assert checked("1 500 . A <INS> . PASS . GT 0/1", "1 500 . A <INS> . PASS . GT 0/1") == (0, [])


def test_a_declared_header_of_the_tests_is_valid(checked):
    assert checked(GOOD, header=HEADER) == (0, [])


@pytest.mark.shared
def test_valid_files_of_the_specification_pass_and_invalid_ones_do_not(shared: Path) -> None:
    files = sorted((shared / "data" / "vcf" / "hts-specs").rglob("*.vcf"))
    assert len(files) == 32 + 327
    wrong, unplaced = [], []
    for path in files:
        code, report = check(path)
        if (code == 0) != (path.parent.name == "passed"):
            wrong.append(path)
        if code and not any(
            _LINE.search(each["source"]) and "§" in each["message"] for each in report["issues"]
        ):
            unplaced.append(path)
    assert (wrong, unplaced) == ([], [])
