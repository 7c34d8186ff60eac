"""A site's packages: what they define is used, and what is wrong with one is said without losing the rest."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir import Validator, definitions
from fhir_bridge.fhir.definitions import package_files
from fhir_bridge.fhir.definitions.packages import (
    PackageReport,
    forget_packages,
    load_packages,
    loaded_packages,
)
from tests.fhir.definitions.makers import (
    BASE,
    R4,
    archive,
    element,
    extension,
    files_of,
    manifest,
    package,
    profile,
    sliced,
)
from tests.fhir.resources import patient, troponin


@pytest.fixture(autouse=True)
def no_package_stays() -> Iterator[None]:
    yield
    forget_packages()


def codes(report: PackageReport) -> list[str]:
    return [issue.code for issue in report.issues]


def named(name: str) -> dict[str, Any]:
    return profile(name, "Patient", element("Patient.birthDate", min=1))


# --- what packages define -----------------------------------------------------------------------------------------


def test_a_package_s_profile_is_checked(tmp_path: Path) -> None:
    report = load_packages([package(tmp_path, "site.one", named("Dated"))], tmp_path)
    assert report.issues == ()
    assert report.packages[0].counts["profiles"] == 1
    person = {**patient(), "meta": {"profile": [BASE + "Dated"]}}
    assert Validator().validate(person) == []
    del person["birthDate"]
    (issue,) = Validator().validate(person)
    assert issue.code == "FB-FHIR-013"
    assert issue.message.endswith(f"defined by {BASE}Dated|1.0.0#Patient.birthDate")


def test_a_folder_and_a_single_file_are_packages_too(tmp_path: Path) -> None:
    folder = tmp_path / "unpacked"
    (folder / "package").mkdir(parents=True)
    (folder / "package" / "package.json").write_text(json.dumps(manifest("site.folder")))
    for name, content in files_of([named("InFolder")]).items():
        (folder / "package" / name).write_bytes(content)
    file = tmp_path / "StructureDefinition-alone.json"
    file.write_text(json.dumps(named("Alone")))
    assert load_packages([folder, file], tmp_path).issues == ()
    assert definitions.profile(BASE + "InFolder") is not None
    assert definitions.profile(BASE + "Alone") is not None


@pytest.mark.parametrize("turned", [False, True])
def test_packages_may_be_named_in_any_order(tmp_path: Path, turned: bool) -> None:
    first = package(tmp_path, "site.base", named("Below"))
    above = profile("Above", "Patient", element("Patient.gender", min=1), base=BASE + "Below")
    second = package(tmp_path, "site.derived", above, dependencies={"site.base": "1.0.0"})
    paths = [second, first] if turned else [first, second]
    assert load_packages(paths, tmp_path).issues == ()
    found = definitions.profile(BASE + "Above")
    assert found is not None
    assert [e.min for e in found.elements if e.path in ("Patient.birthDate", "Patient.gender")] == [1, 1]


def test_a_version_is_taken_where_it_is_named_and_the_newest_where_not(tmp_path: Path) -> None:
    old = profile("Versioned", "Patient", element("Patient.birthDate", min=1), version="1.2.0")
    new = profile("Versioned", "Patient", element("Patient.gender", min=1), version="1.10.0")
    load_packages(
        [
            package(tmp_path, "site.v", new, version="2.0.0"),
            package(tmp_path, "site.v", old, version="1.0.0"),
        ],
        tmp_path,
    )
    assert definitions.versions(BASE + "Versioned") == ("1.10.0", "1.2.0")
    nobody = {"resourceType": "Patient", "name": [{"text": "x"}]}
    for version, missing in (("|1.2.0", "birthDate"), ("|1.10.0", "gender"), ("", "gender")):
        (issue,) = Validator().validate({**nobody, "meta": {"profile": [BASE + "Versioned" + version]}})
        assert f"Patient.{missing} is missing" in issue.message
    (issue,) = Validator().validate({**nobody, "meta": {"profile": [BASE + "Versioned|3"]}})
    assert (issue.code, issue.severity) == ("FB-FHIR-055", "warning")
    assert "1.10.0, 1.2.0" in issue.message


def test_a_profile_refers_to_its_own_package_s_version(tmp_path: Path) -> None:
    def whole(version: str, required: str) -> list[dict[str, Any]]:
        quantity = profile("Amount", "Quantity", element(f"Quantity.{required}", min=1), version=version)
        types = [{"code": "Quantity", "profile": [BASE + "Amount"]}]
        user = profile(
            f"User{version[0]}", "Observation", element("Observation.value[x]", type=types), version=version
        )
        return [quantity, user]

    load_packages(
        [
            package(tmp_path, "site.amount", *whole("1.0.0", "comparator"), version="1.0.0"),
            package(tmp_path, "site.amount", *whole("2.0.0", "unit"), version="2.0.0"),
        ],
        tmp_path,
    )
    issues = Validator().validate(troponin(), [BASE + "User1"])
    assert [i.message.partition(" is missing")[0] for i in issues] == ["Quantity.comparator"]
    assert Validator().validate(troponin(), [BASE + "User2"]) == []


def test_value_sets_and_code_systems_of_a_package_are_bound(tmp_path: Path) -> None:
    system = {
        "resourceType": "CodeSystem",
        "url": "http://example.org/colours",
        "version": "1",
        "name": "Colours",
        "status": "active",
        "content": "complete",
        "concept": [{"code": "red", "concept": [{"code": "scarlet"}]}, {"code": "blue"}],
    }
    reds = {
        "resourceType": "ValueSet",
        "url": "http://example.org/reds",
        "name": "Reds",
        "status": "active",
        "compose": {
            "include": [
                {"system": system["url"], "filter": [{"property": "concept", "op": "is-a", "value": "red"}]}
            ]
        },
    }
    user = profile(
        "Coloured",
        "Patient",
        element("Patient.maritalStatus", binding={"strength": "required", "valueSet": reds["url"]}),
    )
    load_packages([package(tmp_path, "site.colours", user, reds, system)], tmp_path)
    for code, found in (
        ("scarlet", []),
        ("blue", ["FB-FHIR-020"]),
        ("green", ["FB-FHIR-022", "FB-FHIR-020"]),
    ):
        person = {**patient(), "maritalStatus": {"coding": [{"system": system["url"], "code": code}]}}
        issues = Validator().validate(person, [BASE + "Coloured"])
        assert sorted(i.code for i in issues if i.severity == "error") == sorted(found)


def test_search_parameters_of_a_package_stand_beside_r4_s(tmp_path: Path) -> None:
    parameter = {
        "resourceType": "SearchParameter",
        "url": "http://example.org/SearchParameter/cadaveric",
        "name": "cadaveric",
        "code": "cadaveric",
        "status": "active",
        "type": "token",
        "base": ["Patient", "Person"],
        "expression": "Patient.extension('http://example.org/x').value | Person.active",
    }
    load_packages([package(tmp_path, "site.search", parameter)], tmp_path)
    found = definitions.search_parameters("Patient")
    assert found["cadaveric"].expression == "Patient.extension('http://example.org/x').value"
    assert "birthdate" in found
    forget_packages()
    assert "cadaveric" not in definitions.search_parameters("Patient")


def test_the_second_start_reads_the_cache(tmp_path: Path) -> None:
    path = package(tmp_path, "site.cached", named("Cached"))
    assert not load_packages([path], tmp_path / "cache").cached
    forget_packages()
    assert load_packages([path], tmp_path / "cache").cached
    assert definitions.profile(BASE + "Cached") is not None
    forget_packages()
    (kept,) = (tmp_path / "cache" / "packages").iterdir()
    kept.write_bytes(b"torn")
    assert not load_packages([path], tmp_path / "cache").cached
    assert definitions.profile(BASE + "Cached") is not None


def test_the_report_names_what_is_in_use(tmp_path: Path) -> None:
    load_packages([package(tmp_path, "site.known", named("Known"), version="3.1.0")], tmp_path)
    (info,) = loaded_packages().packages
    assert (info.name, info.version) == ("site.known", "3.1.0")


# --- broken packages ----------------------------------------------------------------------------------------------


def test_a_file_that_is_no_archive_is_said_and_the_others_are_used(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.tgz"
    wrong.write_bytes(b"not gzip")
    half = package(tmp_path, "site.half", named("Half"))
    half.write_bytes(half.read_bytes()[:-200])
    report = load_packages(
        [wrong, half, tmp_path / "none.tgz", package(tmp_path, "site.good", named("Good"))], tmp_path
    )
    assert codes(report) == ["FB-PKG-001"] * 3
    assert all(".tgz" in issue.source for issue in report.issues)
    assert definitions.profile(BASE + "Good") is not None


def test_a_path_that_leads_out_of_the_package_is_refused(tmp_path: Path) -> None:
    content = files_of([named("Outside")])
    path = archive(tmp_path / "evil.tgz", {f"../../{name}": text for name, text in content.items()})
    report = load_packages([path], tmp_path)
    assert codes(report) == ["FB-PKG-002"]
    assert "evil.tgz" in report.issues[0].source
    assert definitions.profile(BASE + "Outside") is None


def test_an_archive_that_unpacks_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package_files, "MAX_PACKAGE", 1 << 20)
    bomb = tmp_path / "bomb.tgz"
    bomb.write_bytes(gzip.compress(bytes(8 << 20)))
    large = archive(tmp_path / "large.tgz", {"x.json": b" " * (4 << 20)})
    report = load_packages([bomb, large], tmp_path)
    assert codes(report) == ["FB-PKG-001", "FB-PKG-002"]


def test_json_that_is_a_bomb_loses_only_itself(tmp_path: Path) -> None:
    deep = b'{"resourceType":"ValueSet","x":' + b"[" * 5000 + b"]" * 5000 + b"}"
    path = archive(
        tmp_path / "deep.tgz",
        {"deep.json": deep, "list.json": b'["resourceType":"ValueSet"]', **files_of([named("Beside")])},
    )
    report = load_packages([path], tmp_path)
    assert codes(report) == ["FB-PKG-004", "FB-PKG-004"]
    assert [issue.source for issue in report.issues] == ["deep.tgz:deep.json", "deep.tgz:list.json"]
    assert definitions.profile(BASE + "Beside") is not None


def test_a_package_for_another_fhir_version_is_not_used(tmp_path: Path) -> None:
    report = load_packages([package(tmp_path, "site.r5", named("New"), fhir="5.0.0")], tmp_path)
    assert codes(report) == ["FB-PKG-003"]
    assert "5.0.0" in report.issues[0].message
    assert definitions.profile(BASE + "New") is None


def test_profiles_that_build_on_each_other_in_a_circle_are_said_each(tmp_path: Path) -> None:
    one = profile("One", "Patient", base=BASE + "Two")
    two = profile("Two", "Patient", base=BASE + "One")
    upon = profile("Upon", "Patient", base=BASE + "One")
    report = load_packages([package(tmp_path, "site.circle", one, two, upon, named("Good"))], tmp_path)
    assert codes(report) == ["FB-PKG-005"] * 3
    assert "StructureDefinition-One-0.json" in report.issues[0].source
    assert definitions.profile(BASE + "One") is None
    assert definitions.profile(BASE + "Good") is not None


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
    assert definitions.profile(BASE + "Orphan") is None
    assert definitions.profile(BASE + "Whole") is not None


def test_a_differential_that_fits_nothing_is_said_by_element(tmp_path: Path) -> None:
    wrong = profile("Wrong", "Patient", element("Patient.colour", min=1))
    report = load_packages([package(tmp_path, "site.wrong", wrong, named("Right"))], tmp_path)
    assert codes(report) == ["FB-PKG-006"]
    assert ".colour" in report.issues[0].message
    assert definitions.profile(BASE + "Right") is not None


def test_one_url_twice_keeps_the_first(tmp_path: Path) -> None:
    other = profile("Dated", "Patient", element("Patient.gender", min=1))
    report = load_packages([package(tmp_path, "site.twice", named("Dated"), other)], tmp_path)
    assert codes(report) == ["FB-PKG-007"]
    found = definitions.profile(BASE + "Dated")
    assert found is not None
    assert next(e.min for e in found.elements if e.path == "Patient.birthDate") == 1


def test_slices_without_discriminator_are_said(tmp_path: Path) -> None:
    loose = profile("Loose", "Patient", sliced("Patient.name"), element("Patient.name:official", min=1))
    report = load_packages([package(tmp_path, "site.loose", loose)], tmp_path)
    assert codes(report) == ["FB-PKG-008"]
    assert Validator().validate({**patient()}, [BASE + "Loose"]) == []


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
def test_a_definition_of_the_wrong_shape_is_said_and_the_rest_is_used(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    broken = {**profile("Broken", "Patient"), **change}
    report = load_packages([package(tmp_path, "site.shape", broken, named("Sound"))], tmp_path)
    assert len(report.issues) == 1
    assert report.issues[0].severity == "error"
    assert "StructureDefinition-Broken-0.json" in report.issues[0].source
    assert definitions.profile(BASE + "Sound") is not None


def test_logical_models_and_r4_s_own_types_are_left_aside(tmp_path: Path) -> None:
    logical = {
        **profile("Model", "Patient"),
        "kind": "logical",
        "derivation": "specialization",
        "type": BASE + "Model",
    }
    own = {**profile("Patient", "Patient"), "url": R4 + "Patient", "derivation": "specialization"}
    report = load_packages([package(tmp_path, "site.models", logical, own)], tmp_path)
    assert [(i.code, i.severity) for i in report.issues] == [("FB-PKG-010", "information")] * 2


def test_a_value_set_that_includes_itself_is_said(tmp_path: Path) -> None:
    def including(name: str, other: str) -> dict[str, Any]:
        include = [{"valueSet": [f"http://example.org/{other}"]}]
        url = f"http://example.org/{name}"
        return {"resourceType": "ValueSet", "url": url, "name": name, "compose": {"include": include}}

    report = load_packages(
        [package(tmp_path, "site.sets", including("a", "b"), including("b", "a"))], tmp_path
    )
    assert set(codes(report)) == {"FB-PKG-005"}


def test_a_dependency_that_is_not_at_hand_is_a_warning(tmp_path: Path) -> None:
    path = package(
        tmp_path,
        "site.needs",
        named("Needs"),
        dependencies={"site.far": "1.0.0", "hl7.fhir.r4.core": "4.0.1"},
    )
    report = load_packages([path], tmp_path)
    assert [(i.code, i.severity) for i in report.issues] == [("FB-PKG-009", "warning")]
    assert "site.far#1.0.0" in report.issues[0].message


def test_extensions_that_hold_each_other_have_snapshots(tmp_path: Path) -> None:
    def holding(name: str, other: str) -> dict[str, Any]:
        return extension(
            name,
            element("Extension.extension:other", type=[{"code": "Extension", "profile": [BASE + other]}]),
            element("Extension.extension:other.value[x]", min=1),
        )

    report = load_packages(
        [package(tmp_path, "site.mutual", holding("Left", "Right"), holding("Right", "Left"))], tmp_path
    )
    assert report.issues == ()
    assert definitions.extension(BASE + "Left") is not None
