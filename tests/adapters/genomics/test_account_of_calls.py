"""Every call (sample x ALT) is written, withheld or not represented, and the report says which, by sample."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.command import run_command

from .conftest import HEADER, text

FT = '##FORMAT=<ID=FT,Number=1,Type=String,Description="Filters">'
LINES = (
    "1 100 . A C,* . PASS . GT:AD 1/2:0,8,7 0/0:9,0,0",
    "1 200 . A G . PASS . GT:AD 1/1:9,11 0/1:9,9",
    "1 300 . A <NON_REF> . PASS . GT 0/1 0/0",
    "1 400 . A T . q10 . GT 0/1 ./.",
    "1 500 . A T . PASS . GT 0/7 0/1",
    "1 600 . A T 10 PASS . GT 0/1 0/1",
    "1 600 . A T 90 PASS . GT 1/1 0/1",
    "1 600 . A T 90 PASS . GT 1/1 0/0",
)


@pytest.fixture
def convert(tmp_path: Path) -> Any:
    def run(*lines: str, site: str = "demo_key: true\n", **options: str) -> tuple[dict[str, Any], list[Any]]:
        (tmp_path / "site.yaml").write_text(site)
        source, out = tmp_path / "a.vcf", tmp_path / "out"
        source.write_text(text(lines, ("S1", "S2"), HEADER, (FT,)))
        settings = [word for name, value in options.items() for word in ("--set", f"{name}={value}")]
        site_file = tmp_path / "site.yaml"
        done = run_command(
            "convert", source, "--adapter", "vcf", "--site", site_file, "--out", out, *settings
        )
        assert "Traceback" not in done.stderr
        observations = out / "Observation.ndjson"
        resources = [json.loads(line) for line in observations.read_text().splitlines()]
        return json.loads((out / "report.json").read_text()), resources

    return run


def test_called_is_written_and_withheld_and_not_represented_of_each_sample(convert):
    report, resources = convert(*LINES, filtered="leave-out")
    first, second = report["calls"]
    assert first == {
        "source": "a.vcf",
        "column": 10,
        "called": 9,
        "written": 4,
        "withheld": {},
        "not_represented": {
            "FB-VCF-037": 1,
            "FB-VCF-040": 1,
            "FB-VCF-047": 1,
            "FB-VCF-048": 1,
            "FB-VCF-051": 1,
        },
        "kept_in_file": 0,
        "homozygous_below_0.6": 1,
        "sex": None,
    }
    assert (second["called"], second["written"], second["not_represented"]) == (4, 4, {})
    assert len(resources) == 8
    assert any(issue["code"] == "FB-VCF-089" for issue in report["issues"])


def test_two_calls_of_one_variant_are_both_written_and_the_later_says_so(convert):
    report, resources = convert(*LINES[5:7])
    notes = [resource["note"][0]["text"] for resource in resources]
    assert len({resource["id"] for resource in resources}) == 4
    assert [("this is call 2" in note) for note in notes] == [False, False, True, True]
    assert not report.get("withheld")
    assert any(issue["code"] == "FB-VCF-038" for issue in report["issues"])


def test_a_sample_that_no_crosswalk_knows_is_withheld_by_its_code(convert, tmp_path):
    (tmp_path / "crosswalk.csv").write_text("sample;system;value\nS2;urn:oid:2.999.1;7\n")
    report, _ = convert(LINES[1], site="demo_key: true\nidentity: {crosswalk: crosswalk.csv}\n")
    held = {row["column"]: (row["written"], row["withheld"]) for row in report["calls"]}
    assert held == {10: (0, {"FB-ID-003": 1}), 11: (1, {})}


def test_a_variant_that_a_file_comes_back_to_is_counted_once(converted):
    """Also where only one line is out of order, and the others ascend beside it."""
    lines = [f"1 {at} . A {alt} 50 PASS . GT {gt}" for at, alt, gt in (
        (20, "G", "0/1"), (10, "G", "0/1"), (20, "G", "0/1"), (20, "G", "1/1"), (20, "C", "0/1"), (30, "C", "0/1"),
    )]  # fmt: skip
    done = converted(*lines)
    (row,) = done.report["calls"]
    assert (row["called"], row["written"], row["not_represented"]) == (6, 5, {"FB-VCF-037": 1})
    assert len({one["id"] for one in done.variants}) == len(done.variants) == 5
    assert "FB-VCF-038" in done.messages
