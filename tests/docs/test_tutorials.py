"""Our tutorials, done as they say."""

from __future__ import annotations

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
