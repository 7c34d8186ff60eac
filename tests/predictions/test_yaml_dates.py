"""A date that no calendar has, in each file that a person writes for models: an error with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command import run_command

IMPOSSIBLE = {
    "cohort": "name: c\nmodel: model.yaml\nas_of: [2025-01-01, 2025-02-30]\n",
    "model": "name: own-risk\ntitle: x\nversion: 2025-02-30\n",
    "site": "site: s\ndemo_key: true\nparameters: {since: 2025-02-30T25:00:00Z}\n",
}


@pytest.mark.parametrize("kind", IMPOSSIBLE)
def test_a_date_that_no_calendar_has_is_named_with_its_line(kind: str, tmp_path: Path) -> None:
    file = tmp_path / f"{kind}.yaml"
    file.write_text(IMPOSSIBLE[kind])
    done = {
        "cohort": lambda: run_command("dataset", file, "--out", tmp_path / "out"),
        "model": lambda: run_command("model", "check", file),
        "site": lambda: run_command("predict", "score2", "--all", "--site", file),
    }[kind]()
    said = done.stdout + done.stderr
    assert done.returncode in (1, 2)
    assert f"{kind}.yaml:3: 2025-02-30" in said.replace("\n", ""), said
    assert "is no date" in said
    assert "internal" not in said.lower()
