"""What is wrong with a site's package is said, where it is, and loses nothing of the rest."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir import Validator
from fhir_bridge.fhir.definitions import package_files
from fhir_bridge.fhir.definitions.packages import load_packages
from tests.fhir.definitions.makers import (
    BASE,
    archive,
    codes,
    element,
    files_of,
    manifest,
    named,
    package,
    profile,
    sliced,
)
from tests.fhir.resources import patient


def test_a_file_that_is_no_archive_is_reported_and_the_others_are_used(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.tgz"
    wrong.write_bytes(b"not gzip")
    half = package(tmp_path, "site.half", named("Half"))
    half.write_bytes(half.read_bytes()[:-200])
    report = load_packages(
        [wrong, half, tmp_path / "none.tgz", package(tmp_path, "site.good", named("Good"))], tmp_path
    )
    assert codes(report) == ["FB-PKG-001"] * 3
    assert all(".tgz" in issue.source for issue in report.issues)
    assert report.definitions.profile(BASE + "Good") is not None


def test_an_archive_that_is_damaged_is_reported_and_the_files_before_the_damage_are_used(
    tmp_path: Path,
) -> None:
    whole = package(tmp_path, "site.whole", named("First"), named("Second"))
    plain = bytearray(gzip.decompress(whole.read_bytes()))
    second = plain.index(b"package/StructureDefinition-Second")
    plain[second + 148 : second + 156] = b"damaged!"  # the checksum of its header
    damaged = tmp_path / "damaged.tgz"
    damaged.write_bytes(gzip.compress(bytes(plain)))
    report = load_packages([damaged], tmp_path)
    assert codes(report) == ["FB-PKG-001"]
    assert report.definitions.profile(BASE + "First") is not None
    assert report.definitions.profile(BASE + "Second") is None


def test_an_archive_s_own_checksum_is_held(tmp_path: Path) -> None:
    path = package(tmp_path, "site.whole", named("Only"))
    content = bytearray(path.read_bytes())
    content[-8] ^= 0xFF
    path.write_bytes(content)
    assert codes(load_packages([path], tmp_path)) == ["FB-PKG-001"]


def test_a_path_that_leads_out_of_the_package_is_refused(tmp_path: Path) -> None:
    content = files_of([named("Outside")])
    path = archive(tmp_path / "evil.tgz", {f"../../{name}": text for name, text in content.items()})
    report = load_packages([path], tmp_path)
    assert codes(report) == ["FB-PKG-002"]
    assert "evil.tgz" in report.issues[0].source
    assert report.definitions.profile(BASE + "Outside") is None


def test_an_archive_that_unpacks_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package_files, "MAX_PACKAGE", 1 << 20)
    bomb = tmp_path / "bomb.tgz"
    bomb.write_bytes(gzip.compress(bytes(8 << 20)))
    large = archive(tmp_path / "large.tgz", {"x.json": b" " * (4 << 20)})
    report = load_packages([bomb, large], tmp_path)
    assert codes(report) == ["FB-PKG-002", "FB-PKG-002"]


def test_json_that_is_a_bomb_loses_only_itself(tmp_path: Path) -> None:
    deep = b'{"resourceType":"ValueSet","x":' + b"[" * 5000 + b"]" * 5000 + b"}"
    path = archive(
        tmp_path / "deep.tgz",
        {"deep.json": deep, "list.json": b'["resourceType":"ValueSet"]', **files_of([named("Beside")])},
    )
    report = load_packages([path], tmp_path)
    assert codes(report) == ["FB-PKG-004", "FB-PKG-004"]
    assert [issue.source for issue in report.issues] == ["deep.tgz:deep.json", "deep.tgz:list.json"]
    assert report.definitions.profile(BASE + "Beside") is not None


def test_a_package_for_another_fhir_version_is_not_used(tmp_path: Path) -> None:
    path = package(tmp_path, "site.r5", named("New"), fhir="5.0.0", dependencies={"site.far": "1.0.0"})
    report = load_packages([path], tmp_path)
    assert codes(report) == ["FB-PKG-003"]
    assert "5.0.0" in report.issues[0].message
    assert report.definitions.profile(BASE + "New") is None


def test_a_package_that_indicates_its_fhir_version_last_is_refused_as_one(tmp_path: Path) -> None:
    later = files_of([{**named(name), "fhirVersion": "5.0.0"} for name in ("New", "Newer")])
    content = json.dumps(manifest("site.r5", fhir="5.0.0")).encode()
    path = archive(tmp_path / "late.tgz", {**later, "package.json": content})
    report = load_packages([path], tmp_path)
    assert [(issue.code, issue.source) for issue in report.issues] == [("FB-PKG-003", "late.tgz")]


def test_definitions_for_another_fhir_version_are_said_together(tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    later = [{**named(name), "fhirVersion": "5.0.0"} for name in ("New", "Newer")]
    for name, content in files_of([*later, named("Old")]).items():
        (folder / name).write_bytes(content)
    report = load_packages([folder], tmp_path)
    assert codes(report) == ["FB-PKG-003"]
    assert "StructureDefinition-New-0.json, StructureDefinition-Newer-1.json" in report.issues[0].message
    assert report.definitions.profile(BASE + "Old") is not None


def test_profiles_that_build_on_each_other_in_a_circle_are_said_each(tmp_path: Path) -> None:
    item = profile("One", "Patient", base=BASE + "Two")
    two = profile("Two", "Patient", base=BASE + "One")
    upon = profile("Upon", "Patient", base=BASE + "One")
    report = load_packages([package(tmp_path, "site.circle", item, two, upon, named("Good"))], tmp_path)
    assert codes(report) == ["FB-PKG-005"] * 3
    assert "StructureDefinition-One-0.json" in report.issues[0].source
    assert report.definitions.profile(BASE + "One") is None
    assert report.definitions.profile(BASE + "Good") is not None


def test_a_missing_base_loses_what_has_no_snapshot_of_its_own(tmp_path: Path) -> None:
    base = BASE + "NotHere"
    orphan = profile("Orphan", "Patient", element("Patient.gender", min=1), base=base)
    elements = [
        element("Patient", min=0, max="*"),
        element("Patient.gender", min=1, max="1", type=[{"code": "code"}]),
    ]
    whole = {**profile("Whole", "Patient", base=base), "snapshot": {"element": elements}}
    report = load_packages([package(tmp_path, "site.orphan", orphan, whole)], tmp_path)
    assert [(i.code, i.severity) for i in report.issues] == [
        ("FB-PKG-005", "error"),
        ("FB-PKG-005", "warning"),
    ]
    assert report.definitions.profile(BASE + "Orphan") is None
    assert report.definitions.profile(BASE + "Whole") is not None


def test_a_differential_that_fits_nothing_is_reported_by_element(tmp_path: Path) -> None:
    wrong = profile("Wrong", "Patient", element("Patient.colour", min=1))
    report = load_packages([package(tmp_path, "site.wrong", wrong, named("Right"))], tmp_path)
    assert codes(report) == ["FB-PKG-006"]
    assert ".colour" in report.issues[0].message
    assert report.definitions.profile(BASE + "Right") is not None


def test_one_url_twice_keeps_the_first(tmp_path: Path) -> None:
    other = profile("Dated", "Patient", element("Patient.gender", min=1))
    report = load_packages([package(tmp_path, "site.twice", named("Dated"), other)], tmp_path)
    assert codes(report) == ["FB-PKG-007"]
    result = report.definitions.profile(BASE + "Dated")
    assert result is not None
    assert next(e.min for e in result.elements if e.path == "Patient.birthDate") == 1


def test_slices_without_discriminator_are_said(tmp_path: Path) -> None:
    loose = profile("Loose", "Patient", sliced("Patient.name"), element("Patient.name:official", min=1))
    report = load_packages([package(tmp_path, "site.loose", loose)], tmp_path)
    assert codes(report) == ["FB-PKG-008"]
    assert Validator(definitions=report.definitions).validate({**patient()}, [BASE + "Loose"]) == []


@pytest.mark.parametrize(
    "change",
    [
        {"type": None},
        {"url": 7},
        {"differential": {"element": [{"path": 5}]}},
        {"differential": {"element": [{"id": "Patient", "path": "Patient", "max": "many"}]}},
        {
            "differential": {
                "element": [element("Patient.name", slicing={"discriminator": [{"type": "value"}]})]
            }
        },
        {"differential": {"element": [element("Patient.name", min="1")]}},
        {"differential": {"element": [element("Patient.name", type=[{"code": 3}])]}},
        {"differential": {"element": "x"}},
        {"differential": 3},
    ],
)
def test_a_definition_of_the_wrong_shape_is_reported_and_the_rest_is_used(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    broken = {**profile("Broken", "Patient"), **change}
    report = load_packages([package(tmp_path, "site.shape", broken, named("Sound"))], tmp_path)
    assert len(report.issues) == 1
    assert report.issues[0].severity == "error"
    assert "StructureDefinition-Broken-0.json" in report.issues[0].source
    assert report.definitions.profile(BASE + "Sound") is not None


def test_a_value_set_that_includes_itself_is_reported(tmp_path: Path) -> None:
    def including(name: str, other: str) -> dict[str, Any]:
        include = [{"valueSet": [f"http://example.org/{other}"]}]
        url = f"http://example.org/{name}"
        return {"resourceType": "ValueSet", "url": url, "name": name, "compose": {"include": include}}

    report = load_packages(
        [package(tmp_path, "site.sets", including("a", "b"), including("b", "a"))], tmp_path
    )
    assert set(codes(report)) == {"FB-PKG-005"}


def test_a_dependency_that_is_not_available_is_a_warning(tmp_path: Path) -> None:
    path = package(
        tmp_path,
        "site.needs",
        named("Needs"),
        dependencies={"site.far": "1.0.0", "hl7.fhir.r4.core": "4.0.1"},
    )
    report = load_packages([path], tmp_path)
    assert [(i.code, i.severity) for i in report.issues] == [("FB-PKG-009", "warning")]
    assert "site.far#1.0.0" in report.issues[0].message


def test_a_dependency_that_several_packages_lack_is_reported_once(tmp_path: Path) -> None:
    far = {"site.far": "1.0.0"}
    paths = [package(tmp_path, f"site.{name}", named(name), dependencies=far) for name in ("near", "beside")]
    report = load_packages(paths, tmp_path)
    assert codes(report) == ["FB-PKG-009"]
    assert "site.near#1.0.0" in report.issues[0].message
    assert "site.beside#1.0.0" in report.issues[0].message
