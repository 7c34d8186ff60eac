"""Our tutorials, done as they say."""

from __future__ import annotations

import shlex
import shutil
import socket
from pathlib import Path

import pytest

from tests.docs.markdown import blocks, reading

pytestmark = pytest.mark.skipif(
    shutil.which("bash") is None or shutil.which("curl") is None, reason="the tutorials use bash and curl"
)


def free_port() -> str:
    with socket.socket() as result:
        result.bind(("127.0.0.1", 0))
        return str(result.getsockname()[1])


def test_from_a_table_to_served_fhir(
    fresh_database_url: str, tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {"FHIR_BRIDGE_DATABASE_URL": fresh_database_url, "PYTHONPATH": str(repository)}
    page = blocks(repository / "docs/tutorials/first-mapping.md")
    with reading(tmp_path / "clinic", monkeypatch, environment, installed=False) as reader:
        reader.follow(page, {"8000": free_port()})


def test_one_plug_in_of_each_kind(
    fresh_database_url: str, tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {"FHIR_BRIDGE_DATABASE_URL": fresh_database_url, "PYTHONPATH": str(repository)}
    page = blocks(repository / "docs/tutorials/plug-ins.md")
    with reading(tmp_path / "plugin", monkeypatch, environment, installed=True) as reader:
        reader.follow(page, {"8000": free_port()})


def test_from_local_codes_to_a_reviewed_concept_map(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = blocks(repository / "docs/tutorials/local-codes.md")
    with reading(tmp_path / "lab", monkeypatch, {"PYTHONPATH": str(repository)}, installed=False) as reader:
        reader.follow(page, {})


def test_a_site_changes_a_shipped_mapping(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = blocks(repository / "docs/tutorials/site-override.md")
    with reading(
        tmp_path / "elsewhere", monkeypatch, {"PYTHONPATH": str(repository)}, installed=True
    ) as reader:
        reader.follow(page, {})


def test_where_a_value_came_from(
    fresh_database_url: str, tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {"FHIR_BRIDGE_DATABASE_URL": fresh_database_url, "PYTHONPATH": str(repository)}
    page = blocks(repository / "docs/tutorials/workshop.md")
    with reading(tmp_path / "runs", monkeypatch, environment, installed=False) as reader:
        reader.follow(page, {})


def test_an_unfamiliar_table_is_served_in_five_commands_and_fifteen_lines(
    fresh_database_url: str, tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {"FHIR_BRIDGE_DATABASE_URL": fresh_database_url, "PYTHONPATH": str(repository)}
    page = blocks(repository / "docs/tutorials/unfamiliar-table.md")
    commands = [block for block in page if block.language == "sh" and "fhir-bridge" in block.text]
    written = [line for block in page if block.language == "yaml" for line in block.text.splitlines()]
    assert len(commands) <= 5
    assert len(written) <= 15
    with reading(tmp_path / "export", monkeypatch, environment, installed=False) as reader:
        reader.follow(page, {"8000": free_port()})


def test_what_nobody_would_notice(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = blocks(repository / "docs/tutorials/mapping-care.md")
    with reading(tmp_path / "care", monkeypatch, {"PYTHONPATH": str(repository)}, installed=False) as reader:
        reader.follow(page, {})


def test_two_bridges_on_one_machine(
    fresh_database_url: str,
    other_database_url: str,
    tmp_path: Path,
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment = {"FHIR_BRIDGE_DATABASE_URL": fresh_database_url, "PYTHONPATH": str(repository)}
    page = blocks(repository / "docs/delivery.md")
    second = {
        "env FHIR_BRIDGE_DATABASE_DIR=second": f"env FHIR_BRIDGE_DATABASE_URL={shlex.quote(other_database_url)}"
    }
    with reading(tmp_path / "delivery", monkeypatch, environment, installed=False) as reader:
        reader.follow(page, {**second, "8000": free_port(), "8001": free_port()})


def test_every_command_of_the_workshop_is_shown_in_a_tutorial(repository: Path) -> None:
    text = "\n".join(
        block.text
        for page in sorted((repository / "docs/tutorials").glob("*.md"))
        for block in blocks(page)
        if block.language == "sh"
    )
    commands = "check explain coverage test diff mutate shrink new audit schema".split()
    assert [name for name in commands if f"fhir-bridge mapping {name}" not in text] == []
