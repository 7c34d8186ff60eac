"""Code blocks of our pages, and a reader who follows a tutorial step by step in an empty folder.

A fence `LANGUAGE NAME` is a file to write. A fence `sh` is run; `sh exit=1` must end with that code, `sh background`
goes on until the end, `sh install` installs the package available. A fence `text` without a name is what is seen: each
of its lines, where `…` stands for anything.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from fhir_bridge.cli import output
from fhir_bridge.cli.main import app
from tests.patience import PATIENCE

_FENCE = re.compile(r"^```([\w-]+)(?: ([^\n]+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    page: Path
    line: int
    language: str
    label: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text()
    return [
        Block(page, text.count("\n", 0, result.start()) + 1, result[1], result[2] or "", result[3])
        for result in _FENCE.finditer(text)
    ]


class Reader:
    """Follows a page in `folder`.

    Args:
        installed: `fhir-bridge` runs in a process of its own, with whatever plug-ins `environment` shows it;
            otherwise in this one, which is faster.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], *, installed: bool) -> None:
        self.folder = folder
        self.installed = installed
        self.environment = os.environ | dict(environment)
        binary = folder.parent / "bin" / "fhir-bridge"
        binary.parent.mkdir(exist_ok=True)
        binary.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m fhir_bridge.cli "$@"\n')
        binary.chmod(0o755)
        self.environment["PATH"] = f"{binary.parent}{os.pathsep}{self.environment['PATH']}"
        self._background: list[subprocess.Popen[bytes]] = []

    def follow(self, page: list[Block], replace: Mapping[str, str]) -> None:
        """Do what the page says; its words are taken with `replace` applied."""
        statement = ""
        for block in page:
            text = block.text
            for old, new in replace.items():
                text = text.replace(old, new)
            if block.language == "text" and not block.label:
                self.compare(block, text, statement)
            elif block.language != "sh":
                if block.label:
                    file = self.folder / block.label
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_text(text)
            elif block.label == "background":
                self.start(text)
            elif block.label == "install":
                self.install()
            else:
                expected = int(block.label.removeprefix("exit=") or 0)
                code, statement = self.run(text)
                assert code == expected, f"{block} ended with {code}:\n{statement}"

    @staticmethod
    def compare(block: Block, text: str, statement: str) -> None:
        seen = " ".join(statement.split())
        for line in text.splitlines():
            pattern = ".*".join(re.escape(" ".join(part.split())) for part in line.split("…"))
            assert re.search(pattern, seen), f"{block} promises\n  {line}\nbut this is said:\n{statement}"

    def run(self, script: str) -> tuple[int, str]:
        """Exit code of the last command, and what all of them said."""
        code, text = 0, ""
        for command in script.replace("\\\n", " ").splitlines():
            if command.startswith("fhir-bridge ") and not self.installed:
                result = CliRunner().invoke(app, shlex.split(command)[1:])
                code, text = result.exit_code, text + result.output
            else:
                done = subprocess.run(
                    ["bash", "-c", command],
                    cwd=self.folder,
                    env=self.environment,
                    capture_output=True,
                    text=True,
                    timeout=PATIENCE,
                    check=False,
                )
                code, text = done.returncode, text + done.stdout + done.stderr
        return code, text

    def install(self) -> None:
        """What `pip install --editable .` leaves of a package: where it lies, its name and its entry points."""
        project = tomllib.loads((self.folder / "pyproject.toml").read_text())["project"]
        name = project["name"].replace("-", "_")
        metadata = self.folder / f"{name}-{project['version']}.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        )
        lines = [
            line
            for group, entries in project["entry-points"].items()
            for line in (f"[{group}]", *(f"{entry} = {value}" for entry, value in entries.items()))
        ]
        (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")
        self.environment["PYTHONPATH"] = f"{self.folder}{os.pathsep}{self.environment['PYTHONPATH']}"
        self.environment["FHIR_BRIDGE_PLUGINS"] = "all"

    def start(self, command: str) -> None:
        """Start a server and wait until it answers."""
        process = subprocess.Popen(
            shlex.split(command), cwd=self.folder, env=self.environment, stderr=subprocess.DEVNULL
        )
        self._background.append(process)
        port = re.search(r"--port (\d+)", command)
        assert port
        deadline = time.monotonic() + PATIENCE
        while True:
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < deadline, "the server did not come up"
            try:
                if httpx.get(f"http://127.0.0.1:{port[1]}/fhir/metadata").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.1)

    def stop(self) -> None:
        for process in self._background:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


@contextmanager
def reading(
    folder: Path, monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str], *, installed: bool
) -> Iterator[Reader]:
    """A reader in `folder`, whose servers are stopped at the end."""
    folder.mkdir(exist_ok=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "200")
    for console in (output.stdout, output.stderr):  # they were made with the width of before
        monkeypatch.setattr(console, "_width", 200)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    reader = Reader(folder, environment, installed=installed)
    try:
        yield reader
    finally:
        reader.stop()
