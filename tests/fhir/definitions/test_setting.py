"""How a site names its packages: site file, command line, environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fhir_bridge.cli.main import app
from fhir_bridge.fhir import definitions
from fhir_bridge.mapping import Site
from tests.fhir.definitions.makers import BASE, element, package, profile
from tests.fhir.resources import patient


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FHIR_BRIDGE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def dated(tmp_path: Path) -> Path:
    return package(tmp_path, "site.dated", profile("Dated", "Patient", element("Patient.birthDate", min=1)))


@pytest.fixture
def person(tmp_path: Path) -> Path:
    undated = {**patient(), "meta": {"profile": [BASE + "Dated"]}}
    del undated["birthDate"]
    path = tmp_path / "person.json"
    path.write_text(json.dumps(undated))
    return path


def test_validate_takes_a_package(dated: Path, person: Path) -> None:
    without = CliRunner().invoke(app, ["validate", str(person)])
    assert without.exit_code == 0
    assert "FB-FHIR-035" in without.output
    done = CliRunner().invoke(app, ["validate", str(person), "--package", str(dated)])
    assert done.exit_code == 1
    assert "Patient.birthDate is missing" in done.output


def test_validate_says_what_is_wrong_with_a_package(tmp_path: Path, person: Path) -> None:
    wrong = tmp_path / "wrong.tgz"
    wrong.write_bytes(b"nothing")
    done = CliRunner().invoke(app, ["validate", str(person), "--package", str(wrong)])
    assert done.exit_code == 1
    assert "FB-PKG-001" in done.output
    assert "wrong.tgz" in done.output


def test_a_site_s_packages_lie_beside_its_file(tmp_path: Path, dated: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(f"site: here\npackages: [{dated.name}]\n")
    site = Site.load(file)
    assert site.package_paths == [dated]
    assert site.definitions.profile(BASE + "Dated") is not None
    assert definitions.profile(BASE + "Dated") is None


def test_a_site_s_broken_package_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "site.yaml"
    file.write_text("site: here\npackages: [none.tgz]\n")
    Site.load(file)
    assert "none.tgz" in caplog.text
    assert "FB-PKG-001" in caplog.text


def test_the_environment_names_packages_for_processes_without_site_file(dated: Path) -> None:
    code = f"from fhir_bridge.fhir import definitions; print(definitions.profile('{BASE}Dated').package)"
    environment = {**os.environ, "FHIR_BRIDGE_PACKAGES": os.pathsep.join([str(dated), "/none.tgz"])}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.strip() == "site.dated#1.0.0"
    assert "FB-PKG-001" in done.stderr
