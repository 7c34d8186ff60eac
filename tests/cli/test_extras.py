"""The core install: few packages; what needs no others works; what needs an extra reports which, and how to get it."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from fhir_bridge.plugins.extras import EXTRAS, MissingExtra, available, missing_extra, require
from tests.cli.core_install import PYPROJECT, core_distributions

Outcome = tuple[int, str, str]
RunCore = Callable[..., list[Outcome]]

DECLARED = tomllib.loads(PYPROJECT.read_text())["project"]["optional-dependencies"]
PATIENT = {"resourceType": "Patient", "id": "p", "gender": "male", "birthDate": "1970-01-01"}


@pytest.fixture(scope="module")
def run_core(repository: Path) -> RunCore:
    def run(*commands: list[object]) -> list[Outcome]:
        requested = json.dumps([[str(word) for word in command] for command in commands])
        done = subprocess.run(
            [sys.executable, "-m", "tests.cli.core_install"],
            input=requested,
            capture_output=True,
            text=True,
            cwd=repository,
            env=os.environ | {"FHIR_BRIDGE_PLUGINS": "builtin"},
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return [(code, out, error) for code, out, error in json.loads(done.stdout)]

    return run


def test_the_core_install_is_at_most_twenty_packages() -> None:
    assert len(core_distributions() | {"fhir-bridge"}) <= 20


def test_each_extra_of_pyproject_is_the_one_that_is_reported() -> None:
    known = {name: set(map(canonicalize_name, result)) for name, result in packages_distributions().items()}
    for extra, modules in EXTRAS.items():
        requirements = [Requirement(text) for text in DECLARED[extra]]
        names = {canonicalize_name(r.name) for r in requirements if r.name != "fhir-bridge"} - {"uvloop"}
        if extra == "models":
            names |= {"fhir-core"}
        assert {name for module in modules for name in known[module]} == names, extra
    assert set(EXTRAS) == set(DECLARED) - {"all", "dev"}
    (everything,) = (Requirement(text) for text in DECLARED["all"])
    assert everything.extras == set(EXTRAS)


def test_make_and_the_image_install_all_extras(repository: Path) -> None:
    assert "fhir-bridge[all]" in DECLARED["dev"]
    assert '".[dev]"' in (repository / "Makefile").read_text()
    assert '".[all]"' in (repository / "docker" / "Dockerfile").read_text()


def test_what_needs_no_extra_works_in_the_core_install(
    run_core: RunCore, repository: Path, tmp_path: Path
) -> None:
    patient = tmp_path / "patient.json"
    patient.write_text(json.dumps(PATIENT))
    hl7 = repository / "mappings/ehr/hl7v2/examples/oru-chemistry"
    vcf = repository / "mappings/genomics/vcf/examples/cardiology"
    outcomes = run_core(
        ["validate", patient],
        ["fhir", "path", "birthDate", patient],
        ["fhir", "convert", patient, "--to", "xml"],
        ["fhir", "difference", patient, patient],
        ["view", "run", "patient_demographics", patient],
        ["view", "show", "patient_demographics"],
        ["terminology", "lookup", "http://loinc.org", "8480-6"],
        ["plugins"],
        ["mapping", "check"],
        ["mapping", "test", repository / "mappings/ehr/csv-patients"],
        ["convert", hl7, "-a", "hl7v2", "--site", hl7 / "site.yaml", "-o", tmp_path / "hl7"],
        ["convert", vcf / "panel.vcf", "-a", "vcf", "--site", vcf / "site.yaml", "-o", tmp_path / "vcf"],
    )
    assert [code for code, _, error in outcomes if "internal error" in error] == []
    assert [code for code, _, _ in outcomes[:10]] == [0] * 10, outcomes
    assert all(code in (0, 1) for code, _, _ in outcomes), outcomes
    assert "Systolic blood pressure" in outcomes[6][1]
    assert "left out" in outcomes[8][2]
    assert "fhir-bridge[dicom]" in outcomes[8][2]
    assert (tmp_path / "hl7" / "Observation.ndjson").exists()
    assert (tmp_path / "vcf" / "Observation.ndjson").exists()


def test_a_missing_extra_is_reported_by_name_with_the_command_that_installs_it(
    run_core: RunCore, repository: Path, tmp_path: Path
) -> None:
    patient, bcf = tmp_path / "patient.json", tmp_path / "calls.bcf"
    patient.write_text(json.dumps(PATIENT))
    bcf.write_bytes(b"BCF\x02\x02")
    table = tmp_path / "loinc.csv"
    table.write_text("LOINC_NUM\n8480-6\n")
    wanted = {
        "server": [
            ["serve"],
            ["load", patient],
            ["user", "list"],
            ["inbox", "list"],
            ["predict", "score2", "--all"],
            ["view", "run", "conditions", "--stored"],
        ],
        "dicom": [
            ["convert", tmp_path, "-a", "dicom", "-o", tmp_path / "out"],
            ["convert", tmp_path, "-a", "dicom", "-o", tmp_path / "out2", "--jobs", 2],
            ["mapping", "check", repository / "mappings/imaging"],
        ],
        "vcf": [["convert", bcf, "-a", "vcf", "-o", tmp_path / "out3"]],
        "imports": [["terminology", "import", table, "--store", tmp_path / "store"]],
        "parquet": [["view", "run", "conditions", patient, "--to", "parquet", "-o", tmp_path / "x.parquet"]],
        "demo": [["demo", "--no-serve"]],
    }
    commands = [(extra, command) for extra, several in wanted.items() for command in several]
    outcomes = run_core(*[command for _, command in commands])
    for (extra, command), (code, _, error) in zip(commands, outcomes, strict=True):
        assert code == 2, (command, error)
        assert re.search(rf'needs the extra "{extra}" .*pip install "fhir-bridge\[{extra}\]"', error), command


def test_an_error_names_the_extra_of_a_module() -> None:
    result = missing_extra(ModuleNotFoundError("no", name="pydicom.dataset"))
    assert result is not None
    assert result.extra == "dicom"
    assert missing_extra(ModuleNotFoundError("no", name="of_someone_else")) is None
    assert missing_extra(result) is result


def test_it_reaches_the_parent_of_a_worker_process() -> None:
    sent = pickle.loads(pickle.dumps(MissingExtra("vcf", "pysam")))
    assert (sent.extra, sent.name, str(sent)) == ("vcf", "pysam", str(MissingExtra("vcf", "pysam")))


def test_require_raises_only_where_something_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    require("dicom")
    monkeypatch.setitem(sys.modules, "pydicom", None)
    assert not available("dicom")
    with pytest.raises(MissingExtra, match=r'pip install "fhir-bridge\[dicom\]"'):
        require("dicom")
