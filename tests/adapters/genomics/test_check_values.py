"""`convert --check`: what the specification forbids in the values of INFO and FORMAT, with line and clause."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ...command import run_command
from .conftest import text

DECLARED = (
    '##INFO=<ID=CH,Number=.,Type=Character,Description="c">',
    '##INFO=<ID=AF,Number=A,Type=Float,Description="f">',
    '##INFO=<ID=DB,Number=0,Type=Flag,Description="d">',
    '##INFO=<ID=SVCLAIM,Number=A,Type=String,Description="s">',
    '##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="q">',
    '##FORMAT=<ID=LAA,Number=.,Type=Integer,Description="a">',
    '##FORMAT=<ID=LAD,Number=LR,Type=Integer,Description="r">',
    '##FORMAT=<ID=PS,Number=1,Type=Integer,Description="p">',
    '##FORMAT=<ID=PSL,Number=P,Type=String,Description="l">',
)


def check(tmp_path: Path, version: str, *lines: str, extra: tuple[str, ...] = ()) -> tuple[int, list[str]]:
    """Exit code and issues, each with the line that it is of."""
    path, report = tmp_path / "a.vcf", tmp_path / "report.json"
    header = (f"##fileformat=VCFv{version}", *DECLARED, *extra)
    path.write_text(text(lines, header=header))
    code = run_command("convert", path, "--adapter", "vcf", "--check", "--report", report).returncode
    issues = json.loads(report.read_text())["issues"]
    return code, [f"{each['source'].rpartition(':')[2]} {each['message']}" for each in issues]


@pytest.mark.parametrize(
    ("version", "line", "message"),
    [
        ("4.3", "1 9 . A C . PASS CH=ab GT 0/1", "INFO/CH is no character (VCF 4.3 §1.3)"),
        ("4.3", "1 9 . A C . PASS AF=1.5 GT 0/1", "INFO/AF is a frequency above 1 (VCF 4.3 §1.6.1)"),
        ("4.3", ". 9 . A C . PASS . GT 0/1", "CHROM is missing (VCF 4.3 §1.6.1)"),
        ("4.4", "1 9 . A C . PASS DB=1 GT 0/1", "INFO/DB is a Flag and has a value (VCF 4.4 §1.4.2)"),
        ("4.4", "1 9 . A C . PASS;q10 . GT 0/1", "FILTER has PASS beside filters that fail (VCF 4.4 §1.6.1)"),
        ("4.4", "1 9 . A <DEL> . PASS SVLEN=9;SVCLAIM=X GT 0/1", "INFO/SVCLAIM of a DEL is X (VCF 4.4 §3)"),
        ("4.4", "1 9 . A <DUP> . PASS SVLEN=9 GT 0/1", "INFO/SVCLAIM of a DUP is missing (VCF 4.4 §3)"),
        ("4.5", "1 9 . A <CNV> . PASS SVLEN=9;SVCLAIM=J GT 0/1", "INFO/SVCLAIM of a CNV is J (VCF 4.4 §3)"),
        (
            "4.4",
            "1 9 . A <DEL> . PASS SVCLAIM=D GT 0/1",
            "a structural variant has neither SVLEN nor END (VCF 4.4 §3)",
        ),
        ("4.4", "1 9 . A C . PASS . GT:PS:PSL 0|1:3:a,a", "column 10 has both PS and PSL (VCF 4.4 §1.6.2)"),
        (
            "4.5",
            "1 9 . A C,G . PASS . GT:LAA:LAD 0/2:2:3,4,5",
            "FORMAT/LAD has 3 values, not 2 (column 10); reads are left out (VCF 4.5 §1.6.2)",
        ),
        (
            "4.5",
            "1 9 . A C,G . PASS . GT:LAA:LAD 0/2:3:3,4",
            "FORMAT/LAA is no list of distinct numbers of ALTs (column 10); reads are left out (VCF 4.5 §1.6.2)",
        ),
        (
            "4.5",
            "1 9 . A C,G . PASS . GT:LAD:LAA 0/2:3,4:2",
            "LAA is not before the other keys of FORMAT but GT (VCF 4.5 §1.6.2)",
        ),
        (
            "4.3",
            "1 9 . A C . PASS . GT:GQ 0/1:-3",
            "FORMAT/GQ of column 10 is negative; the value is left out (VCF 4.3 §1.6.2)",
        ),
    ],
)
def test_what_is_forbidden_is_an_error_with_line_and_clause(tmp_path, version, line, message):
    number = len(DECLARED) + 3
    assert check(tmp_path, version, line) == (1, [f"{number} {message}"])


@pytest.mark.parametrize(
    ("version", "line"),
    [
        ("4.3", "1 9 . A C . PASS CH=a,%3A,% GT 0/1"),
        ("4.3", "1 9 . A C . PASS DB=1;AF=1.0 GT 0/1"),
        ("4.3", "1 9 . A <DEL> . PASS SVLEN=-9 GT 0/1"),
        ("4.4", "1 9 . A <DEL>,<DUP> . PASS SVLEN=9,9;SVCLAIM=DJ,J GT 0/1"),
        ("4.4", "1 9 . A <INV>,<INS>,<CNV> . PASS SVLEN=9,9,9 GT 0/1"),
        ("4.4", "1 9 . A <INS> . PASS . GT 0/1"),
        ("4.4", "1 9 . A C . PASS . GT:PS:PSL 0|1:3:."),
        ("4.5", "1 9 . A C,G . PASS . GT:LAA:LAD 0/2:2,1:3,4,5"),
        ("4.5", "1 9 . A C,G . PASS . GT:LAA:LAD 0/0::3"),
        ("4.5", "1 9 . A C,G . PASS . GT:LAA:LAD 0/0:.:."),
    ],
)
def test_what_is_allowed_passes(tmp_path, version, line):
    assert check(tmp_path, version, line) == (0, [])


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (
            '##INFO=<ID=XX,Number=1,Type=Flag,Description="x">',
            "INFO/XX is a Flag, of which Number is 0 (§1.4.2) (VCF 4.3 §1.4)",
        ),
        (
            '##INFO=<ID=DB,Number=0,Type=Flag,Description="again">',
            "INFO/DB is declared twice, the first counts (VCF 4.3 §1.4)",
        ),
        ('##FILTER=<ID=0,Description="x">', "0 is reserved and no FILTER (§1.6.1) (VCF 4.3 §1.4)"),
    ],
)
def test_header_lines(tmp_path, extra, message):
    number = len(DECLARED) + 2
    line = "1 9 . A C . PASS . GT 0/1"
    assert check(tmp_path, "4.3", line, extra=(extra,)) == (1, [f"{number} {message}"])
    if "twice" in message:  # IDs are unique since 4.3
        assert check(tmp_path, "4.2", line, extra=(extra,)) == (0, [])
