"""The wheel holds all that the source tree holds, and works where there is no source tree."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.patience import PATIENCE

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("hatchling") is None,
    reason="hatchling, which builds the wheel, is not installed here (pip install hatchling)",
)


def copied(dockerfile: Path) -> list[str]:
    """What the image's build stage copies out of the checkout."""
    stage = dockerfile.read_text().split("\nFROM ")[1]
    lines = [line.split()[1:] for line in stage.splitlines() if line.startswith("COPY ")]
    return [source for *sources, _ in lines for source in sources]


@pytest.fixture(scope="module")
def installed(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The content of the wheel that the Docker image installs, built of what the Dockerfile copies and no more."""
    folder = tmp_path_factory.mktemp("wheel")
    context = folder / "build"
    context.mkdir()
    for name in copied(repository / "docker" / "Dockerfile"):
        source = repository / name
        if source.is_dir():
            shutil.copytree(source, context / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, context / name)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    built = subprocess.run(command, cwd=context, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def _files(folder: Path, *without: str) -> set[str]:
    return {
        str(file.relative_to(folder))
        for file in folder.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and file.suffix not in (".pyc", *without)
    }


@pytest.mark.parametrize("folder", ["mappings", "terminology", "migrations", "views"])
def test_what_ships_beside_the_package_is_in_it(folder: str, installed: Path, repository: Path) -> None:
    inside = _files(installed / "fhir_bridge" / "_shipped" / folder)
    assert inside
    assert inside == _files(repository / folder)


def test_every_file_of_the_package_is_in_it(installed: Path, repository: Path) -> None:
    inside = _files(installed / "fhir_bridge")
    assert _files(repository / "fhir_bridge") <= inside
    for needed in ("py.typed", "server/pages/templates", ".css", ".html", "definitions/generated"):
        assert any(needed in name for name in inside), needed


WORKS = """
import sys
import fhir_bridge
from fhir_bridge.cli.main import app
from fhir_bridge.plugins import shipped
from typer.testing import CliRunner

print(fhir_bridge.__file__)
for command in (
    ["mapping", "test", str(shipped("mappings") / "imaging")],
    ["terminology", "lookup", *sys.argv[1:]],
    ["view", "list"],
):
    result = CliRunner().invoke(app, command)
    print(result.output)
    assert result.exit_code == 0, command
"""


def test_it_works_without_the_source_tree(installed: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WORKS, "http://loinc.org", "8480-6"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert done.stdout.startswith(str(installed))
    assert " examples, 0 differ" in done.stdout
    assert "Systolic blood pressure" in done.stdout
    assert "patient_demographics" in done.stdout
