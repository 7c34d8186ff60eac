"""A package of the machine's package cache is named by name and version, and brings what it depends on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir.definitions.package_cache import locate
from fhir_bridge.fhir.definitions.packages import load_packages
from fhir_bridge.mapping import Site
from tests.command import run_command
from tests.fhir.definitions.makers import BASE, codes, element, files_of, manifest, named, profile
from tests.fhir.resources import patient

Add = Callable[..., Path]


@pytest.fixture
def add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Add:
    monkeypatch.setenv("FHIR_BRIDGE_PACKAGE_CACHE", str(tmp_path / "packages"))
    monkeypatch.setenv("FHIR_BRIDGE_CACHE", str(tmp_path / "linked"))

    def added(name: str, *resources: Any, dependencies: Mapping[str, str] | None = None) -> Path:
        folder = tmp_path / "packages" / f"{name}#1.0.0"
        (folder / "package").mkdir(parents=True)
        (folder / "package" / "package.json").write_text(json.dumps(manifest(name, "1.0.0", dependencies)))
        for file, content in files_of(resources).items():
            (folder / "package" / file).write_bytes(content)
        return folder

    return added


def test_name_and_version_find_it_with_all_that_it_depends_on(add: Add) -> None:
    first = add("site.base", named("Below"))
    second = add("site.derived", dependencies={"site.base": "1.0.0", "hl7.fhir.r4.core": "4.0.1"})
    add("hl7.fhir.r4.core")
    above = profile("Above", "Patient", element("Patient.gender", min=1), base=BASE + "Below")
    top = add("site.top", above, dependencies={"site.derived": "1.0.0", "site.base": "1.0.0"})
    assert locate(["site.top#1.0.0"]) == [top, second, first]
    report = load_packages(["site.top#1.0.0"])
    assert codes(report) == []
    assert report.definitions.profile(BASE + "Above") is not None


def test_packages_that_depend_on_each_other_end(add: Add) -> None:
    item = add("site.one", dependencies={"site.two": "1.0.0"})
    two = add("site.two", dependencies={"site.one": "1.0.0"})
    assert locate(["site.one#1.0.0"]) == [item, two]


@pytest.mark.parametrize("content", ["", "[]", '{"dependencies": []}', '{"dependencies": 5}', "{"])
def test_a_manifest_that_is_not_whole_is_reported_by_who_reads_the_package(add: Add, content: str) -> None:
    folder = add("site.one")
    (folder / "package" / "package.json").write_text(content)
    assert locate(["site.one#1.0.0"]) == [folder]


def test_a_path_stays_a_path_and_one_that_is_not_there_is_reported(add: Add, tmp_path: Path) -> None:
    add("site.one")
    (tmp_path / "site.one#1.0.0").mkdir()
    assert locate([tmp_path / "site.one#1.0.0", "other.tgz"]) == [
        tmp_path / "site.one#1.0.0",
        Path("other.tgz"),
    ]
    report = load_packages(["site.two#1.0.0"])
    assert codes(report) == ["FB-PKG-001"]
    assert "site.two#1.0.0" in report.issues[0].source


def test_validate_and_the_site_file_name_it(add: Add, tmp_path: Path) -> None:
    folder = add("site.dated", named("Dated"))
    undated = {**patient(), "meta": {"profile": [BASE + "Dated"]}}
    del undated["birthDate"]
    (tmp_path / "person.json").write_text(json.dumps(undated))
    done = run_command("validate", tmp_path / "person.json", "--package", "site.dated#1.0.0")
    assert done.returncode == 1
    assert "Patient.birthDate is missing" in done.stdout
    (tmp_path / "site.yaml").write_text("demo_key: true\npackages: [site.dated#1.0.0]\n")
    assert Site.load(tmp_path / "site.yaml").package_paths == [folder]
    done = run_command("validate", tmp_path / "person.json", "--site", tmp_path / "site.yaml")
    assert "Patient.birthDate is missing" in done.stdout
