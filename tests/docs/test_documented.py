"""Every hook, setting, issue code and command is documented."""

from __future__ import annotations

import importlib.util
import inspect
import re
import subprocess
from pathlib import Path
from types import ModuleType

import pytest
import typer

from fhir_bridge.cli.main import app
from fhir_bridge.plugins import hookspecs
from fhir_bridge.server import Settings


def _script(repository: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, repository / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_issue_code_page_is_what_the_rooms_declare(repository: Path) -> None:
    assert (
        _script(repository, "build_issue_codes").page()
        == (repository / "docs" / "issue-codes.md").read_text()
    )


def test_every_issue_code_in_the_source_is_declared(repository: Path) -> None:
    page = (repository / "docs" / "issue-codes.md").read_text()
    used = {
        code
        for file in (repository / "fhir_bridge").rglob("*.py")
        for code in re.findall(r'"(FB-[A-Z0-9]+(?:-\d{3})?)"', file.read_text())
    }
    assert used
    assert {code for code in used if f"| {code} |" not in page} == set()


def test_every_hook_and_its_arguments_are_in_the_plug_in_page(repository: Path) -> None:
    page = (repository / "docs" / "plugins.md").read_text()
    hooks = {name: function for name, function in vars(hookspecs).items() if name.startswith("fhir_bridge_")}
    assert hooks
    for name, function in hooks.items():
        assert f"`{name}`" in page
        for argument in inspect.signature(function).parameters:
            assert f"`{argument}`" in page, f"{name}({argument}) is not documented"


def test_every_setting_is_in_the_rest_page(repository: Path) -> None:
    page = (repository / "docs" / "rest.md").read_text()
    for name in Settings.model_fields:
        assert f"FHIR_BRIDGE_{name.upper()}" in page


def _commands() -> list[tuple[str, object]]:
    group = typer.main.get_command(app)
    results: list[tuple[str, object]] = []
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        for child, inner in getattr(command, "commands", {"": command}).items():
            results.append((f"{name} {child}".strip(), inner))
    return results


@pytest.mark.parametrize(("name", "command"), _commands())
def test_every_command_says_what_it_does_and_every_option_too(name: str, command: object) -> None:
    assert command.help, name  # type: ignore[attr-defined]
    for parameter in command.params:  # type: ignore[attr-defined]
        assert getattr(parameter, "help", None), f"{name} {parameter.name}"


def test_the_repository_names_no_registry_host_and_no_machine_path(repository: Path) -> None:
    words = (
        r"py" r"pi\.org",
        r"pythonho" r"sted\.org",
        r"registry\.np" r"mjs",
        r"repo1?\.mav" r"en",
        r"/wo" r"rk/main",
    )
    forbidden = re.compile("|".join(words))
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    files = [repository / name for name in listed.stdout.splitlines()]
    for file in files:
        if not file.is_file():
            continue
        try:
            text = file.read_text()
        except UnicodeDecodeError:
            continue
        assert not forbidden.search(text), file
