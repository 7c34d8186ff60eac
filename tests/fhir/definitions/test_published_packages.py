"""Packages that were published and are not built in: mCODE, SDC and AU Base, taken from npm."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir import Validator
from fhir_bridge.fhir.definitions import Definitions
from fhir_bridge.fhir.definitions.packages import load_packages
from tests.npm import packed

MCODE, SDC = ("hl7.fhir.us.mcode", "4.0.0"), ("hl7.fhir.uv.sdc", "4.0.0-ballot")
AU_BASE = ("hl7.fhir.au.base", "6.0.0")


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Definitions:
    report = load_packages([packed(*SDC), packed(*MCODE)], tmp_path_factory.mktemp("cache"))
    assert [i for i in report.issues if i.severity == "error"] == []
    return report.definitions


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


def test_all_profiles_compile(known: Definitions) -> None:
    validator = Validator(definitions=known)
    for url in known.profiles():
        profile = known.profile(url)
        assert profile is not None
        if profile.package and profile.kind == "resource":
            validator.validate({"resourceType": profile.type, "id": "x"}, [url])


def test_sdc_s_examples_declare_profiles_that_are_available(known: Definitions) -> None:
    validator = Validator(definitions=known)
    for name, resource in examples(SDC):
        unknown = [i for i in validator.validate(resource) if i.code == "FB-FHIR-035"]
        assert unknown == [], name


def test_mcode_s_profiles_identify_their_examples(known: Definitions) -> None:
    validator = Validator(definitions=known)
    checked = 0
    for name, resource in examples(MCODE):
        declared = resource.get("meta", {}).get("profile", [])
        if any("/mcode/" in url for url in declared) and resource["resourceType"] == "Observation":
            checked += 1
            resource["code"] = {"coding": [{"system": "http://example.org", "code": "none"}]}
            codes = {i.code for i in validator.validate(resource)}
            assert codes & {"FB-FHIR-030", "FB-FHIR-020", "FB-FHIR-021", "FB-FHIR-040"}, name
    assert checked > 20


def test_au_base_s_examples_are_valid(tmp_path: Path) -> None:
    report = load_packages([packed(*AU_BASE)], tmp_path)
    validator = Validator(definitions=report.definitions)
    wrong = {
        name: [i.code for i in results]
        for name, resource in examples(AU_BASE)
        if (results := [i for i in validator.validate(resource) if i.severity == "error"])
    }
    assert wrong == {}


def test_snapshots_made_of_differentials_are_those_that_were_published(tmp_path: Path) -> None:
    stripped = tmp_path / "stripped"
    stripped.mkdir()
    with tarfile.open(packed(*AU_BASE)) as archive:
        for member in archive.getmembers():
            folder, _, name = member.name.rpartition("/")
            content = archive.extractfile(member) if folder == "package" and name.endswith(".json") else None
            if content is not None:
                definition = json.load(content)
                definition.pop("snapshot", None)
                (stripped / name).write_text(json.dumps(definition))

    def cardinalities(of: Definitions) -> dict[str, list[tuple[str, int, int | None]]]:
        results = {url: of.structure(url) for url in (*of.profiles(), *of.extensions())}
        return {
            url: [(e.id, e.min, e.max) for e in structure.elements]
            for url, structure in results.items()
            if structure is not None and url.startswith("http://hl7.org.au/")
        }

    published = cardinalities(load_packages([packed(*AU_BASE)], tmp_path).definitions)
    result = cardinalities(load_packages([stripped], tmp_path).definitions)
    assert len(published) == 105
    assert {url for url in published if result[url] != published[url]} == set()
