"""What a mapping that `mapping new` writes makes of tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fhir_bridge.workshop.first_mapping import Guess, draft_mapping
from tests.command import run_command


def converted(
    tmp_path: Path, text: str, name: str = "table.csv"
) -> tuple[dict[str, Guess], list[dict[str, Any]], str]:
    """The guesses, what `convert` makes with the mapping, and its text; nothing may be lost."""
    table, mapping = tmp_path / name, tmp_path / "m.yaml"
    table.write_text(text, "utf-8")
    done = run_command("mapping", "new", table, "--out", mapping, "--force")
    assert done.returncode == 0, done.stderr
    (tmp_path / "site.yaml").write_text("demo_key: true\nzone: Europe/Berlin\n")
    run = run_command(
        "convert", table, "--adapter", "csv", "--mapping", mapping, "--site", tmp_path / "site.yaml",
        "--out", tmp_path / "out", "--force", "--validate", "all",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    files = sorted((tmp_path / "out").glob("[A-Z]*.ndjson"))
    made = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    return {guess.column: guess for guess in draft_mapping(table).guesses}, made, mapping.read_text()


def converted_again(tmp_path: Path, text: str) -> tuple[list[dict[str, Any]], int]:
    """What the mapping of `converted` makes of another table with the same header, and the exit code."""
    table = tmp_path / "later.csv"
    table.write_text(text, "utf-8")
    run = run_command(
        "convert", table, "--adapter", "csv", "--mapping", tmp_path / "m.yaml", "--site", tmp_path / "site.yaml",
        "--out", tmp_path / "again", "--force", "--validate", "all",
    )  # fmt: skip
    files = sorted((tmp_path / "again").glob("[A-Z]*.ndjson"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()], run.returncode


def of(made: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Those of a resource type."""
    return [r for r in made if r["resourceType"] == kind]
