"""Packages that HL7 published and that are not built in: mCODE and SDC, taken from npm."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir import Validator, definitions
from fhir_bridge.fhir.definitions.packages import forget_packages, load_packages
from tests.npm import packed

MCODE, SDC = ("hl7.fhir.us.mcode", "4.0.0"), ("hl7.fhir.uv.sdc", "4.0.0-ballot")


@pytest.fixture(autouse=True)
def loaded(tmp_path: Path) -> Iterator[None]:
    report = load_packages([packed(*SDC), packed(*MCODE)], tmp_path)
    assert [i for i in report.issues if i.severity == "error"] == []
    yield
    forget_packages()


def examples(package: tuple[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    with tarfile.open(packed(*package)) as archive:
        for member in archive.getmembers():
            folder, _, name = member.name.rpartition("/")
            content = archive.extractfile(member) if folder == "package/example" and member.isfile() else None
            if (
                content is not None
                and name.endswith(".json")
                and not name.startswith(".")
                and name != "package.json"
            ):
                yield name, json.load(content)


def test_all_profiles_compile() -> None:
    validator = Validator()
    for url in definitions.profiles():
        found = definitions.profile(url)
        assert found is not None
        if found.package and found.kind == "resource":
            validator.validate({"resourceType": found.type, "id": "x"}, [url])


def test_sdc_s_examples_declare_profiles_that_are_at_hand() -> None:
    validator = Validator()
    for name, resource in examples(SDC):
        unknown = [i for i in validator.validate(resource) if i.code == "FB-FHIR-035"]
        assert unknown == [], name


def test_mcode_s_profiles_tell_their_examples() -> None:
    validator = Validator()
    judged = 0
    for name, resource in examples(MCODE):
        declared = resource.get("meta", {}).get("profile", [])
        if any("/mcode/" in url for url in declared) and resource["resourceType"] == "Observation":
            judged += 1
            resource["code"] = {"coding": [{"system": "http://example.org", "code": "none"}]}
            found = {i.code for i in validator.validate(resource)}
            assert found & {"FB-FHIR-030", "FB-FHIR-020", "FB-FHIR-021", "FB-FHIR-040"}, name
    assert judged > 20
