"""`--help` is answered at once: no command's help imports what only running the command needs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from fhir_bridge.cli import terminology_import
from fhir_bridge.plugins import importers

_HELP_OF_ALL = """
import contextlib, io, json, sys
import typer.main
from fhir_bridge.cli.main import app

helped = []

def helps(command, path):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
        command.main([*path, "--help"], prog_name="fhir-bridge")
    helped.append([" ".join(path), len(out.getvalue())])

def names(command, path):
    yield path
    for name, inner in getattr(command, "commands", {}).items():
        yield from names(inner, [*path, name])

root = typer.main.get_command(app)
for path in names(root, []):
    helps(root, path)
print(json.dumps([helped, sorted(sys.modules)]))
"""


def test_the_help_of_each_command_imports_the_command_line_alone(repository: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _HELP_OF_ALL], capture_output=True, text=True, cwd=repository, check=True
    )
    helped, modules = json.loads(ran.stdout)
    assert {"", "validate", "convert", "terminology import", "fhir path"} <= {name for name, _ in helped}
    assert all(length > 200 for _, length in helped)
    ours = {name for name in modules if name.split(".")[0] == "fhir_bridge"}
    assert {name for name in ours if not name.startswith("fhir_bridge.cli")} == {
        "fhir_bridge",
        "fhir_bridge.deferred",
    }
    heavy = {
        "asyncio",
        "re2",
        "lmdb",
        "tantivy",
        "pydicom",
        "pysam",
        "psycopg",
        "starlette",
        "fastapi",
        "ruamel.yaml",
    }
    assert not heavy & set(modules)


def test_the_formats_that_the_help_of_import_names_are_those_that_are_read() -> None:
    assert list(importers()) == terminology_import._FORMATS
