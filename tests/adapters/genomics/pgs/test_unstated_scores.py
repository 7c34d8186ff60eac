"""A score is never made up: of a sample without a call none is stated, and what could not be done as asked is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.genomics.pgs.test_polygenic_scores import PAIR, Files
from tests.command import run_command


@pytest.fixture
def score(tmp_path: Path) -> Any:
    files = Files(tmp_path)

    def run(
        *lines: str, weights: str = "1.5", header: str = "#genome_build=GRCh38", more: tuple[str, ...] = ()
    ) -> tuple[dict[str, str], dict[str, str], list[str]]:
        """The score of each sample, messages by code, and the notes."""
        vcf = files.vcf(*lines, samples="S1 S2 S3")
        scoring = files.score(PAIR, f"1 100 G A {weights}", header=header)
        report, table, out = (tmp_path / name for name in ("report.json", "table.tsv", "out"))
        done = run_command(
            "score",
            vcf,
            "--scores",
            scoring,
            "--table",
            table,
            "--report",
            report,
            "--out",
            out,
            "--force",
            *more,
        )
        assert done.returncode in (0, 1), done.stderr
        rows = [row.split("\t") for row in table.read_text().splitlines()[1:]]
        issues = {each["code"]: each["message"] for each in json.loads(report.read_text())["issues"]}
        observations = out / "Observation.ndjson"
        texts = observations.read_text().splitlines() if observations.exists() else []
        notes = [note["text"] for text in texts for note in json.loads(text)["note"]]
        return {row[0]: row[2] for row in rows}, issues, notes

    return run


def test_the_score_of_a_sample_without_a_call_is_not_stated(score: Any) -> None:
    found, issues, _ = score("chr1 100 . A G . . . GT 0/1 ./. 0/0")
    assert found == {"S1": "1.5", "S3": "0"}
    assert issues["FB-PGS-006"] == ("score: no variant is called in 1 of 3 samples: theirs is not stated")


def test_no_score_is_stated_where_nobody_has_a_call(score: Any) -> None:
    found, issues, _ = score("chr1 100 . A G . . . GT ./. ./. .")
    assert found == {}
    assert "FB-PGS-006" in issues


@pytest.mark.parametrize("dosage", ["DS", "GP"])
def test_lines_without_the_dosage_that_is_asked_for_are_counted(score: Any, dosage: str) -> None:
    found, issues, _ = score("chr1 100 . A G . . . GT 0/1 1/1 0/0", more=("--dosage", dosage))
    assert found == {"S1": "1.5", "S2": "3", "S3": "0"}
    assert issues["FB-PGS-017"] == f"1 lines have no {dosage}: GT is counted"
    line = "chr1 100 . A G . . . GT:GP:DS 0/1:0,1,0:1 1/1:0,0,1:2 0/0:1,0,0:0"
    assert "FB-PGS-017" not in score(line, more=("--dosage", dosage))[1]


def test_too_few_samples_for_a_mean_are_said(score: Any) -> None:
    _, issues, _ = score("chr1 100 . A G . . . GT 0/1 ./. 0/0", more=("--missing", "mean"))
    assert issues["FB-PGS-018"] == "missing=mean needs 50 samples, of which are 3: no call adds nothing"
    assert "FB-PGS-018" not in score("chr1 100 . A G . . . GT 0/1 ./. 0/0")[1]


@pytest.mark.parametrize(
    ("kind", "ratio"),
    [
        ("OR", True), ("HR", True), ("odds ratio", True), ("beta", False), ("log(OR)", False), ("NR", False),
        ("ln_or", False), ("Inverse-variance weighting", False),
    ],
)  # fmt: skip
def test_weights_that_are_said_to_be_ratios_are_reported(score: Any, kind: str, ratio: bool) -> None:
    header = f"#pgs_id=PGS900008\n#weight_type={kind}\n#genome_build=GRCh38"
    found, issues, notes = score("chr1 100 . A G . . . GT 0/1 1/1 0/0", header=header)
    assert found["S1"] == "1.5"
    assert ("FB-PGS-016" in issues) is ratio
    assert any(f"weights of type {kind} added as they are" in note for note in notes) is ratio
