"""The tutorial "bring your model", done as it is written."""

from __future__ import annotations

import importlib.util
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from fhir_bridge.predictions import PredictorSettings
from fhir_bridge.predictions.manifest import RemoteBlock
from fhir_bridge.predictions.manifest_file import load_manifest
from tests.command import run_command
from tests.docs.markdown import blocks
from tests.predictions.records import record

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "tutorials" / "bring-your-model.md"
MODEL = "my-model/model.yaml"
"""What the first command writes."""


@pytest.fixture
def folder(tmp_path: Path, fresh_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    now = (datetime.now(UTC) - timedelta(days=1)).isoformat(timespec="seconds")
    for block in blocks(PAGE):
        if block.label and block.language != "sh" and block.label != MODEL:
            path = tmp_path / block.label
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text.replace("TODAY", now))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FHIR_BRIDGE_DATABASE_URL", fresh_database_url)
    return tmp_path


def test_an_onnx_file_is_a_model_in_five_commands_or_less(folder: Path) -> None:
    (shell,) = [block for block in blocks(PAGE) if block.language == "sh"]
    commands = [line.split()[1:] for line in shell.text.splitlines()]
    assert len(commands) <= 5
    for command in commands:
        done = run_command(*command)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
    assert "1 predicted" in done.stdout
    assert " %" in done.stdout
    (shown,) = [block.text for block in blocks(PAGE) if block.label == MODEL]
    sealed = (folder / MODEL).read_text().splitlines()
    assert [line for line in sealed if "sha256" not in line] == shown.rstrip("\n").splitlines()
    again = run_command(*commands[0])
    assert (again.returncode, "is there already" in again.stderr) == (2, True)
    (folder / "my-model" / "model.onnx").write_bytes(b"altered")
    assert run_command("model", "check", "my-model/model.yaml").returncode == 1
    failed = run_command(*commands[-1])
    assert failed.returncode == 1
    assert "was altered" in failed.stdout


def test_the_remote_one_differs_in_its_model_alone(folder: Path) -> None:
    yaml: Any = YAML(typ="safe", pure=True)
    remote = yaml.load((folder / "remote" / "model.yaml").read_text())
    (shown,) = [block.text for block in blocks(PAGE) if block.label == MODEL]
    document = yaml.load(shown) | remote
    path = folder / "remote" / "whole.yaml"
    with path.open("w") as file:
        YAML().dump(document, file)
    manifest, _ = load_manifest(path)
    assert isinstance(manifest.model, RemoteBlock)


def test_the_python_one_answers(folder: Path) -> None:
    spec = importlib.util.spec_from_file_location("my_model", folder / "my_model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (answer,) = module.Pulse().predict([record()], PredictorSettings())
    assert answer.percent == 100
