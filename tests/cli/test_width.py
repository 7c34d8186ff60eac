"""What goes to a pipe or a file is cut nowhere; on a terminal tables are as wide as it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
from rich.table import Table
from fhir_bridge.cli.output import stdout
table = Table("code", "what")
table.add_row("FB-X-001", "a sentence " * 30 + "that ends here")
stdout.print(table)
"""


@pytest.mark.parametrize(("columns", "whole"), [(None, True), ("80", False)])
def test_a_piped_table_is_whole_unless_a_width_is_set(columns: str | None, whole: bool) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    if columns is not None:
        environment["COLUMNS"] = columns
    shown = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert ("a sentence " * 30 + "that ends here" in shown) is whole
    assert max(map(len, shown.splitlines())) < 500
