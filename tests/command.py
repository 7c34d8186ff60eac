"""The command line within the test's own process: as fast as a function, with the exit codes that a shell sees."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from unittest.mock import patch

from fhir_bridge.cli.main import main


@dataclass(frozen=True)
class Done:
    """How a command ended. Lines of `stderr` are joined, so that no width of a terminal divides a message."""

    returncode: int
    stdout: str
    stderr: str


def run_command(*arguments: object) -> Done:
    """Run `fhir-bridge ARGUMENTS`."""
    out, error = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="", write_through=True) for _ in range(2))
    code = 0
    with (
        patch.object(sys, "argv", ["fhir-bridge", *map(str, arguments)]),
        redirect_stdout(out),
        redirect_stderr(error),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return Done(code, _text(out), " ".join(_text(error).split()))


def _text(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()
