"""The page about views, done as it says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.docs.markdown import Block, blocks, reading

PAGE = Path(__file__).parents[2] / "docs" / "views.md"


@pytest.mark.skipif(shutil.which("bash") is None, reason="the page uses bash")
def test_the_tutorial(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    with reading(tmp_path / "views", monkeypatch, {"PYTHONPATH": str(repository)}, installed=False) as reader:
        reader.follow(blocks(PAGE), {"pip install": "true"})
        rows = parquet.read_table(reader.folder / "people.parquet", columns=["born", "born_text"]).to_pylist()
    assert [(str(row["born"]), row["born_text"]) for row in rows] == [
        ("1961-04-05", "1961-04-05"),
        ("None", "1954"),
    ]


@pytest.mark.parametrize("block", [b for b in blocks(PAGE) if b.language == "python"], ids=str)
def test_the_library(block: Block, tmp_path: Path) -> None:
    shown: dict[str, object] = {}
    exec(compile(block.text, str(block), "exec"), shown)
    if "export" in shown:
        condition = {"resourceType": "Condition", "id": "c", "subject": {"reference": "Patient/p"}}
        (tmp_path / "c.ndjson").write_text(json.dumps(condition))
        assert shown["export"](tmp_path, tmp_path / "out.csv") == 1  # type: ignore[operator]
