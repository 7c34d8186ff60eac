"""Membership in a site's own value sets, without expanding them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.predictions.death import DECEASED
from fhir_bridge.terminology import Terminology, dicom, get_terminology

BASE = "https://hospital.example.org"
LAB = f"{BASE}/CodeSystem/lab"
TREE: dict[str, Any] = {
    "resourceType": "CodeSystem",
    "id": "lab",
    "url": LAB,
    "status": "active",
    "content": "complete",
    "caseSensitive": False,
    "concept": [
        {
            "code": "CHEM",
            "display": "Chemistry",
            "concept": [{"code": "LIPID", "concept": [{"code": "LDL"}, {"code": "HDL"}]}, {"code": "CREA"}],
        },
        {"code": "MICRO", "property": [{"code": "status", "valueCode": "retired"}]},
        {"code": "PCR", "property": [{"code": "parent", "valueCode": "MICRO"}]},
    ],
}


def terminology(folder: Path, **composes: dict[str, Any]) -> Terminology:
    (folder / "lab.json").write_text(json.dumps(TREE))
    for name, content in composes.items():
        resource = {
            "resourceType": "ValueSet",
            "id": name,
            "url": f"{BASE}/ValueSet/{name}",
            "status": "active",
        }
        (folder / f"{name}.json").write_text(json.dumps({**resource, **content}))
    return get_terminology([folder])


def include(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"compose": {"include": list(parts), **more}}


def test_a_hierarchy_is_followed(tmp_path: Path) -> None:
    lipids = include(
        {"system": LAB, "filter": [{"property": "concept", "op": "is-a", "value": "LIPID"}]},
        {"system": LAB, "filter": [{"property": "concept", "op": "descendent-of", "value": "MICRO"}]},
    )
    terms = terminology(tmp_path, lipids=lipids)
    answers = {code: terms.member(f"{BASE}/ValueSet/lipids", LAB, code) for code in ("LDL", "LIPID", "CREA")}
    assert answers == {"LDL": True, "LIPID": True, "CREA": False}
    assert terms.member(f"{BASE}/ValueSet/lipids", LAB, "PCR") is True
    assert terms.member(f"{BASE}/ValueSet/lipids", LAB, "MICRO") is False
    assert terms.member(f"{BASE}/ValueSet/lipids", None, "LDL") is True


def test_excludes_and_imports(tmp_path: Path) -> None:
    terms = terminology(
        tmp_path,
        all=include({"system": LAB}),
        some=include(
            {"valueSet": [f"{BASE}/ValueSet/all"]}, exclude=[{"system": LAB, "concept": [{"code": "CREA"}]}]
        ),
    )
    assert terms.member(f"{BASE}/ValueSet/some", LAB, "LDL") is True
    assert terms.member(f"{BASE}/ValueSet/some", LAB, "CREA") is False
    assert terms.member(f"{BASE}/ValueSet/some", LAB, "absent") is False


def test_value_sets_that_import_each_other_decide_nothing(tmp_path: Path) -> None:
    terms = terminology(
        tmp_path,
        one=include({"valueSet": [f"{BASE}/ValueSet/two"]}),
        two=include({"valueSet": [f"{BASE}/ValueSet/one"]}),
    )
    assert terms.member(f"{BASE}/ValueSet/one", LAB, "LDL") is None


def test_a_filter_that_is_not_understood_decides_nothing(tmp_path: Path) -> None:
    invalid = include({"system": LAB, "filter": [{"property": "kind", "op": "regex", "value": ".*"}]})
    assert terminology(tmp_path, odd=invalid).member(f"{BASE}/ValueSet/odd", LAB, "LDL") is None


def test_an_expansion_alone_says_yes_and_no_when_it_is_whole(tmp_path: Path) -> None:
    contains = [
        {"system": LAB, "code": "CHEM", "abstract": True, "contains": [{"system": LAB, "code": "LDL"}]}
    ]
    terms = terminology(
        tmp_path,
        whole={"expansion": {"contains": contains}},
        page={"expansion": {"total": 90, "contains": contains}},
    )
    assert terms.member(f"{BASE}/ValueSet/whole", LAB, "LDL") is True
    assert terms.member(f"{BASE}/ValueSet/whole", LAB, "CHEM") is False
    assert terms.member(f"{BASE}/ValueSet/page", LAB, "HDL") is None


def test_case_does_not_count_where_the_system_says_so(tmp_path: Path) -> None:
    concept = terminology(tmp_path).lookup(LAB, "ldl")
    assert concept is not None
    assert concept.code == "LDL"


def test_a_retired_code_is_known_and_not_active(tmp_path: Path) -> None:
    concept = terminology(tmp_path).lookup(LAB, "MICRO")
    assert concept is not None
    assert not concept.active


def test_what_is_not_listed_is_decided_without_reading_its_code_system(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of SNOMED CT a table of 11,000 codes that DICOM uses: each process of a model read it when it started."""
    monkeypatch.setattr(dicom, "_displays", lambda scheme: pytest.fail(f"{scheme} is read"))
    terminology = get_terminology()
    definition = terminology.library.value_set(DECEASED.url)
    assert definition is not None
    (listed, *_) = definition.listed[dicom.SCT]
    assert terminology.member(DECEASED.url, dicom.SCT, listed) is True
    assert terminology.member(DECEASED.url, dicom.SCT, "0") is False
