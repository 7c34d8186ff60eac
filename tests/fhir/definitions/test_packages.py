"""A site's packages: what they define is used, in the version that is meant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir import Validator, definitions
from fhir_bridge.fhir.definitions import packages, registration
from fhir_bridge.fhir.definitions.compact import VERSION_USE
from fhir_bridge.fhir.definitions.packages import load_packages
from fhir_bridge.fhir.definitions.registration import shipped_files
from tests.fhir.definitions.makers import (
    BASE,
    R4,
    element,
    extension,
    files_of,
    manifest,
    named,
    package,
    profile,
    sliced,
)
from tests.fhir.resources import patient, troponin


def test_a_package_s_profile_is_checked(tmp_path: Path) -> None:
    report = load_packages([package(tmp_path, "site.one", named("Dated"))], tmp_path)
    assert report.issues == ()
    assert report.packages[0].counts["profiles"] == 1
    person = {**patient(), "meta": {"profile": [BASE + "Dated"]}}
    assert Validator(definitions=report.definitions).validate(person) == []
    del person["birthDate"]
    (issue,) = Validator(definitions=report.definitions).validate(person)
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
    report = load_packages([folder, file], tmp_path)
    assert report.issues == ()
    assert report.definitions.profile(BASE + "InFolder") is not None
    assert report.definitions.profile(BASE + "Alone") is not None


@pytest.mark.parametrize("turned", [False, True])
def test_packages_may_be_named_in_any_order(tmp_path: Path, turned: bool) -> None:
    first = package(tmp_path, "site.base", named("Below"))
    above = profile("Above", "Patient", element("Patient.gender", min=1), base=BASE + "Below")
    second = package(tmp_path, "site.derived", above, dependencies={"site.base": "1.0.0"})
    paths = [second, first] if turned else [first, second]
    report = load_packages(paths, tmp_path)
    assert report.issues == ()
    result = report.definitions.profile(BASE + "Above")
    assert result is not None
    assert [e.min for e in result.elements if e.path in ("Patient.birthDate", "Patient.gender")] == [1, 1]


def test_a_version_is_taken_where_it_is_named_and_the_newest_where_not(tmp_path: Path) -> None:
    old = profile("Versioned", "Patient", element("Patient.birthDate", min=1), version="1.2.0")
    new = profile("Versioned", "Patient", element("Patient.gender", min=1), version="1.10.0")
    report = load_packages(
        [
            package(tmp_path, "site.v", new, version="2.0.0"),
            package(tmp_path, "site.v", old, version="1.0.0"),
        ],
        tmp_path,
    )
    assert report.definitions.versions(BASE + "Versioned") == ("1.10.0", "1.2.0")
    nobody = {"resourceType": "Patient", "name": [{"text": "x"}]}
    for version, missing in (("|1.2.0", "birthDate"), ("|1.10.0", "gender"), ("", "gender")):
        (issue,) = Validator(definitions=report.definitions).validate(
            {**nobody, "meta": {"profile": [BASE + "Versioned" + version]}}
        )
        assert f"Patient.{missing} is missing" in issue.message
    (issue,) = Validator(definitions=report.definitions).validate(
        {**nobody, "meta": {"profile": [BASE + "Versioned|3"]}}
    )
    assert (issue.code, issue.severity) == ("FB-FHIR-055", "warning")
    assert "1.10.0, 1.2.0" in issue.message


def test_a_version_may_be_named_by_its_first_parts(tmp_path: Path) -> None:
    dated = {
        version: profile("Dated", "Patient", version=version) for version in ("0.2.1", "0.2.10", "0.20.0")
    }
    report = load_packages([package(tmp_path, "site.dated", *dated.values())], tmp_path)
    result = report.definitions.profile(BASE + "Dated|0.2")
    assert result is not None
    assert result.version == "0.2.10"
    claim = {**patient(), "meta": {"profile": [BASE + "Dated|0.2"]}}
    assert Validator(definitions=report.definitions).validate(claim) == []
    claim["meta"]["profile"] = [BASE + "Dated|0.3"]
    assert [issue.code for issue in Validator(definitions=report.definitions).validate(claim)] == [
        "FB-FHIR-055"
    ]


def test_a_profile_refers_to_its_own_package_s_version(tmp_path: Path) -> None:
    def whole(version: str, required: str) -> list[dict[str, Any]]:
        quantity = profile("Amount", "Quantity", element(f"Quantity.{required}", min=1), version=version)
        types = [{"code": "Quantity", "profile": [BASE + "Amount"]}]
        user = profile(
            f"User{version[0]}", "Observation", element("Observation.value[x]", type=types), version=version
        )
        return [quantity, user]

    report = load_packages(
        [
            package(tmp_path, "site.amount", *whole("1.0.0", "comparator"), version="1.0.0"),
            package(tmp_path, "site.amount", *whole("2.0.0", "unit"), version="2.0.0"),
        ],
        tmp_path,
    )
    issues = Validator(definitions=report.definitions).validate(troponin(), [BASE + "User1"])
    assert [i.message.partition(" is missing")[0] for i in issues] == ["Quantity.comparator"]
    assert Validator(definitions=report.definitions).validate(troponin(), [BASE + "User2"]) == []


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
    report = load_packages([package(tmp_path, "site.colours", user, reds, system)], tmp_path)
    for code, result in (
        ("scarlet", []),
        ("blue", ["FB-FHIR-020"]),
        ("green", ["FB-FHIR-022", "FB-FHIR-020"]),
    ):
        person = {**patient(), "maritalStatus": {"coding": [{"system": system["url"], "code": code}]}}
        issues = Validator(definitions=report.definitions).validate(person, [BASE + "Coloured"])
        assert sorted(i.code for i in issues if i.severity == "error") == sorted(result)


def test_search_parameters_of_a_package_are_beside_r4_s(tmp_path: Path) -> None:
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
    report = load_packages([package(tmp_path, "site.search", parameter)], tmp_path)
    result = report.definitions.search_parameters("Patient")
    assert result["cadaveric"].expression == "Patient.extension('http://example.org/x').value"
    assert "birthdate" in result
    assert "cadaveric" not in definitions.search_parameters("Patient")


def test_a_guide_s_global_profile_holds_for_every_resource_of_its_type(tmp_path: Path) -> None:
    guide = {
        "resourceType": "ImplementationGuide",
        "url": BASE + "guide",
        "global": [
            {"type": "Patient", "profile": BASE + "Dated"},
            {"type": "Observation", "profile": BASE + "NotHere"},
        ],
    }
    report = load_packages([package(tmp_path, "site.guide", named("Dated"), guide)], tmp_path)
    assert [(i.code, i.severity) for i in report.issues] == [("FB-PKG-009", "warning")]
    assert BASE + "NotHere" in report.issues[0].message
    ageless = {"resourceType": "Patient", "active": True}
    assert [i.code for i in Validator(definitions=report.definitions).validate(ageless)] == ["FB-FHIR-013"]
    assert Validator(definitions=report.definitions).validate(troponin()) == []
    assert Validator().validate(ageless) == []


def test_the_second_start_reads_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = package(tmp_path, "site.cached", named("Cached"))
    assert not load_packages([path], tmp_path / "cache").cached
    monkeypatch.setattr(packages, "_linked", {})  # another process
    report = load_packages([path], tmp_path / "cache")
    assert report.cached
    assert report.definitions.profile(BASE + "Cached") is not None
    monkeypatch.setattr(packages, "_linked", {})
    (kept,) = (tmp_path / "cache" / "packages").iterdir()
    kept.write_bytes(b"torn")
    report = load_packages([path], tmp_path / "cache")
    assert not report.cached
    assert report.definitions.profile(BASE + "Cached") is not None


def test_the_report_names_the_packages(tmp_path: Path) -> None:
    report = load_packages([package(tmp_path, "site.known", named("Known"), version="3.1.0")], tmp_path)
    (info,) = report.packages
    assert (info.name, info.version) == ("site.known", "3.1.0")


def test_packages_are_linked_again_with_other_definitions_of_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = package(tmp_path, "site.cached", named("Cached"))
    load_packages([path], tmp_path / "cache")
    own = tmp_path / "terminology" / "own.json"
    own.parent.mkdir()
    (_, content), *_ = shipped_files()
    monkeypatch.setattr(registration, "shipped", lambda _: own.parent)
    for changed in (content, content.replace(b'"min": 1', b'"min": 0')):  # of the same length
        own.write_bytes(changed)
        monkeypatch.setattr(packages, "_linked", {})
        assert not load_packages([path], tmp_path / "cache").cached


@pytest.mark.parametrize(
    ("bound", "version", "counts"),
    [
        ("start", "4.0.1", True),
        ("start", "4.0", True),
        ("start", "3.0", True),
        ("start", "4.3", False),
        ("start", "4.3.0", False),
        ("start", "10.0", False),
        ("end", "4.0", True),
        ("end", "4.0.1", True),
        ("end", "4.3.0", True),
        ("end", "10.0", True),
        ("end", "3.0.2", False),
    ],
)
def test_a_context_counts_where_r4_is_among_its_versions(
    tmp_path: Path, bound: str, version: str, counts: bool
) -> None:
    marked = extension("Marked", on=("Patient", "Observation"))
    range_of_versions = {"url": f"{bound}FhirVersion", "valueCode": version}
    marked["context"][1]["extension"] = [{"url": VERSION_USE, "extension": [range_of_versions]}]
    loaded = load_packages([package(tmp_path, "site.marked", marked)], tmp_path / "cache").definitions
    result = loaded.extension_structure(BASE + "Marked")
    assert result is not None
    assert [where for _, where in result.contexts] == ["Patient", "Observation"][: 1 + counts]


def test_the_same_packages_are_linked_once(tmp_path: Path) -> None:
    path = package(tmp_path, "site.once", named("Once"))
    report = load_packages([path], tmp_path)
    assert load_packages([path], tmp_path).definitions is report.definitions
    wrong = tmp_path / "wrong.tgz"
    again = load_packages([path, wrong], tmp_path)
    assert again.definitions is report.definitions
    assert [i.code for i in again.issues] == ["FB-PKG-001"]


def test_what_calls_itself_a_specialization_of_an_r4_type_is_its_profile(tmp_path: Path) -> None:
    special = {**named("Special"), "derivation": "specialization"}
    report = load_packages([package(tmp_path, "site.special", special)], tmp_path)
    assert report.issues == ()
    ageless = {"resourceType": "Patient", "active": True, "meta": {"profile": [BASE + "Special"]}}
    assert [issue.code for issue in Validator(definitions=report.definitions).validate(ageless)] == [
        "FB-FHIR-013"
    ]


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


def test_a_profile_needs_no_name(tmp_path: Path) -> None:
    nameless = named("Nameless")
    del nameless["name"]
    report = load_packages([package(tmp_path, "site.nameless", nameless)], tmp_path)
    assert report.issues == ()
    assert report.definitions.profile(BASE + "Nameless") is not None


def test_a_slice_of_every_component_is_where_that_of_one_component_starts(tmp_path: Path) -> None:
    reason = extension("Reason", element("Extension.value[x]", min=1, type=[{"code": "string"}]))
    every = profile(
        "Every",
        "Observation",
        sliced("Observation.component", ("value", "code")),
        element(
            "Observation.component.extension:reason",
            max="1",
            type=[{"code": "Extension", "profile": [BASE + "Reason"]}],
        ),
        element("Observation.component:weight"),
        element("Observation.component:weight.code", patternCodeableConcept={"text": "weight"}),
        element("Observation.component:weight.extension:reason", min=1),
    )
    report = load_packages([package(tmp_path, "site.nested", reason, every)], tmp_path)
    assert report.issues == ()
    result = report.definitions.profile(BASE + "Every")
    assert result is not None
    item = result.element("Observation.component:weight.extension:reason")
    assert item is not None
    assert (item.min, item.max, item.types[0].profiles) == (1, 1, (BASE + "Reason",))


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
    assert report.definitions.extension(BASE + "Left") is not None
