"""What `fhir-bridge demo` prints beside the logins."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fhir_bridge.cli.demo import demo
from fhir_bridge.cli.main import app
from fhir_bridge.demo.access import Access
from fhir_bridge.demo.run import Demonstration, Login
from fhir_bridge.plugins.extras import MissingExtra
from fhir_bridge.server import Settings
from tests.server.conftest import free_port

TOKEN = "t" * 43
PATHS = ("Patient", f"Observation?patient={'0' * 32}&code=http://loinc.org|69548-6")


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The command without its long work: what it would have served."""
    settings: list[Settings] = []

    async def prepared(_folder: Path, _url: str, _step: Any) -> Demonstration:
        return Demonstration(
            Path("site.yaml"), logins=[Login("clinician", "dora", "secret")], link="/login/link/x"
        )

    async def access(_url: str, _base: str, clinician: str) -> Access:
        assert clinician == "dora"
        return Access(TOKEN, PATHS)

    monkeypatch.setattr("fhir_bridge.demo.run.prepare", prepared)
    monkeypatch.setattr("fhir_bridge.cli.demo.open_database", lambda **_: "postgresql:///none")
    monkeypatch.setattr("fhir_bridge.server.serve", settings.append)
    monkeypatch.setattr("fhir_bridge.cli.demo._give_access", access)
    return settings


def test_lines_for_curl_are_printed_whole(served: list[Settings], tmp_path: Path) -> None:
    port = free_port()
    done = CliRunner().invoke(app, ["demo", "--port", str(port), "--folder", str(tmp_path)])
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    for path in PATHS:
        line = f'curl -H "Authorization: Bearer {TOKEN}" "http://127.0.0.1:{port}/fhir/{path}"'
        assert line in lines
    (settings,) = served
    assert settings.sample_app
    assert settings.root == f"http://127.0.0.1:{port}"


def test_who_only_prepares_gets_no_token(served: list[Settings], tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["demo", "--no-serve", "--folder", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "secret" in done.output
    assert "Bearer" not in done.output
    assert served == []


def test_without_highdicom_the_demonstration_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(MissingExtra, match=r"fhir-bridge\[demo\]"):
        demo(no_serve=True, folder=tmp_path)
    assert not list(tmp_path.iterdir())
