"""The start and the end of a command: what is not of the command that runs costs neither of them."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import typer
import typer.main

from fhir_bridge.cli.main import app
from tests.command import run_command


def paths(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    for name, inner in getattr(command, "commands", {}).items():
        yield from paths(inner, (*path, name))


def shown(command: Any, *arguments: str) -> str:
    with (
        patch.object(sys, "argv", ["fhir-bridge"]),
        contextlib.redirect_stdout(io.StringIO()) as out,
        contextlib.suppress(SystemExit),
    ):
        command.main(list(arguments))
    return out.getvalue()


def test_a_command_that_is_built_alone_is_as_among_all() -> None:
    every = typer.main.get_command(app)
    compared = 0
    for path in paths(every):
        assert run_command(*path, "--help").stdout == shown(every, *path, "--help"), path
        compared += 1
    assert compared > 60


def test_a_name_that_is_no_command_is_refused_with_the_nearest() -> None:
    for wrong, right in ((["convrt"], "convert"), (["mapping", "chek"], "check")):
        done = run_command(*wrong)
        assert done.returncode == 2
        assert right in done.stderr


BUILT = """
import sys, typer.main
from fhir_bridge.cli.main import main

built = []
build = typer.main.get_command_from_info

def counted(*given, **named):
    command = build(*given, **named)
    built.append(command.name)
    return command

typer.main.get_command_from_info = counted
sys.argv = ["fhir-bridge", "plugins"]
try:
    main()
except SystemExit:
    print("built:", *built)
"""


def test_no_other_command_is_built(repository: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", BUILT], capture_output=True, text=True, cwd=repository, check=True
    )
    assert ran.stdout.splitlines()[-1] == "built: plugins"


ENDED = """
import atexit, gc, sys
from fhir_bridge.cli.main import main

@atexit.register  # what is registered first is called last
def looked_at():
    print("looked at:", len(gc.get_objects()))

sys.argv = ["fhir-bridge", "--version"]
main()
"""


def test_at_the_end_no_cycles_are_looked_for(repository: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", ENDED], capture_output=True, text=True, cwd=repository, check=True
    )
    assert int(ran.stdout.split()[-1]) < 1_000
