"""`fhir-bridge fhir difference`: for people and for tools, files and folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from fhir_bridge.cli.main import app
from fhir_bridge.cli.output import UsageError
from fhir_bridge.fhir import dumps
from tests.fhir.resources import patient, troponin


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["fhir", "difference", *map(str, arguments)])


def write(file: Path, *resources: dict[str, Any]) -> Path:
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"\n".join(dumps(resource) for resource in resources))
    return file


def test_two_versions_of_a_resource(tmp_path: Path) -> None:
    left = write(tmp_path / "left.json", troponin())
    right = write(tmp_path / "right.json", {**troponin(), "id": "other", "status": "amended"})
    details = run(left, right)
    assert details.exit_code == 1
    assert details.stdout.splitlines() == ['~ Observation.status: "final" → "amended"', "1 difference"]
    counted = run(left, right, "--ids", "--format", "json")
    assert [json.loads(line)["path"] for line in counted.stdout.splitlines()] == [
        "Observation.id",
        "Observation.status",
    ]
    assert run(left, left).exit_code == 0


def test_two_folders_in_whatever_order(tmp_path: Path) -> None:
    left = write(tmp_path / "left" / "a.ndjson", patient(), troponin())
    write(tmp_path / "right" / "r.json", {**troponin(), "id": "t", "subject": {"reference": "Patient/p"}})
    right = write(tmp_path / "right" / "p.json", {**patient(), "id": "p"})
    assert run(left.parent, right.parent).exit_code == 0
    right.unlink()
    details = run(left.parent, right.parent)
    assert details.exit_code == 1
    assert details.stdout.startswith("- Patient/p1: ")


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.ndjson"
    wrong.write_text('{"resourceType": "Patient"}\n[1]\n')
    right = write(tmp_path / "right.json", patient())
    for pair in ((wrong, right), (right, wrong), (tmp_path, right)):
        assert isinstance(run(*pair).exception, UsageError)
    assert "wrong.ndjson:2" in str(run(wrong, right).exception)
