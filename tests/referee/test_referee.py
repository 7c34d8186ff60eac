"""The referee says what is wrong with a resource, and says so when it can't run."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

TIME = {"url": "time", "valueString": "2024-03-01T10:00:00"}
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "a",
    "meta": {
        "extension": [
            {
                "url": "https://fhir-bridge.org/fhir/StructureDefinition/source-record",
                "extension": [TIME, {"url": "update", "valueCode": "delta"}],
            }
        ]
    },
    "gender": "female",
}
WEIGHT: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "b",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]},
    "subject": {"reference": "Patient/a"},
    "valueQuantity": {"value": 12.1, "system": "http://unitsofmeasure.org", "code": "g/dL"},
}


@pytest.fixture(scope="module")
def referee(repository: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "fhir_bridge_referee", repository / "scripts" / "referee.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def ready(referee: ModuleType) -> ModuleType:
    """The referee, where it has been set up (`make referee` does that): a test run downloads nothing by itself."""
    if shutil.which("java") is None:
        pytest.skip("the HL7 validator needs Java")
    if not (referee.FOLDER / "compiled").exists():
        pytest.skip("the referee is not set up here; `make referee` does it")
    referee.prepare()
    return referee


def write(folder: Path, *resources: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "resources.ndjson").write_text("".join(json.dumps(resource) + "\n" for resource in resources))
    return folder


def test_it_says_why_it_is_skipped(
    referee: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda tool: None)
    assert referee.main([str(write(tmp_path / "in", PATIENT))]) == 0
    assert capsys.readouterr().out.startswith("skipped: the HL7 validator needs Java")


def test_it_says_what_could_not_be_fetched(
    referee: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda tool: f"/bin/{tool}")
    monkeypatch.setattr(referee, "FOLDER", tmp_path / "referee")

    def refused(command: list[str], what: str) -> None:
        raise referee.Absent(f"{what} can't be fetched with {command[0]}: no route to host")

    monkeypatch.setattr(referee, "fetch", refused)
    assert referee.main([str(write(tmp_path / "in", PATIENT))]) == 0
    assert "can't be fetched with mvn: no route to host" in capsys.readouterr().out


def test_wrong_use_is_refused(
    referee: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert referee.main([str(tmp_path / "absent")]) == 2
    assert referee.main([]) == 2
    assert "nothing to validate" in capsys.readouterr().err


def test_references_out_of_the_set_are_found(referee: ModuleType, tmp_path: Path) -> None:
    versioned = {
        **WEIGHT,
        "derivedFrom": [{"reference": "Observation/b/_history/2"}, {"reference": "urn:uuid:1"}],
    }
    folder = write(tmp_path / "in", versioned)
    (result,) = referee.dangling([folder])
    assert (result["path"], result["line"]) == ("Observation.subject.reference", 1)
    assert referee.dangling([write(tmp_path / "in", versioned, PATIENT)]) == []


def test_terminology_that_is_not_available_is_nobodys_fault(referee: ModuleType) -> None:
    message = (
        "A definition for CodeSystem 'http://loinc.org' could not be found, so the code cannot be validated"
    )
    assert referee.is_unchecked({"message": message})
    assert not referee.is_unchecked({"message": "Observation.status: minimum required = 1, but only found 0"})


@pytest.mark.referee
def test_good_and_bad_resources(ready: ModuleType, tmp_path: Path) -> None:
    source = "https://fhir-bridge.org/fhir/StructureDefinition/source-record"
    wrong_source = {"url": source, "extension": [{"url": "update", "valueCode": "sometimes"}]}
    folder = write(
        tmp_path / "in",
        PATIENT,
        WEIGHT,
        {**WEIGHT, "id": "c", "status": "ammended"},
        {**WEIGHT, "id": "d", "valueQuantity": {**WEIGHT["valueQuantity"], "code": "mmHg"}},
        {**WEIGHT, "id": "e", "subject": {"reference": "Observation/b"}},
        {**PATIENT, "id": "f", "meta": {"extension": [wrong_source]}},
    )
    verdict = ready.validate([folder])
    assert verdict.resources == 6
    assert {message["id"] for message in verdict.of("error", "fatal")} == {"c", "d", "e", "f"}
    assert {m["messageId"] for m in verdict.of("error") if m["id"] == "d"} == {"UCUM"}
