"""Small compressed files that hold very much of nothing: refused or cut with a clear error, in bounded memory."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from ...command import run_command
from .conftest import text

LINE = "1 100 . A C . PASS . GT 0/1"


def packed(*pieces: tuple[bytes, int]) -> bytes:
    """Pieces, each so many times, as gzip."""
    engine = zlib.compressobj(9, zlib.DEFLATED, 31)
    parts = [engine.compress(piece) for piece, times in pieces for _ in range(times)]
    return b"".join((*parts, engine.flush()))


@pytest.fixture
def convert(tmp_path: Path) -> Any:
    def run(content: bytes) -> dict[str, Any]:
        path, out = tmp_path / "bomb.vcf.gz", tmp_path / "out"
        path.write_bytes(content)
        done = run_command("convert", path, "-a", "vcf", "--out", out, "--force")
        assert done.returncode == 1, done.stderr
        report: dict[str, Any] = json.loads((out / "report.json").read_text())
        return report

    return run


def messages(report: dict[str, Any]) -> dict[str, str]:
    return {each["code"]: each["message"] for each in report["issues"]}


@pytest.mark.parametrize("line", [b"##x=" + b"A" * 1_000_000 + b"\n", b"##x=" + b"A" * 20 + b"\n"])
def test_a_header_of_gigabytes_is_refused(convert: Any, line: bytes) -> None:
    times = 40_000_000 // len(line)
    content = packed((b"##fileformat=VCFv4.3\n", 1), (line, times))
    report = convert(content)
    assert "the header has more than 16 MB, or 500000 lines" in messages(report)["FB-VCF-002"]


@pytest.mark.parametrize("line", [b"\n", b"x\n", b"\r\n"])
def test_millions_of_empty_lines_end_the_file_and_leave_what_came_before(convert: Any, line: bytes) -> None:
    report = convert(packed((text([LINE]).encode(), 1), (line * 100_000, 40)))
    assert report["records"]["converted"] == 1
    assert "empty or short lines without columns; what follows is lost" in messages(report)["FB-VCF-006"]
    assert report["records"]["read"] < 2_000_000


def test_a_few_thousand_empty_lines_cost_nothing_else(convert: Any) -> None:
    content = text([LINE]) + "\n" * 5_000 + "\t".join(LINE.replace("100", "200").split(" ")) + "\n"
    assert convert(gzip.compress(content.encode()))["records"]["converted"] == 2


def test_a_sample_name_that_comes_again_and_again_is_refused_at_once(convert: Any) -> None:
    report = convert(gzip.compress(text([], samples=["S"] * 200_000).encode()))
    assert "and 199980 others have the same sample name" in messages(report)["FB-VCF-003"]
